//! Starting a local cloud, step by step.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::Context as _;
use runtime::context::FunctionContext;
use runtime::function::Function;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::announcement::{Announcement, Ready};
use super::state::State;
use super::sweep::sweep;
use super::{Channels, Functions, LocalCloud, Options, Source, Summary};
use crate::channels;
use crate::dynamodb::Database;
use crate::endpoint;
use crate::gateway::{self, Gateway};
use crate::lambda::{BUILDING, CargoLambda, Deployment, InProcess, Invoker, LoopDetection};
use crate::mapping::{Mappings, Sources};
use crate::schedule::{Firing, Schedules};
use crate::sqs::Queues;
use crate::template::{self, Surroundings, Template};
use crate::tokens::{self, Claims, Secrets};
use crate::wire::{ClientOptions, Services};

/// The name of the stack.
pub(super) const STACK: &str = "tally";

/// The ARN of the token secret in the local Secrets Manager.
pub const JWT_SECRET_ARN: &str = "arn:aws:secretsmanager:us-east-1:000000000000:secret:tally-jwt-a1B2c3";

/// The default allowed origin.
const ALLOWED_ORIGIN: &str = "http://localhost:3000";

pub(super) async fn start(options: Options) -> anyhow::Result<LocalCloud> {
    let text = match &options.template {
        Source::Text(text) => text.clone(),
        Source::File(path) => {
            std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?
        }
    };
    let state = options.state.as_deref().map(|folder| State::take(folder, options.fresh)).transpose()?;
    let secrets = state.as_ref().map_or_else(|| Ok(Secrets::fresh()), State::secrets)?;
    let mut parameters = parameters(&text, &options.parameters, &secrets)?;
    options.secrets.put(JWT_SECRET_ARN, &secrets.jwt_secret);

    let api_listener = listen(options.port).await?;
    let api_port = api_listener.local_addr()?.port();
    let dynamodb_listener = listen_near(options.port, 1).await?;
    let sqs_listener = listen_near(options.port, 2).await?;
    let application = channels::Application::fresh();
    let channels_listener = match options.channels && !parameters.contains_key("PusherKey") {
        true => Some(listen_near(options.port, 3).await?),
        false => None,
    };
    let channels_at = channels_listener.as_ref().map(TcpListener::local_addr).transpose()?;
    if let Some(at) = channels_at {
        parameters.extend(application.parameters(&format!("http://{at}"), &options.secrets));
    }
    let (api_url, dynamodb_url, sqs_url) = (url(&api_listener)?, url(&dynamodb_listener)?, url(&sqs_listener)?);

    let surroundings =
        Surroundings { stack: STACK.to_owned(), sqs_url: sqs_url.clone(), parameters: parameters.clone() };
    let template = template::read_template(&text, &surroundings)?;
    let crates = registered(&template, &options.functions)?;

    let database = match &state {
        Some(state) => Database::open(&state.database())?,
        None => Database::memory()?,
    };
    database.create_tables(&template.tables)?;
    let (clock, ids) = (Arc::clone(&options.clock), Arc::clone(&options.ids));
    let queues = match &state {
        Some(state) => Queues::open(&state.queues(), &template.queues, &sqs_url, clock, ids)?,
        None => Queues::memory(&template.queues, &sqs_url, clock, ids)?,
    };
    if let Some(state) = &state {
        state.migrate(&database, &queues).context("the state cannot be brought to the current format")?;
    }
    let services = Services {
        dynamodb: Some(database.clone()),
        sqs: Some(queues.clone()),
        secrets: Some(options.secrets.clone()),
    };

    let (functions, in_process): (Arc<dyn Invoker>, _) = match &options.running {
        Functions::CargoLambda(url) => (Arc::new(CargoLambda::new(url, &template.functions)), None),
        Functions::InProcess => {
            let running = InProcess::start(deployments(&template, &crates, &services, &options))?;
            let running = Arc::new(running.metered(options.meter.clone()));
            (Arc::clone(&running) as Arc<dyn Invoker>, Some(running))
        }
    };

    let (clock, ids) = (Arc::clone(&options.clock), Arc::clone(&options.ids));
    let functions: Arc<dyn Invoker> = Arc::new(LoopDetection::new(functions, template.functions.values(), clock, ids));

    let claims = Claims {
        secret: secrets.jwt_secret,
        issuer: parameters.get("JwtIssuer").filter(|issuer| !issuer.is_empty()).cloned(),
        audience: parameters.get("JwtAudience").filter(|audience| !audience.is_empty()).cloned(),
    };
    let write_key = match parameters.get("WriteKeys").and_then(|keys| keys.split(',').next()) {
        Some(key) => key.trim().to_owned(),
        None => secrets.write_key,
    };
    let tokens = tokens::of_every_role(&claims, options.clock.now())?;
    let channels =
        channels_at.map(|at| Channels { key: application.key.clone(), host: at.ip().to_string(), port: at.port() });
    let summary = Summary { api_url, dynamodb_url, sqs_url, write_key, tokens, channels };

    let stopping = watch::Sender::new(false);
    let mut tasks = JoinSet::new();
    let mut api = template.api.clone().unwrap_or_default();
    if let Some(cors) = &mut api.cors {
        cors.allow_this_machine = options.local_origins;
    }
    let gateway =
        Gateway::new(api, Arc::clone(&functions), Arc::clone(&options.clock), Arc::clone(&options.ids), api_port)
            .with_hosts(options.hosts.clone());
    let gateway = if in_process.is_some() { gateway } else { gateway.with_patience(BUILDING) };
    tasks.spawn(gateway::serve(gateway, api_listener, stopped(&stopping)));

    let hosts = options.hosts.clone().unwrap_or_default();
    // Functions in this process read secrets directly. Others need the endpoint.
    let secrets = services.secrets.filter(|_| in_process.is_none());
    for (services, listener) in [
        (Services { dynamodb: services.dynamodb, ..Services::default() }, dynamodb_listener),
        (Services { sqs: services.sqs, secrets, ..Services::default() }, sqs_listener),
    ] {
        tasks.spawn(endpoint::serve(services, hosts.clone(), listener, stopped(&stopping)));
    }
    if let Some(listener) = channels_listener {
        let clock = Arc::clone(&options.clock);
        let timing = channels::Timing::default();
        tasks.spawn(channels::serve(application, hosts, timing, clock, listener, stopped(&stopping)));
    }
    tasks.spawn(sweep(database.clone(), Arc::clone(&options.clock), stopped(&stopping)));
    let sources = Sources {
        database: database.clone(),
        queues: queues.clone(),
        invoker: Arc::clone(&functions),
        // Stream records carry the machine's time, so their age is measured by it.
        clock: system::clock::system(),
        ids: Arc::clone(&options.ids),
    };
    let firing =
        Firing { invoker: Arc::clone(&functions), clock: Arc::clone(&options.clock), ids: Arc::clone(&options.ids) };
    let mut planned = template.schedules.clone();
    planned.iter_mut().for_each(|schedule| schedule.enabled &= options.schedules);
    let schedules = Schedules::start(firing, planned)?;
    let mappings = Mappings::start(&sources, template.stream_mappings.clone(), template.queue_mappings.clone())?;

    let announced = options.announced.as_deref().or(options.state.as_deref());
    let ready = Ready { summary, signing: claims };
    let announcement = match announced {
        Some(folder) => {
            let announcement = Announcement::leave(folder, &ready).await?;
            if announcement.is_none() {
                tracing::warn!(
                    "another local cloud announces itself in {}; this one is found by its URL alone",
                    folder.display()
                );
            }
            announcement
        }
        None => None,
    };
    let Ready { summary, signing } = ready;
    let jwt_secret = signing.secret;
    Ok(LocalCloud {
        summary,
        template,
        jwt_secret,
        database,
        queues,
        functions,
        in_process,
        mappings,
        schedules,
        stopping,
        tasks,
        _state: state,
        announcement,
    })
}

/// The given parameters, and defaults for those that depend on the environment.
fn parameters(
    text: &str,
    given: &BTreeMap<String, String>,
    secrets: &Secrets,
) -> anyhow::Result<BTreeMap<String, String>> {
    let declared = template::parameter_names(text)?;
    let mut parameters = given.clone();
    for (name, value) in [
        ("AllowedOrigins", ALLOWED_ORIGIN),
        ("JwtSecretArn", JWT_SECRET_ARN),
        ("WriteKeys", secrets.write_key.as_str()),
    ] {
        if declared.iter().any(|declared| declared == name) {
            parameters.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        }
    }
    Ok(parameters)
}

/// The function of each logical id. Neither side may lack one.
fn registered(template: &Template, functions: &[Function]) -> anyhow::Result<BTreeMap<String, Function>> {
    let mut registered = BTreeMap::new();
    for (id, config) in &template.functions {
        let Some(function) = functions.iter().find(|function| function.name == config.crate_name) else {
            anyhow::bail!("Resources.{id}.Properties.CodeUri: there is no function {:?}", config.crate_name);
        };
        registered.insert(id.clone(), *function);
    }
    let used: BTreeSet<&str> = template.functions.values().map(|config| config.crate_name.as_str()).collect();
    if let Some(missing) = functions.iter().find(|function| !used.contains(function.name)) {
        anyhow::bail!("Resources: the template does not deploy the function {:?}", missing.name);
    }
    Ok(registered)
}

fn deployments(
    template: &Template,
    crates: &BTreeMap<String, Function>,
    services: &Services,
    options: &Options,
) -> BTreeMap<String, Deployment> {
    let configs = template.functions.iter();
    configs
        .filter_map(|(id, config)| Some((id, config, *crates.get(id)?)))
        .map(|(id, config, function)| {
            let client = ClientOptions {
                function: id.clone(),
                policy: Some(Arc::new(config.policy.clone())),
                meter: options.meter.clone(),
                faults: options.faults.clone(),
                trace: None,
            };
            let boot = FunctionContext {
                environment: config.variables().into_iter().collect(),
                aws: services.sdk_config(client),
                clock: Arc::clone(&options.clock),
                ids: Arc::clone(&options.ids),
                metrics: Arc::clone(&options.metrics),
            };
            (id.clone(), Deployment { function, boot, timeout: config.timeout })
        })
        .collect()
}

async fn listen(port: u16) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    listener.with_context(|| {
        format!("port {port} is not available; choose another with --port, or any free one with --port 0")
    })
}

/// A listener a few ports above the API's, so that it stays the same across restarts; any free port if that one is in use.
async fn listen_near(port: u16, above: u16) -> anyhow::Result<TcpListener> {
    let near = port.checked_add(above).filter(|_| port != 0).unwrap_or(0);
    match TcpListener::bind((Ipv4Addr::LOCALHOST, near)).await {
        Ok(listener) => Ok(listener),
        Err(_) => listen(0).await,
    }
}

fn url(listener: &TcpListener) -> anyhow::Result<String> {
    Ok(format!("http://{}", listener.local_addr()?))
}

/// Ends when the cloud stops or is dropped.
fn stopped(stopping: &watch::Sender<bool>) -> impl Future<Output = ()> + Send + 'static {
    let mut stopping = stopping.subscribe();
    async move {
        // An error means that the cloud is gone, which is a stop too.
        drop(stopping.wait_for(|stopping| *stopping).await);
    }
}
