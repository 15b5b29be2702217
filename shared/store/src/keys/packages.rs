//! Keys of packages, and of their refreshes.

use super::{CONTRIBUTIONS, DOCUMENT, Key, TOTAL, lane, sales_total, user};
use domain::id::{PackageId, QuizId, RefreshId, UserId};
use domain::purchase::{Item, ItemType};

/// A package's document.
#[must_use]
pub fn package(id: &PackageId) -> Key {
    Key { pk: format!("{PACKAGE}{id}"), sk: DOCUMENT.to_owned() }
}

/// A package's numbers.
#[must_use]
pub fn package_total(of: &PackageId) -> Key {
    Key { pk: format!("{PACKAGE}{of}"), sk: TOTAL.to_owned() }
}

/// What a quiz contributes to a package.
#[must_use]
pub fn quiz_in_package(package: &PackageId, quiz: &QuizId) -> Key {
    Key { pk: format!("{PACKAGE}{package}"), sk: format!("{QUIZZES_IN}{quiz}") }
}

/// What purchases contribute to a package.
#[must_use]
pub fn sales_in_package(package: &PackageId) -> Key {
    Key { pk: format!("{PACKAGE}{package}"), sk: format!("{CONTRIBUTIONS}SALES") }
}

/// What purchases of a package brought in.
#[must_use]
pub fn sales_of_package(package: &PackageId) -> Key {
    sales_total(&Item { kind: ItemType::Package, id: package.clone().into() })
}

/// What the sort keys of what quizzes contribute to a package begin with.
pub const QUIZZES_IN: &str = "C#QUIZ#";

const PACKAGE: &str = "PACKAGE#";

/// Whose document a key is, if it is a package's.
#[must_use]
pub fn parse_package(pk: &str, sk: &str) -> Option<PackageId> {
    if sk != DOCUMENT {
        return None;
    }
    pk.strip_prefix(PACKAGE)?.parse().ok()
}

/// That a package is a creator's.
#[must_use]
pub fn package_of(creator: &UserId, id: &PackageId) -> Key {
    Key { pk: user(creator), sk: format!("{PACKAGES_OF}{id}") }
}

/// What the sort keys of a creator's packages begin with.
pub const PACKAGES_OF: &str = "PACKAGE#";

/// That there is a package.
#[must_use]
pub fn listed_package(id: &PackageId) -> Key {
    Key { pk: packages(lane(id.as_str())), sk: id.to_string() }
}

/// The partition of the packages of a lane.
#[must_use]
pub fn packages(lane: u8) -> String {
    format!("PACKAGES#{lane:02}")
}

/// How a refresh of all packages goes.
#[must_use]
pub fn refresh(id: &RefreshId) -> Key {
    Key { pk: format!("REFRESH#{id}"), sk: TOTAL.to_owned() }
}

/// That a refresh has come to a package.
#[must_use]
pub fn refreshed(id: &RefreshId, package: &PackageId) -> Key {
    Key { pk: format!("REFRESH#{id}"), sk: format!("{CONTRIBUTIONS}{PACKAGE}{package}") }
}

/// That a refresh has come to the end of a lane.
#[must_use]
pub fn refreshed_lane(id: &RefreshId, lane: u8) -> Key {
    Key { pk: format!("REFRESH#{id}"), sk: format!("{CONTRIBUTIONS}LANE#{lane:02}") }
}
