//! What functions get to see of a request.

use super::*;

#[tokio::test]
async fn the_event_contains_the_whole_request() {
    let api = api();
    let request = Request::post("/open/a%20b%C3%A9?x=1&y=%2B&x=2+3&z")
        .header("Host", "api.example:8255")
        .header("Content-Type", "application/json; charset=utf-8")
        .header("X-Many", "1")
        .header("X-Many", "2")
        .header("Cookie", "a=1; b=2")
        .header("User-Agent", "tester")
        .header("Connection", "keep-alive")
        .header("X-Forwarded-For", "198.51.100.1");
    assert_eq!(api.send(request, r#"{"statusCode":204}"#).await.status(), StatusCode::NO_CONTENT);
    let mut event = api.last_event();
    let context = event["requestContext"].as_object_mut().unwrap();
    assert_eq!(context.remove("requestId").unwrap().as_str().unwrap().len(), 32);
    assert!(context.remove("timeEpoch").unwrap().is_i64());
    let time = context.remove("time").unwrap();
    assert!(chrono::DateTime::parse_from_str(time.as_str().unwrap(), "%d/%b/%Y:%H:%M:%S %z").is_ok(), "{time}");
    assert_eq!(
        event,
        json!({
            "version": "2.0",
            "routeKey": "POST /open/{id}",
            "rawPath": "/open/a bé",
            "rawQueryString": "x=1&y=%2B&x=2+3&z",
            "cookies": ["a=1", "b=2"],
            "headers": {
                "host": "api.example:8255",
                "content-type": "application/json; charset=utf-8",
                "x-many": "1,2",
                "user-agent": "tester",
                "x-forwarded-for": "198.51.100.1, 192.0.2.7",
                "x-forwarded-proto": "http",
                "x-forwarded-port": "8255",
            },
            "queryStringParameters": {"x": "1,2 3", "y": "+", "z": ""},
            "pathParameters": {"id": "a bé"},
            "requestContext": {
                "accountId": "000000000000",
                "apiId": "api",
                "domainName": "api.example",
                "domainPrefix": "api",
                "http": {
                    "method": "POST",
                    "path": "/open/a bé",
                    "protocol": "HTTP/1.1",
                    "sourceIp": "192.0.2.7",
                    "userAgent": "tester",
                },
                "routeKey": "POST /open/{id}",
                "stage": "$default",
            },
            "body": r#"{"statusCode":204}"#,
            "isBase64Encoded": false,
        })
    );
}

#[tokio::test]
async fn the_events_crate_parses_the_event() {
    let api = api();
    api.send(Request::post("/open/x?a=1").header("host", "h"), "{}").await;
    let event: aws_lambda_events::apigw::ApiGatewayV2httpRequest = serde_json::from_value(api.last_event()).unwrap();
    assert_eq!(event.path_parameters["id"], "x");
    api.get("/kept", "good").await;
    let events = api.told.events.lock().unwrap();
    let guard = events.iter().find(|event| event["type"] == "REQUEST").unwrap();
    let event: aws_lambda_events::apigw::ApiGatewayV2CustomAuthorizerV2Request =
        serde_json::from_value(guard.clone()).unwrap();
    assert_eq!(event.identity_source, Some(vec!["good".to_owned()]));
    assert_eq!(event.route_arn.unwrap(), "arn:aws:execute-api:us-east-1:000000000000:api/$default/GET/kept");
}

#[tokio::test]
async fn bodies_are_text_or_base64() {
    let api = api();
    for (content_type, body, expected, base64) in [
        (Some("text/plain"), &b"x"[..], json!("x"), false),
        (Some("Application/JSON"), b"{}", json!("{}"), false),
        (Some("application/xml"), b"x", json!("x"), false),
        (Some("application/octet-stream"), b"x", json!("eA=="), true),
        (Some("application/x-www-form-urlencoded"), b"x", json!("eA=="), true),
        (None, b"x", json!("eA=="), true),
        (Some("text/plain"), b"\xff", json!("/w=="), true),
        (Some("text/plain"), b"", Value::Null, false),
    ] {
        let request = Request::post("/open/x");
        let request = content_type.into_iter().fold(request, |request, value| request.header("content-type", value));
        api.send(request, body.to_vec()).await;
        let event = api.last_event();
        assert_eq!((&event["body"], &event["isBase64Encoded"]), (&expected, &json!(base64)), "{content_type:?}");
    }
}
