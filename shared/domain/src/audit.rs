//! Audits: what is looked at, and what is found wrong.

use super::string_enum::string_enum;

string_enum! {
    /// What is found wrong.
    FindingKind {
        /// Somebody has what no purchase says, or has not what one does.
        Ownership = "ownership",
        /// What a buyer is told of a purchase is not what it is.
        Listing = "listing",
        /// A purchase without its sale or its refund; nothing tells which is right, so it is not repaired.
        Ledger = "ledger",
        /// A minute that is not the fold of its facts.
        Bucket = "bucket",
        /// An item's numbers that are not the sum of its minutes.
        Total = "total",
        /// What an item contributes to all is not what it brought in.
        Contribution = "contribution",
        /// What all items brought in is not the sum of what they contribute.
        Revenue = "revenue",
        /// A place in a list that is not the item's, or none.
        Ranking = "ranking",
        /// What a buyer bought is not what the purchases say.
        Buyer = "buyer",
        /// A cohort that is not its members.
        Cohort = "cohort",
    }

    /// How much an audit looks at.
    Scope {
        /// The whole ledger, and every number.
        Full = "full",
        /// What has changed since the last complete audit.
        Changes = "changes",
    }

    /// What is looked at.
    Checked {
        /// Buyers: what they have, and what they bought.
        Buyers = "buyers",
        /// Purchases: their entries, sales and refunds.
        Purchases = "purchases",
        /// Hours of an item's sales.
        Hours = "hours",
        /// Months of items.
        Items = "items",
        /// Days and months of all items.
        Periods = "periods",
        /// Cohorts of buyers.
        Cohorts = "cohorts",
    }
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// What kind of thing.
    pub kind: FindingKind,
    /// Where.
    pub subject: String,
}

impl FindingKind {
    /// Whether what is found is repaired: whatever follows from the ledger is.
    #[must_use]
    pub fn is_repaired(self) -> bool {
        self != Self::Ledger
    }
}
