//! Mutation checks: a mutant breaks one rule of the code, and the same cases that accept the code must detect the mutant.

use std::fmt::Debug;

use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestError, TestRng, TestRunner};

use crate::support::stage::config;

/// Runs cases until one fails. The cases are the same each time.
pub(crate) fn hunt<P: Debug>(
    cases: u32,
    plans: &impl Strategy<Value = P>,
    run: impl Fn(P) -> Result<(), String>,
) -> Result<(), TestError<P>> {
    let mut runner = TestRunner::new_with_rng(config(cases), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    runner.run(plans, |plan| run(plan).map_err(TestCaseError::fail))
}

/// Asserts that one of the cases fails.
pub(crate) fn assert_detected<P: Debug>(
    cases: u32,
    plans: &impl Strategy<Value = P>,
    run: impl Fn(P) -> Result<(), String>,
) {
    let verdict = hunt(cases, plans, run);
    assert!(matches!(verdict, Err(TestError::Fail(..))), "no case detects the mutant");
}
