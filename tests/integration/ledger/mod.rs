//! The ledger never lies: whatever happens when, who has what is what the purchases say, no money is taken or given back
//! twice, and what purchases brought in is the fold of them.
//!
//! Several clients buy, approve, give back and cancel at once, for the same people and things, send again what was
//! answered, and use up the same discount; the stream is delivered by several, from where it was acknowledged or from
//! before. Every call of everybody waits for its turn, and may fail, hang, be carried out without an answer, or be the last
//! its sandbox makes. While all that goes on, ownership is held against the purchases again and again.

mod actions;
mod analytics;
mod auditing;
mod check;
mod hostile;
mod moments;
mod races;
mod ranking;
mod revenue;
mod wide;

use proptest::prelude::*;

use crate::crowd::plans;
use crate::stage::config;

proptest! {
    #![proptest_config(config(100))]

    #[test]
    fn who_has_what_is_what_the_purchases_say(plan in plans(2..8)) {
        if let Err(wrong) = hostile::run(&plan) {
            prop_assert!(false, "{}", wrong);
        }
    }
}

/// The mutation checks: what holds is broken by hand, and the check finds it.
#[test]
fn the_check_finds_what_is_wrong() {
    hostile::breaks_are_found();
}
