//! Toggles: states that are on or off for one actor. The latest change counts.

use serde::{Deserialize, Serialize};

use super::id::EventId;
use super::time::Time;

/// The latest change of a toggle, by event time, then by event id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Toggle {
    /// The time of the event.
    pub at: Time,
    /// The id of the event.
    pub event: EventId,
    /// On, or off.
    pub on: bool,
}

/// The effect of a change on a toggle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToggleEffect {
    /// The change is no later than the last one: nothing is written.
    Stale,
    /// The change is the last one, but keeps the state: no new fact.
    Unchanged,
    /// The change flips the toggle: a new fact.
    Flipped,
}

impl Toggle {
    /// The effect of `change` after `last`. A toggle begins as off.
    #[must_use]
    pub fn effect(last: Option<&Self>, change: &Self) -> ToggleEffect {
        match last {
            Some(last) if (change.at, &change.event) <= (last.at, &last.event) => ToggleEffect::Stale,
            last if last.is_some_and(|last| last.on) == change.on => ToggleEffect::Unchanged,
            _ => ToggleEffect::Flipped,
        }
    }

    /// The effect of `change` on the toggle of a session or device whose user has become known, and whose change it is.
    /// Earlier changes, and the same event sent before, now belong to the user, so the toggle of the session or device
    /// is off from then on.
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
    fn latest_change_by_event_time_decides() {
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
    fn changes_before_signing_in_are_taken_over() {
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
