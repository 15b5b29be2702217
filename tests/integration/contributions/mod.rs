//! Packages are exact: whatever happens when, a package's numbers are the sum over the quizzes it holds, of what these
//! quizzes have, and of what its purchases brought in.
//!
//! People like, rate and attempt quizzes, authors change which quizzes packages hold, delete packages and make them
//! again; both streams are delivered by several at once, from where they were acknowledged or from before; others mend
//! packages at the same time. Every call of everybody waits for its turn, and may fail, hang, be carried out without an
//! answer, or be the last its sandbox makes.

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
