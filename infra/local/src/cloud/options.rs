//! What a local cloud is started with.

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

/// Where the template is.
#[derive(Debug, Clone)]
pub enum Source {
    /// In a file.
    File(PathBuf),
    /// Here.
    Text(String),
}

/// How functions run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Functions {
    /// In this process.
    #[default]
    InProcess,
    /// In `cargo lambda watch`, whose invocation API has this URL.
    CargoLambda(String),
}

/// What a local cloud is started with.
#[derive(Clone)]
pub struct Options {
    /// The template.
    pub template: Source,
    /// The functions that the template deploys.
    pub functions: Vec<Function>,
    /// Values of the template's parameters, by name.
    pub parameters: BTreeMap<String, String>,
    /// The folder that keeps the state; none keeps nothing.
    pub state: Option<PathBuf>,
    /// Whether the folder is emptied first.
    pub fresh: bool,
    /// The folder in which a running cloud tells programs of this machine how to reach it; else that of the state.
    pub announced: Option<PathBuf>,
    /// The API's port; 0 for any free one.
    pub port: u16,
    /// Whether a server of channels runs with it, unless the parameters name one.
    pub channels: bool,
    /// Whether web pages that this machine serves may call the API, beside those that the template allows.
    pub local_origins: bool,
    /// The hosts that the API may be called by; any, if none are named. DynamoDB and SQS take these as well, and no others
    /// but this machine's names.
    pub hosts: Option<Hosts>,
    /// How functions run.
    pub running: Functions,
    /// Whether schedules fire at their times; by hand they can be fired anyway.
    pub schedules: bool,
    /// The time, for the functions and the gateway.
    pub clock: Arc<dyn Clock>,
    /// Fresh ids, for the functions and the gateway.
    pub ids: Arc<dyn Ids>,
    /// Where the functions' metrics go.
    pub metrics: Arc<dyn Sink>,
    /// The secrets that functions may ask for.
    pub secrets: SecretsManager,
    /// What goes wrong between functions and services.
    pub faults: Option<Arc<dyn Faults>>,
    /// What adds up the units that functions use.
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

    /// Lets the functions publish to an application of the server of channels at this URL.
    pub fn publish_to(&mut self, application: &Application, url: &str) {
        self.parameters.extend(application.parameters(url, &self.secrets));
    }

    /// The same with routes that take whatever comes.
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

    /// The same with these values of parameters that have none yet.
    fn with_defaults(mut self, values: &[(&str, &str)]) -> Self {
        for (name, value) in values {
            self.parameters.entry((*name).to_owned()).or_insert_with(|| (*value).to_owned());
        }
        self
    }

    /// The cloud of this workspace, in memory, on free ports, with functions in this process. Its counters wait for nothing:
    /// a batching window saves invocations, which cost nothing here.
    #[must_use]
    pub fn of_workspace() -> Self {
        Self::new(Source::Text(crate::functions::TEMPLATE.to_owned()), crate::functions::all())
            .with_defaults(&[("CounterBatchingWindowSeconds", "0")])
    }
}
