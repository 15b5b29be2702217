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
pub enum Effect {
    /// It was said before, or something later was: nothing is written.
    Stale,
    /// It is the last word now, but says what held already: no new fact.
    Confirmed,
    /// It turns the toggle over: that is a fact.
    MembershipChange,
}

impl Toggle {
    /// What `word` does, where `held` was the last word so far. A toggle begins as off.
    #[must_use]
    pub fn effect(held: Option<&Self>, word: &Self) -> Effect {
        match held {
            Some(held) if (word.at, &word.event) <= (held.at, &held.event) => Effect::Stale,
            held if held.is_some_and(|held| held.on) == word.on => Effect::Confirmed,
            _ => Effect::MembershipChange,
        }
    }

    /// What it does to the toggle of a session or device that somebody is known from now: `word` is the word of the one who
    /// is known. Whatever was said before it, or as the same event, is that one's now, so the toggle is off as of then.
    #[must_use]
    pub fn taken_over(held: Option<&Self>, word: &Self) -> Effect {
        match held {
            Some(held) if (held.at, &held.event) > (word.at, &word.event) => Effect::Stale,
            Some(held) if held.on => Effect::MembershipChange,
            Some(held) if (held.at, &held.event) == (word.at, &word.event) => Effect::Stale,
            _ => Effect::Confirmed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(second: u8, event: &str, on: bool) -> Toggle {
        Toggle { at: format!("2026-01-31T09:30:{second:02}Z").parse().unwrap(), event: event.parse().unwrap(), on }
    }

    #[test]
    fn the_last_word_by_event_time_counts() {
        let liked = word(5, "b", true);
        assert_eq!(Toggle::effect(None, &word(1, "a", true)), Effect::MembershipChange);
        assert_eq!(Toggle::effect(None, &word(1, "a", false)), Effect::Confirmed);
        assert_eq!(Toggle::effect(Some(&liked), &liked), Effect::Stale);
        assert_eq!(Toggle::effect(Some(&liked), &word(4, "z", false)), Effect::Stale);
        assert_eq!(Toggle::effect(Some(&liked), &word(5, "a", false)), Effect::Stale);
        assert_eq!(Toggle::effect(Some(&liked), &word(5, "c", false)), Effect::MembershipChange);
        assert_eq!(Toggle::effect(Some(&liked), &word(6, "a", true)), Effect::Confirmed);
    }

    #[test]
    fn what_was_said_before_somebody_was_known_is_taken_over() {
        let liked = word(5, "b", true);
        let off = word(5, "b", false);
        assert_eq!(Toggle::taken_over(None, &liked), Effect::Confirmed);
        assert_eq!(
            Toggle::taken_over(Some(&liked), &liked),
            Effect::MembershipChange,
            "the same event, sent again with a token"
        );
        assert_eq!(Toggle::taken_over(Some(&off), &liked), Effect::Stale, "it was taken over by this word");
        assert_eq!(Toggle::taken_over(Some(&liked), &word(6, "a", false)), Effect::MembershipChange);
        assert_eq!(Toggle::taken_over(Some(&off), &word(6, "a", true)), Effect::Confirmed);
        assert_eq!(Toggle::taken_over(Some(&liked), &word(4, "z", true)), Effect::Stale, "it was said later");
    }
}
