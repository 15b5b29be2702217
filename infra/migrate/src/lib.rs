//! Brings what people bought in a MongoDB system in through the HTTP API, each purchase once.
//!
//! That system kept the same twice: every user had lists of courses and tests, and a collection of purchases said when,
//! for how much and how each was bought. An export of both, in lines of JSON, is read by [`export`], with values in
//! MongoDB's extended JSON ([`extended`]) and amounts that are told exactly ([`amount`]). [`plan`] makes one purchase
//! of each thing that somebody has: of its document where there is one, else of the list, and then nobody knows what it
//! cost, nor when it was bought.
//!
//! [`send`] brings the purchases in as an admin. Each has a key that follows from who has what, so that it is bought
//! once however often it is sent; [`done`] keeps what was answered for, which saves asking again, and [`known`] finds
//! out if the API has forgotten all of that.

pub mod amount;
pub mod done;
pub mod export;
pub mod extended;
pub mod known;
pub mod plan;
pub mod send;

/// Something in the export, or a purchase of it, that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The line that it comes from, from 1.
    pub line: usize,
    /// What is wrong, and with what.
    pub what: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}
