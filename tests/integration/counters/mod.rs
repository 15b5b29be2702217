//! Exact under faults: the real handlers, over the embedded DynamoDB, through a hostile delivery.
//!
//! Counters are exact under faults. A plan contains what clients send. The schedule decides, call by call, which
//! invocation goes on and whether its call fails, is throttled, is carried out without an answer, or is the last one of
//! its sandbox. The stream is delivered by several consumers at once, in batches of any size, out of order between
//! keys. At the end, every counter is the fold of what was accepted.

mod model;
mod mutants;
mod plan;
mod world;

use proptest::prelude::*;
use proptest::test_runner::Config;

use plan::{crowds, plans};
use world::{Updater, run};

use crate::support::mutation::{assert_detected, hunt};
use crate::support::stage::config;

proptest! {
    #![proptest_config(Config { max_shrink_iters: 2000, ..config(1000) })]

    #[test]
    fn counters_are_exact_under_faults(plan in plans()) {
        if let Err(wrong) = run(&plan, Updater::Real) {
            prop_assert!(false, "{}", wrong);
        }
    }
}

/// Each mutant breaks one rule of the folds.
mod mutation {
    use super::mutants::{EmptyBucket, Mutant, Order, Skip, Version};
    use super::*;

    fn is_detected(mutant: Mutant) {
        assert_detected(20_000, &crowds(), |plan| run(&plan, Updater::Mutant(mutant)));
    }

    /// The rules themselves, written like the mutants.
    #[test]
    fn accepts_mutant_that_breaks_no_rule() {
        let verdict = hunt(300, &crowds(), |plan| run(&plan, Updater::Mutant(Mutant::Folds(super::mutants::SOUND))));
        assert!(verdict.is_ok(), "{verdict:?}");
    }

    #[test]
    fn detects_mutant_that_adds_deliveries() {
        is_detected(Mutant::Adds);
    }

    #[test]
    fn detects_mutant_that_restarts_versions() {
        let rules = super::mutants::SOUND;
        is_detected(Mutant::Folds(super::mutants::Rules {
            version: Version::Restarts,
            empty: EmptyBucket::Deleted,
            ..rules
        }));
    }

    #[test]
    fn detects_mutant_that_skips_equal_values() {
        is_detected(Mutant::Folds(super::mutants::Rules { skip: Skip::SameValue, ..super::mutants::SOUND }));
    }

    #[test]
    fn detects_mutant_that_skips_equal_facts() {
        is_detected(Mutant::Folds(super::mutants::Rules { skip: Skip::SameFacts, ..super::mutants::SOUND }));
    }

    #[test]
    fn detects_mutant_that_deletes_empty_buckets() {
        is_detected(Mutant::Folds(super::mutants::Rules { empty: EmptyBucket::Deleted, ..super::mutants::SOUND }));
    }

    #[test]
    fn detects_mutant_that_reads_facts_before_version() {
        is_detected(Mutant::Folds(super::mutants::Rules { order: Order::FactsFirst, ..super::mutants::SOUND }));
    }
}
