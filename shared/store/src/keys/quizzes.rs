//! Keys of quizzes and of interactions with them.

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

/// A user's rating of a quiz.
#[must_use]
pub fn rating(user: &UserId, of: &QuizId) -> Key {
    Key { pk: actor(user), sk: format!("RATING#QUIZ#{of}") }
}

/// A user's attempt at a quiz.
#[must_use]
pub fn attempt(user: &UserId, of: &QuizId, attempt: &AttemptId) -> Key {
    Key { pk: actor(user), sk: format!("ATTEMPT#QUIZ#{of}#{attempt}") }
}

/// The number of a user's attempts at a quiz that count on a day.
#[must_use]
pub fn counted_attempts(user: &UserId, of: &QuizId, day: Window) -> Key {
    Key { pk: actor(user), sk: format!("ATTEMPTS#QUIZ#{of}#{}", day.start()) }
}

fn actor(user: &UserId) -> String {
    format!("ACTOR#{}", Actor::User(user.clone()))
}

/// A quiz's totals.
#[must_use]
pub fn quiz_total(of: &QuizId) -> Key {
    Key { pk: format!("QUIZ#{of}"), sk: TOTAL.to_owned() }
}

/// The membership of a quiz in a package.
#[must_use]
pub fn package_with(quiz: &QuizId, package: &PackageId) -> Key {
    Key { pk: format!("QUIZ#{quiz}"), sk: format!("{PACKAGES_WITH}{package}") }
}

/// The prefix of the sort keys of the packages that contain a quiz.
pub const PACKAGES_WITH: &str = "IN#";
