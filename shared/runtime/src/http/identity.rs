//! Who calls: what the authorizer found out, and how a function learns it.
//!
//! An HTTP API cannot shape the answer to a caller that its authorizer turns away, and it keeps what an authorizer
//! said for minutes. So the authorizer turns nobody away: it says who calls, until when that holds, or what is wrong
//! with the token, and every function judges that by itself before its handler sees the request.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use domain::caller::{Caller, Role};
use domain::id::UserId;
use domain::time::Time;

/// What is wrong with a caller's credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase")]
pub enum Fault {
    /// There are none.
    #[error("the request has no credentials; send a bearer token")]
    Missing,
    /// Neither a token nor a write key that is known.
    #[error("the write key is unknown or was revoked")]
    WriteKey,
    /// No token at all, or one that cannot be read, or with a signature that does not fit.
    #[error("the token is malformed or its signature does not match")]
    Invalid,
    /// It was good once.
    #[error("the token has expired; get a new one")]
    Expired,
    /// It will be good later.
    #[error("the token is not valid yet; check the issuer's clock")]
    Early,
    /// Its issuer or audience is another one.
    #[error("the token is for another issuer or audience; check iss and aud")]
    Foreign,
    /// It does not say who it is for, or what they may do.
    #[error("the token needs a sub claim with an id and a role claim with a known role")]
    Claims,
    /// The keys that would verify it are not available, so nothing is known about it.
    #[error("the token cannot be verified at the moment; send the same request again")]
    Unchecked,
}

/// What the authorizer says of a caller; the context of its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "caller", rename_all = "camelCase")]
pub enum Verdict {
    /// A person with a good token.
    #[serde(rename_all = "camelCase")]
    User {
        /// Who.
        sub: UserId,
        /// What they may do.
        role: Role,
        /// What they are called, if the token says so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// From when on the token is good; absent where it always was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        valid_from: Option<Time>,
        /// Until when the token is good.
        expires_at: Time,
    },
    /// Nobody in particular, with a good write key.
    Anonymous,
    /// Credentials that are not good.
    Refused {
        /// What is wrong with them.
        fault: Fault,
    },
}

impl Verdict {
    /// The context that API Gateway hands to functions.
    #[must_use]
    pub fn to_context(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(context)) => context,
            _ => Map::new(),
        }
    }

    /// What a function was handed; nothing, where the route has no authorizer.
    pub(super) fn from_context(context: Map<String, Value>) -> Result<Self, Fault> {
        if context.is_empty() {
            return Err(Fault::Missing);
        }
        serde_json::from_value(Value::Object(context)).map_err(|_| Fault::Invalid)
    }

    /// What the person is called, if that is known.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::User { name, .. } => name.as_deref(),
            Self::Anonymous | Self::Refused { .. } => None,
        }
    }

    /// The caller, if the credentials are still good.
    pub(super) fn judge(self, now: Time) -> Result<Caller, Fault> {
        match self {
            Self::User { expires_at, .. } if expires_at <= now => Err(Fault::Expired),
            Self::User { valid_from: Some(valid_from), .. } if now < valid_from => Err(Fault::Early),
            Self::User { sub, role, .. } => Ok(Caller::User { id: sub, role }),
            Self::Anonymous => Ok(Caller::Anonymous),
            Self::Refused { fault } => Err(fault),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_survives_the_context_and_its_time() {
        let expires_at: Time = "2026-01-31T09:30:00Z".parse().unwrap();
        let sub: UserId = "u".parse().unwrap();
        let user = Verdict::User { sub: sub.clone(), role: Role::Artist, name: None, valid_from: None, expires_at };
        let context = user.to_context();
        assert_eq!(
            Value::Object(context.clone()),
            serde_json::json!({
                "caller": "user", "sub": "u", "role": "artist", "expiresAt": "2026-01-31T09:30:00.000Z",
            })
        );
        let read = Verdict::from_context(context).unwrap();
        assert!(read.clone().judge(expires_at.plus(chrono::TimeDelta::milliseconds(-1))).is_ok());
        assert_eq!(read.judge(expires_at), Err(Fault::Expired));
        let later = expires_at.plus(chrono::TimeDelta::hours(1));
        let early =
            Verdict::User { sub, role: Role::Artist, name: None, valid_from: Some(expires_at), expires_at: later };
        let early = Verdict::from_context(early.to_context()).unwrap();
        assert_eq!(early.clone().judge(expires_at.plus(chrono::TimeDelta::milliseconds(-1))), Err(Fault::Early));
        assert!(early.judge(expires_at).is_ok());
        for verdict in [Verdict::Anonymous, Verdict::Refused { fault: Fault::Expired }] {
            assert_eq!(Verdict::from_context(verdict.to_context()), Ok(verdict));
        }
        assert_eq!(Verdict::from_context(Map::new()), Err(Fault::Missing));
        let forged = serde_json::from_str(r#"{"caller":"user","sub":"u","role":"root","expiresAt":"x"}"#).unwrap();
        assert_eq!(Verdict::from_context(forged), Err(Fault::Invalid));
    }
}
