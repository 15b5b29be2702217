//! The contract and a page that shows it, for developers: `/openapi.yaml`, `/openapi.json` and `/docs`. They are no routes of
//! the template, whose own routes come first, so API Gateway does not serve them.

use std::sync::LazyLock;

use axum::body::Body;
use http::header::{self, HeaderValue};
use http::{Method, Response};

/// The contract, as it was when this was built.
const YAML: &str = include_str!("../../../openapi.yaml");

/// The page. It fetches `/openapi.json`, and nothing from elsewhere.
const PAGE: &str = include_str!("docs.html");

/// What the page may do: run what is in it, and ask this API.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:";

/// The contract as JSON, its fields in the order of the file.
static JSON: LazyLock<Result<String, String>> = LazyLock::new(|| {
    let contract: serde_yaml_ng::Value = serde_yaml_ng::from_str(YAML).map_err(|error| error.to_string())?;
    serde_json::to_string(&contract).map_err(|error| error.to_string())
});

/// The answer, if the path is one of these.
pub(super) fn answer(method: &Method, path: &str) -> Option<Response<Body>> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return None;
    }
    let (content_type, text) = match path {
        "/openapi.yaml" => ("application/yaml", YAML),
        "/openapi.json" => match &*JSON {
            Ok(json) => ("application/json", json.as_str()),
            Err(error) => {
                tracing::error!("infra/openapi.yaml cannot be read: {error}");
                return None;
            }
        },
        "/docs" | "/docs/" => ("text/html; charset=utf-8", PAGE),
        _ => return None,
    };
    let mut response = Response::new(Body::from(text));
    for (name, value) in [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "no-cache"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Some(response)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn json_keeps_the_order_of_the_yaml() {
        let json = JSON.as_ref().unwrap();
        let (of_json, of_yaml): (Value, Value) =
            (serde_json::from_str(json).unwrap(), serde_yaml_ng::from_str(YAML).unwrap());
        assert_eq!(of_json, of_yaml);
        let place = |name: &str| json.find(&format!("{name:?}:")).unwrap();
        assert!(place("openapi") < place("info") && place("info") < place("paths"));
    }

    #[test]
    fn answers_only_reads_of_the_contract() {
        for path in ["/openapi.yaml", "/openapi.json", "/docs", "/docs/"] {
            assert!(answer(&Method::GET, path).is_some(), "{path}");
            assert!(answer(&Method::POST, path).is_none(), "{path}");
        }
        for path in ["/", "/docs/x", "/openapi", "/api/tracks/docs"] {
            assert!(answer(&Method::GET, path).is_none(), "{path}");
        }
    }

    #[test]
    fn the_page_loads_no_external_resource() {
        for marker in ["src=", "href=\"http", "@import", "url(", "//cdn"] {
            assert!(!PAGE.contains(marker), "{marker}");
        }
    }
}
