//! The keys of an identity provider, fetched and kept for a while ([RFC 7517](https://www.rfc-editor.org/rfc/rfc7517)).

use std::time::Duration;

use http::Uri;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

/// How long fetched keys are used without asking again.
const FRESH_FOR: Duration = Duration::from_secs(600);
/// How long keys may be used where asking again fails.
const GOOD_FOR: Duration = Duration::from_secs(24 * 3600);
/// How soon at the earliest an unknown key id makes us ask again.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(30);
/// How long asking may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// The largest set of keys, in bytes.
const MAX_BODY: usize = 256 * 1024;

/// The keys could not be had.
#[derive(Debug, thiserror::Error)]
#[error("the JWKS could not be fetched: {0}")]
pub(crate) struct Unavailable(String);

/// The keys at a URL.
pub(crate) struct Jwks {
    url: Uri,
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    keys: Option<(JwkSet, Instant)>,
    asked: Option<Instant>,
}

impl Jwks {
    /// The keys at this URL, which are fetched when they are first needed.
    pub(crate) fn new(url: &str) -> Result<Self, String> {
        let url: Uri = url.parse().map_err(|error| format!("is no URL: {error}"))?;
        let local = matches!(url.host(), Some("127.0.0.1" | "localhost" | "[::1]"));
        if url.scheme_str() != Some("https") && !(local && url.scheme_str() == Some("http")) {
            return Err("must be an https URL".to_owned());
        }
        let connector = HttpsConnectorBuilder::new()
            .with_native_roots()
            .map_err(|error| format!("cannot be asked without root certificates: {error}"))?
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self { url, client: Client::builder(TokioExecutor::new()).build(connector), kept: Mutex::default() })
    }

    /// The key for an algorithm: the one of this id, or, where a token names none, the only one that fits.
    pub(crate) async fn find(
        &self,
        algorithm: Algorithm,
        id: Option<&str>,
    ) -> Result<Option<DecodingKey>, Unavailable> {
        let mut kept = self.kept.lock().await;
        let age = kept.keys.as_ref().map(|(_, fetched)| fetched.elapsed());
        if age.is_none_or(|age| age > FRESH_FOR) {
            match self.fetch().await {
                Ok(keys) => kept.keys = Some((keys, Instant::now())),
                Err(error) if age.is_some_and(|age| age < GOOD_FOR) => tracing::warn!(error = %error, "{error}"),
                Err(error) => return Err(error),
            }
            kept.asked = Some(Instant::now());
        }
        let found = kept.keys.as_ref().and_then(|(keys, _)| pick(keys, algorithm, id));
        // A key that is not there may have been added since; but nobody may make us ask all the time.
        if found.is_some() || kept.asked.is_some_and(|asked| asked.elapsed() < ASK_AGAIN_AFTER) {
            return Ok(found);
        }
        kept.asked = Some(Instant::now());
        kept.keys = Some((self.fetch().await?, Instant::now()));
        Ok(kept.keys.as_ref().and_then(|(keys, _)| pick(keys, algorithm, id)))
    }

    async fn fetch(&self) -> Result<JwkSet, Unavailable> {
        let failed = |error: &dyn std::fmt::Display| Unavailable(error.to_string());
        let fetch = async {
            let answer = self.client.get(self.url.clone()).await.map_err(|error| failed(&error))?;
            if !answer.status().is_success() {
                return Err(Unavailable(format!("status {}", answer.status())));
            }
            let body = Limited::new(answer.into_body(), MAX_BODY).collect().await.map_err(|error| failed(&error))?;
            serde_json::from_slice(&body.to_bytes()).map_err(|error| failed(&error))
        };
        timeout(PATIENCE, fetch).await.map_err(|error| failed(&error))?
    }
}

fn pick(keys: &JwkSet, algorithm: Algorithm, id: Option<&str>) -> Option<DecodingKey> {
    let mut fitting = keys
        .keys
        .iter()
        .filter(|key| fits(key, algorithm) && id.is_none_or(|id| key.common.key_id.as_deref() == Some(id)));
    let key = fitting.next()?;
    if fitting.next().is_some() {
        return None;
    }
    DecodingKey::from_jwk(key).ok()
}

fn fits(key: &Jwk, algorithm: Algorithm) -> bool {
    match (&key.algorithm, algorithm) {
        (AlgorithmParameters::RSA(_), Algorithm::RS256) => true,
        (AlgorithmParameters::EllipticCurve(curve), Algorithm::ES256) => curve.curve == EllipticCurve::P256,
        _ => false,
    }
}
