//! `GET /api/teacher/dashboard`: all that a teacher wants to see at a glance.

use std::sync::Arc;

use domain::course_stats::CourseStatsScope;
use domain::time::Time;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, HttpHandler, Problem, Request, Response, bodies, courses};
use serde_json::json;
use store::{CourseStats, Courses, Inbox};
use system::clock::Clock;

/// The function.
pub const FUNCTION: Function = Function { name: "get-teacher-dashboard", start };

/// The number of courses that are listed; the cursor leads to the others.
const COURSES: usize = 20;

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| GetTeacherDashboard {
        courses: Courses::open(setup),
        numbers: CourseStats::open(setup),
        inbox: Inbox::open(setup),
        clock: setup.clock(),
    })
}

struct GetTeacherDashboard {
    courses: Courses,
    numbers: CourseStats,
    inbox: Inbox,
    clock: Arc<dyn Clock>,
}

impl HttpHandler for GetTeacherDashboard {
    fn parameters(&self) -> &'static [&'static str] {
        &["teacherId"]
    }

    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let teacher = courses::teacher(&request)?;
            let now = Time::from(self.clock.now());
            let (stores, whose) = ((&self.courses, &self.numbers), CourseStatsScope::Teacher(teacher.clone()));
            let (figures, (courses, cursor), unread) = futures::try_join!(
                async { Ok(self.numbers.of(&whose, request.deadline).await?) },
                courses::courses(stores, &teacher, (None, COURSES), &request),
                async { Ok(self.inbox.unread(&teacher).await?) },
            )?;
            let mut body = json!({
                "teacherId": teacher,
                "unread": unread,
                "totalCourses": figures.courses,
                "courses": courses,
                "coursesCursor": cursor,
            });
            courses::merge(&mut body, bodies::class(&figures));
            Ok(Response::read(&request, body, now))
        })
    }
}
