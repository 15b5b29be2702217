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
use proptest::test_runner::{RngAlgorithm, TestError, TestRng, TestRunner};

use auditing::Auditor;

use crate::crowd::plans;
use crate::stage::config;

proptest! {
    #![proptest_config(config(100))]

    #[test]
    fn who_has_what_is_what_the_purchases_say(plan in plans(2..8)) {
        if let Err(wrong) = hostile::run(&plan, Auditor::Real) {
            prop_assert!(false, "{}", wrong);
        }
    }
}

/// A mutation check: reads see parts of transactions, so who believes one look finds wrong what is right.
#[test]
fn an_auditor_that_looks_once_is_found_out() {
    let mut runner = TestRunner::new_with_rng(config(300), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let run = |plan| hostile::run(&plan, Auditor::LooksOnce).map_err(TestCaseError::fail);
    let verdict = runner.run(&plans(4..8), run);
    assert!(matches!(verdict, Err(TestError::Fail(..))), "it found nothing");
}

/// The mutation checks: what holds is broken by hand, and the check finds it.
#[test]
fn the_check_finds_what_is_wrong() {
    hostile::breaks_are_found();
}
