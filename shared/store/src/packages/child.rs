//! Who contributes to a package.

use crate::keys::{self, Key};
use domain::id::{PackageId, QuizId};

/// What the names of sums of what a package earned begin with; a currency follows.
pub(super) const EARNED: &str = "earned#";

/// Who contributes to a package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Child {
    Quiz(QuizId),
    /// Its purchases: what they brought in.
    Sales,
}

impl Child {
    /// The key of its contribution.
    pub(super) fn key(&self, package: &PackageId) -> Key {
        match self {
            Self::Quiz(quiz) => keys::quiz_in_package(package, quiz),
            Self::Sales => keys::sales_in_package(package),
        }
    }

    /// The key of what its contribution is made of.
    pub(super) fn source(&self, package: &PackageId) -> Key {
        match self {
            Self::Quiz(quiz) => keys::quiz_total(quiz),
            Self::Sales => keys::sales_of_package(package),
        }
    }

    /// Whose contribution has this sort key.
    pub(super) fn of_key(sk: &str) -> Option<Self> {
        match sk.strip_prefix(keys::QUIZZES_IN) {
            Some(quiz) => quiz.parse().ok().map(Self::Quiz),
            None => (sk.strip_prefix(keys::CONTRIBUTIONS) == Some("SALES")).then_some(Self::Sales),
        }
    }
}
