//! `POST /api/quizzes/{quizId}/rate`: a person rates a quiz, or rates it anew.

use std::sync::Arc;

use domain::id::QuizId;
use domain::interaction::Rating;
use http::StatusCode;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, Invoke, StartError};
use runtime::http::{Access, HttpHandler, Problem, Request, Response};
use serde_json::json;
use store::{Interactions, Quizzes, Retention};

/// The function.
pub const FUNCTION: Function = Function { name: "rate-quiz", start };

/// The largest body, in bytes.
const MAX_BODY: usize = 4 * 1024;

fn start(boot: &FunctionContext) -> Result<Box<dyn Invoke>, StartError> {
    let mut reader = boot.environment.reader();
    let (state, facts) = (reader.required("STATE_TABLE"), reader.required("INTERACTIONS_TABLE"));
    let retention = Retention::of_days(reader.parsed("RETENTION_DAYS"));
    reader.finish(())?;
    let (client, clock, ids) = (boot.dynamodb(), Arc::clone(&boot.clock), Arc::clone(&boot.ids));
    let quizzes = Quizzes::new(client.clone(), state.clone(), Arc::clone(&ids));
    let handler = RateQuiz { quizzes, interactions: Interactions::new(client, state, facts, retention, (clock, ids)) };
    Ok(runtime::http::function(FUNCTION.name, Access::SignedIn, boot, handler))
}

struct RateQuiz {
    quizzes: Quizzes,
    interactions: Interactions,
}

impl HttpHandler for RateQuiz {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let id: QuizId = request.path("quizId")?;
            let user = request.user()?;
            let body = request.json(MAX_BODY, &["application/json"])?;
            let rating = Rating::parse(&body).map_err(Problem::Invalid)?;
            if !self.quizzes.exists(&id).await? {
                return Err(Problem::NotFound(format!("there is no quiz {id}")));
            }
            let rated = self.interactions.rate(user, &id, rating, request.deadline).await?;
            let answer =
                json!({"quizId": id, "rating": rating, "previousRating": rated.was, "changed": rated.has_changed});
            Ok(Response::json(StatusCode::OK, &answer))
        })
    }
}
