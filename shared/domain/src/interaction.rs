//! Interactions with quizzes: likes, ratings and attempts, and their facts.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::event::thousandths;
use super::id::{AttemptId, UserId};
use super::validation::{Fields, InvalidField, object};

/// The highest score a quiz can have.
const MAX_SCORE: f64 = 1e9;

/// The longest attempt, in seconds: a week.
const MAX_DURATION_S: f64 = 604_800.0;

/// The whole, in millionths of a percent.
pub const WHOLE: i64 = 100_000_000;

/// A rating of a quiz: 1 to 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Rating(u8);

/// The lowest rating.
pub(super) const WORST: u8 = 1;

/// The highest rating.
pub(super) const BEST: u8 = 5;

/// A number that is no rating.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a whole number from 1 to 5")]
pub struct InvalidRating;

impl Rating {
    /// The rating as a number.
    #[must_use]
    pub fn value(self) -> i64 {
        i64::from(self.0)
    }

    /// Reads `{"rating": 1 to 5}`.
    ///
    /// # Errors
    /// If it is anything else.
    pub fn parse(body: &Value) -> Result<Self, Vec<InvalidField>> {
        let (Fields(fields), mut violations) = object(body, &["rating"])?;
        let given = fields.get("rating").filter(|given| !given.is_null());
        let rating = given.ok_or_else(|| InvalidField::new("rating", "is required")).and_then(|given| {
            let rating = given.as_u64().ok_or(InvalidRating).and_then(Self::try_from);
            rating.map_err(|error| InvalidField::new("rating", error))
        });
        let rating = violations.keep(rating);
        violations.finish(rating)
    }
}

impl TryFrom<u64> for Rating {
    type Error = InvalidRating;

    fn try_from(number: u64) -> Result<Self, InvalidRating> {
        let rating = u8::try_from(number).ok().filter(|rating| (WORST..=BEST).contains(rating));
        rating.map(Self).ok_or(InvalidRating)
    }
}

impl From<Rating> for u64 {
    fn from(rating: Rating) -> Self {
        Self::from(rating.0)
    }
}

/// The score of an attempt, exact to the thousandth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Score {
    /// The points reached, in thousandths; at most `max`.
    reached: u64,
    /// The greatest possible points, in thousandths; never 0.
    max: u64,
}

impl Score {
    /// The points reached, in thousandths.
    #[must_use]
    pub fn reached(self) -> u64 {
        self.reached
    }

    /// The greatest possible points, in thousandths.
    #[must_use]
    pub fn max(self) -> u64 {
        self.max
    }

    /// The score in millionths of a percent, 0 to [`WHOLE`], rounded half up: a whole number, so that sums are exact.
    #[must_use]
    pub fn share(self) -> i64 {
        let (reached, max) = (u128::from(self.reached), u128::from(self.max.max(1)));
        let share = (reached * WHOLE.unsigned_abs() as u128 + max / 2) / max;
        i64::try_from(share).map_or(WHOLE, |share| share.min(WHOLE))
    }

    /// In percent.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "at most 10^8")]
    pub fn percent(self) -> f64 {
        self.share() as f64 / 1e6
    }

    pub(super) fn parse(fields: Fields<'_>) -> Result<Self, Vec<InvalidField>> {
        let number = |field| fields.number(field, MAX_SCORE)?.ok_or_else(|| InvalidField::new(field, "is required"));
        match (number("score").map(thousandths), number("maxScore").map(thousandths)) {
            (reached, Ok(0)) => {
                let max = InvalidField::new("maxScore", "must be greater than 0");
                Err(reached.err().into_iter().chain([max]).collect())
            }
            (Ok(reached), Ok(max)) if reached > max => {
                Err(vec![InvalidField::new("score", "must be at most maxScore")])
            }
            (Ok(reached), Ok(max)) => Ok(Self { reached, max }),
            (reached, max) => Err([reached.err(), max.err()].into_iter().flatten().collect()),
        }
    }
}

/// An attempt at a quiz, as its client reports it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// The id, unique for the user and the quiz.
    pub id: AttemptId,
    /// The score.
    #[serde(flatten)]
    pub score: Score,
    /// The duration, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
}

impl Attempt {
    /// Reads a report.
    ///
    /// # Errors
    /// Every field that is missing or wrong.
    pub fn parse(body: &Value) -> Result<Self, Vec<InvalidField>> {
        let (fields, mut violations) = object(body, &["attemptId", "score", "maxScore", "durationSeconds"])?;
        let id = violations.keep(fields.required("attemptId"));
        let score = violations.keep_all(Score::parse(fields));
        let duration = violations.keep(fields.number("durationSeconds", MAX_DURATION_S));
        let read = id.zip(score).zip(duration);
        violations.finish(read.map(|((id, score), duration)| Self {
            id,
            score,
            duration_ms: duration.map(thousandths),
        }))
    }
}

/// An interaction with a quiz.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Interaction {
    /// A like (`on`), or its withdrawal.
    Like {
        /// Like, or unlike.
        on: bool,
    },
    /// A rating.
    Rate {
        /// The rating.
        rating: Rating,
        /// The user's previous rating, which this one replaces.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        was: Option<Rating>,
    },
    /// An attempt.
    Attempt(Attempt),
}

impl Interaction {
    /// The kind, as part of keys.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Like { .. } => "like",
            Self::Rate { .. } => "rate",
            Self::Attempt(_) => "attempt",
        }
    }
}

/// Something that happened to a quiz, for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuizFact {
    /// The user.
    pub user: UserId,
    /// The interaction.
    #[serde(flatten)]
    pub what: Interaction,
    /// Whether averages ignore the attempt, since the user had reached the limit of that day.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unscored: bool,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wrong<T: std::fmt::Debug>(parsed: Result<T, Vec<InvalidField>>) -> Vec<String> {
        parsed.unwrap_err().into_iter().map(|invalid| invalid.field.into_owned()).collect()
    }

    #[test]
    fn a_rating_is_a_whole_number_from_1_to_5() {
        assert_eq!(Rating::parse(&json!({"rating": 5})).unwrap().value(), 5);
        for rating in
            [json!(0), json!(6), json!(3.5), json!(4.0), json!("5"), json!(-1), json!(256), json!([4]), json!(null)]
        {
            assert_eq!(wrong(Rating::parse(&json!({"rating": rating}))), ["rating"], "{rating}");
        }
        assert_eq!(wrong(Rating::parse(&json!({}))), ["rating"]);
        assert_eq!(wrong(Rating::parse(&json!([5]))), ["body"]);
    }

    fn attempt(score: impl Into<Value>, max: impl Into<Value>) -> Result<Attempt, Vec<InvalidField>> {
        Attempt::parse(&json!({"attemptId": "a", "score": score.into(), "maxScore": max.into()}))
    }

    #[test]
    fn a_score_is_from_0_to_its_maximum() {
        assert_eq!(attempt(0, 10).unwrap().score.share(), 0);
        assert_eq!(attempt(10, 10).unwrap().score.share(), WHOLE);
        assert_eq!(attempt(7.5, 10).unwrap().score.share(), 75_000_000);
        assert_eq!(attempt(1, 3).unwrap().score.share(), 33_333_333);
        assert_eq!(attempt(2, 3).unwrap().score.share(), 66_666_667);
        for (score, max, field) in [
            (json!(11), json!(10), "score"),
            (json!(-1), json!(10), "score"),
            (json!("NaN"), json!(10), "score"),
            (json!(null), json!(10), "score"),
            (json!(1), json!("10"), "maxScore"),
            (json!(0), json!(0), "maxScore"),
            (json!(0), json!(0.0001), "maxScore"),
            (json!(1), json!(1e300), "maxScore"),
        ] {
            assert_eq!(wrong(attempt(score.clone(), max.clone())), [field], "{score} of {max}");
        }
    }

    #[test]
    fn reports_every_invalid_field_of_an_attempt() {
        let body = json!({"attemptId": "a b", "score": true, "maxScore": [], "durationSeconds": -1});
        assert_eq!(wrong(Attempt::parse(&body)), ["attemptId", "score", "maxScore", "durationSeconds"]);
        let body = json!({"attemptId": "a", "score": 1, "maxScore": 2, "durationSeconds": 12.5});
        assert_eq!(Attempt::parse(&body).unwrap().duration_ms, Some(12_500));
    }
}
