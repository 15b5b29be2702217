//! The stats of packages are exact under concurrency and faults: they are the sums over the quizzes of the package, and
//! the earnings of its purchases.
//!
//! Users like, rate and attempt quizzes; authors change, delete and recreate packages; both streams are delivered at
//! the same time, and other invocations rebuild packages.

mod actions;
mod driver;
mod model;
mod mutants;

use proptest::prelude::*;

use crate::support::mutation::assert_detected;
use crate::support::stage::config;

proptest! {
    #![proptest_config(config(250))]

    #[test]
    fn package_stats_are_exact_under_concurrency(plan in prop_oneof![driver::plans(), driver::races()]) {
        if let Err(wrong) = driver::run(&plan, None) {
            prop_assert!(false, "{}", wrong);
        }
    }
}

/// Each mutant breaks one rule of contributions.
mod mutation {
    use super::mutants::Mutant;
    use super::*;

    fn is_detected(mutant: Mutant) {
        assert_detected(20_000, &driver::races(), |plan| driver::run(&plan, Some(mutant)));
    }

    #[test]
    fn detects_mutant_that_leaves_no_tombstones() {
        is_detected(Mutant::LeavesNoTombstones);
    }

    #[test]
    fn detects_mutant_that_skips_equal_values() {
        is_detected(Mutant::SkipsTheSame);
    }

    #[test]
    fn detects_mutant_that_reads_quiz_before_it_joins() {
        is_detected(Mutant::ReadsBeforeItIsIn);
    }

    #[test]
    fn detects_mutant_that_adds_deltas() {
        is_detected(Mutant::Adds);
    }
}
