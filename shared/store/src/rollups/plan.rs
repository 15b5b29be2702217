//! Plans which parts of cells are read from closed periods and which from live minutes.

use domain::calendar::{Calendar, Level, Period};
use domain::time_span::TimeSpan;

use super::watermark::Watermark;

/// A part of a cell that is read from the closed periods of one level, or from minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) level: Option<Level>,
    pub(super) span: TimeSpan,
}

impl Segment {
    /// Whether an hour is read as part of a closed period.
    pub(super) fn contains(&self, hour: &Period) -> bool {
        self.level.is_some() && self.span.from <= hour.start() && hour.end() <= self.span.to
    }
}

/// Cuts cells into the largest closed periods that fit, and into minutes elsewhere.
pub(super) fn plan(calendar: &Calendar, watermark: Option<&Watermark>, cells: &[TimeSpan]) -> Vec<Segment> {
    let mut segments = Vec::new();
    let open_from = watermark.map(|watermark| watermark.last_closed(Level::Hour).end());
    for span in cells {
        let mut from = span.from;
        while from < span.to {
            let Some((watermark, open_from)) = watermark.zip(open_from).filter(|(_, open_from)| from < *open_from)
            else {
                segments.push(Segment { level: None, span: TimeSpan { from, to: span.to } });
                break;
            };
            let closed = Level::ALL.into_iter().rev().find_map(|level| {
                let period = calendar.period(level, from);
                let fits = period.start() == from && period.end() <= span.to && watermark.is_complete(&period);
                fits.then_some((level, period.end()))
            });
            let (level, to) = match closed {
                Some((level, to)) => (Some(level), to),
                None => (None, calendar.period(Level::Hour, from).end().min(span.to).min(open_from)),
            };
            segments.push(Segment { level, span: TimeSpan { from, to } });
            from = to;
        }
    }
    segments
}

/// Closed segments of one level that adjoin: each run is one query.
pub(super) fn closed_runs(segments: &[Segment]) -> Vec<(Level, TimeSpan)> {
    let mut closed_runs: Vec<(Level, TimeSpan)> = Vec::new();
    for segment in segments {
        let Some(level) = segment.level else { continue };
        match closed_runs.last_mut() {
            Some((last, span)) if *last == level && span.to == segment.span.from => span.to = segment.span.to,
            _ => closed_runs.push((level, segment.span)),
        }
    }
    closed_runs
}

/// Live segments that adjoin.
pub(super) fn live_runs(segments: &[Segment]) -> Vec<TimeSpan> {
    let mut closed_runs: Vec<TimeSpan> = Vec::new();
    for segment in segments.iter().filter(|segment| segment.level.is_none()) {
        match closed_runs.last_mut() {
            Some(span) if span.to == segment.span.from => span.to = segment.span.to,
            _ => closed_runs.push(segment.span),
        }
    }
    closed_runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::time::Time;

    fn time(text: &str) -> Time {
        text.parse().unwrap()
    }

    fn planned(watermark: Option<&str>, from: &str, to: &str) -> Vec<String> {
        let calendar = Calendar::default();
        let mut reached = watermark.map(|hour| Watermark::through_hour_of(&calendar, time(hour)));
        if let Some(watermark) = &mut reached {
            // Everything below the day of the hour is closed.
            for level in [Level::Day, Level::Week, Level::Month, Level::Year] {
                let before = calendar.previous(&calendar.period(level, watermark.last_closed(Level::Hour).start()));
                watermark.advance_to(before);
            }
        }
        let cells = [TimeSpan { from: time(from), to: time(to) }];
        let segments = plan(&calendar, reached.as_ref(), &cells);
        assert_eq!((segments[0].span.from, segments.last().unwrap().span.to), (cells[0].from, cells[0].to));
        assert!(segments.windows(2).all(|pair| pair[0].span.to == pair[1].span.from));
        let name = |level: Option<Level>| level.map_or("live", Level::name);
        let mut names: Vec<String> = Vec::new();
        for segment in segments {
            names.push(format!("{} {}", name(segment.level), &segment.span.from.to_string()[..16]));
        }
        names
    }

    #[test]
    fn takes_the_largest_closed_periods_that_fit() {
        let plan = planned(Some("2026-11-20T13:00:00Z"), "2024-11-30T22:30:00Z", "2026-11-20T14:37:00Z");
        assert_eq!(
            plan[..5],
            [
                "live 2024-11-30T22:30",
                "hour 2024-11-30T23:00",
                "month 2024-12-01T00:00",
                "year 2025-01-01T00:00",
                "month 2026-01-01T00:00"
            ]
        );
        let days = ["week 2026-11-02T00:00", "week 2026-11-09T00:00", "day 2026-11-16T00:00"];
        assert_eq!(plan[14..18], [["day 2026-11-01T00:00"].as_slice(), &days].concat());
        assert_eq!(plan[plan.len() - 2..], ["hour 2026-11-20T13:00", "live 2026-11-20T14:00"]);
        assert!(plan.len() < 40, "{plan:?}");
    }

    #[test]
    fn reads_minutes_where_nothing_is_closed() {
        assert_eq!(planned(None, "2020-01-01T00:00:00Z", "2026-11-20T14:37:00Z"), ["live 2020-01-01T00:00"]);
        let plan = planned(Some("2026-11-20T10:00:00Z"), "2026-11-20T10:20:00Z", "2026-11-20T10:40:00Z");
        assert_eq!(plan, ["live 2026-11-20T10:20"]);
    }
}
