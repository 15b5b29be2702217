//! Chains of invocations, as Lambda follows them: by a trace header that goes from an invocation over the messages it sends to
//! the invocations that these bring about.
//!
//! On Lambda the runtime puts the header into a variable of the process, and the SDK sends it with every request
//! ([recursive loops](https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html)). Functions that share this
//! process cannot share a variable, so each invocation runs with a header of its own, and the way to the services adds it.
//! A header that comes over HTTP counts as well. Streams of DynamoDB carry none: a chain ends there, as it does on AWS.

use std::collections::BTreeMap;
use std::fmt;

use md5::{Digest, Md5};

use crate::wire::function_arn;

/// The header of requests.
pub const HEADER: &str = "x-amzn-trace-id";

/// The system attribute of messages.
pub const ATTRIBUTE: &str = "AWSTraceHeader";

tokio::task_local! {
    static CURRENT: String;
}

/// The position of an invocation in its chain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trace {
    root: Option<String>,
    /// How often the chain has invoked functions, by their digests.
    lineage: BTreeMap<String, u32>,
}

impl Trace {
    /// Parses a header. Unknown parts are ignored.
    #[must_use]
    pub fn parse(header: &str) -> Self {
        let mut trace = Self::default();
        for (name, value) in header.split(';').filter_map(|part| part.split_once('=')) {
            match name.trim() {
                "Root" => trace.root = Some(value.trim().to_owned()),
                "Lineage" => {
                    let entries = value.split('|').filter_map(|entry| entry.rsplit_once(':'));
                    let counts =
                        entries.filter_map(|(function, count)| Some((function.to_owned(), count.parse().ok()?)));
                    trace.lineage.extend(counts);
                }
                _ => {}
            }
        }
        trace
    }

    /// The trace of an invocation that several messages bring about: the longest chain counts.
    #[must_use]
    pub fn joined(traces: impl IntoIterator<Item = Self>) -> Self {
        let mut joined = Self::default();
        for trace in traces {
            joined.root = joined.root.or(trace.root);
            for (function, count) in trace.lineage {
                let most = joined.lineage.entry(function).or_default();
                *most = count.max(*most);
            }
        }
        joined
    }

    /// How often the chain has invoked a function.
    #[must_use]
    pub fn invocations_of(&self, function: &str) -> u32 {
        self.lineage.get(&digest(function)).copied().unwrap_or_default()
    }

    /// The chain with one invocation of a function more; a chain that begins takes this root.
    #[must_use]
    pub fn with_invocation_of(mut self, function: &str, root: impl FnOnce() -> String) -> Self {
        *self.lineage.entry(digest(function)).or_default() += 1;
        self.root.get_or_insert_with(root);
        self
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Root={};Lineage=", self.root.as_deref().unwrap_or_default())?;
        for (index, (function, count)) in self.lineage.iter().enumerate() {
            let separator = if index == 0 { "" } else { "|" };
            write!(f, "{separator}{function}:{count}")?;
        }
        Ok(())
    }
}

/// What a function is called in a lineage.
fn digest(function: &str) -> String {
    Md5::digest(function_arn(function).as_bytes()).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

/// Runs an invocation within its chain.
pub async fn within<T>(trace: &Trace, invocation: impl Future<Output = T>) -> T {
    CURRENT.scope(trace.to_string(), invocation).await
}

/// The header of the invocation that runs; none outside of one.
#[must_use]
pub fn current() -> Option<String> {
    CURRENT.try_with(Clone::clone).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trace_headers_round_trip_and_unknown_fields_are_ignored() {
        let root = || "1-5759e988-bd862e3fe1be46a994272793".to_owned();
        let trace = Trace::default().with_invocation_of("A", root).with_invocation_of("A", root);
        let trace = trace.with_invocation_of("B", || "another".to_owned());
        assert_eq!((trace.invocations_of("A"), trace.invocations_of("B"), trace.invocations_of("C")), (2, 1, 0));
        assert!(trace.to_string().starts_with("Root=1-5759e988-bd862e3fe1be46a994272793;Lineage="), "{trace}");
        assert_eq!(Trace::parse(&trace.to_string()), trace);
        assert_eq!(Trace::parse(&format!("{trace};Parent=53995c3f42cd8ad8;Sampled=0")), trace);
        for nothing in ["", "Lineage=", "Lineage=a", "Lineage=a:b", "garbage", "=", ";;"] {
            assert_eq!(Trace::parse(nothing), Trace::default(), "{nothing}");
        }
    }

    #[test]
    fn the_longest_of_several_chains_counts() {
        let chain = |function: &str, times: usize| {
            (0..times).fold(Trace::default(), |trace, _| trace.with_invocation_of(function, || format!("of {times}")))
        };
        let joined = Trace::joined([chain("A", 3), chain("A", 7), Trace::default(), chain("B", 2)]);
        assert_eq!((joined.invocations_of("A"), joined.invocations_of("B")), (7, 2));
        assert!(joined.to_string().starts_with("Root=of 3;"), "{joined}");
    }

    #[tokio::test]
    async fn invocations_have_separate_chains() {
        let (one, two) = (Trace::parse("Root=1;Lineage=a:1"), Trace::parse("Root=2;Lineage=a:2"));
        let seen = || async {
            tokio::task::yield_now().await;
            current().map(|header| Trace::parse(&header))
        };
        let both = tokio::join!(within(&one, seen()), within(&two, seen()), seen());
        assert_eq!(both, (Some(one), Some(two), None));
    }
}
