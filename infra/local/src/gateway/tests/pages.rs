//! Which web pages may call.

use super::*;
use crate::loopback::Hosts;

async fn allowed(api: &Api, origin: &str) -> (Option<String>, Option<String>) {
    let preflight = Request::options("/open/x").header("origin", origin);
    let preflight = preflight.header("access-control-request-method", "PUT");
    let preflight = read(api.send(preflight, Body::empty()).await).await.1;
    let get = Request::get("/open/x").header("origin", origin);
    let get = read(api.send(get, Body::empty()).await).await.1;
    let name = "access-control-allow-origin";
    (preflight.get(name).cloned(), get.get(name).cloned())
}

#[tokio::test]
async fn local_origins_are_allowed_in_development_only() {
    let as_deployed = api();
    let local = api_with(
        |api| {
            if let Some(cors) = &mut api.cors {
                cors.allow_this_machine = true;
            }
        },
        |gateway| gateway,
    );
    for origin in ["http://localhost:3000", "http://localhost:5173", "http://127.0.0.1:8080", "http://[::1]:1"] {
        let both = (Some(origin.to_owned()), Some(origin.to_owned()));
        assert_eq!(allowed(&local, origin).await, both);
        assert_eq!(allowed(&as_deployed, origin).await, (None, None));
    }
    let theirs = "https://a.example";
    for api in [&local, &as_deployed] {
        assert_eq!(allowed(api, theirs).await, (Some(theirs.to_owned()), Some(theirs.to_owned())));
        for origin in ["https://b.example", "http://localhost.b.example", "null"] {
            assert_eq!(allowed(api, origin).await, (None, None), "{origin}");
        }
    }
}

#[tokio::test]
async fn rejects_pages_that_rebind_their_name_to_this_machine() {
    let hosts = Hosts::with(["tunnel.example".to_owned()]);
    let local = api_with(|_| {}, |gateway| gateway.with_hosts(Some(hosts)));
    for (host, expected) in [
        ("127.0.0.1:8255", 200),
        ("localhost:8255", 200),
        ("tunnel.example", 200),
        ("evil.example:8255", 403),
        ("10.0.0.1:8255", 403),
    ] {
        let (status, ..) = read(local.send(Request::get("/open/x").header("host", host), Body::empty()).await).await;
        assert_eq!(status, expected, "{host}");
        let (status, ..) = read(api().send(Request::get("/open/x").header("host", host), Body::empty()).await).await;
        assert_eq!(status, 200, "{host}");
    }
}
