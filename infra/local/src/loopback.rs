//! This machine's own names: a web page of another machine must not reach what only programs here may.
//!
//! A page can have its own name resolve to 127.0.0.1 (DNS rebinding) and then call a local port as if it were its own server,
//! which CORS does not prevent. The browser still sends the page's name in the `Host` header.

use http::HeaderMap;
use http::header;
use url::{Host, Url};

/// The names by which clients may call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hosts {
    others: Vec<String>,
}

impl Hosts {
    /// This machine's names, and these: those of a tunnel, for example.
    #[must_use]
    pub fn with(others: impl IntoIterator<Item = String>) -> Self {
        Self { others: others.into_iter().map(|name| name.to_ascii_lowercase()).collect() }
    }

    /// The first `Host` of a request that is not one of them.
    #[must_use]
    pub fn stranger(&self, headers: &HeaderMap) -> Option<String> {
        let mut hosts = headers.get_all(header::HOST).iter().map(|host| String::from_utf8_lossy(host.as_bytes()));
        hosts.find(|host| !self.include(host)).map(std::borrow::Cow::into_owned)
    }

    fn include(&self, host: &str) -> bool {
        if host.contains(['/', '?', '#', '@', '\\']) {
            return false;
        }
        let Ok(url) = Url::parse(&format!("http://{host}/")) else { return false };
        is_here(url.host()) || url.host_str().is_some_and(|name| self.others.iter().any(|other| other == name))
    }
}

/// Whether an origin is a web page of this machine, on any port.
#[must_use]
pub fn is_origin(origin: &str) -> bool {
    let Ok(url) = Url::parse(origin) else { return false };
    matches!(url.scheme(), "http" | "https") && is_here(url.host()) && url.origin().ascii_serialization() == origin
}

fn is_here(host: Option<Host<&str>>) -> bool {
    match host {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn recognizes_only_hosts_of_this_machine() {
        let hosts = Hosts::with(["Tally.Example".to_owned()]);
        let here = ["localhost", "localhost:1", "LOCALHOST:8255", "a.localhost", "127.0.0.1:8255", "[::1]:8255"];
        for host in here.into_iter().chain(["tally.example", "tally.example:443"]) {
            assert!(hosts.include(host), "{host}");
        }
        let others =
            ["", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "0.0.0.0:8255", "10.0.0.1"];
        for host in others.into_iter().chain(["evil.example@localhost", "localhost/evil", "[::2]", "notlocalhost"]) {
            assert!(!hosts.include(host), "{host}");
        }
        let mut headers = HeaderMap::new();
        assert_eq!(hosts.stranger(&headers), None);
        headers.append(header::HOST, HeaderValue::from_static("localhost"));
        assert_eq!(hosts.stranger(&headers), None);
        headers.append(header::HOST, HeaderValue::from_static("evil.example"));
        assert_eq!(hosts.stranger(&headers), Some("evil.example".to_owned()));
    }

    #[test]
    fn recognizes_only_origins_of_this_machine() {
        for origin in ["http://localhost:3000", "http://localhost", "https://127.0.0.1:5173", "http://[::1]:8080"] {
            assert!(is_origin(origin), "{origin}");
        }
        let others = ["null", "", "http://localhost.evil.example", "http://localhost:3000/", "http://evil.example"];
        for origin in others.into_iter().chain(["file://localhost", "http://a@localhost", "http://192.168.1.2:3000"]) {
            assert!(!is_origin(origin), "{origin}");
        }
    }
}
