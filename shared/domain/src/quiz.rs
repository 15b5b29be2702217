//! Quizzes of creators, and their figures.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::caller::Caller;
use super::creator;
use super::fold::{Fold, Recorded};
use super::id::UserId;
use super::interaction::{BEST, Interaction, QuizFact, WORST};
use super::rejection::Rejection;
use super::validation::{InvalidField, object, text, title};

/// A quiz.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quiz {
    /// The title.
    pub title: String,
    /// The creator.
    pub creator: UserId,
    /// The description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A request to describe a quiz.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuizDescription {
    title: String,
    creator: Option<UserId>,
    description: Option<String>,
}

impl QuizDescription {
    /// Reads a description.
    ///
    /// # Errors
    /// Every field that is missing or wrong.
    pub fn parse(body: &Value) -> Result<Self, Vec<InvalidField>> {
        let (fields, mut violations) = object(body, &["title", "creatorId", "description"])?;
        let (title, creator) = (violations.keep(title(fields)), violations.keep(fields.parsed("creatorId")));
        let description = violations.keep(text(fields, "description"));
        let read = title.zip(creator).zip(description);
        violations.finish(read.map(|((title, creator), description)| Self { title, creator, description }))
    }

    /// The quiz that replaces `stored`.
    ///
    /// # Errors
    /// If the document is or would be another creator's.
    pub fn apply(self, stored: Option<&Quiz>, caller: &Caller) -> Result<Quiz, Rejection> {
        let creator = creator::creator(caller, stored.map(|quiz| &quiz.creator), self.creator)?;
        Ok(Quiz { title: self.title, creator, description: self.description })
    }
}

/// The figures of a quiz, or the sum of those of several: sums and counts, never averages.
///
/// The figures of a part of the time can be below 0: a like can be taken back in a later minute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QuizFigures {
    /// Attempts.
    pub attempts: i64,
    /// Likes given, less those taken back.
    pub likes: i64,
    /// Ratings: one per user.
    pub ratings: i64,
    /// The sum of all ratings.
    pub rating_sum: i64,
    /// The scores of all attempts that count together, in millionths of a percent of their maxima.
    pub score_sum: i64,
    /// Attempts whose scores do not count: those beyond the daily limit of a user.
    pub unscored: i64,
}

impl QuizFigures {
    /// Likes less those taken back. A withdrawal may be counted shortly before its like, so the result is never below
    /// 0.
    #[must_use]
    pub fn net_likes(&self) -> i64 {
        self.likes.max(0)
    }

    /// The average rating; `None` without ratings. A new rating may be counted a moment before the one that it took the
    /// place of, hence not below the worst nor above the best.
    #[must_use]
    pub fn average_rating(&self) -> Option<f64> {
        ratio(self.rating_sum, self.ratings).map(|average| average.clamp(f64::from(WORST), f64::from(BEST)))
    }

    /// The average score in percent, over the attempts that count; `None` if there are none.
    #[must_use]
    pub fn average_score(&self) -> Option<f64> {
        ratio(self.score_sum, self.attempts - self.unscored).map(|millionths| millionths / 1e6)
    }
}

#[allow(clippy::cast_precision_loss, reason = "an average needs no 53 bits")]
fn ratio(sum: i64, count: i64) -> Option<f64> {
    (count > 0).then(|| sum as f64 / count as f64)
}

impl Fold for QuizFigures {
    type Fact = QuizFact;

    fn fold(facts: Vec<Recorded<QuizFact>>) -> Self {
        let mut figures = Self::default();
        for recorded in facts {
            match recorded.fact.what {
                Interaction::Like { on } => figures.likes += if on { 1 } else { -1 },
                Interaction::Rate { rating, was } => {
                    figures.ratings += i64::from(was.is_none());
                    figures.rating_sum += rating.value() - was.map_or(0, |was| was.value());
                }
                Interaction::Attempt(attempt) => {
                    figures.attempts += 1;
                    if recorded.fact.unscored {
                        figures.unscored += 1;
                    } else {
                        figures.score_sum += attempt.score.share();
                    }
                }
            }
        }
        figures
    }

    fn merge(&mut self, other: &Self) {
        self.attempts += other.attempts;
        self.likes += other.likes;
        self.ratings += other.ratings;
        self.rating_sum += other.rating_sum;
        self.score_sum += other.score_sum;
        self.unscored += other.unscored;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::interaction::Attempt;

    fn fact(what: Interaction) -> Recorded<QuizFact> {
        let at = "2026-01-31T09:07:05.040Z".parse().unwrap();
        Recorded { at, id: "e".parse().unwrap(), fact: QuizFact { user: "u".parse().unwrap(), what, unscored: false } }
    }

    fn rated(rating: u64, was: Option<u64>) -> Recorded<QuizFact> {
        let was = was.map(|was| was.try_into().unwrap());
        fact(Interaction::Rate { rating: rating.try_into().unwrap(), was })
    }

    fn attempted(score: u64, max: u64) -> Recorded<QuizFact> {
        let body = json!({"attemptId": "a", "score": score, "maxScore": max});
        fact(Interaction::Attempt(Attempt::parse(&body).unwrap()))
    }

    #[test]
    fn averages_cover_all_ratings_and_attempts() {
        let facts = vec![rated(4, None), rated(5, None), rated(2, Some(4)), attempted(1, 4), attempted(3, 3)];
        let figures = QuizFigures::fold(facts);
        assert_eq!((figures.ratings, figures.average_rating()), (2, Some(3.5)));
        assert_eq!((figures.attempts, figures.average_score()), (2, Some(62.5)));
        assert_eq!(QuizFigures::default().average_rating(), None);
        assert_eq!(QuizFigures::default().average_score(), None);
    }

    #[test]
    fn unscored_attempts_are_in_no_average() {
        let mut facts = vec![attempted(1, 4), attempted(3, 3), attempted(3, 3)];
        facts[2].fact.unscored = true;
        let figures = QuizFigures::fold(facts);
        assert_eq!((figures.attempts, figures.unscored, figures.average_score()), (3, 1, Some(62.5)));
    }

    #[test]
    fn withdrawal_in_another_minute_is_subtracted_there() {
        let like = |on| fact(Interaction::Like { on });
        let mut figures = QuizFigures::fold(vec![like(true), like(true), like(false)]);
        assert_eq!(figures.likes, 1);
        figures.merge(&QuizFigures::fold(vec![like(false)]));
        assert_eq!(figures, QuizFigures::default());
    }

    #[test]
    fn derived_figures_stay_in_their_range() {
        let taken_back = QuizFigures::fold(vec![fact(Interaction::Like { on: false })]);
        assert_eq!((taken_back.likes, taken_back.net_likes()), (-1, 0));
        let lowered = QuizFigures::fold(vec![rated(1, None), rated(1, Some(5))]);
        assert_eq!((lowered.rating_sum, lowered.average_rating()), (-3, Some(1.0)));
        let raised = QuizFigures::fold(vec![rated(5, None), rated(5, Some(1))]);
        assert_eq!((raised.rating_sum, raised.average_rating()), (9, Some(5.0)));
    }
}
