//! The ledger never lies: whatever happens when, who has what is what the purchases say, no money is taken or given back
//! twice, and what purchases brought in is the fold of them.
//!
//! Several clients buy, approve, give back and cancel at once, for the same people and things, send again what was
//! answered, and use up the same discount; the stream is delivered by several, from where it was acknowledged or from
//! before. Every call of everybody waits for its turn, and may fail, hang, be carried out without an answer, or be the last
//! its sandbox makes. While all that goes on, ownership is held against the purchases again and again.

mod actions;
mod analytics;
mod audit_races;
mod auditor;
mod check;
mod driver;
mod races;
mod ranking;
mod revenue;
mod wide_bucket;

use proptest::prelude::*;

use auditor::Auditor;

use crate::support::driver::plans;
use crate::support::mutation::assert_detected;
use crate::support::stage::config;

proptest! {
    #![proptest_config(config(100))]

    #[test]
    fn ownership_and_revenue_are_exact_under_concurrency(plan in plans(2..8)) {
        if let Err(wrong) = driver::run(&plan, Auditor::Real) {
            prop_assert!(false, "{}", wrong);
        }
    }
}

/// A read may see a part of a transaction, so an auditor that trusts a single read reports what is right.
#[test]
fn detects_auditor_that_trusts_single_read() {
    assert_detected(300, &plans(4..8), |plan| driver::run(&plan, Auditor::LooksOnce));
}

/// The mutation checks: what holds is broken by hand, and the check finds it.
#[test]
fn check_detects_every_corruption() {
    driver::assert_corruption_is_detected();
}
