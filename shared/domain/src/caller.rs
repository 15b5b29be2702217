//! Callers, and the actors of facts.

use super::id::{AnonymousId, SessionId, UserId};
use super::string_enum::string_enum;

string_enum! {
    /// The role of a user.
    Role {
        /// May do everything, for anyone.
        Admin = "admin",
        /// Has tracks.
        Artist = "artist",
        /// Has products.
        Seller = "seller",
        /// Has courses.
        Teacher = "teacher",
        /// Takes courses.
        Student = "student",
    }
}

/// The caller according to a verified token or a valid write key; never according to a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// A signed-in user.
    User {
        /// The user id.
        id: UserId,
        /// The role.
        role: Role,
    },
    /// A page with the public write key, or a reader of a public route.
    Anonymous,
}

impl Caller {
    /// The user, if one is signed in.
    #[must_use]
    pub fn user(&self) -> Option<&UserId> {
        match self {
            Self::User { id, .. } => Some(id),
            Self::Anonymous => None,
        }
    }

    /// Whether this is an admin.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        matches!(self, Self::User { role: Role::Admin, .. })
    }
}

/// The actor of a fact: the user, else the device, else the session. Shown as `u:<id>`, `a:<id>` or `s:<id>`.
///
/// Ordered by certainty: a user before a device, and a device before a session.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Actor {
    /// A signed-in user.
    User(UserId),
    /// A device that its client recognises, without a signed-in user.
    Device(AnonymousId),
    /// A session without a signed-in user, on an unknown device.
    Session(SessionId),
}

impl Actor {
    /// All actors that an event names, the most certain first. The first one is the actor; the others are the same
    /// listener before signing in.
    #[must_use]
    pub fn all(user: Option<&UserId>, device: Option<&AnonymousId>, session: Option<&SessionId>) -> Vec<Self> {
        let user = user.cloned().map(Self::User);
        let device = device.cloned().map(Self::Device);
        user.into_iter().chain(device).chain(session.cloned().map(Self::Session)).collect()
    }

    /// The user, if the actor is one.
    #[must_use]
    pub fn user(&self) -> Option<&UserId> {
        match self {
            Self::User(id) => Some(id),
            Self::Device(_) | Self::Session(_) => None,
        }
    }
}

impl std::fmt::Display for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::User(id) => write!(f, "u:{id}"),
            Self::Device(id) => write!(f, "a:{id}"),
            Self::Session(id) => write!(f, "s:{id}"),
        }
    }
}

/// A text that names no actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be u:, a: or s: followed by an id")]
pub struct InvalidActor;

impl std::str::FromStr for Actor {
    type Err = InvalidActor;

    fn from_str(text: &str) -> Result<Self, InvalidActor> {
        let (kind, id) = text.split_once(':').ok_or(InvalidActor)?;
        match kind {
            "u" => id.parse().map(Self::User),
            "a" => id.parse().map(Self::Device),
            "s" => id.parse().map(Self::Session),
            _ => return Err(InvalidActor),
        }
        .map_err(|_| InvalidActor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actor_is_user_else_device_else_session() {
        let (user, device, session) = ("ann".parse().unwrap(), "d:1".parse().unwrap(), "s".parse().unwrap());
        let named = |user, device| {
            let all = Actor::all(user, device, Some(&session));
            assert!(all.is_sorted(), "{all:?}");
            all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(named(Some(&user), Some(&device)), "u:ann a:d:1 s:s");
        assert_eq!(named(None, Some(&device)), "a:d:1 s:s");
        assert_eq!(named(None, None), "s:s");
        assert_eq!("a:d:1".parse(), Ok(Actor::Device(device)));
        for bad in ["", "ann", "u:", "x:ann", "u:a b"] {
            assert_eq!(bad.parse::<Actor>(), Err(InvalidActor), "{bad}");
        }
    }
}
