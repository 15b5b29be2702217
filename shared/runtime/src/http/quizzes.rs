//! Quizzes of a request.

use tokio::time::Instant;

use super::problem::Problem;
use domain::id::QuizId;
use domain::validation::InvalidField;
use store::Quizzes;

/// The most missing quizzes that are named.
const NAMED: usize = 10;

/// Checks that all these quizzes exist.
///
/// # Errors
/// If some do not exist, with their names; or if they could not be read.
pub async fn all_there(quizzes: &Quizzes, ids: &[QuizId], deadline: Instant) -> Result<(), Problem> {
    let missing = quizzes.missing(ids, deadline).await?;
    let missing = missing.into_iter().filter_map(|place| Some((place, ids.get(place)?)));
    let wrong: Vec<InvalidField> = missing
        .take(NAMED)
        .map(|(place, quiz)| {
            InvalidField::new("quizIds", format!("item {place} names quiz {quiz}, which does not exist"))
        })
        .collect();
    if wrong.is_empty() { Ok(()) } else { Err(Problem::Invalid(wrong)) }
}
