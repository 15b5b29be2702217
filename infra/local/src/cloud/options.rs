//! Options of a local cloud.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use runtime::function::Function;
use runtime::obs::metrics::{Nowhere, Sink};
use system::clock::Clock;
use system::ids::Ids;

use crate::capacity::Meter;
use crate::channels::Application;
use crate::loopback::Hosts;
use crate::secrets::SecretsManager;
use crate::wire::Faults;

/// The source of the template.
#[derive(Debug, Clone)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// The template itself.
    Text(String),
}

/// Where functions run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Functions {
    /// In this process.
    #[default]
    InProcess,
    /// In `cargo lambda watch`, whose invocation API has this URL.
    CargoLambda(String),
}

/// Options of a local cloud.
#[derive(Clone)]
pub struct Options {
    /// The template.
    pub template: Source,
    /// The functions that the template deploys.
    pub functions: Vec<Function>,
    /// Values of the template's parameters, by name.
    pub parameters: BTreeMap<String, String>,
    /// The state folder; `None` stores no state.
    pub state: Option<PathBuf>,
    /// Whether stored state is deleted first.
    pub fresh: bool,
    /// The folder of the announcement; `None` announces in the state folder.
    pub announced: Option<PathBuf>,
    /// The API's port; 0 for any free one.
    pub port: u16,
    /// Whether it runs a Pusher server, unless the parameters name one.
    pub channels: bool,
    /// Whether pages of this machine may call the API, in addition to the allowed origins of the template.
    pub local_origins: bool,
    /// The accepted host names of the API; `None` accepts any. DynamoDB and SQS accept these and the names of this machine.
    pub hosts: Option<Hosts>,
    /// Where functions run.
    pub running: Functions,
    /// Whether schedules fire at their times. They can always be fired by hand.
    pub schedules: bool,
    /// The time, for the functions and the gateway.
    pub clock: Arc<dyn Clock>,
    /// Fresh ids, for the functions and the gateway.
    pub ids: Arc<dyn Ids>,
    /// The sink of metrics.
    pub metrics: Arc<dyn Sink>,
    /// The secrets that functions can read.
    pub secrets: SecretsManager,
    /// Faults between functions and services.
    pub faults: Option<Arc<dyn Faults>>,
    /// The meter of capacity units.
    pub meter: Option<Arc<Meter>>,
}

impl Options {
    /// A cloud in memory, on free ports, with functions in this process.
    #[must_use]
    pub fn new(template: Source, functions: Vec<Function>) -> Self {
        Self {
            template,
            functions,
            parameters: BTreeMap::new(),
            state: None,
            fresh: false,
            announced: None,
            port: 0,
            channels: false,
            local_origins: false,
            hosts: None,
            running: Functions::InProcess,
            schedules: true,
            clock: system::clock::system(),
            ids: system::ids::random(),
            metrics: Arc::new(Nowhere),
            secrets: SecretsManager::default(),
            faults: None,
            meter: None,
        }
    }

    /// Makes functions publish to an application of the Pusher server at this URL.
    pub fn publish_to(&mut self, application: &Application, url: &str) {
        self.parameters.extend(application.parameters(url, &self.secrets));
    }

    /// The same without throttles.
    #[must_use]
    pub fn without_throttles(self) -> Self {
        let routes =
            ["RouteRate", "RouteBurst", "AnonymousRouteRate", "AnonymousRouteBurst", "IngestRate", "IngestBurst"];
        self.with_defaults(&routes.map(|name| (name, "1000000")))
    }

    /// The same without throttles and quotas, for loads that come from one machine.
    #[must_use]
    pub fn without_limits(self) -> Self {
        self.without_throttles().with_defaults(&[("Quotas", "none"), ("CountedAttempts", "1000000")])
    }

    /// The same with default values for parameters.
    fn with_defaults(mut self, values: &[(&str, &str)]) -> Self {
        for (name, value) in values {
            self.parameters.entry((*name).to_owned()).or_insert_with(|| (*value).to_owned());
        }
        self
    }

    /// The cloud of this workspace, in memory, on free ports, with functions in this process. It has no batching window: a
    /// window saves invocations, which are free here.
    #[must_use]
    pub fn of_workspace() -> Self {
        Self::new(Source::Text(crate::functions::TEMPLATE.to_owned()), crate::functions::all())
            .with_defaults(&[("CounterBatchingWindowSeconds", "0")])
    }
}
