//! `POST /api/quizzes/{quizId}/rate`: rates a quiz.

use domain::id::QuizId;
use domain::interaction::Rating;
use http::StatusCode;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, HttpHandler, Problem, Request, Response};
use serde_json::json;
use store::{Interactions, Quizzes};

/// The function.
pub const FUNCTION: Function = Function { name: "rate-quiz", start };

/// The largest body, in bytes.
const MAX_BODY: usize = 4 * 1024;

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| RateQuiz {
        quizzes: Quizzes::open(setup),
        interactions: Interactions::open(setup),
    })
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
