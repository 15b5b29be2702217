//! What the README shows is what happens.

use std::path::Path;

use local::cloud::LocalCloud;
use serde_json::Value;
use system::clock::{Clock, SystemClock};
use tokio::process::Command;

use crate::support::app::App;

const README: &str = include_str!("../../README.md");

/// The commands of the first demonstration.
fn demonstration() -> &'static str {
    let (_, start) = README.split_once("\n## Start\n").unwrap();
    let (start, _) = start.split_once("\n## ").unwrap();
    let mut blocks = start.split("```sh\n").skip(1).map(|block| block.split_once("\n```").unwrap().0);
    blocks.find(|commands| commands.contains("/api/stats/events")).unwrap()
}

/// The commands that `cargo dev` prints.
fn printed(cloud: &LocalCloud) -> String {
    let text = local::cli::ready(cloud);
    text.lines().filter(|line| line.trim_start().starts_with("curl ")).collect::<Vec<_>>().join("\n")
}

/// Runs pasted commands in a folder. Returns the answers in their order.
async fn pasted(commands: &str, folder: &Path) -> Vec<Value> {
    let output = Command::new("sh").arg("-c").arg(commands).current_dir(folder).output().await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{commands}\n{said}{}", String::from_utf8_lossy(&output.stderr));
    serde_json::Deserializer::from_str(&said).into_iter().map(Result::unwrap).collect()
}

/// The plays that the track has after each of four demonstrations, two as in the README and two as printed.
async fn demonstrated() -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join(".local");
    let app = App::start_with(|options| options.state = Some(state)).await;
    let (port, rest) = demonstration().split_once("http://127.0.0.1:").unwrap().1.split_once('/').unwrap();
    assert!(rest.contains(&format!("http://127.0.0.1:{port}/")), "one port");
    let of_readme = demonstration().replace(&format!("http://127.0.0.1:{port}"), app.cloud.api_url());
    let mut counts = Vec::new();
    for commands in [of_readme.clone(), of_readme, printed(&app.cloud), printed(&app.cloud)] {
        let answers = pasted(&commands, folder.path()).await;
        let [sent, track] = answers.as_slice() else { panic!("{answers:?}") };
        assert_eq!((&sent["accepted"], &sent["rejected"]), (&Value::from(1), &Value::Array(vec![])), "{sent}");
        app.settled().await;
        counts.push(track["counters"]["totalPlays"].clone());
    }
    app.finish().await;
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn readme_example_is_idempotent() {
    let today = || SystemClock.now().date_naive();
    let mut day = today();
    let mut counts = demonstrated().await;
    // The event is one all day. Two days' events are two, so a run over midnight shows nothing.
    if today() != day {
        day = today();
        counts = demonstrated().await;
    }
    assert_eq!(today(), day, "a demonstration takes a whole day");
    assert_eq!(counts, [1, 1, 1, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn local_cloud_serves_contract_and_its_page() {
    let app = App::start().await;
    let get = async |path| app.send(http::Method::GET, path, &[], "").await;
    let (yaml, json, page) = (get("/openapi.yaml").await, get("/openapi.json").await, get("/docs").await);
    for (answer, content_type) in
        [(&yaml, "application/yaml"), (&json, "application/json"), (&page, "text/html; charset=utf-8")]
    {
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, content_type));
    }
    assert_eq!(yaml.bytes, include_str!("../../infra/openapi.yaml"));
    let of_yaml: Value = serde_yaml_ng::from_slice(&yaml.bytes).unwrap();
    assert_eq!(json.body, of_yaml);
    assert!(json.body["paths"]["/api/stats/events"].is_object());
    assert!(String::from_utf8_lossy(&page.bytes).contains("/openapi.json"));
    // They are not of the deployed API.
    let routes = app.cloud.template().api.as_ref().unwrap().routes.len();
    assert_eq!(routes, of_yaml["paths"].as_object().unwrap().values().map(operations).sum::<usize>());
    app.finish().await;
}

fn operations(path: &Value) -> usize {
    let methods = ["get", "post", "put", "patch", "delete"];
    path.as_object().unwrap().keys().filter(|name| methods.contains(&name.as_str())).count()
}
