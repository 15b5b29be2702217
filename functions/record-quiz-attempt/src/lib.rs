//! `POST /api/quizzes/{quizId}/attempt`: a person has attempted a quiz.

use std::sync::Arc;

use domain::id::QuizId;
use domain::interaction::Attempt;
use http::StatusCode;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, Invoke, StartError};
use runtime::http::{Access, HttpHandler, Problem, Request, Response, bodies};
use store::{Attempted, Interactions, Quizzes, Retention};

/// The function.
pub const FUNCTION: Function = Function { name: "record-quiz-attempt", start };

/// The largest body, in bytes.
const MAX_BODY: usize = 4 * 1024;

fn start(boot: &FunctionContext) -> Result<Box<dyn Invoke>, StartError> {
    let mut reader = boot.environment.reader();
    let (state, facts) = (reader.required("STATE_TABLE"), reader.required("INTERACTIONS_TABLE"));
    let retention = Retention::of_days(reader.parsed("RETENTION_DAYS"));
    let counted = reader.optional("COUNTED_ATTEMPTS").map(|_| reader.parsed("COUNTED_ATTEMPTS"));
    reader.finish(())?;
    let (client, clock, ids) = (boot.dynamodb(), Arc::clone(&boot.clock), Arc::clone(&boot.ids));
    let quizzes = Quizzes::new(client.clone(), state.clone(), Arc::clone(&ids));
    let interactions = Interactions::new(client, state, facts, retention, (clock, ids)).counting(counted);
    let handler = AttemptQuiz { quizzes, interactions };
    Ok(runtime::http::function(FUNCTION.name, Access::SignedIn, boot, handler))
}

struct AttemptQuiz {
    quizzes: Quizzes,
    interactions: Interactions,
}

impl HttpHandler for AttemptQuiz {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let id: QuizId = request.path("quizId")?;
            let user = request.user()?;
            let body = request.json(MAX_BODY, &["application/json"])?;
            let attempt = Attempt::parse(&body).map_err(Problem::Invalid)?;
            if !self.quizzes.exists(&id).await? {
                return Err(Problem::NotFound(format!("there is no quiz {id}")));
            }
            let scored = match self.interactions.attempt(user, &id, &attempt, request.deadline).await? {
                Attempted::Recorded(scored) | Attempted::Before(scored) => scored,
                Attempted::Other => {
                    let taken = format!("attempt {} already exists with different content", attempt.id);
                    return Err(Problem::ConflictingState(taken));
                }
            };
            Ok(Response::json(StatusCode::CREATED, &bodies::attempt(&id, &attempt, scored)))
        })
    }
}
