//! Authorship: who may make quizzes and packages, and whose they are.

use super::caller::{Caller, Role};
use super::id::UserId;

/// Why a caller may not make or change this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Only those who teach or sell make quizzes and packages.
    #[error("only a teacher, a seller or an admin may do this")]
    NoAuthor,
    /// Somebody else's.
    #[error("only its creator or an admin may do this")]
    NotOwner,
}

/// Something that is somebody's.
pub trait Owned {
    /// Whose it is.
    fn owner(&self) -> &UserId;
}

/// Whose a thing is that `caller` makes or changes: `held` tells whose it was so far, `asked` whose it is said to be.
///
/// # Errors
/// If it is somebody else's, or would be.
pub fn creator(caller: &Caller, held: Option<&UserId>, asked: Option<UserId>) -> Result<UserId, Refused> {
    match caller {
        Caller::User { role: Role::Admin, id } => Ok(held.cloned().or(asked).unwrap_or_else(|| id.clone())),
        Caller::User { role: Role::Teacher | Role::Seller, id } => {
            let is_theirs = held.is_none_or(|held| held == id) && asked.is_none_or(|asked| asked == *id);
            if is_theirs { Ok(id.clone()) } else { Err(Refused::NotOwner) }
        }
        _ => Err(Refused::NoAuthor),
    }
}

/// Whether `caller` is the creator or an admin.
#[must_use]
pub fn is_theirs(caller: &Caller, creator: &UserId) -> bool {
    caller.is_admin() || caller.user() == Some(creator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authors_make_their_own_and_admins_anybody_s() {
        let of = |role, held: Option<&str>, asked: Option<&str>| {
            let caller = Caller::User { id: "me".parse().unwrap(), role };
            let held: Option<UserId> = held.map(|id| id.parse().unwrap());
            creator(&caller, held.as_ref(), asked.map(|id| id.parse().unwrap())).map(|id| id.to_string())
        };
        for role in [Role::Teacher, Role::Seller] {
            assert_eq!(of(role, None, None).as_deref(), Ok("me"));
            assert_eq!(of(role, Some("me"), Some("me")).as_deref(), Ok("me"));
            assert_eq!(of(role, Some("you"), None), Err(Refused::NotOwner));
            assert_eq!(of(role, None, Some("you")), Err(Refused::NotOwner));
        }
        for role in [Role::Student, Role::Artist] {
            assert_eq!(of(role, None, None), Err(Refused::NoAuthor));
        }
        assert_eq!(creator(&Caller::Anonymous, None, None), Err(Refused::NoAuthor));
        assert_eq!(of(Role::Admin, None, None).as_deref(), Ok("me"));
        assert_eq!(of(Role::Admin, None, Some("you")).as_deref(), Ok("you"));
        assert_eq!(of(Role::Admin, Some("her"), Some("you")).as_deref(), Ok("her"), "it stays whose it is");
    }
}
