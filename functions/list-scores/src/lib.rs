//! `GET /api/scores`: the scores of a course or of a student, the newest first.

use http::StatusCode;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::courses::Part;
use runtime::http::{Access, HttpHandler, Paging, Problem, Request, Response, bodies};
use serde_json::{Value, json};
use store::{Courses, Scores};

/// The function.
pub const FUNCTION: Function = Function { name: "list-scores", start };

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| ListScores {
        courses: Courses::open(setup),
        scores: Scores::open(setup),
    })
}

struct ListScores {
    courses: Courses,
    scores: Scores,
}

impl HttpHandler for ListScores {
    fn parameters(&self) -> &'static [&'static str] {
        &["courseId", "studentId", "limit", "cursor"]
    }

    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let asked = Part::of(&request, &self.courses).await?;
            let mut query = request.query_reader();
            let paging = Paging::read(&mut query);
            query.done()?;
            let list = paging.of(&request.caller, asked.scope("scores"))?;
            let page = match &asked {
                Part::Course(course, _) => self.scores.in_course(course, list.after(), list.limit()).await?,
                Part::Student(student) => self.scores.of_student(student, list.after(), list.limit()).await?,
            };
            let found = page.items.iter().map(|one| one.course.clone()).collect();
            let courses = asked.courses(found, (&self.courses, &request)).await?;
            let scores: Vec<Value> =
                page.items.iter().map(|one| bodies::score(one, courses.get(&one.course))).collect();
            let cursor = list.cursor(page.next.as_deref());
            Ok(Response::json(StatusCode::OK, &json!({"scores": scores, "cursor": cursor})))
        })
    }
}
