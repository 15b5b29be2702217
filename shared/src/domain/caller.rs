//! Who calls.

use super::id::{SessionId, UserId};
use super::words::words;

words! {
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

/// Who likes or saves: the person, else the session. Shown as `u:<id>` or `s:<id>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Actor {
    /// A signed-in person.
    User(UserId),
    /// A session nobody has signed in to.
    Session(SessionId),
}

impl std::fmt::Display for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::User(id) => write!(f, "u:{id}"),
            Self::Session(id) => write!(f, "s:{id}"),
        }
    }
}
