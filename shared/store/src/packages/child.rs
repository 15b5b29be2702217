//! The children of a package: its quizzes and its purchases.

use crate::keys::{self, Key};
use domain::id::{PackageId, QuizId};

/// The prefix of a package's earnings; a currency follows.
pub(super) const EARNED: &str = "earned#";

/// A child that contributes to a package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Child {
    Quiz(QuizId),
    /// What the package's purchases earned.
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

    /// The key of the item that its contribution is made of.
    pub(super) fn source(&self, package: &PackageId) -> Key {
        match self {
            Self::Quiz(quiz) => keys::quiz_total(quiz),
            Self::Sales => keys::sales_of_package(package),
        }
    }

    /// The child whose contribution has this sort key.
    pub(super) fn parse_key(sk: &str) -> Option<Self> {
        match sk.strip_prefix(keys::QUIZZES_IN) {
            Some(quiz) => quiz.parse().ok().map(Self::Quiz),
            None => (sk.strip_prefix(keys::CONTRIBUTIONS) == Some("SALES")).then_some(Self::Sales),
        }
    }
}
