//! Which route a request takes.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use http::Method;

use super::config::{RouteConfig, Segment, Target};

/// A route with the values of its path's parameters.
#[derive(Debug, PartialEq)]
pub(super) struct Matched<'a> {
    pub(super) route: &'a RouteConfig,
    pub(super) parameters: BTreeMap<String, String>,
}

/// The route of a request: the most specific one that matches, segment by segment,
/// then the one that names the method; the default route if there is no other.
///
/// The path is matched as it was sent; parameters are decoded.
pub(super) fn find<'a>(routes: &'a [RouteConfig], method: &Method, path: &str) -> Option<Matched<'a>> {
    let path: Vec<&str> = path.strip_prefix('/').unwrap_or(path).split('/').collect();
    routes
        .iter()
        .filter_map(|route| match &route.target {
            Target::Default => None,
            Target::Path { method: wanted, segments } => {
                if wanted.as_ref().is_some_and(|wanted| wanted != method) {
                    return None;
                }
                let parameters = parameters(segments, &path)?;
                Some((rank(segments), Reverse(wanted.is_some()), Matched { route, parameters }))
            }
        })
        .min_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)))
        .map(|(_, _, matched)| matched)
        .or_else(|| {
            let route = routes.iter().find(|route| route.target == Target::Default)?;
            Some(Matched { route, parameters: BTreeMap::new() })
        })
}

/// Text from a path or a query without its percent-encoding.
pub(super) fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn parameters(segments: &[Segment], path: &[&str]) -> Option<BTreeMap<String, String>> {
    let mut parameters = BTreeMap::new();
    let mut rest = path;
    for segment in segments {
        let (first, others) = rest.split_first()?;
        match segment {
            Segment::Literal(text) if text == first => {}
            Segment::Parameter(name) if !first.is_empty() => {
                parameters.insert(name.clone(), decoded(first));
            }
            Segment::Greedy(name) if rest.iter().any(|segment| !segment.is_empty()) => {
                parameters.insert(name.clone(), decoded(&rest.join("/")));
                return Some(parameters);
            }
            _ => return None,
        }
        rest = others;
    }
    rest.is_empty().then_some(parameters)
}

fn rank(segments: &[Segment]) -> (bool, Vec<u8>) {
    let greedy = matches!(segments.last(), Some(Segment::Greedy(_)));
    let kinds = segments.iter().map(|segment| match segment {
        Segment::Literal(_) => 0,
        Segment::Parameter(_) => 1,
        Segment::Greedy(_) => 2,
    });
    (greedy, kinds.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_most_specific_route_matches() {
        let routes: Vec<RouteConfig> = [
            "GET /pets/dog/1",
            "GET /pets/dog/{id}",
            "ANY /pets/dog/{id}",
            "GET /pets/{proxy+}",
            "ANY /{proxy+}",
            "PUT /tracks/{trackId}",
            "$default",
        ]
        .into_iter()
        .map(|key| RouteConfig {
            target: match key.split_once(' ') {
                Some((method, path)) => Target::parse(method, path).unwrap(),
                None => Target::Default,
            },
            function: key.to_owned(),
            authorizer: None,
            timeout: Duration::from_secs(30),
        })
        .collect();
        for (method, path, key, parameters) in [
            (Method::GET, "/pets/dog/1", "GET /pets/dog/1", ""),
            (Method::GET, "/pets/dog/2", "GET /pets/dog/{id}", "id=2"),
            (Method::POST, "/pets/dog/1", "ANY /pets/dog/{id}", "id=1"),
            (Method::GET, "/pets/cat/1/tail", "GET /pets/{proxy+}", "proxy=cat/1/tail"),
            (Method::POST, "/test/5", "ANY /{proxy+}", "proxy=test/5"),
            (Method::PUT, "/tracks/a%20b%2Fc", "PUT /tracks/{trackId}", "trackId=a b/c"),
            (Method::PUT, "/tracks/x/", "ANY /{proxy+}", "proxy=tracks/x/"),
            (Method::PUT, "/tracks/", "ANY /{proxy+}", "proxy=tracks/"),
            (Method::GET, "/", "$default", ""),
        ] {
            let found = find(&routes, &method, path).unwrap();
            let found_parameters: Vec<String> =
                found.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
            assert_eq!((found.route.target.key().as_str(), found_parameters.join(",").as_str()), (key, parameters));
            assert_eq!(found.route.function, key);
        }
        assert_eq!(find(&routes[..4], &Method::PUT, "/pets/cat"), None);
        assert_eq!(find(&routes[..1], &Method::GET, "/pets/dog/1/"), None);
    }

    #[test]
    fn rejects_malformed_routes() {
        for (method, path) in [("FETCH", "/a"), ("GET", "a"), ("GET", "/{a+}/b"), ("GET", "/x{a}")] {
            assert!(Target::parse(method, path).is_err(), "{method} {path}");
        }
    }
}
