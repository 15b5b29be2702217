//! Asks until every answer is as expected, as long as there is progress.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::stream::{self, StreamExt};
use tokio::time::Instant;

use crate::api::ApiError;

/// The polling interval of lagging answers.
const INTERVAL: Duration = Duration::from_millis(200);

/// One answer beside what is expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<D> {
    /// How much of the expected value it counts, at most all of it.
    pub counted: u64,
    /// Where it differs; empty if it is right.
    pub differences: Vec<D>,
}

/// The progress of the answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reached {
    /// The number of correct answers.
    pub right: u64,
    /// The maximum that they have counted so far.
    pub counted: u64,
}

/// Asks for every subject until its answer is right. Gives up once nothing more has been counted for as long as `patience`:
/// more means that an answer becomes right, or counts more of what is expected than it ever did. `progress` hears of it each
/// time. Returns the differences that are left, in the order of their subjects.
///
/// # Errors
/// A request failed in spite of all retries.
pub async fn converge<'a, S, D, F>(
    subjects: &'a [S],
    connections: usize,
    patience: Duration,
    ask: impl Fn(&'a S) -> F,
    progress: impl Fn(Reached),
) -> Result<Vec<D>, ApiError>
where
    F: Future<Output = Result<Answer<D>, ApiError>>,
{
    let ask = &ask;
    let mut reached = Reached::default();
    let mut since = Instant::now();
    // Each subject with its place and the most that its answers have counted.
    let mut left: Vec<(usize, &'a S, u64)> =
        subjects.iter().enumerate().map(|(place, subject)| (place, subject, 0)).collect();
    loop {
        let mut lagging = Vec::new();
        let mut different = BTreeMap::new();
        let mut answers = stream::iter(left)
            .map(|(place, subject, most)| async move { (place, subject, most, ask(subject).await) })
            .buffer_unordered(connections.max(1));
        while let Some((place, subject, most, answer)) = answers.next().await {
            let Answer { counted, differences } = answer?;
            let is_right = differences.is_empty();
            if is_right || counted > most {
                reached.right += u64::from(is_right);
                reached.counted += counted.saturating_sub(most);
                since = Instant::now();
                progress(reached);
            }
            if !is_right {
                lagging.push((place, subject, most.max(counted)));
                different.insert(place, differences);
            }
        }
        if lagging.is_empty() || since.elapsed() >= patience {
            return Ok(different.into_values().flatten().collect());
        }
        left = lagging;
        tokio::time::sleep(INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    /// An answer to a subject that is expected to count this much.
    fn answer(expected: u64, counted: u64) -> Answer<u64> {
        let counted = counted.min(expected);
        Answer { counted, differences: if counted == expected { vec![] } else { vec![counted] } }
    }

    #[tokio::test(start_paused = true)]
    async fn waits_for_hours_as_long_as_there_is_progress() {
        let began = Instant::now();
        // Each of the hundred subjects counts one more every 50 seconds.
        let ask = async |expected: &u64| Ok(answer(*expected, began.elapsed().as_secs() / 50));
        let last = Cell::new(Reached::default());
        let different = converge(&[100; 100], 8, PATIENCE, ask, |reached| last.set(reached)).await.unwrap();
        assert_eq!(different, Vec::<u64>::new());
        assert_eq!(last.get(), Reached { right: 100, counted: 10_000 });
        assert!(began.elapsed() > Duration::from_secs(4_000));
    }

    #[tokio::test(start_paused = true)]
    async fn gives_up_once_nothing_more_was_counted_for_as_long_as_patience_lasts() {
        let began = Instant::now();
        // Counting stops after ten minutes.
        let ask = async |expected: &u64| Ok(answer(*expected, began.elapsed().as_secs().min(600)));
        let different = converge(&[500, 1_000, 700], 8, PATIENCE, ask, |_| ()).await.unwrap();
        assert_eq!(different, [600, 600]);
        let (least, most) = (Duration::from_secs(660), Duration::from_secs(662));
        assert!((least..most).contains(&began.elapsed()), "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn numbers_that_go_up_and_down_are_no_progress() {
        let began = Instant::now();
        let ask = async |expected: &u64| Ok(answer(*expected, began.elapsed().as_secs() % 7));
        let different = converge(&[10], 1, PATIENCE, ask, |_| ()).await.unwrap();
        assert_eq!(different.len(), 1);
        assert!(began.elapsed() < Duration::from_secs(70), "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_right_is_not_asked_again() {
        let asked = RefCell::new(Vec::new());
        let ask = async |expected: &u64| {
            let mut asked = asked.borrow_mut();
            asked.push(*expected);
            Ok(answer(*expected, asked.len() as u64))
        };
        let different = converge(&[1, 4], 1, PATIENCE, ask, |_| ()).await.unwrap();
        assert_eq!(different, Vec::<u64>::new());
        assert_eq!(*asked.borrow(), [1, 4, 4, 4]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_ends_it() {
        let ask = async |_: &u64| Err::<Answer<u64>, _>(ApiError::Setup("no".to_owned()));
        assert!(matches!(converge(&[1], 1, PATIENCE, ask, |_| ()).await, Err(ApiError::Setup(_))));
    }
}
