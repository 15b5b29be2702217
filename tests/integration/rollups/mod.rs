//! Rollups are exact: whatever happens when, numbers of any span are the fold of what was accepted, whether the rollups
//! have run or not.

mod answers;
mod aside;
mod cases;
mod check;
mod history;
mod hostile;
mod many;
mod model;
mod mutants;
mod plan;
mod snapshots;
mod torn;
mod world;

use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestError, TestRng, TestRunner};

use crate::stage::config;

proptest! {
    #![proptest_config(config(100))]

    #[test]
    fn every_number_is_the_fold_of_what_was_accepted(plan in plan::plans()) {
        if let Err(wrong) = history::run(&plan) {
            prop_assert!(false, "{}", wrong);
        }
    }
}

proptest! {
    #![proptest_config(config(40))]

    #[test]
    fn whoever_works_at_the_same_time(plan in hostile::plans()) {
        if let Err(wrong) = hostile::run(&plan, None) {
            prop_assert!(false, "{}", wrong);
        }
    }
}

proptest! {
    #![proptest_config(config(40))]

    #[test]
    fn every_answer_is_the_same_before_during_and_after_a_closing(plan in snapshots::plans()) {
        if let Err(wrong) = snapshots::run(&plan) {
            prop_assert!(false, "{}", wrong);
        }
    }
}

/// The mutation checks: each breaks one rule of the rollups, and the same kind of cases finds it out.
mod found_out {
    use super::mutants::Mutant;
    use super::*;

    fn is_found_out(mutant: Mutant) {
        let mut runner = TestRunner::new_with_rng(config(2_000), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
        let run = |plan| hostile::run(&plan, Some(mutant)).map_err(TestCaseError::fail);
        let verdict = runner.run(&hostile::plans(), run);
        assert!(matches!(verdict, Err(TestError::Fail(..))), "nothing was counted wrong by {mutant:?}");
    }

    #[test]
    fn an_updater_that_forgets_what_came_late() {
        is_found_out(Mutant::ForgetsLate);
    }

    #[test]
    fn a_dispatcher_that_does_not_wait_for_the_pages() {
        is_found_out(Mutant::DoesNotWait);
    }

    #[test]
    fn a_worker_that_finishes_its_pages_first() {
        is_found_out(Mutant::FinishesFirst);
    }
}
