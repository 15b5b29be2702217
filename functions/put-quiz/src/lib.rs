//! `PUT /api/quizzes/{quizId}`: describes a quiz.

use domain::id::QuizId;
use domain::quiz::QuizDescription;
use http::StatusCode;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, HttpHandler, Preconditions, Problem, Request, Response, bodies};
use store::Quizzes;

/// The function.
pub const FUNCTION: Function = Function { name: "put-quiz", start };

/// The largest body, in bytes: the longest texts fit with every character escaped.
const MAX_BODY: usize = 32 * 1024;

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| PutQuiz { quizzes: Quizzes::open(setup) })
}

struct PutQuiz {
    quizzes: Quizzes,
}

impl HttpHandler for PutQuiz {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let id: QuizId = request.path("quizId")?;
            let body = request.json(MAX_BODY, &["application/json"])?;
            let description = QuizDescription::parse(&body).map_err(Problem::Invalid)?;
            let preconditions = Preconditions::of(&request);
            store::update(request.deadline, || async {
                let stored = self.quizzes.quiz(&id).await?;
                let quiz =
                    description.clone().apply(stored.as_ref().map(|stored| &stored.document), &request.caller)?;
                let version = stored.map(|stored| stored.version);
                preconditions.check(version.as_ref())?;
                let status = if version.is_some() { StatusCode::OK } else { StatusCode::CREATED };
                let written = self.quizzes.put(&id, &quiz, version.as_ref()).await;
                Ok(written.map(|version| Response::json(status, &bodies::quiz(&id, &quiz)).with_etag(&version.0)))
            })
            .await
        })
    }
}
