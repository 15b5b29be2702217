//! What is asked of the classroom: what a course has, or what a student has.

use std::collections::{BTreeMap, BTreeSet};

use super::problem::Problem;
use super::request::Request;
use crate::domain::authorship;
use crate::domain::classroom::{Course, Enrollment};
use crate::domain::fields::Invalid;
use crate::domain::id::{CourseId, UserId};
use crate::store::Classroom;

/// Whose part of the classroom is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// A course's, with the course.
    Course(CourseId, Course),
    /// A student's.
    Student(UserId),
}

/// A course, if the caller runs it.
///
/// # Errors
/// If there is none, or it is somebody else's, or it could not be read.
pub async fn run_by(classroom: &Classroom, id: &CourseId, request: &Request) -> Result<Course, Problem> {
    let course = classroom.course(id).await?;
    let course = course.ok_or_else(|| Problem::NotFound(format!("there is no course {id}")))?.document;
    if !course.is_run_by(&request.caller) {
        return Err(Problem::Forbidden("only the course's teacher or an admin may do this".to_owned()));
    }
    Ok(course)
}

/// How a student takes a course, if they take part in it.
///
/// # Errors
/// If they do not, or it could not be read.
pub async fn takes_part(classroom: &Classroom, course: &CourseId, student: &UserId) -> Result<Enrollment, Problem> {
    let enrollment = classroom.enrollment(course, student).await?.map(|held| held.document);
    let takes_part = enrollment.filter(|enrollment| enrollment.status.takes_part());
    takes_part.ok_or_else(|| Invalid::new("studentId", format!("does not take the course {course}")).into())
}

impl Part {
    /// What a query asks for: of a course, by whoever runs it; of a student, by the student or an admin. The caller's own, if it
    /// says neither.
    ///
    /// # Errors
    /// If the caller may not, there is no such course, or the query is wrong.
    pub async fn of(request: &Request, classroom: &Classroom) -> Result<Self, Problem> {
        let own = request.user()?;
        match (request.query::<CourseId>("courseId")?, request.query::<UserId>("studentId")?) {
            (Some(_), Some(_)) => Err(Problem::query(Invalid::new("studentId", "must not be given with courseId"))),
            (Some(id), None) => {
                let course = run_by(classroom, &id, request).await?;
                Ok(Self::Course(id, course))
            }
            (None, student) => {
                let student = student.unwrap_or_else(|| own.clone());
                if !authorship::is_theirs(&request.caller, &student) {
                    return Err(Problem::Forbidden("only the student or an admin may see it".to_owned()));
                }
                Ok(Self::Student(student))
            }
        }
    }

    /// The name of a list of it, for cursors.
    #[must_use]
    pub fn scope(&self, what: &str) -> String {
        match self {
            Self::Course(id, _) => format!("{what} in {id}"),
            Self::Student(student) => format!("{what} of {student}"),
        }
    }

    /// The courses of what was found, those that there are.
    ///
    /// # Errors
    /// If they could not be read.
    pub async fn courses(
        self,
        found: BTreeSet<CourseId>,
        (classroom, request): (&Classroom, &Request),
    ) -> Result<BTreeMap<CourseId, Course>, Problem> {
        match self {
            Self::Course(id, course) => Ok(BTreeMap::from([(id, course)])),
            Self::Student(_) => Ok(classroom.courses(&found, request.deadline).await?),
        }
    }
}
