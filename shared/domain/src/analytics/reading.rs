//! The reads of one answer, and how their results are assembled.

use crate::rollup::Rollup;
use crate::time_span::TimeSpan;

/// The reads of one answer: all of them, each span of time once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cells {
    cells: Vec<TimeSpan>,
    compares: bool,
}

/// The counters of a range.
#[derive(Debug, Clone, PartialEq)]
pub struct Numbers {
    /// The counters of the range before it, if it is compared.
    pub previous: Option<Rollup>,
    /// The counters of the range.
    pub total: Rollup,
    /// The counters of each point, in order.
    pub cells: Vec<Rollup>,
}

impl Cells {
    /// The spans to read for a range with these points; without points, the range as a whole.
    #[must_use]
    pub fn new(previous: Option<TimeSpan>, range: TimeSpan, points: &[TimeSpan]) -> Self {
        let range = if points.is_empty() { std::slice::from_ref(&range) } else { points };
        Self { cells: previous.iter().chain(range).copied().collect(), compares: previous.is_some() }
    }

    /// The cells, in their order.
    #[must_use]
    pub fn spans(&self) -> &[TimeSpan] {
        &self.cells
    }

    /// Assigns the counters of each span to the range and to its points.
    #[must_use]
    pub fn sort_out(&self, read: Vec<Rollup>) -> Numbers {
        let mut cells = read.into_iter();
        let previous = if self.compares { cells.next() } else { None };
        let cells: Vec<Rollup> = cells.collect();
        let mut total = Rollup::default();
        cells.iter().for_each(|cell| total.merge(cell));
        Numbers { previous, total, cells }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::TrackCounters;

    fn span(from: u32, to: u32) -> TimeSpan {
        let at = |minute: u32| format!("2026-01-31T09:{minute:02}:00Z").parse().unwrap();
        TimeSpan { from: at(from), to: at(to) }
    }

    fn plays(plays: u64) -> Rollup {
        Rollup { counters: TrackCounters { plays, ..TrackCounters::default() }, ..Rollup::default() }
    }

    #[test]
    fn previous_range_is_counted_separately() {
        let (before, range) = (span(0, 5), span(5, 10));
        let points = [span(5, 6), span(6, 10)];
        let cells = Cells::new(Some(before), range, &points);
        assert_eq!(cells.spans(), [before, points[0], points[1]]);
        let numbers = cells.sort_out(vec![plays(1), plays(2), plays(4)]);
        assert_eq!((numbers.previous.unwrap().counters.plays, numbers.total.counters.plays), (1, 6));
        assert_eq!(numbers.cells.len(), 2);

        let whole = Cells::new(None, range, &[]);
        assert_eq!(whole.spans(), [range]);
        let numbers = whole.sort_out(vec![plays(3)]);
        assert_eq!((numbers.previous, numbers.total.counters.plays), (None, 3));
    }
}
