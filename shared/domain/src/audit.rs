//! Audits: their scope, their tasks and their findings.

use super::string_enum::string_enum;

string_enum! {
    /// The kind of a finding.
    FindingKind {
        /// An ownership that no purchase explains, or a purchase without its ownership.
        Ownership = "ownership",
        /// A buyer's copy of a purchase that differs from the purchase.
        Listing = "listing",
        /// A purchase without its sale or its refund. Nothing shows which is right, so it is not repaired.
        Ledger = "ledger",
        /// A minute that is not the fold of its facts.
        Bucket = "bucket",
        /// An item's totals that are not the sum of its minutes.
        Total = "total",
        /// An item's contribution that differs from its totals.
        Contribution = "contribution",
        /// Totals of all items that are not the sum of the contributions.
        Revenue = "revenue",
        /// A place in a list that is not the item's, or none.
        Ranking = "ranking",
        /// A buyer's totals that differ from the purchases.
        Buyer = "buyer",
        /// A cohort that is not its members.
        Cohort = "cohort",
    }

    /// The scope of an audit.
    Scope {
        /// The whole ledger, and every number.
        Full = "full",
        /// Changes since the last complete audit.
        Changes = "changes",
    }

    /// A check of an audit.
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
    /// The kind.
    pub kind: FindingKind,
    /// The key of the item.
    pub subject: String,
}

impl FindingKind {
    /// Whether the audit repairs it: it repairs everything that follows from the ledger.
    #[must_use]
    pub fn is_repaired(self) -> bool {
        self != Self::Ledger
    }
}
