//! Where channels are: at the server that the environment names, else at one beside the local cloud.

use std::collections::BTreeMap;

use crate::channels::{Server, program, tools};

/// The parameters of the template that say where a server of channels is, by the variables that are read for them.
const PARAMETERS: [(&str, &str); 6] = [
    ("PUSHER_APP_ID", "PusherAppId"),
    ("PUSHER_KEY", "PusherKey"),
    ("PUSHER_SECRET", "PusherSecret"),
    ("PUSHER_SECRET_ARN", "PusherSecretArn"),
    ("PUSHER_CLUSTER", "PusherCluster"),
    ("PUSHER_HOST", "PusherHost"),
];

/// Fills in where channels are, unless the command line says so: what the environment says, or a server that is started here,
/// where it is installed. Without one live updates are off, and all else works.
#[allow(clippy::disallowed_methods, reason = "the command line looks around")]
pub(super) async fn start(parameters: &mut BTreeMap<String, String>) -> Option<Server> {
    for (variable, parameter) in PARAMETERS {
        if let Ok(value) = std::env::var(variable) {
            parameters.entry(parameter.to_owned()).or_insert(value);
        }
    }
    if parameters.contains_key("PusherKey") {
        return None;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join("sockudo"));
    let kept = tools().map(|tools| program(&tools));
    let Some(program) = kept.into_iter().chain(on_path).find(|program| program.is_file()) else {
        tracing::info!(
            "no server of channels: live updates are off, all else works; tests/live/install installs one, \
             PUSHER_APP_ID, PUSHER_KEY, PUSHER_SECRET and PUSHER_HOST or PUSHER_CLUSTER name another"
        );
        return None;
    };
    let started = Server::start(&program).await;
    let server = started.inspect_err(|error| tracing::warn!("live updates are off, all else works: {error:#}")).ok()?;
    parameters.extend(server.parameters());
    Some(server)
}

/// What a page needs to listen.
pub(super) fn described(server: &Server) -> String {
    let (port, key) = (server.port(), server.key());
    format!(
        "Channels, for pusher-js:\n\n  new Pusher(\"{key}\", {{cluster: \"\", wsHost: \"127.0.0.1\", wsPort: {port}, forceTLS: false}})\n\n"
    )
}
