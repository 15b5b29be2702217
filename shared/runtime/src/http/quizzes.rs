//! Quizzes that a request names.

use tokio::time::Instant;

use super::problem::Problem;
use domain::id::QuizId;
use domain::validation::InvalidField;
use store::Quizzes;

/// How many quizzes that there are not are named at most.
const NAMED: usize = 10;

/// Makes sure that there are all these quizzes.
///
/// # Errors
/// If there are not, which says which; or if they could not be read.
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
