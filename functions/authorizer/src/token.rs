//! Verifying tokens ([RFC 8725](https://www.rfc-editor.org/rfc/rfc8725): the algorithm never chooses the kind of key).

use std::collections::HashSet;
use std::sync::Arc;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use shared::domain::time::Time;
use shared::http::identity::{Fault, Verdict};

use crate::jwks::{Jwks, Unavailable};

/// How far the clocks of those who make tokens may be ahead of ours, in seconds.
const LEEWAY_S: i64 = 60;

/// The latest time that a token's numbers may name: the year 9999, in seconds.
const LATEST_S: f64 = 253_402_300_799.0;

/// The token could not be checked, so nothing can be said of it.
#[derive(Debug, thiserror::Error)]
#[error("tokens cannot be checked: {0}")]
pub(crate) struct Unchecked(#[from] Unavailable);

/// The keys that tokens may be signed with.
pub(crate) struct Keys {
    secret: Option<DecodingKey>,
    jwks: Option<Arc<Jwks>>,
}

impl Keys {
    pub(crate) fn new(secret: Option<&str>, jwks: Option<Arc<Jwks>>) -> Self {
        Self { secret: secret.map(|secret| DecodingKey::from_secret(secret.as_bytes())), jwks }
    }

    /// The key for an algorithm and a key id, if there is one: the shared secret for HS256 alone, and a key of the
    /// JWKS for the others.
    async fn find(&self, algorithm: Algorithm, id: Option<&str>) -> Result<Option<DecodingKey>, Unavailable> {
        match (algorithm, &self.jwks) {
            (Algorithm::HS256, _) => Ok(self.secret.clone()),
            (Algorithm::RS256 | Algorithm::ES256, Some(jwks)) => jwks.find(algorithm, id).await,
            _ => Ok(None),
        }
    }
}

/// Who tokens must come from and be meant for; `None` takes any.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    pub(crate) issuer: Option<String>,
    pub(crate) audience: Option<String>,
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

/// Verifies a token: who it names, what they may do, and until when it is good.
pub(crate) async fn verify(
    token: &str,
    keys: &Keys,
    rules: &Rules,
    now: Time,
) -> Result<Result<Verdict, Fault>, Unchecked> {
    let Ok(header) = decode_header(token) else { return Ok(Err(Fault::Invalid)) };
    let Some(key) = keys.find(header.alg, header.kid.as_deref()).await? else { return Ok(Err(Fault::Invalid)) };
    let mut validation = Validation::new(header.alg);
    // The times are judged below, by the injected clock.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = rules.audience.is_some();
    validation.required_spec_claims = HashSet::from(["exp".to_owned()]);
    if let Some(audience) = &rules.audience {
        validation.set_audience(&[audience]);
        validation.required_spec_claims.insert("aud".to_owned());
    }
    if let Some(issuer) = &rules.issuer {
        validation.set_issuer(&[issuer]);
        validation.required_spec_claims.insert("iss".to_owned());
    }
    Ok(match decode::<Claims>(token, &key, &validation) {
        Ok(decoded) => judge(decoded.claims, now),
        Err(error) => Err(match error.kind() {
            ErrorKind::InvalidIssuer | ErrorKind::InvalidAudience => Fault::Foreign,
            ErrorKind::MissingRequiredClaim(claim) if claim != "exp" => Fault::Foreign,
            _ => Fault::Invalid,
        }),
    })
}

fn judge(claims: Claims, now: Time) -> Result<Verdict, Fault> {
    let expires_at = time(claims.exp).ok_or(Fault::Invalid)?;
    if expires_at <= now {
        return Err(Fault::Expired);
    }
    if let Some(not_before) = claims.nbf {
        let not_before = time(not_before).ok_or(Fault::Invalid)?;
        if not_before.seconds() > now.seconds() + LEEWAY_S {
            return Err(Fault::Early);
        }
    }
    let sub = claims.sub.and_then(|sub| sub.parse().ok()).ok_or(Fault::Claims)?;
    let role = claims.role.and_then(|role| serde_json::from_value(role).ok()).ok_or(Fault::Claims)?;
    let name = claims.name.as_ref().and_then(serde_json::Value::as_str).map(str::trim).filter(|name| !name.is_empty());
    let name = name.map(|name| name.chars().take(MAX_NAME).collect());
    Ok(Verdict::User { sub, role, name, expires_at })
}

/// A `NumericDate` ([RFC 7519, section 2](https://www.rfc-editor.org/rfc/rfc7519#section-2)).
#[allow(clippy::cast_possible_truncation, reason = "the range is checked")]
fn time(seconds: f64) -> Option<Time> {
    let seconds = (0.0..=LATEST_S).contains(&seconds).then_some(seconds)?;
    chrono::DateTime::from_timestamp_millis((seconds * 1000.0) as i64).map(Time::from)
}
