//! What a developer gets to read of a request.

use super::*;
use crate::testing::Captured;

/// What is logged of a request, without its duration.
async fn logged(request: http::request::Builder, answer: impl ToString) -> String {
    let captured = Captured::start();
    let subscriber = tracing_subscriber::fmt().without_time().with_target(false).with_ansi(false);
    let subscriber = subscriber.fmt_fields(crate::cli::Readable).with_writer(captured.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    api().send(request.header("content-type", "text/plain"), answer.to_string()).await;
    let text = captured.text();
    let mut words: Vec<&str> = text.split(' ').collect();
    if let Some(at) = words.iter().position(|word| *word == "ms") {
        words.remove(at - 1);
    }
    words.join(" ").trim().to_owned()
}

#[tokio::test]
async fn logs_one_line_per_request_with_method_path_status_time_and_caller() {
    let ok = json!({"statusCode": 200}).to_string();
    assert_eq!(logged(Request::post("/open/x?secret=1"), &ok).await, "INFO POST /open/x 200 ms anonymous");
    let signed = Request::get("/kept").header("authorization", "good");
    assert_eq!(logged(signed, &ok).await, "INFO GET /kept 200 ms good");
}

#[tokio::test]
async fn every_rejection_logs_its_reason() {
    let problem = json!({
        "detail": "the body breaks rules", "requestId": "r1",
        "errors": [{"field": "limit", "reason": "must be at most 100"}, {"field": "x", "reason": "is not known"}],
    });
    let problem = json!({"statusCode": 422, "body": problem.to_string()});
    let line = logged(Request::post("/open/x"), problem).await;
    let expected = "the body breaks rules: limit must be at most 100; x is not known";
    assert_eq!(line, format!("WARN POST /open/x 422 ms anonymous: {expected}"));
    let line =
        logged(Request::post("/open/x"), json!({"statusCode": 404, "body": "{\"message\": \"no\\nsuch\"}"})).await;
    assert_eq!(line, "WARN POST /open/x 404 ms anonymous: no\\nsuch");
    let silent = logged(Request::post("/open/x"), json!({"statusCode": 400})).await;
    assert!(silent.ends_with("the function gives no reason"), "{silent}");
    let preflight = Request::options("/open/x").header("origin", "https://b.example");
    let preflight = logged(preflight.header("access-control-request-method", "GET"), "").await;
    assert!(preflight.contains("204 ms anonymous: CORS does not allow https://b.example"), "{preflight}");
    for (request, status, reason) in [
        (Request::get("/nowhere"), 404, "there is no route GET /nowhere"),
        (Request::get("/kept"), 401, "credentials are missing"),
        (Request::get("/kept").header("authorization", "bad"), 403, "Kept denies the request"),
        (Request::get("/open/%ff"), 400, "not percent-encoded UTF-8"),
        (Request::get("/open/x").header("x", "y".repeat(11_000)), 431, "larger than 10240 bytes"),
    ] {
        let line = logged(request, "").await;
        assert!(line.starts_with("WARN GET ") && line.contains(&format!(" {status} ms ")), "{line}");
        assert!(line.contains(reason), "{line}");
    }
}

#[tokio::test]
async fn server_errors_are_logged_with_the_request_id_of_the_caller() {
    let problem = json!({"statusCode": 500, "body": json!({"detail": "it broke", "requestId": "r7"}).to_string()});
    let line = logged(Request::post("/open/x"), problem).await;
    assert_eq!(line, "ERROR POST /open/x 500 ms anonymous: it broke [r7]");
    for (answer, status, reason) in [
        ("panic", 500, "Echo: the function panicked"),
        ("gone", 503, "Echo: the function is unavailable"),
        ("{\"statusCode\": \"x\"}", 500, "Echo did not return an HTTP response"),
    ] {
        let line = logged(Request::post("/open/x"), answer).await;
        let prefix = format!("ERROR POST /open/x {status} ms anonymous: {reason}");
        assert!(line.starts_with(&prefix) && line.ends_with(']'), "{line}");
    }
}
