//! Ids: 1 to 64 of `[A-Za-z0-9_.:-]`, with a type for each kind. `.` and `..` are no ids: a client that follows [the
//! URL standard](https://url.spec.whatwg.org/#single-dot-path-segment) removes them from a path, so they could not be
//! addressed.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest id, in characters.
pub const MAX_LENGTH: usize = 64;

/// A text that is not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must have 1 to 64 characters of A-Z a-z 0-9 _ . : - and must not be . or ..")]
pub struct InvalidId;

fn is_id(text: &str) -> bool {
    (1..=MAX_LENGTH).contains(&text.len())
        && !matches!(text, "." | "..")
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b':' | b'-'))
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                if is_id(&text) { Ok(Self(text)) } else { Err(InvalidId) }
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

ids! {
    /// One event, named by the client that created it.
    EventId
    /// A track.
    TrackId
    /// A session of a client, signed in or not.
    SessionId
    /// A device that its client recognises without a signed-in user.
    AnonymousId
    /// A user, as the subject of the token.
    UserId
    /// A playlist.
    PlaylistId
    /// A quiz.
    QuizId
    /// One attempt at a quiz, named by the client that made it.
    AttemptId
    /// A package of quizzes.
    PackageId
    /// A refresh of all packages.
    RefreshId
    /// A refold of lost or damaged values.
    RefoldId
    /// An audit of all purchases.
    AuditId
    /// A course, a test, a package or a product, as the thing that is bought.
    ItemId
    /// A product of a seller.
    ProductId
    /// A sale of a product.
    SaleId
    /// A purchase.
    PurchaseId
    /// A buyer without an account.
    GuestId
    /// A payment method, such as `credit_card`.
    PaymentMethod
    /// A discount, by what a buyer types in.
    DiscountCode
    /// A request that changes nothing more if it is sent again.
    IdempotencyKey
    /// A course of a teacher.
    CourseId
    /// A notification, as its receiver names it.
    NotificationId
    /// A payment of a purchase.
    PaymentId
    /// A score that a student was given.
    ScoreId
    /// A play, named by the client: its start and its end share the id.
    PlayId
}

impl From<PackageId> for ItemId {
    fn from(package: PackageId) -> Self {
        Self(package.0)
    }
}

/// A purchase has one payment.
impl From<PurchaseId> for PaymentId {
    fn from(purchase: PurchaseId) -> Self {
        Self(purchase.0)
    }
}

impl From<ItemId> for ProductId {
    fn from(item: ItemId) -> Self {
        Self(item.0)
    }
}

impl From<ItemId> for PackageId {
    fn from(item: ItemId) -> Self {
        Self(item.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_ids_of_the_alphabet_up_to_the_length() {
        for good in ["a", "A-z_0.9:x", "...", ".a", &"x".repeat(64)] {
            assert!(good.parse::<TrackId>().is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a b", "a#b", "a/b", "é", "a\0", "a\n", &"x".repeat(65)] {
            assert_eq!(bad.parse::<TrackId>(), Err(InvalidId), "{bad:?}");
        }
    }
}
