//! The model: the latest actions of users, and sums over the quizzes that a package contains.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::actions::{Action, CURRENCIES, MAX_SCORE};

/// The answered actions.
#[derive(Debug, Default)]
pub(super) struct Model {
    likes: BTreeSet<(usize, usize)>,
    ratings: BTreeMap<(usize, usize), u8>,
    attempts: BTreeMap<(usize, usize, usize), u8>,
    earned: BTreeMap<(usize, usize), i64>,
}

impl Model {
    /// Takes in an answered action. The actions of one user come one after the other.
    pub(super) fn done(&mut self, user: usize, action: &Action) {
        match *action {
            Action::Like { quiz, on: true } => {
                self.likes.insert((user, quiz));
            }
            Action::Like { quiz, on: false } => {
                self.likes.remove(&(user, quiz));
            }
            Action::Rate { quiz, rating } => {
                self.ratings.insert((user, quiz), rating);
            }
            Action::Attempt { quiz, id, score } => {
                self.attempts.insert((user, quiz, id), score);
            }
            Action::Sell { package, currency, earned } => {
                self.earned.insert((package, currency), earned);
            }
            Action::Put { .. } | Action::Delete { .. } => {}
        }
    }

    /// What a list of quizzes must have.
    pub(super) fn of(&self, quizzes: &BTreeSet<usize>) -> Value {
        let likes = self.likes.iter().filter(|(_, quiz)| quizzes.contains(quiz)).count();
        let ratings: Vec<f64> =
            self.ratings.iter().filter(|((_, quiz), _)| quizzes.contains(quiz)).map(|(_, r)| f64::from(*r)).collect();
        let scores: Vec<i64> = self
            .attempts
            .iter()
            .filter(|((_, quiz, _), _)| quizzes.contains(quiz))
            // Scores are kept to the millionth of a percent.
            .map(|(_, score)| (f64::from(*score) / f64::from(MAX_SCORE) * 1e8).round() as i64)
            .collect();
        let ratio = |sum: f64, count: usize| (count > 0).then(|| sum / count as f64);
        json!({
            "totalLikes": likes,
            "totalRatings": ratings.len(),
            "averageRating": ratio(ratings.iter().sum(), ratings.len()),
            "totalAttempts": scores.len(),
            "averageScore": ratio(scores.iter().sum::<i64>() as f64, scores.len()).map(|score| score / 1e6),
        })
    }

    /// What purchases of a package brought in, by currency; none of those that brought nothing.
    pub(super) fn earned(&self, package: usize) -> Value {
        let earned = self.earned.iter().filter(|((of, _), earned)| *of == package && **earned != 0);
        earned.map(|((_, currency), earned)| (CURRENCIES[*currency].to_owned(), json!(earned))).collect()
    }
}
