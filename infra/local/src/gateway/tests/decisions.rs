//! Who may call: the authorizer and other origins.

use super::*;

#[tokio::test(start_paused = true)]
async fn decisions_of_the_authorizer_are_cached() {
    let api = api();
    let asked = || api.told.asked.load(Ordering::Relaxed);
    assert_eq!((api.get("/kept", "").await, asked()), (StatusCode::UNAUTHORIZED, 0));
    assert_eq!((api.get("/kept", "good").await, asked()), (StatusCode::OK, 1));
    assert_eq!(api.last_event()["requestContext"]["authorizer"], json!({"lambda": {"sub": "good", "n": 1}}));
    assert_eq!((api.get("/kept", "good").await, asked()), (StatusCode::OK, 1));
    // What is remembered holds for every route of the authorizer, but not for another authorizer.
    assert_eq!((api.get("/kept/too", "good").await, asked()), (StatusCode::OK, 1));
    assert_eq!((api.get("/kept", "bad").await, asked()), (StatusCode::FORBIDDEN, 2));
    assert_eq!((api.get("/kept", "bad").await, asked()), (StatusCode::FORBIDDEN, 2));
    assert_eq!((api.get("/both?key=", "good").await, asked()), (StatusCode::UNAUTHORIZED, 2));
    assert_eq!((api.get("/both?key=1", "good").await, asked()), (StatusCode::OK, 3));
    assert_eq!((api.get("/both?key=2", "good").await, asked()), (StatusCode::OK, 4));
    tokio::time::advance(Duration::from_secs(61)).await;
    assert_eq!((api.get("/kept", "good").await, asked()), (StatusCode::OK, 5));
}

#[tokio::test(start_paused = true)]
async fn without_an_identity_source_nothing_is_cached() {
    let api = api();
    for (round, who, status) in
        [(1, "", 403), (2, "good", 200), (3, "good", 200), (4, "broken", 500), (5, "panics", 500), (6, "slow", 500)]
    {
        assert_eq!((api.get("/fresh", who).await.as_u16(), api.told.asked.load(Ordering::Relaxed)), (status, round));
    }
    // A failure is not remembered either where answers are.
    assert_eq!(api.get("/kept", "panics").await, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(api.get("/kept", "panics").await, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(api.told.asked.load(Ordering::Relaxed), 8);
}

#[tokio::test]
async fn preflight_answers_list_allowed_methods_and_headers() {
    let api = api();
    let preflight = |origin: &str, method: &str, header: &str| {
        let request = Request::options("/anything").header("origin", origin);
        let request = request.header("access-control-request-method", method);
        api.send(request.header("access-control-request-headers", header), Body::empty())
    };
    let (status, headers, _) = read(preflight("https://a.example", "PUT", "Content-Type").await).await;
    assert_eq!(status, 204);
    assert_eq!(headers["access-control-allow-origin"], "https://a.example");
    assert_eq!(headers["access-control-allow-methods"], "GET,PUT");
    assert_eq!(headers["access-control-allow-headers"], "content-type");
    assert_eq!(headers["access-control-max-age"], "60");
    for (origin, method, header) in [
        ("https://b.example", "PUT", "content-type"),
        ("https://a.example", "DELETE", "content-type"),
        ("https://a.example", "PUT", "x-other"),
    ] {
        let (status, headers, _) = read(preflight(origin, method, header).await).await;
        assert_eq!(status, 204);
        assert!(!headers.contains_key("access-control-allow-origin"), "{origin} {method} {header}");
    }
    assert!(api.told.events.lock().unwrap().is_empty());

    let own =
        json!({"statusCode": 200, "headers": {"access-control-allow-origin": "*", "access-control-max-age": "1"}});
    let post = |origin: &str| {
        let request = Request::post("/open/x").header("content-type", "text/plain").header("origin", origin);
        api.send(request, own.to_string())
    };
    let (_, headers, _) = read(post("https://a.example").await).await;
    assert_eq!(headers["access-control-allow-origin"], "https://a.example");
    assert_eq!(headers["access-control-expose-headers"], "etag");
    assert!(!headers.contains_key("access-control-max-age"));
    let (_, headers, _) = read(post("https://b.example").await).await;
    assert!(!headers.contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn throttled_requests_get_429_before_the_authorizer_runs() {
    let api = api();
    let ask =
        || api.send(Request::get("/busy").header("authorization", "good").header("origin", "https://a.example"), "");
    assert_eq!(ask().await.status(), 200);
    let asked = api.told.asked.load(Ordering::Relaxed);
    let (status, headers, body) = read(ask().await).await;
    assert_eq!((status, body.as_str()), (429, r#"{"message":"Too Many Requests"}"#));
    assert_eq!(headers["access-control-allow-origin"], "https://a.example");
    assert!(!headers.contains_key("retry-after"));
    assert_eq!(api.told.asked.load(Ordering::Relaxed), asked);
    assert_eq!(api.get("/fresh", "good").await, 200);
}
