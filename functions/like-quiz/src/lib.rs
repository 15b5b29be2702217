//! `POST /api/quizzes/{quizId}/like` and its `DELETE`: likes a quiz, or takes the like back.

use domain::id::QuizId;
use http::{Method, StatusCode};
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, HttpHandler, Problem, Request, Response};
use serde_json::json;
use store::{Interactions, Quizzes};

/// The function.
pub const FUNCTION: Function = Function { name: "like-quiz", start };

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| LikeQuiz {
        quizzes: Quizzes::open(setup),
        interactions: Interactions::open(setup),
    })
}

struct LikeQuiz {
    quizzes: Quizzes,
    interactions: Interactions,
}

impl HttpHandler for LikeQuiz {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let id: QuizId = request.path("quizId")?;
            let user = request.user()?;
            let on = request.method() == Method::POST;
            if !self.quizzes.exists(&id).await? {
                return Err(Problem::NotFound(format!("there is no quiz {id}")));
            }
            let has_changed = self.interactions.like(user, &id, on, request.deadline).await?;
            let answer = json!({"quizId": id, "liked": on, "changed": has_changed});
            Ok(Response::json(StatusCode::OK, &answer))
        })
    }
}
