//! Routes of the API.

use std::time::Duration;

use serde::Deserialize;

use crate::gateway::{RouteConfig, Target};
use crate::template::refusal::{Refusal, at};
use crate::template::resources::api::Api;
use crate::template::resources::whole;
use crate::template::scalar::{Text, Whole};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct HttpApi {
    api_id: String,
    method: Option<String>,
    path: Option<String>,
    auth: Option<RouteAuth>,
    payload_format_version: Option<Text>,
    timeout_in_millis: Option<Whole>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct RouteAuth {
    authorizer: Option<String>,
}

/// Adds a route to the API.
pub(super) fn route(place: &str, function: &str, event: HttpApi, api: &mut Option<Api>) -> Result<(), Refusal> {
    let Some(api) = api.as_mut().filter(|api| api.config.id == event.api_id) else {
        return Refusal::err(at(place, "ApiId"), "is not the API of this template");
    };
    if event.payload_format_version.is_some_and(|version| version.0 != "2.0") {
        return Refusal::err(at(place, "PayloadFormatVersion"), "only \"2.0\" is known");
    }
    let target = match (event.method, event.path) {
        (None, None) => Target::Default,
        (Some(method), Some(path)) => {
            Target::parse(&method, &path).map_err(|problem| Refusal::new(at(place, "Path"), problem))?
        }
        _ => return Refusal::err(place, "has one of Method and Path without the other"),
    };
    if api.config.routes.iter().any(|route| route.target.key() == target.key()) {
        return Refusal::err(at(place, "Path"), format_args!("{} is routed twice", target.key()));
    }
    let named = event.auth.and_then(|auth| auth.authorizer);
    let authorizer = match named {
        None => api.default_authorizer.clone(),
        Some(name) if name == "NONE" => None,
        Some(name) if api.config.authorizers.contains_key(&name) => Some(name),
        Some(name) => {
            return Refusal::err(at(place, "Auth.Authorizer"), format_args!("there is no authorizer {name:?}"));
        }
    };
    let millis = whole(&at(place, "TimeoutInMillis"), event.timeout_in_millis, 30_000, 50..=30_000)?;
    let timeout = Duration::from_millis(u64::try_from(millis).unwrap_or_default());
    api.config.routes.push(RouteConfig { target, function: function.to_owned(), authorizer, timeout });
    Ok(())
}
