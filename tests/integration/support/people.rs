//! The users of the tests.

/// A user: their id and their role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Person<'a>(pub(crate) &'a str, pub(crate) &'a str);

pub(crate) const TIM: Person<'_> = Person("tim", "teacher");
pub(crate) const TOM: Person<'_> = Person("tom", "teacher");
pub(crate) const EVE: Person<'_> = Person("eve", "seller");
pub(crate) const BOB: Person<'_> = Person("bob", "seller");
pub(crate) const SAM: Person<'_> = Person("sam", "student");
pub(crate) const SUE: Person<'_> = Person("sue", "student");
pub(crate) const KIM: Person<'_> = Person("kim", "student");
pub(crate) const KAI: Person<'_> = Person("kai", "student");
pub(crate) const ANN: Person<'_> = Person("ann", "artist");
pub(crate) const ROOT: Person<'_> = Person("root", "admin");
