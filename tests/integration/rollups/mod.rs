//! Rollups are exact: figures of any range are the fold of the accepted events, whether the rollups have run or not.

mod answers;
mod check;
mod driver;
mod history;
mod many_tracks;
mod model;
mod mutants;
mod plan;
mod scenarios;
mod set_aside;
mod snapshots;
mod torn_reads;
mod world;

use proptest::prelude::*;

use crate::support::mutation::assert_detected;
use crate::support::stage::config;

proptest! {
    #![proptest_config(config(100))]

    #[test]
    fn rollups_match_fold_of_accepted_events(plan in plan::plans()) {
        if let Err(wrong) = history::run(&plan) {
            prop_assert!(false, "{}", wrong);
        }
    }
}

proptest! {
    #![proptest_config(config(40))]

    #[test]
    fn rollups_are_exact_under_concurrency(plan in driver::plans()) {
        if let Err(wrong) = driver::run(&plan, None) {
            prop_assert!(false, "{}", wrong);
        }
    }
}

proptest! {
    #![proptest_config(config(40))]

    #[test]
    fn answers_are_equal_before_during_and_after_closing(plan in snapshots::plans()) {
        if let Err(wrong) = snapshots::run(&plan) {
            prop_assert!(false, "{}", wrong);
        }
    }
}

/// Each mutant breaks one rule of the rollups.
mod mutation {
    use super::mutants::Mutant;
    use super::*;

    fn is_detected(mutant: Mutant) {
        assert_detected(2_000, &driver::plans(), |plan| driver::run(&plan, Some(mutant)));
    }

    #[test]
    fn detects_mutant_that_forgets_late_facts() {
        is_detected(Mutant::ForgetsLate);
    }

    #[test]
    fn detects_mutant_that_does_not_wait_for_pages() {
        is_detected(Mutant::DoesNotWait);
    }

    #[test]
    fn detects_mutant_that_finishes_before_its_pages() {
        is_detected(Mutant::FinishesFirst);
    }
}
