//! Exact under faults: the real handlers, over the embedded DynamoDB, through a hostile delivery.
//!
//! A plan says what clients send. A schedule decides, call by call, which invocation goes on, and whether the call
//! fails, hangs, is throttled, is carried out without its answer arriving, or is the last its sandbox makes. The
//! stream of facts is delivered by several at once, from where it was acknowledged or from before, in pieces of any
//! size, out of order between keys. When all is sent and delivered, every counter must be the fold of what was sent.

mod model;
mod mutants;
mod plan;
mod world;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

use plan::{Plan, crowds, plans};
use world::{Updater, run};

use crate::support::stage::config;

/// Runs crowds until one is counted wrong.
fn hunt(cases: u32, updater: Updater) -> Result<(), TestError<Plan>> {
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 0, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    runner.run(&crowds(), |plan| run(&plan, updater).map_err(TestCaseError::fail))
}

proptest! {
    #![proptest_config(Config { max_shrink_iters: 2000, ..config(1000) })]

    #[test]
    fn counters_are_exact_under_faults(plan in plans()) {
        if let Err(wrong) = run(&plan, Updater::Real) {
            prop_assert!(false, "{}", wrong);
        }
    }
}

/// The mutation checks: each updater breaks one rule of the folds, and the same kind of cases finds it out.
mod mutation {
    use super::mutants::{EmptyBucket, Mutant, Order, Skip, Version};
    use super::*;

    fn is_found_out(mutant: Mutant) {
        let verdict = hunt(20_000, Updater::Mutant(mutant));
        assert!(matches!(verdict, Err(TestError::Fail(..))), "nothing was counted wrong by {mutant:?}");
    }

    /// The rules themselves, in the words of the mutants: what finds the others out lets this one pass.
    #[test]
    fn accepts_mutant_that_breaks_no_rule() {
        let verdict = hunt(300, Updater::Mutant(Mutant::Folds(super::mutants::SOUND)));
        assert!(verdict.is_ok(), "{verdict:?}");
    }

    #[test]
    fn detects_mutant_that_adds_deliveries() {
        is_found_out(Mutant::Adds);
    }

    #[test]
    fn detects_mutant_that_restarts_versions() {
        let rules = super::mutants::SOUND;
        is_found_out(Mutant::Folds(super::mutants::Rules {
            version: Version::Restarts,
            empty: EmptyBucket::Deleted,
            ..rules
        }));
    }

    #[test]
    fn detects_mutant_that_skips_equal_values() {
        is_found_out(Mutant::Folds(super::mutants::Rules { skip: Skip::SameValue, ..super::mutants::SOUND }));
    }

    #[test]
    fn detects_mutant_that_skips_equal_facts() {
        is_found_out(Mutant::Folds(super::mutants::Rules { skip: Skip::SameFacts, ..super::mutants::SOUND }));
    }

    #[test]
    fn detects_mutant_that_deletes_empty_buckets() {
        is_found_out(Mutant::Folds(super::mutants::Rules { empty: EmptyBucket::Deleted, ..super::mutants::SOUND }));
    }

    #[test]
    fn detects_mutant_that_reads_facts_before_version() {
        is_found_out(Mutant::Folds(super::mutants::Rules { order: Order::FactsFirst, ..super::mutants::SOUND }));
    }
}
