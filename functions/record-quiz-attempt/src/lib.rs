//! `POST /api/quizzes/{quizId}/attempt`: records an attempt at a quiz.

use domain::id::QuizId;
use domain::interaction::Attempt;
use http::StatusCode;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, HttpHandler, Problem, Request, Response, bodies};
use store::{AttemptOutcome, Interactions, Quizzes};

/// The function.
pub const FUNCTION: Function = Function { name: "record-quiz-attempt", start };

/// The largest body, in bytes.
const MAX_BODY: usize = 4 * 1024;

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| RecordQuizAttempt {
        quizzes: Quizzes::open(setup),
        interactions: Interactions::open(setup).counting(setup.parsed_if_set("COUNTED_ATTEMPTS")),
    })
}

struct RecordQuizAttempt {
    quizzes: Quizzes,
    interactions: Interactions,
}

impl HttpHandler for RecordQuizAttempt {
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
                AttemptOutcome::Recorded(scored) | AttemptOutcome::Repeated(scored) => scored,
                AttemptOutcome::Conflicting => {
                    let taken = format!("attempt {} already exists with different content", attempt.id);
                    return Err(Problem::ConflictingState(taken));
                }
            };
            Ok(Response::json(StatusCode::CREATED, &bodies::attempt(&id, &attempt, scored)))
        })
    }
}
