//! Tokens of an identity provider: RS256 and ES256 by its JWKS.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use http::Method;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use local::cloud::{JWT_SECRET_ARN, Options};
use local::secrets::SecretsManager;
use serde_json::{Value, json};
use system::clock::{Clock, SystemClock};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::app::{App, event};
use crate::support::client::signed;
use crate::support::clock::OffsetClock;

/// A key of the provider.
struct Key {
    id: &'static str,
    algorithm: Algorithm,
    signs: EncodingKey,
}

impl Key {
    fn elliptic(id: &'static str) -> Self {
        let pair = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        Self { id, algorithm: Algorithm::ES256, signs: EncodingKey::from_ec_der(pair.as_ref()) }
    }

    fn rsa(id: &'static str) -> Self {
        let pair = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
        let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().unwrap();
        // What signs wants the key alone (PKCS #1), which PKCS #8 has behind a header of 26 bytes.
        Self { id, algorithm: Algorithm::RS256, signs: EncodingKey::from_rsa_der(&der.as_ref()[26..]) }
    }

    fn public(&self) -> Jwk {
        let mut jwk = Jwk::from_encoding_key(&self.signs, self.algorithm).unwrap();
        jwk.common.key_id = Some(self.id.to_owned());
        jwk
    }

    fn token(&self, patch: &Value) -> String {
        let now = SystemClock.now().timestamp();
        let mut claims =
            json!({"sub": "ann", "role": "artist", "exp": now + 600, "iss": "https://id.example", "aud": "tally"});
        for (claim, value) in patch.as_object().unwrap() {
            claims[claim] = value.clone();
        }
        let header = Header { kid: Some(self.id.to_owned()), ..Header::new(self.algorithm) };
        format!("Bearer {}", encode(&header, &claims, &self.signs).unwrap())
    }
}

/// A provider that serves its keys, or none at all while it is down, and counts the requests.
struct Provider {
    address: SocketAddr,
    keys: Arc<Mutex<JwkSet>>,
    down: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
}

impl Provider {
    async fn start(keys: &[&Key]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let keys = Arc::new(Mutex::new(JwkSet { keys: keys.iter().map(|key| key.public()).collect() }));
        let (asked, down) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (served, counted, fails) = (Arc::clone(&keys), Arc::clone(&asked), Arc::clone(&down));
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::Relaxed);
                let body = serde_json::to_string(&*served.lock().unwrap()).unwrap();
                let mut request = [0; 4096];
                assert!(stream.read(&mut request).await.unwrap() > 0);
                let status = if fails.load(Ordering::Relaxed) { "503 Service Unavailable" } else { "200 OK" };
                let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                stream.write_all((head + &body).as_bytes()).await.unwrap();
            }
        });
        Self { address, keys, down, asked }
    }

    /// An application that trusts this provider.
    async fn app(&self, change: impl FnOnce(&mut Options)) -> App {
        App::start_with(|options| {
            let url = format!("http://{}/jwks.json", self.address);
            let given = [("JwksUrl", url.as_str()), ("JwtIssuer", "https://id.example"), ("JwtAudience", "tally")];
            options.parameters.extend(given.map(|(name, value)| (name.to_owned(), value.to_owned())));
            change(options);
        })
        .await
    }
}

async fn status(app: &App, token: &str) -> u16 {
    let headers = [("content-type", "application/json"), ("authorization", token)];
    let answer =
        app.send(Method::POST, "/api/stats/events", &headers, json!([event("e", &json!({}))]).to_string()).await;
    if answer.status != 200 {
        answer.is_problem(401);
    }
    answer.status.as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_verified_by_keys_of_provider_only() {
    let (rsa, elliptic, stranger) = (Key::rsa("r"), Key::elliptic("e"), Key::elliptic("e"));
    let provider = Provider::start(&[&rsa, &elliptic]).await;
    let app = provider.app(|_| {}).await;
    let now = SystemClock.now().timestamp();
    for key in [&rsa, &elliptic] {
        assert_eq!(status(&app, &key.token(&json!({}))).await, 200);
        for patch in [
            json!({"exp": now - 1}),
            json!({"exp": null}),
            json!({"exp": "tomorrow"}),
            json!({"exp": -1}),
            json!({"nbf": now + 300}),
            json!({"iss": "https://evil.example"}),
            json!({"iss": null}),
            json!({"aud": "another"}),
            json!({"aud": null}),
            json!({"sub": "a#b"}),
            json!({"sub": null}),
            json!({"role": "root"}),
            json!({"role": ["admin"]}),
            json!({"role": {"admin": null}}),
            json!({"role": null}),
        ] {
            assert_eq!(status(&app, &key.token(&patch)).await, 401, "{patch}");
        }
    }
    assert_eq!(status(&app, &stranger.token(&json!({}))).await, 401, "another key of the same id");
    assert_eq!(provider.asked.load(Ordering::Relaxed), 1, "the keys are kept");
    // The public key of RS256 as the secret of HS256: the oldest trick.
    let public = serde_json::to_string(&rsa.public()).unwrap();
    let header = Header { kid: Some("r".to_owned()), ..Header::new(Algorithm::HS256) };
    let claims = json!({"sub": "ann", "role": "admin", "exp": now + 600, "iss": "https://id.example", "aud": "tally"});
    let confused = encode(&header, &claims, &EncodingKey::from_secret(public.as_bytes())).unwrap();
    assert_eq!(status(&app, &format!("Bearer {confused}")).await, 401);

    app.finish().await;
}

/// What a route answers whose authorizer's verdicts are cached.
async fn cached_status(app: &App, token: &str) -> u16 {
    app.send(Method::GET, "/api/notifications", &[("authorization", token)], "").await.status.as_u16()
}

/// Waits until a token is accepted where verdicts are cached, and where they are not.
async fn until_accepted(app: &App, token: &str) {
    let until = tokio::time::Instant::now() + Duration::from_secs(60);
    while cached_status(app, token).await != 200 || status(app, token).await != 200 {
        assert!(tokio::time::Instant::now() < until, "it is never accepted");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rejection_of_unknown_key_ends_when_provider_publishes_it() {
    let (old, new) = (Key::elliptic("old"), Key::elliptic("new"));
    let provider = Provider::start(&[&old]).await;
    let app = provider.app(|_| {}).await;
    assert_eq!(cached_status(&app, &old.token(&json!({}))).await, 200);
    let token = new.token(&json!({}));
    // Made-up keys do not cause requests to the provider.
    for _ in 0..3 {
        assert_eq!(cached_status(&app, &token).await, 401);
        assert_eq!(status(&app, &Key::elliptic("made up").token(&json!({}))).await, 401);
    }
    assert_eq!(provider.asked.load(Ordering::Relaxed), 1);
    provider.keys.lock().unwrap().keys.push(new.public());
    until_accepted(&app, &token).await;
    assert_eq!(provider.asked.load(Ordering::Relaxed), 2);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn provider_outage_answers_503_and_recovers() {
    let key = Key::elliptic("e");
    let provider = Provider::start(&[&key]).await;
    provider.down.store(true, Ordering::Relaxed);
    let app = provider.app(|_| {}).await;
    let tokens: Vec<String> = (0..20).map(|n| key.token(&json!({"sub": format!("ann-{n}")}))).collect();
    let headers = |token| [("authorization", token)];
    let asked = tokens.iter().map(|token| async {
        let answer = app.send(Method::GET, "/api/notifications", &headers(token.as_str()), "").await;
        answer.is_problem(503);
        answer.header("retry-after").to_owned()
    });
    assert!(futures::future::join_all(asked).await.iter().all(|seconds| seconds == "1"));
    provider.down.store(false, Ordering::Relaxed);
    until_accepted(&app, &tokens[0]).await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn token_is_accepted_once_valid_despite_cached_rejection() {
    let clock = Arc::new(OffsetClock::default());
    let app = App::start_with(|options| options.clock = Arc::clone(&clock) as Arc<dyn Clock>).await;
    let now = clock.now().timestamp();
    let token = signed(&app, &json!({"sub": "ann", "role": "student", "nbf": now + 360, "exp": now + 3600}));
    assert_eq!(cached_status(&app, &token).await, 401);
    clock.set_offset(chrono::TimeDelta::minutes(6));
    assert_eq!(cached_status(&app, &token).await, 200);
    clock.set_offset(chrono::TimeDelta::hours(2));
    assert_eq!(cached_status(&app, &token).await, 401);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rotation_accepts_both_secrets_and_never_short_one() {
    let [new_secret, short] = ["the new secret, of thirty-two bytes or more", "too short"];
    let secrets = SecretsManager::default();
    let app = App::start_with(|options| options.secrets = secrets.clone()).await;
    let now = SystemClock.now().timestamp();
    let claims = json!({"sub": "ann", "role": "student", "exp": now + 3600});
    let old = signed(&app, &claims);
    let new = encode(&Header::default(), &claims, &EncodingKey::from_secret(new_secret.as_bytes())).unwrap();
    let new = format!("Bearer {new}");
    assert_eq!((cached_status(&app, &old).await, cached_status(&app, &new).await), (200, 401));
    let both = json!({"secret": new_secret, "previous": app.cloud.jwt_secret()});
    secrets.put(JWT_SECRET_ARN, &both.to_string());
    until_accepted(&app, &new).await;
    assert_eq!((cached_status(&app, &old).await, status(&app, &old).await), (200, 200));
    app.finish().await;

    let app = App::start_with(|options| options.secrets = secrets.clone()).await;
    secrets.put(JWT_SECRET_ARN, short);
    let forged = encode(&Header::default(), &claims, &EncodingKey::from_secret(short.as_bytes())).unwrap();
    assert_eq!(cached_status(&app, &format!("Bearer {forged}")).await, 503);
    app.finish().await;
}
