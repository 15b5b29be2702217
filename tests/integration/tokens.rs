//! Tokens of an identity provider: RS256 and ES256 by its JWKS.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use http::Method;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use shared::clock::{Clock, SystemClock};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::app::{App, event};

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

/// A provider that serves its keys, and counts how often.
struct Provider {
    address: SocketAddr,
    keys: Arc<Mutex<JwkSet>>,
    asked: Arc<AtomicUsize>,
}

impl Provider {
    async fn start(keys: &[&Key]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let keys = Arc::new(Mutex::new(JwkSet { keys: keys.iter().map(|key| key.public()).collect() }));
        let asked = Arc::new(AtomicUsize::new(0));
        let (served, counted) = (Arc::clone(&keys), Arc::clone(&asked));
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::Relaxed);
                let body = serde_json::to_string(&*served.lock().unwrap()).unwrap();
                let mut request = [0; 4096];
                assert!(stream.read(&mut request).await.unwrap() > 0);
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                stream.write_all((head + &body).as_bytes()).await.unwrap();
            }
        });
        Self { address, keys, asked }
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
async fn are_verified_by_the_keys_of_the_provider_alone() {
    let (rsa, elliptic, stranger) = (Key::rsa("r"), Key::elliptic("e"), Key::elliptic("e"));
    let provider = Provider::start(&[&rsa, &elliptic]).await;
    let app = App::start_with(|options| {
        let url = format!("http://{}/jwks.json", provider.address);
        let given = [("JwksUrl", url.as_str()), ("JwtIssuer", "https://id.example"), ("JwtAudience", "tally")];
        options.parameters.extend(given.map(|(name, value)| (name.to_owned(), value.to_owned())));
    })
    .await;
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

    // A key that is not known is not asked for again and again.
    let newcomer = Key::elliptic("new");
    provider.keys.lock().unwrap().keys.push(newcomer.public());
    for _ in 0..3 {
        assert_eq!(status(&app, &newcomer.token(&json!({}))).await, 401);
    }
    assert_eq!(provider.asked.load(Ordering::Relaxed), 1);
    app.finish().await;
}
