//! The keys of an identity provider ([RFC 7517](https://www.rfc-editor.org/rfc/rfc7517)).

use std::sync::Arc;

use http::Uri;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use runtime::BoxFuture;
use runtime::cached::{Source, Unavailable};
use serde::Deserialize;

/// The largest set of keys, in bytes.
const MAX_BODY: usize = 256 * 1024;

/// The set of keys at a URL.
struct Jwks {
    url: Uri,
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
}

/// The set of keys at this URL, which is https, or http on this machine.
pub(crate) fn jwks(url: &str) -> Result<Arc<dyn Source<Arc<JwkSet>>>, String> {
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
    Ok(Arc::new(Jwks { url, client: Client::builder(TokioExecutor::new()).build(connector) }))
}

impl Source<Arc<JwkSet>> for Jwks {
    fn fetch(&self) -> BoxFuture<'_, Result<Arc<JwkSet>, Unavailable>> {
        let failed = |error: &dyn std::fmt::Display| Unavailable(format!("the JWKS: {error}"));
        Box::pin(async move {
            let answer = self.client.get(self.url.clone()).await.map_err(|error| failed(&error))?;
            if !answer.status().is_success() {
                return Err(failed(&format_args!("status {}", answer.status())));
            }
            let body = Limited::new(answer.into_body(), MAX_BODY).collect().await.map_err(|error| failed(&error))?;
            parse(&body.to_bytes()).map(Arc::new).map_err(|error| failed(&error))
        })
    }
}

/// A set of keys. Keys of a kind that is not known are left out
/// ([RFC 7517, section 5](https://www.rfc-editor.org/rfc/rfc7517#section-5)).
fn parse(body: &[u8]) -> serde_json::Result<JwkSet> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<serde_json::Value>,
    }
    let Set { keys } = serde_json::from_slice(body)?;
    let known = |key| match serde_json::from_value::<Jwk>(key) {
        Ok(key) => Some(key),
        Err(error) => {
            tracing::debug!(error = %error, "a key of the JWKS is left out: {error}");
            None
        }
    };
    Ok(JwkSet { keys: keys.into_iter().filter_map(known).collect() })
}

/// The key that verifies an algorithm: the one of this id, or, where a token names none, the only one that fits.
pub(crate) fn pick(keys: &JwkSet, algorithm: Algorithm, id: Option<&str>) -> Option<DecodingKey> {
    let mut fitting = keys
        .keys
        .iter()
        .filter(|key| verifies(key, algorithm) && id.is_none_or(|id| key.common.key_id.as_deref() == Some(id)));
    let key = fitting.next()?;
    if fitting.next().is_some() {
        return None;
    }
    DecodingKey::from_jwk(key).ok()
}

/// Whether a key verifies signatures of an algorithm, by its type and by what it says of its own use
/// ([RFC 7517, sections 4.2 to 4.4](https://www.rfc-editor.org/rfc/rfc7517#section-4.2)).
fn verifies(key: &Jwk, algorithm: Algorithm) -> bool {
    let (fits, named) = match (&key.algorithm, algorithm) {
        (AlgorithmParameters::RSA(_), Algorithm::RS256) => (true, KeyAlgorithm::RS256),
        (AlgorithmParameters::EllipticCurve(curve), Algorithm::ES256) => {
            (curve.curve == EllipticCurve::P256, KeyAlgorithm::ES256)
        }
        _ => return false,
    };
    let common = &key.common;
    fits && common.key_algorithm.is_none_or(|algorithm| algorithm == named)
        && common.public_key_use.as_ref().is_none_or(|usage| *usage == PublicKeyUse::Signature)
        && common.key_operations.as_ref().is_none_or(|operations| operations.contains(&KeyOperations::Verify))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// The P-256 key of RFC 7517, appendix A.1, with other fields.
    fn set(patches: &[Value]) -> JwkSet {
        let keys: Vec<Value> = patches
            .iter()
            .map(|patch| {
                let mut key = json!({
                    "kty": "EC", "crv": "P-256", "kid": "k",
                    "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
                    "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
                });
                for (field, value) in patch.as_object().unwrap() {
                    key[field] = value.clone();
                }
                key
            })
            .collect();
        parse(json!({"keys": keys}).to_string().as_bytes()).unwrap()
    }

    #[test]
    fn key_verifies_only_what_it_says_it_is_for() {
        for (patch, expected) in [
            (json!({}), true),
            (json!({"use": "sig", "alg": "ES256", "key_ops": ["verify"]}), true),
            (json!({"key_ops": ["sign", "verify"]}), true),
            (json!({"use": "enc"}), false),
            (json!({"use": "other"}), false),
            (json!({"alg": "ES384"}), false),
            (json!({"alg": "RS256"}), false),
            (json!({"alg": "ECDH-ES"}), false),
            (json!({"key_ops": ["encrypt"]}), false),
            (json!({"key_ops": []}), false),
        ] {
            assert_eq!(
                pick(&set(std::slice::from_ref(&patch)), Algorithm::ES256, Some("k")).is_some(),
                expected,
                "{patch}"
            );
        }
    }

    #[test]
    fn unknown_kind_of_key_leaves_the_others_usable() {
        let keys = set(&[json!({"crv": "secp256k1"}), json!({"kty": "AKP"}), json!({})]);
        assert_eq!(keys.keys.len(), 1);
        assert!(pick(&keys, Algorithm::ES256, Some("k")).is_some());
        assert!(parse(b"{}").is_err());
    }

    #[test]
    fn token_without_a_key_id_needs_a_set_with_one_fitting_key() {
        let one = json!({});
        assert!(pick(&set(std::slice::from_ref(&one)), Algorithm::ES256, None).is_some());
        assert!(pick(&set(&[one.clone(), json!({"use": "enc", "kid": "l"})]), Algorithm::ES256, None).is_some());
        assert!(pick(&set(&[one.clone(), json!({"kid": "l"})]), Algorithm::ES256, None).is_none());
        assert!(pick(&set(&[one]), Algorithm::RS256, Some("k")).is_none());
    }
}
