//! Who calls.

use super::id::{AnonymousId, SessionId, UserId};
use super::string_enum::string_enum;

string_enum! {
    /// What a person may be.
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

/// Who calls, as a verified token or a valid write key tells; never as a body does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// A signed-in person.
    User {
        /// Who.
        id: UserId,
        /// What they may do.
        role: Role,
    },
    /// Nobody in particular: a page with the public write key, or a reader of a public route.
    Anonymous,
}

impl Caller {
    /// The person, if somebody is signed in.
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

/// Who did something: the person, else the device, else the session. Shown as `u:<id>`, `a:<id>` or `s:<id>`.
///
/// The order is that of what is known: a person comes before a device, and a device before a session.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Actor {
    /// A signed-in person.
    User(UserId),
    /// A device that nobody has signed in on, which its client recognizes.
    Device(AnonymousId),
    /// A session that nobody has signed in to, on no known device.
    Session(SessionId),
}

impl Actor {
    /// All that an event names, the best known first: the first one is the actor. The others are the same listener
    /// before that was known.
    #[must_use]
    pub fn all(user: Option<&UserId>, device: Option<&AnonymousId>, session: Option<&SessionId>) -> Vec<Self> {
        let user = user.cloned().map(Self::User);
        let device = device.cloned().map(Self::Device);
        user.into_iter().chain(device).chain(session.cloned().map(Self::Session)).collect()
    }

    /// The person, if it is one.
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
    fn the_actor_is_the_person_else_the_device_else_the_session() {
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
