//! The application's secret in Secrets Manager.

use http::Method;
use local::cloud::{LocalCloud, Options};
use local::secrets::SecretsManager;
use serde_json::json;

use super::api::{ANNOUNCEMENTS, Api, ROOT, SAM};
use super::auth::{SOCKET, asks, is_refused, is_signed};
use super::server::{How, KEY, SECRET, SECRET_ARN, Server, signature_with};

const OURS: &str = "private-user-sam";

async fn announce(api: &Api, title: &str) {
    let body = json!({"title": title, "message": "x", "type": "info"});
    let answer = api.call((Method::POST, ANNOUNCEMENTS), "", ROOT, &[], &body).await;
    assert_eq!(answer.status, 202, "{answer:?}");
}

fn holding(secret: &str) -> SecretsManager {
    let secrets = SecretsManager::default();
    secrets.put(SECRET_ARN, secret);
    secrets
}

#[tokio::test(flavor = "multi_thread")]
async fn secret_signs_pages_and_server_requests() {
    for secret in [SECRET.to_owned(), json!({"secret": SECRET}).to_string()] {
        let api = Api::with_secrets(holding(&secret), Server::start(|_| How::IfSigned).await).await;
        is_signed(&asks(&api, SAM, SOCKET, OURS).await, OURS);
        announce(&api, "a").await;
        assert_eq!(api.told().await.len(), 1);
        let [asked] = api.server.asked().try_into().unwrap();
        asked.is_signed();
        api.app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_secret_delays_publishing_and_loses_nothing() {
    let secrets = SecretsManager::default();
    let api = Api::with_secrets(secrets.clone(), Server::willing().await).await;
    let answer = asks(&api, SAM, SOCKET, OURS).await;
    is_refused(&answer, 503);
    assert_eq!(answer.header("retry-after"), "1");
    // A user without access is rejected all the same.
    is_refused(&asks(&api, SAM, SOCKET, "private-user-sue").await, 403);
    for title in ["a", "b"] {
        announce(&api, title).await;
    }
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    assert_eq!((api.server.asked().len(), api.outbox("CHANNEL#").len()), (0, 2));
    secrets.put(SECRET_ARN, SECRET);
    let told = api.told().await;
    assert_eq!(told.iter().map(|told| &told.data["title"]).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(api.outbox("").len(), 0);
    is_signed(&asks(&api, SAM, SOCKET, OURS).await, OURS);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rotated_secret_is_fetched_after_rejection() {
    let secrets = holding("the old one");
    let api = Api::with_secrets(secrets.clone(), Server::start(|_| How::IfSigned).await).await;
    announce(&api, "a").await;
    api.app.eventually("the old one is refused", || !api.server.asked().is_empty()).await;
    secrets.put(SECRET_ARN, SECRET);
    assert_eq!(api.told().await.len(), 1);
    let asked = api.server.asked();
    let (last, refused) = asked.split_last().unwrap();
    last.is_signed();
    assert!(!refused.is_empty() && refused.iter().all(|asked| asked.how == How::Status(401)), "{refused:?}");
    assert_eq!(api.outbox("").len(), 0);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secret_is_fetched_once_per_sandbox() {
    let secrets = holding("the old one");
    let api = Api::with_secrets(secrets.clone(), Server::willing().await).await;
    let signed = format!("{KEY}:{}", signature_with("the old one", &format!("{SOCKET}:{OURS}")));
    for secret in ["the old one", "another one"] {
        secrets.put(SECRET_ARN, secret);
        for _ in 0..3 {
            assert_eq!(asks(&api, SAM, SOCKET, OURS).await.body["auth"], signed);
        }
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn template_rejects_incomplete_pusher_configuration() {
    let all = ["PusherAppId", "PusherKey", "PusherSecretArn"];
    for missing in all {
        let mut options = Options::of_workspace().without_limits();
        for name in all.into_iter().filter(|name| *name != missing).chain(["PusherCluster"]) {
            options.parameters.insert(name.to_owned(), "x".to_owned());
        }
        let error = LocalCloud::start(options).await.err().unwrap().to_string();
        assert!(error.contains("Set all of PusherAppId, PusherKey and PusherSecretArn, or none"), "{missing}: {error}");
    }
}
