//! Verifying tokens ([RFC 8725](https://www.rfc-editor.org/rfc/rfc8725): the algorithm never chooses the kind of key).

use std::collections::HashSet;
use std::sync::Arc;

use chrono::TimeDelta;
use domain::time::Time;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Header as TokenHeader, Validation, decode, decode_header};
use runtime::cached::{Cached, Unavailable};
use runtime::http::identity::{Fault, Verdict};
use runtime::secrets::Secret;
use serde::Deserialize;

use crate::jwks::pick;

/// How far the clocks of those who make tokens may be ahead of ours.
const LEEWAY: TimeDelta = TimeDelta::seconds(60);

/// The latest time that a token's numbers may name: the year 9999, in seconds.
const LATEST_S: f64 = 253_402_300_799.0;

/// The shortest secret that HS256 is safe with, in bytes
/// ([RFC 7518, section 3.2](https://www.rfc-editor.org/rfc/rfc7518#section-3.2)).
const MIN_SECRET: usize = 32;

/// The keys that tokens may be signed with.
pub(crate) struct Keys {
    /// The shared secret of HS256 tokens, and the one before it during a rotation.
    pub(crate) secret: Option<Cached<Secret>>,
    /// The public keys of RS256 and ES256 tokens.
    pub(crate) jwks: Option<Cached<Arc<JwkSet>>>,
}

impl Keys {
    /// The claims of a token with a good signature. A token that no known key verifies may be signed with a newer key, so the keys
    /// are fetched again, every five seconds at most.
    async fn claims(&self, token: &str, header: &TokenHeader, rules: &Rules) -> Result<Checked, Unavailable> {
        let validation = rules.validation(header.alg);
        match (header.alg, &self.secret, &self.jwks) {
            (Algorithm::HS256, Some(secrets), _) => {
                let known = secrets.get().await?;
                let checked = with_secret(token, &known, &validation)?;
                if !matches!(checked, Err(Fault::Invalid)) {
                    return Ok(checked);
                }
                secrets.invalidate_if(|secret| *secret == known).await;
                let newer = secrets.get().await?;
                if newer == known { Ok(checked) } else { with_secret(token, &newer, &validation) }
            }
            (Algorithm::RS256 | Algorithm::ES256, _, Some(jwks)) => {
                let known = jwks.get().await?;
                let id = header.kid.as_deref();
                let mut key = pick(&known, header.alg, id);
                if key.is_none() {
                    jwks.invalidate_if(|keys| Arc::ptr_eq(keys, &known)).await;
                    key = pick(&*jwks.get().await?, header.alg, id);
                }
                Ok(key.map_or(Err(Fault::Invalid), |key| check(token, &key, &validation)))
            }
            _ => Ok(Err(Fault::Invalid)),
        }
    }
}

/// The claims of a token whose signature is good, or what is wrong with it.
type Checked = Result<Claims, Fault>;

fn with_secret(token: &str, secret: &Secret, validation: &Validation) -> Result<Checked, Unavailable> {
    let mut checked = Err(Fault::Invalid);
    for secret in std::iter::once(&secret.current).chain(&secret.previous) {
        if secret.len() < MIN_SECRET {
            return Err(Unavailable(format!("the secret of tokens is shorter than {MIN_SECRET} bytes")));
        }
        checked = check(token, &DecodingKey::from_secret(secret.as_bytes()), validation);
        if !matches!(checked, Err(Fault::Invalid)) {
            break;
        }
    }
    Ok(checked)
}

fn check(token: &str, key: &DecodingKey, validation: &Validation) -> Checked {
    decode::<Claims>(token, key, validation).map(|decoded| decoded.claims).map_err(|error| match error.kind() {
        ErrorKind::InvalidIssuer | ErrorKind::InvalidAudience => Fault::Foreign,
        ErrorKind::MissingRequiredClaim(claim) if claim != "exp" => Fault::Foreign,
        _ => Fault::Invalid,
    })
}

/// Who tokens must come from and be meant for; `None` takes any.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    pub(crate) issuer: Option<String>,
    pub(crate) audience: Option<String>,
}

impl Rules {
    fn validation(&self, algorithm: Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        // The times are judged below, by the injected clock.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = self.audience.is_some();
        validation.required_spec_claims = HashSet::from(["exp".to_owned()]);
        if let Some(audience) = &self.audience {
            validation.set_audience(&[audience]);
            validation.required_spec_claims.insert("aud".to_owned());
        }
        if let Some(issuer) = &self.issuer {
            validation.set_issuer(&[issuer]);
            validation.required_spec_claims.insert("iss".to_owned());
        }
        validation
    }
}

#[derive(Deserialize)]
struct Claims {
    sub: Option<String>,
    role: Option<serde_json::Value>,
    name: Option<serde_json::Value>,
    exp: f64,
    #[serde(default)]
    nbf: Option<f64>,
}

/// How much of a person's name is passed on, in characters.
const MAX_NAME: usize = 100;

/// Verifies a token: who it names, what they may do, and when it is good.
///
/// # Errors
/// The keys that would verify it are not available, so nothing is known about it.
pub(crate) async fn verify(token: &str, keys: &Keys, rules: &Rules, now: Time) -> Result<Verdict, Unavailable> {
    let Ok(header) = decode_header(token) else { return Ok(Verdict::Refused { fault: Fault::Invalid }) };
    let checked = keys.claims(token, &header, rules).await?;
    Ok(checked.and_then(|claims| judge(claims, now)).unwrap_or_else(|fault| Verdict::Refused { fault }))
}

fn judge(claims: Claims, now: Time) -> Result<Verdict, Fault> {
    let expires_at = time(claims.exp).ok_or(Fault::Invalid)?;
    if expires_at <= now {
        return Err(Fault::Expired);
    }
    // A verdict may be reused until its time comes, so the function judges by these times, not the authorizer.
    let valid_from = match claims.nbf {
        Some(not_before) => Some(time(not_before).ok_or(Fault::Invalid)?.plus(-LEEWAY)),
        None => None,
    };
    let sub = claims.sub.and_then(|sub| sub.parse().ok()).ok_or(Fault::Claims)?;
    let role = claims.role.as_ref().and_then(serde_json::Value::as_str).and_then(|role| role.parse().ok());
    let role = role.ok_or(Fault::Claims)?;
    let name = claims.name.as_ref().and_then(serde_json::Value::as_str).map(str::trim).filter(|name| !name.is_empty());
    let name = name.map(|name| name.chars().take(MAX_NAME).collect());
    Ok(Verdict::User { sub, role, name, valid_from, expires_at })
}

/// A `NumericDate` ([RFC 7519, section 2](https://www.rfc-editor.org/rfc/rfc7519#section-2)).
#[allow(clippy::cast_possible_truncation, reason = "the range is checked")]
fn time(seconds: f64) -> Option<Time> {
    let seconds = (0.0..=LATEST_S).contains(&seconds).then_some(seconds)?;
    chrono::DateTime::from_timestamp_millis((seconds * 1000.0) as i64).map(Time::from)
}
