//! Keys of packages, and of their refreshes.

use super::{CONTRIBUTIONS, DOCUMENT, Key, TOTAL, lane, sales_total, user};
use domain::id::{PackageId, QuizId, RefreshId, UserId};
use domain::purchase::{Item, ItemType};

/// A package's document.
#[must_use]
pub fn package(id: &PackageId) -> Key {
    Key { pk: format!("{PACKAGE}{id}"), sk: DOCUMENT.to_owned() }
}

/// A package's totals.
#[must_use]
pub fn package_total(of: &PackageId) -> Key {
    Key { pk: format!("{PACKAGE}{of}"), sk: TOTAL.to_owned() }
}

/// The contribution of a quiz to a package.
#[must_use]
pub fn quiz_in_package(package: &PackageId, quiz: &QuizId) -> Key {
    Key { pk: format!("{PACKAGE}{package}"), sk: format!("{QUIZZES_IN}{quiz}") }
}

/// The contribution of purchases to a package.
#[must_use]
pub fn sales_in_package(package: &PackageId) -> Key {
    Key { pk: format!("{PACKAGE}{package}"), sk: format!("{CONTRIBUTIONS}SALES") }
}

/// The totals of a package's purchases.
#[must_use]
pub fn sales_of_package(package: &PackageId) -> Key {
    sales_total(&Item { kind: ItemType::Package, id: package.clone().into() })
}

/// The prefix of the sort keys of quizzes' contributions to a package.
pub const QUIZZES_IN: &str = "C#QUIZ#";

const PACKAGE: &str = "PACKAGE#";

/// The package whose document has this key, if it is one.
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

/// The prefix of the sort keys of a creator's packages.
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

/// The progress of a package rebuild.
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
