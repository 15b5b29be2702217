//! The examples of the functions' events.

use serde_json::Value;

use crate::support::app::App;
use crate::tidy::{files, read};

#[tokio::test]
async fn functions_accept_their_example_events() {
    let app = App::start().await;
    for (id, function) in &app.cloud.template().functions {
        for path in files(&format!("functions/{}/events", function.crate_name), ".json") {
            let event: Value = serde_json::from_str(&read(&path)).unwrap();
            let answer = app.invoke(id, &event).await.unwrap_or_else(|failure| panic!("{path}: {failure}"));
            let status = answer["statusCode"].as_u64();
            assert!(status.is_none_or(|status| status < 500 && status != 400), "{path}: {answer}");
        }
    }
    app.finish().await;
}
