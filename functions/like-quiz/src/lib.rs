//! `POST /api/quizzes/{quizId}/like` and `DELETE` of it: a person likes a quiz, or takes that back.

use std::sync::Arc;

use domain::id::QuizId;
use http::{Method, StatusCode};
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, Invoke, StartError};
use runtime::http::{Access, HttpHandler, Problem, Request, Response};
use serde_json::json;
use store::{Interactions, Quizzes, Retention};

/// The function.
pub const FUNCTION: Function = Function { name: "like-quiz", start };

fn start(boot: &FunctionContext) -> Result<Box<dyn Invoke>, StartError> {
    let mut reader = boot.environment.reader();
    let (state, facts) = (reader.required("STATE_TABLE"), reader.required("INTERACTIONS_TABLE"));
    let retention = Retention::of_days(reader.parsed("RETENTION_DAYS"));
    reader.finish(())?;
    let (client, clock, ids) = (boot.dynamodb(), Arc::clone(&boot.clock), Arc::clone(&boot.ids));
    let quizzes = Quizzes::new(client.clone(), state.clone(), Arc::clone(&ids));
    let handler = LikeQuiz { quizzes, interactions: Interactions::new(client, state, facts, retention, (clock, ids)) };
    Ok(runtime::http::function(FUNCTION.name, Access::SignedIn, boot, handler))
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
