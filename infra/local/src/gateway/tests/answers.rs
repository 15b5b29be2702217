//! What callers get to see of answers, routes and limits.

use super::*;

#[tokio::test]
async fn reads_every_form_of_function_response() {
    let api = api();
    let full = json!({
        "statusCode": 201, "headers": {"ETag": "\"1\"", "x-n": 5, "content-length": "99"}, "cookies": ["a=1"],
        "multiValueHeaders": {"x": ["y"]}, "body": "aGk=", "isBase64Encoded": true,
    });
    let (status, headers, body) = api.answered(full).await;
    assert_eq!((status, body.as_str()), (201, "hi"));
    assert_eq!(
        (headers["etag"].as_str(), headers["x-n"].as_str(), headers["set-cookie"].as_str()),
        ("\"1\"", "5", "a=1")
    );
    assert_eq!(headers["content-type"], "text/plain;charset=UTF-8");
    assert_eq!(headers["apigw-requestid"].len(), 32);
    for (answer, expected) in [("{\"a\": 1}", "{\"a\": 1}"), ("\"hi\"", "hi"), ("[1]", "[1]")] {
        let (status, headers, body) = api.answered(answer).await;
        assert_eq!((status, headers["content-type"].as_str(), body.as_str()), (200, "application/json", expected));
    }
    for broken in [
        "not json",
        r#"{"statusCode": "x"}"#,
        r#"{"statusCode": 99}"#,
        r#"{"statusCode": 200, "body": {}}"#,
        r#"{"statusCode": 200, "headers": {"a b": "c"}}"#,
        r#"{"statusCode": 200, "headers": {"a": "\n"}}"#,
        r#"{"statusCode": 200, "body": "%", "isBase64Encoded": true}"#,
        "fail",
        "panic",
    ] {
        let (status, headers, body) = api.answered(broken).await;
        assert_eq!((status, body.as_str()), (500, r#"{"message":"Internal Server Error"}"#), "{broken}");
        assert_eq!(headers["content-type"], "application/json");
    }
    assert_eq!(api.answered("gone").await.0, 503);
}

#[tokio::test(start_paused = true)]
async fn slow_functions_time_out() {
    let (status, _, body) = api().answered("hang").await;
    assert_eq!((status, body.as_str()), (503, r#"{"message":"Service Unavailable"}"#));
}

#[tokio::test]
async fn unmatched_requests_are_not_found() {
    let api = api();
    for request in [Request::get("/"), Request::delete("/open/x"), Request::get("/open/"), Request::options("/open/x")]
    {
        let (status, _, body) = read(api.send(request, Body::empty()).await).await;
        assert_eq!((status, body.as_str()), (404, r#"{"message":"Not Found"}"#));
    }
    assert_eq!(api.get("/open/%ff", "").await, StatusCode::BAD_REQUEST);
    for host in ["a b", "a:99999", "a/b", "[::", "a%zz"] {
        let request = Request::get("/open/x").header("host", host);
        assert_eq!(api.send(request, Body::empty()).await.status(), StatusCode::BAD_REQUEST, "{host}");
    }
}

#[tokio::test]
async fn a_truncated_body_invokes_no_function() {
    let api = api();
    let chunks = futures::stream::iter([Ok("half"), Err(std::io::Error::other("gone"))]);
    let response = api.send(Request::post("/open/x"), Body::from_stream(chunks)).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert!(api.told.events.lock().unwrap().is_empty());
}

#[tokio::test]
async fn limits_match_aws() {
    let api = api();
    let post = |size: usize| api.send(Request::post("/open/x").header("content-type", "text/plain"), "x".repeat(size));
    let mebibyte = 1024 * 1024;
    let (status, _, body) = read(post(10 * mebibyte + 1).await).await;
    assert_eq!((status, body.as_str()), (413, r#"{"message":"Request Entity Too Large"}"#));
    assert_eq!(post(6 * mebibyte).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
    // The function was asked, and its answer of so many x is no JSON.
    assert_eq!(post(5 * mebibyte).await.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let head = api.send(Request::get("/open/x").header("x", "x".repeat(10_300)), Body::empty()).await;
    assert_eq!(head.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
}
