//! `AWS::Serverless::HttpApi`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::{seconds, whole};
use crate::gateway::{ApiConfig, AuthorizerConfig, CorsConfig, IdentitySource, Throttle, ThrottleConfig};
use crate::template::described::Described;
use crate::template::names::{Kind, Names};
use crate::template::refusal::{Refusal, at, read};
use crate::template::scalar::{Flag, Text, Whole};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Properties {
    #[serde(rename = "Name")]
    _name: Option<Text>,
    #[serde(rename = "Description")]
    _description: Option<Text>,
    stage_name: Option<String>,
    cors_configuration: Option<Cors>,
    auth: Option<Auth>,
    access_log_settings: Option<Value>,
    default_route_settings: Option<RouteSettings>,
    route_settings: Option<BTreeMap<String, RouteSettings>>,
    tags: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct RouteSettings {
    throttling_burst_limit: Whole,
    throttling_rate_limit: Whole,
    #[serde(rename = "DetailedMetricsEnabled")]
    _detailed_metrics_enabled: Option<Flag>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Cors {
    #[serde(default)]
    allow_origins: Vec<String>,
    #[serde(default)]
    allow_methods: Vec<String>,
    #[serde(default)]
    allow_headers: Vec<String>,
    #[serde(default)]
    expose_headers: Vec<String>,
    max_age: Option<Whole>,
    allow_credentials: Option<Flag>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Auth {
    #[serde(default)]
    authorizers: BTreeMap<String, Authorizer>,
    default_authorizer: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Authorizer {
    function_arn: String,
    authorizer_payload_format_version: Text,
    enable_simple_responses: Flag,
    enable_function_default_permissions: Flag,
    identity: Option<Identity>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Identity {
    #[serde(default)]
    headers: Vec<String>,
    #[serde(default)]
    query_strings: Vec<String>,
    reauthorize_every: Option<Whole>,
}

/// An API, before the functions' events give it routes.
pub(crate) struct Api {
    pub(crate) config: ApiConfig,
    /// The authorizer of routes that name none.
    pub(crate) default_authorizer: Option<String>,
}

/// Reads an API.
pub(crate) fn api(
    place: &str,
    api_id: String,
    properties: Value,
    names: &Names,
    described: &mut Described,
) -> Result<Api, Refusal> {
    let properties: Properties = read(place, properties)?;
    if properties.stage_name.is_some_and(|stage| stage != "$default") {
        return Refusal::err(at(place, "StageName"), "only $default is known");
    }
    described.note(properties.access_log_settings, "access logs");
    described.note(properties.tags, "tags");
    let cors =
        properties.cors_configuration.map(|cors| read_cors(&at(place, "CorsConfiguration"), cors)).transpose()?;

    let auth_place = at(place, "Auth");
    let mut authorizers = BTreeMap::new();
    let mut default_authorizer = None;
    if let Some(auth) = properties.auth {
        for (name, authorizer) in auth.authorizers {
            let place = at(&at(&auth_place, "Authorizers"), &name);
            authorizers.insert(name, read_authorizer(&place, authorizer, names)?);
        }
        if let Some(unknown) = auth.default_authorizer.as_ref().filter(|name| !authorizers.contains_key(*name)) {
            return Refusal::err(
                at(&auth_place, "DefaultAuthorizer"),
                format_args!("there is no authorizer {unknown:?}"),
            );
        }
        default_authorizer = auth.default_authorizer;
    }
    let throttles = ThrottleConfig {
        default: properties
            .default_route_settings
            .map(|settings| read_throttle(&at(place, "DefaultRouteSettings"), settings))
            .transpose()?,
        routes: properties
            .route_settings
            .unwrap_or_default()
            .into_iter()
            .map(|(route, settings)| {
                let throttle = read_throttle(&at(&at(place, "RouteSettings"), &route), settings)?;
                Ok((route, throttle))
            })
            .collect::<Result<_, _>>()?,
    };
    Ok(Api { config: ApiConfig { id: api_id, cors, authorizers, routes: Vec::new(), throttles }, default_authorizer })
}

fn read_throttle(place: &str, settings: RouteSettings) -> Result<Throttle, Refusal> {
    let number = |name: &str, given| whole(&at(place, name), Some(given), 0, 0..=1_000_000);
    let burst = number("ThrottlingBurstLimit", settings.throttling_burst_limit)?;
    let rate = number("ThrottlingRateLimit", settings.throttling_rate_limit)?;
    let exact = |number: i64| u32::try_from(number).map(f64::from).unwrap_or(f64::MAX);
    Ok(Throttle { burst: exact(burst), rate: exact(rate) })
}

/// Whether every route whose settings are given is one.
pub(crate) fn check_routes(place: &str, api: &ApiConfig) -> Result<(), Refusal> {
    let is_routed = |key: &String| api.routes.iter().any(|route| route.target.key() == *key);
    match api.throttles.routes.keys().find(|key| !is_routed(key)) {
        Some(unknown) => Refusal::err(at(place, "RouteSettings"), format_args!("there is no route {unknown:?}")),
        None => Ok(()),
    }
}

fn read_cors(place: &str, cors: Cors) -> Result<CorsConfig, Refusal> {
    let allow_credentials = cors.allow_credentials.is_some_and(|flag| flag.0);
    if allow_credentials && cors.allow_origins.iter().any(|origin| origin == "*") {
        return Refusal::err(at(place, "AllowCredentials"), "cannot be allowed to every origin");
    }
    let max_age = match cors.max_age {
        None => None,
        age => Some(whole(&at(place, "MaxAge"), age, 0, -1..=86_400)?),
    };
    Ok(CorsConfig {
        allow_origins: cors.allow_origins,
        allow_methods: cors.allow_methods,
        allow_headers: cors.allow_headers,
        expose_headers: cors.expose_headers,
        max_age: max_age.and_then(|age| u64::try_from(age).ok()),
        allow_credentials,
        allow_this_machine: false,
    })
}

fn read_authorizer(place: &str, authorizer: Authorizer, names: &Names) -> Result<AuthorizerConfig, Refusal> {
    let Some(function) = names.with_arn(Kind::Function, &authorizer.function_arn) else {
        return Refusal::err(at(place, "FunctionArn"), "is not a function of this template");
    };
    if authorizer.authorizer_payload_format_version.0 != "2.0" {
        return Refusal::err(at(place, "AuthorizerPayloadFormatVersion"), "only \"2.0\" is known");
    }
    if !authorizer.enable_simple_responses.0 {
        return Refusal::err(at(place, "EnableSimpleResponses"), "only simple responses are known");
    }
    if !authorizer.enable_function_default_permissions.0 {
        return Refusal::err(at(place, "EnableFunctionDefaultPermissions"), "else the API may not call the function");
    }
    let identity =
        authorizer.identity.unwrap_or(Identity { headers: vec![], query_strings: vec![], reauthorize_every: None });
    let headers = identity.headers.iter().map(|name| IdentitySource::Header(name.to_lowercase()));
    let sources: Vec<_> = headers.chain(identity.query_strings.into_iter().map(IdentitySource::Query)).collect();
    // Without a word on it, API Gateway remembers answers for five minutes, if there is something to know callers by.
    let default = if sources.is_empty() { 0 } else { 300 };
    let place = at(&at(place, "Identity"), "ReauthorizeEvery");
    let remembered = seconds(&place, identity.reauthorize_every, default, 0..=3600)?;
    if sources.is_empty() && remembered > Duration::ZERO {
        return Refusal::err(place, "nothing can be remembered without an identity source");
    }
    Ok(AuthorizerConfig { function: function.to_owned(), identity: sources, remembered })
}
