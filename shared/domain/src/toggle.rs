//! Toggles: things that are on or off for one actor, of which the last word counts.

use serde::{Deserialize, Serialize};

use super::id::EventId;
use super::time::Time;

/// The last word on a toggle: the latest by event time, then by event id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Toggle {
    /// When it was said.
    pub at: Time,
    /// The event that said it.
    pub event: EventId,
    /// On, or off.
    pub on: bool,
}

/// What a further word on a toggle does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToggleEffect {
    /// It was said before, or something later was: nothing is written.
    Stale,
    /// It is the last word now, but says what held already: no new fact.
    Unchanged,
    /// It turns the toggle over: that is a fact.
    Flipped,
}

impl Toggle {
    /// What `word` does, where `held` was the last word so far. A toggle begins as off.
    #[must_use]
    pub fn effect(last: Option<&Self>, change: &Self) -> ToggleEffect {
        match last {
            Some(last) if (change.at, &change.event) <= (last.at, &last.event) => ToggleEffect::Stale,
            last if last.is_some_and(|last| last.on) == change.on => ToggleEffect::Unchanged,
            _ => ToggleEffect::Flipped,
        }
    }

    /// What it does to the toggle of a session or device that somebody is known from now: `word` is the word of the one who
    /// is known. Whatever was said before it, or as the same event, is that one's now, so the toggle is off as of then.
    #[must_use]
    pub fn takeover_effect(last: Option<&Self>, change: &Self) -> ToggleEffect {
        match last {
            Some(last) if (last.at, &last.event) > (change.at, &change.event) => ToggleEffect::Stale,
            Some(last) if last.on => ToggleEffect::Flipped,
            Some(last) if (last.at, &last.event) == (change.at, &change.event) => ToggleEffect::Stale,
            _ => ToggleEffect::Unchanged,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(second: u8, event: &str, on: bool) -> Toggle {
        Toggle { at: format!("2026-01-31T09:30:{second:02}Z").parse().unwrap(), event: event.parse().unwrap(), on }
    }

    #[test]
    fn the_last_word_by_event_time_counts() {
        let liked = change(5, "b", true);
        assert_eq!(Toggle::effect(None, &change(1, "a", true)), ToggleEffect::Flipped);
        assert_eq!(Toggle::effect(None, &change(1, "a", false)), ToggleEffect::Unchanged);
        assert_eq!(Toggle::effect(Some(&liked), &liked), ToggleEffect::Stale);
        assert_eq!(Toggle::effect(Some(&liked), &change(4, "z", false)), ToggleEffect::Stale);
        assert_eq!(Toggle::effect(Some(&liked), &change(5, "a", false)), ToggleEffect::Stale);
        assert_eq!(Toggle::effect(Some(&liked), &change(5, "c", false)), ToggleEffect::Flipped);
        assert_eq!(Toggle::effect(Some(&liked), &change(6, "a", true)), ToggleEffect::Unchanged);
    }

    #[test]
    fn what_was_said_before_somebody_was_known_is_taken_over() {
        let liked = change(5, "b", true);
        let off = change(5, "b", false);
        assert_eq!(Toggle::takeover_effect(None, &liked), ToggleEffect::Unchanged);
        assert_eq!(
            Toggle::takeover_effect(Some(&liked), &liked),
            ToggleEffect::Flipped,
            "the same event, sent again with a token"
        );
        assert_eq!(Toggle::takeover_effect(Some(&off), &liked), ToggleEffect::Stale, "it was taken over by this word");
        assert_eq!(Toggle::takeover_effect(Some(&liked), &change(6, "a", false)), ToggleEffect::Flipped);
        assert_eq!(Toggle::takeover_effect(Some(&off), &change(6, "a", true)), ToggleEffect::Unchanged);
        assert_eq!(
            Toggle::takeover_effect(Some(&liked), &change(4, "z", true)),
            ToggleEffect::Stale,
            "it was said later"
        );
    }
}
