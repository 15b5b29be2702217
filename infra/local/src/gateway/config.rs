//! What the HTTP API is, as the template declares it.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Method;

use super::throttle::ThrottleConfig;

/// The HTTP API with its routes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ApiConfig {
    /// Its id.
    pub id: String,
    /// The CORS rules; `None` sends no CORS headers.
    pub cors: Option<CorsConfig>,
    /// The authorizers that routes may name.
    pub authorizers: BTreeMap<String, AuthorizerConfig>,
    /// The routes.
    pub routes: Vec<RouteConfig>,
    /// How many requests they take.
    pub throttles: ThrottleConfig,
}

/// Who may call the API from a web page of another origin, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CorsConfig {
    /// Origins, or `*`, `https://*`, `http://*`.
    pub allow_origins: Vec<String>,
    /// Methods, or `*`.
    pub allow_methods: Vec<String>,
    /// Request headers, or `*`.
    pub allow_headers: Vec<String>,
    /// Response headers that the page may read.
    pub expose_headers: Vec<String>,
    /// How long a browser may remember this, in seconds.
    pub max_age: Option<u64>,
    /// Whether cookies and credentials may be sent.
    pub allow_credentials: bool,
    /// Whether pages of this machine may call too, from any port. No template sets it: it is for
    /// developers alone.
    pub allow_this_machine: bool,
}

/// A Lambda authorizer with simple responses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizerConfig {
    /// The function that decides.
    pub function: String,
    /// The parts that a request must have. Decisions are cached by them.
    pub identity: Vec<IdentitySource>,
    /// How long an answer is remembered; zero for not at all.
    pub remembered: Duration,
}

/// A part of a request with credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentitySource {
    /// A header, in lower case.
    Header(String),
    /// A parameter of the query.
    Query(String),
}

/// A route to a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteConfig {
    /// What it matches.
    pub target: Target,
    /// The function it leads to.
    pub function: String,
    /// The authorizer of the route.
    pub authorizer: Option<String>,
    /// How long the gateway waits for the function.
    pub timeout: Duration,
}

/// What a route matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Requests that no other route matches.
    Default,
    /// A path, with one method or with any.
    Path {
        /// The method; none is any.
        method: Option<Method>,
        /// The path's segments.
        segments: Vec<Segment>,
    },
}

/// A segment of a route's path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// This text.
    Literal(String),
    /// Any one segment.
    Parameter(String),
    /// All the rest, one segment at least.
    Greedy(String),
}

impl Target {
    /// Reads a method and a path such as `/tracks/{trackId}` or `/files/{name+}`.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn parse(method: &str, path: &str) -> Result<Self, String> {
        let method = match method.to_uppercase().as_str() {
            "ANY" | "*" => None,
            "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "HEAD" | "OPTIONS" => {
                Some(Method::from_bytes(method.to_uppercase().as_bytes()).map_err(|error| error.to_string())?)
            }
            _ => return Err(format!("{method:?} is not a method")),
        };
        let Some(path) = path.strip_prefix('/') else { return Err(format!("{path:?} does not begin with /")) };
        let mut segments = Vec::new();
        for segment in path.split('/') {
            if matches!(segments.last(), Some(Segment::Greedy(_))) {
                return Err("nothing may follow a greedy parameter".to_owned());
            }
            let parameter = segment.strip_prefix('{').and_then(|segment| segment.strip_suffix('}'));
            segments.push(match parameter {
                Some(name) => match name.strip_suffix('+') {
                    Some(name) => Segment::Greedy(name.to_owned()),
                    None => Segment::Parameter(name.to_owned()),
                },
                None if segment.contains(['{', '}']) => return Err(format!("{segment:?} is not a path segment")),
                None => Segment::Literal(segment.to_owned()),
            });
        }
        Ok(Self::Path { method, segments })
    }

    /// The route key, as API Gateway writes it.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Default => "$default".to_owned(),
            Self::Path { method, segments } => {
                let mut key = method.as_ref().map_or("ANY", Method::as_str).to_owned();
                key.push(' ');
                for segment in segments {
                    key.push('/');
                    match segment {
                        Segment::Literal(text) => key.push_str(text),
                        Segment::Parameter(name) => key.push_str(&format!("{{{name}}}")),
                        Segment::Greedy(name) => key.push_str(&format!("{{{name}+}}")),
                    }
                }
                key
            }
        }
    }
}
