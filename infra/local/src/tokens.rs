//! Secrets that are made once and kept, and tokens that are ready to use.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use chrono::{DateTime, Duration, Utc};
use jsonwebtoken::{EncodingKey, Header};
use serde::{Deserialize, Serialize};

use crate::private;

/// Every role that a token may carry.
pub const ROLES: [&str; 5] = ["admin", "artist", "seller", "teacher", "student"];

/// The default lifetime of a token.
pub const GOOD_FOR: Duration = Duration::days(30);

/// What signs tokens, and what lets anonymous callers send events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Secrets {
    /// The shared secret of HS256 tokens.
    pub jwt_secret: String,
    /// The public write key.
    pub write_key: String,
}

impl Secrets {
    /// New secrets.
    #[must_use]
    pub fn fresh() -> Self {
        let ids = system::ids::random();
        Self { jwt_secret: ids.fresh() + &ids.fresh(), write_key: format!("local-{}", ids.fresh()) }
    }

    /// The secrets kept in a file, which is made if it is not there.
    ///
    /// # Errors
    /// The file cannot be read or written, or holds something else.
    pub fn kept(path: &Path) -> anyhow::Result<Self> {
        match std::fs::read(path) {
            Ok(kept) => {
                serde_json::from_slice(&kept).with_context(|| format!("{} does not hold secrets", path.display()))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let secrets = Self::fresh();
                let mut file = private::new_file(path).with_context(|| format!("{} cannot be made", path.display()))?;
                file.write_all(&serde_json::to_vec_pretty(&secrets)?)?;
                Ok(secrets)
            }
            Err(error) => Err(error).with_context(|| format!("{} cannot be read", path.display())),
        }
    }
}

/// The secret and the fixed claims of tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Claims {
    /// The shared secret that signs.
    pub secret: String,
    /// Who issued it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// Whom it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
}

#[derive(Serialize)]
struct Payload<'a> {
    sub: String,
    role: &'a str,
    iat: i64,
    exp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
}

/// A token for a subject with a role, good for as long as those that are printed.
///
/// # Errors
/// It cannot be signed.
pub fn token(claims: &Claims, subject: &str, role: &str, now: DateTime<Utc>) -> anyhow::Result<String> {
    token_for(claims, subject, role, now, GOOD_FOR)
}

/// A token for a subject with a role.
///
/// # Errors
/// It cannot be signed, or would be good beyond the end of time.
pub fn token_for(
    claims: &Claims,
    subject: &str,
    role: &str,
    now: DateTime<Utc>,
    good_for: Duration,
) -> anyhow::Result<String> {
    let payload = Payload {
        sub: subject.to_owned(),
        role,
        iat: now.timestamp(),
        exp: now.checked_add_signed(good_for).context("a token cannot be good for that long")?.timestamp(),
        iss: claims.issuer.as_deref(),
        aud: claims.audience.as_deref(),
    };
    let key = EncodingKey::from_secret(claims.secret.as_bytes());
    Ok(jsonwebtoken::encode(&Header::default(), &payload, &key)?)
}

/// A token for each role; the subject is the role with a number, such as `artist-1`.
///
/// # Errors
/// They cannot be signed.
pub fn of_every_role(claims: &Claims, now: DateTime<Utc>) -> anyhow::Result<BTreeMap<String, String>> {
    ROLES.iter().map(|role| Ok(((*role).to_owned(), token(claims, &format!("{role}-1"), role, now)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::{DecodingKey, Validation};
    use serde_json::Value;

    #[test]
    fn tokens_verify_and_carry_subject_and_role() {
        let claims = Claims {
            secret: Secrets::fresh().jwt_secret,
            issuer: Some("me".to_owned()),
            audience: Some("you".to_owned()),
        };
        let tokens = of_every_role(&claims, system::clock::system().now()).unwrap();
        assert_eq!(tokens.len(), ROLES.len());
        let mut validation = Validation::default();
        validation.set_issuer(&["me"]);
        validation.set_audience(&["you"]);
        let key = DecodingKey::from_secret(claims.secret.as_bytes());
        let artist = jsonwebtoken::decode::<Value>(&tokens["artist"], &key, &validation).unwrap().claims;
        assert_eq!((&artist["sub"], &artist["role"]), (&Value::from("artist-1"), &Value::from("artist")));
        assert!(
            jsonwebtoken::decode::<Value>(&tokens["artist"], &DecodingKey::from_secret(b"other"), &validation).is_err()
        );
    }

    #[test]
    fn secrets_survive_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets.json");
        let first = Secrets::kept(&path).unwrap();
        assert_eq!(Secrets::kept(&path).unwrap(), first);
        assert_ne!(Secrets::fresh(), first);
        assert!(first.jwt_secret.len() >= 32);
        std::fs::write(&path, "nonsense").unwrap();
        assert!(Secrets::kept(&path).unwrap_err().to_string().contains("does not hold secrets"));
    }
}
