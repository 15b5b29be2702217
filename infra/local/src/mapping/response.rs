//! The response of a function to a batch.

use std::collections::HashMap;

use serde_json::Value;

use crate::lambda::InvokeFailure;

/// How a batch came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// All of it is done.
    Done,
    /// These are not done, by their place in the batch, in order.
    Failed(Vec<usize>),
    /// None of it is done, with the reason.
    AllFailed(String),
    /// The function could not be called at all.
    NotCalled,
}

/// Reads a function's answer to a batch with these identifiers.
pub(super) fn read(result: Result<String, InvokeFailure>, reports_failures: bool, identifiers: &[String]) -> Outcome {
    match result {
        Err(InvokeFailure::Unavailable) => Outcome::NotCalled,
        Err(failure) => Outcome::AllFailed(failure.to_string()),
        Ok(_) if !reports_failures => Outcome::Done,
        Ok(answer) => match failed(&answer, identifiers) {
            Ok(places) if places.is_empty() => Outcome::Done,
            Ok(places) => Outcome::Failed(places),
            Err(problem) => Outcome::AllFailed(problem),
        },
    }
}

/// The places of the failed ones. An answer that cannot be understood fails the batch, for a success that
/// was not meant would lose it.
fn failed(answer: &str, identifiers: &[String]) -> Result<Vec<usize>, String> {
    if answer.trim().is_empty() {
        return Ok(Vec::new());
    }
    let answer: Value = serde_json::from_str(answer).map_err(|error| format!("the answer is no JSON: {error}"))?;
    let failures = match &answer {
        Value::Null => return Ok(Vec::new()),
        Value::Object(fields) if fields.is_empty() => return Ok(Vec::new()),
        Value::Object(fields) => match fields.get("batchItemFailures") {
            Some(Value::Null) => return Ok(Vec::new()),
            Some(Value::Array(failures)) => failures,
            _ => return Err("the answer has no list batchItemFailures".to_owned()),
        },
        _ => return Err("the answer is no object".to_owned()),
    };
    let places: HashMap<&str, usize> =
        identifiers.iter().enumerate().map(|(place, identifier)| (identifier.as_str(), place)).collect();
    let place = |failure: &Value| {
        let identifier = failure.get("itemIdentifier").and_then(Value::as_str);
        identifier
            .and_then(|identifier| places.get(identifier).copied())
            .ok_or_else(|| format!("{failure} names no item of the batch"))
    };
    let mut failed: Vec<usize> = failures.iter().map(place).collect::<Result<_, _>>()?;
    failed.sort_unstable();
    failed.dedup();
    Ok(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(answer: &str) -> Outcome {
        read(Ok(answer.to_owned()), true, &["1".to_owned(), "2".to_owned(), "3".to_owned()])
    }

    #[test]
    fn an_empty_response_is_success() {
        for answer in ["", "null", "{}", r#"{"batchItemFailures":[]}"#, r#"{"batchItemFailures":null}"#] {
            assert_eq!(outcome(answer), Outcome::Done, "{answer}");
        }
    }

    #[test]
    fn failures_are_sorted_and_unique() {
        let answer = r#"{"batchItemFailures":[{"itemIdentifier":"3"},{"itemIdentifier":"2"},{"itemIdentifier":"3"}]}"#;
        assert_eq!(outcome(answer), Outcome::Failed(vec![1, 2]));
        assert_eq!(read(Ok(answer.to_owned()), false, &[]), Outcome::Done);
    }

    #[test]
    fn malformed_responses_fail_the_batch() {
        for answer in [
            "no json",
            "[]",
            "1",
            r#"{"batchItemFailure":[]}"#,
            r#"{"batchItemFailures":"1"}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":"4"}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#,
            r#"{"batchItemFailures":[{"bad":"1"}]}"#,
        ] {
            assert!(matches!(outcome(answer), Outcome::AllFailed(_)), "{answer}");
        }
    }
}
