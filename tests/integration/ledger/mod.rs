//! The ledger is exact under concurrency and faults: ownership follows from the purchases, no payment or refund is
//! counted twice, and revenue is the fold of the purchases.
//!
//! Several clients buy, approve, refund and cancel at the same time, for the same users and items, repeat answered
//! requests, and use up the same discount. Ownership is compared with the purchases all the time.

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
