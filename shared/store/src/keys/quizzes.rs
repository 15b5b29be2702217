//! Keys of quizzes, and of what people do with them.

use super::{Key, TOTAL, facts_of_hour};
use domain::caller::Actor;
use domain::entity::Entity;
use domain::id::{AttemptId, PackageId, QuizId, UserId};
use domain::quota::Window;
use domain::time::Time;

/// A fact of a quiz, which state guards.
#[must_use]
pub fn interaction(of: &QuizId, at: Time, kind: &str, id: &str) -> Key {
    let of = Entity::Quiz(of.clone());
    Key { pk: facts_of_hour(&of, at.hour()), sk: format!("{}#{kind}#{id}", at.offset_in_hour()) }
}

/// How a person rated a quiz.
#[must_use]
pub fn rating(user: &UserId, of: &QuizId) -> Key {
    Key { pk: actor(user), sk: format!("RATING#QUIZ#{of}") }
}

/// An attempt of a person at a quiz.
#[must_use]
pub fn attempt(user: &UserId, of: &QuizId, attempt: &AttemptId) -> Key {
    Key { pk: actor(user), sk: format!("ATTEMPT#QUIZ#{of}#{attempt}") }
}

/// How many attempts of a person at a quiz have counted on a day.
#[must_use]
pub fn counted_attempts(user: &UserId, of: &QuizId, day: Window) -> Key {
    Key { pk: actor(user), sk: format!("ATTEMPTS#QUIZ#{of}#{}", day.start()) }
}

fn actor(user: &UserId) -> String {
    format!("ACTOR#{}", Actor::User(user.clone()))
}

/// A quiz's numbers.
#[must_use]
pub fn quiz_total(of: &QuizId) -> Key {
    Key { pk: format!("QUIZ#{of}"), sk: TOTAL.to_owned() }
}

/// That a package holds a quiz.
#[must_use]
pub fn package_with(quiz: &QuizId, package: &PackageId) -> Key {
    Key { pk: format!("QUIZ#{quiz}"), sk: format!("{PACKAGES_WITH}{package}") }
}

/// What the sort keys of the packages that hold a quiz begin with.
pub const PACKAGES_WITH: &str = "IN#";
