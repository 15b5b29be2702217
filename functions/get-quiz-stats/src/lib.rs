//! `GET /api/quizzes/{quizId}/stats`: a quiz's numbers.

use std::sync::Arc;

use domain::id::QuizId;
use domain::time::Time;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, HttpHandler, Problem, Request, Response, bodies};
use store::{QuizNumbers, Quizzes};
use system::clock::Clock;

/// The function.
pub const FUNCTION: Function = Function { name: "get-quiz-stats", start };

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::Public, |setup| GetQuizStats {
        quizzes: Quizzes::open(setup),
        numbers: QuizNumbers::open(setup),
        clock: setup.clock(),
    })
}

struct GetQuizStats {
    quizzes: Quizzes,
    numbers: QuizNumbers,
    clock: Arc<dyn Clock>,
}

impl HttpHandler for GetQuizStats {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let id: QuizId = request.path("quizId")?;
            let now = Time::from(self.clock.now());
            let (figures, as_of) = match self.numbers.of(&id).await? {
                Some(numbers) => numbers,
                None if self.quizzes.exists(&id).await? => (Default::default(), now),
                None => return Err(Problem::NotFound(format!("there is no quiz {id}"))),
            };
            Ok(Response::read(&request, bodies::quiz_stats(&id, &figures), as_of))
        })
    }
}
