//! Creators: who may create quizzes and packages, and who owns them.

use super::caller::{Caller, Role};
use super::id::UserId;
use super::rejection::Rejection;

/// Only these roles create quizzes and packages.
const NOT_AN_AUTHOR: Rejection = Rejection::Forbidden("only a teacher, a seller or an admin may do this");

/// Authors change only their own quizzes and packages.
pub(super) const NOT_THE_CREATOR: Rejection = Rejection::Forbidden("only the creator or an admin may do this");

/// A document with an owner.
pub trait Owned {
    /// The owner.
    fn owner(&self) -> &UserId;
}

/// The owner of a document that `caller` creates or changes. `stored` is its present owner, `requested` the owner that
/// the request names.
///
/// # Errors
/// If the document is or would be another creator's.
pub fn creator(caller: &Caller, stored: Option<&UserId>, asked: Option<UserId>) -> Result<UserId, Rejection> {
    match caller {
        Caller::User { role: Role::Admin, id } => Ok(stored.cloned().or(asked).unwrap_or_else(|| id.clone())),
        Caller::User { role: Role::Teacher | Role::Seller, id } => {
            let is_theirs = stored.is_none_or(|stored| stored == id) && asked.is_none_or(|asked| asked == *id);
            if is_theirs { Ok(id.clone()) } else { Err(NOT_THE_CREATOR) }
        }
        _ => Err(NOT_AN_AUTHOR),
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
    fn creators_own_what_they_create_and_admins_act_for_all() {
        let of = |role, stored: Option<&str>, asked: Option<&str>| {
            let caller = Caller::User { id: "me".parse().unwrap(), role };
            let stored: Option<UserId> = stored.map(|id| id.parse().unwrap());
            creator(&caller, stored.as_ref(), asked.map(|id| id.parse().unwrap())).map(|id| id.to_string())
        };
        for role in [Role::Teacher, Role::Seller] {
            assert_eq!(of(role, None, None).as_deref(), Ok("me"));
            assert_eq!(of(role, Some("me"), Some("me")).as_deref(), Ok("me"));
            assert_eq!(of(role, Some("you"), None), Err(NOT_THE_CREATOR));
            assert_eq!(of(role, None, Some("you")), Err(NOT_THE_CREATOR));
        }
        for role in [Role::Student, Role::Artist] {
            assert_eq!(of(role, None, None), Err(NOT_AN_AUTHOR));
        }
        assert_eq!(creator(&Caller::Anonymous, None, None), Err(NOT_AN_AUTHOR));
        assert_eq!(of(Role::Admin, None, None).as_deref(), Ok("me"));
        assert_eq!(of(Role::Admin, None, Some("you")).as_deref(), Ok("you"));
        assert_eq!(of(Role::Admin, Some("her"), Some("you")).as_deref(), Ok("her"), "it stays whose it is");
    }
}
