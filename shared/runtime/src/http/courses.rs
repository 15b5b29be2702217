//! Queries of courses: the lists of a course, and those of a student.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::bodies;
use super::cursor::Cursor;
use super::problem::Problem;
use super::request::Request;
use domain::caller::{Caller, Role};
use domain::course::{Course, Enrollment};
use domain::creator;
use domain::id::{CourseId, UserId};
use domain::validation::InvalidField;
use store::{CourseStats, Courses};

/// How many of a student's courses are searched for one of a teacher's: the size of a page, and the number of pages.
const SEARCHED_AT_ONCE: usize = 100;
const SEARCHED_PAGES: usize = 10;

/// The subject of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// A course, with its id.
    Course(CourseId, Course),
    /// A student.
    Student(UserId),
}

/// A course that the caller runs.
///
/// # Errors
/// If it does not exist, or is another teacher's, or could not be read.
pub async fn run_by(courses: &Courses, id: &CourseId, request: &Request) -> Result<Course, Problem> {
    let course = courses.course(id).await?;
    let course = course.ok_or_else(|| Problem::NotFound(format!("there is no course {id}")))?.document;
    if !course.is_run_by(&request.caller) {
        return Err(Problem::Forbidden("only the course's teacher or an admin may do this".to_owned()));
    }
    Ok(course)
}

/// The enrollment of a student who takes part in a course.
///
/// # Errors
/// If the student does not take part, or it could not be read.
pub async fn takes_part(courses: &Courses, course: &CourseId, student: &UserId) -> Result<Enrollment, Problem> {
    let enrollment = courses.enrollment(course, student).await?.map(|held| held.document);
    let takes_part = enrollment.filter(|enrollment| enrollment.status.takes_part());
    takes_part.ok_or_else(|| InvalidField::new("studentId", format!("does not take course {course}")).into())
}

/// Checks that a student takes part in a course of the caller: in this one, or in any of theirs.
///
/// # Errors
/// If the student does not, or it could not be read.
pub async fn teaches(
    courses: &Courses,
    student: &UserId,
    course: Option<&CourseId>,
    request: &Request,
) -> Result<(), Problem> {
    let teacher = request.user()?;
    let rule = || Problem::Forbidden("a teacher may notify only students of their own courses".to_owned());
    if let Some(id) = course {
        let course = courses.course(id).await?.filter(|held| held.document.teacher == *teacher);
        let enrollment = courses.enrollment(id, student).await?.filter(|held| held.document.status.takes_part());
        return course.and(enrollment.map(drop)).ok_or_else(rule);
    }
    let mut after = None;
    for _ in 0..SEARCHED_PAGES {
        let page = courses.courses_of(student, after.as_deref(), SEARCHED_AT_ONCE).await?;
        let taken = page.items.into_iter().filter(|enrollment| enrollment.status.takes_part());
        let taken: BTreeSet<CourseId> = taken.map(|enrollment| enrollment.course).collect();
        let courses = courses.courses(&taken, request.deadline).await?;
        if courses.values().any(|course| course.teacher == *teacher) {
            return Ok(());
        }
        after = page.next;
        if after.is_none() {
            return Err(rule());
        }
    }
    // For a student with more courses, the request must name the course.
    Err(InvalidField::new("courseId", "is required: the student takes too many courses to search").into())
}

/// The student of a query: the caller, or the user that an admin names in this parameter.
///
/// # Errors
/// If the caller may not, or the query is invalid.
pub fn whose(request: &Request, parameter: &'static str) -> Result<UserId, Problem> {
    let person = request.query::<UserId>(parameter)?.map_or_else(|| request.user().cloned(), Ok)?;
    if !creator::is_theirs(&request.caller, &person) {
        return Err(Problem::Forbidden("only an admin may read the data of another user".to_owned()));
    }
    Ok(person)
}

/// The teacher of a query: the caller, or the user that an admin names.
///
/// # Errors
/// If the caller may not, or the query is invalid.
pub fn teacher(request: &Request) -> Result<UserId, Problem> {
    match &request.caller {
        Caller::User { role: Role::Admin | Role::Teacher, .. } => whose(request, "teacherId"),
        _ => Err(Problem::Forbidden("only a teacher or an admin may do this".to_owned())),
    }
}

/// The name of the list of a teacher's courses, for cursors.
#[must_use]
pub fn taught_by(teacher: &UserId) -> String {
    format!("courses taught by {teacher}")
}

/// A page of a teacher's courses with their totals, and the cursor of the next page.
///
/// # Errors
/// If they could not be read.
pub async fn courses(
    (courses, numbers): (&Courses, &CourseStats),
    teacher: &UserId,
    (after, count): (Option<&str>, usize),
    request: &Request,
) -> Result<(Vec<Value>, Option<String>), Problem> {
    let page = courses.taught_by(teacher, after, count).await?;
    let ids = page.items.iter().map(|(id, _)| id.clone()).collect();
    let numbers = numbers.of_courses(&ids, request.deadline).await?;
    let courses = page.items.iter().map(|(id, course)| {
        let mut body = bodies::course(id, course);
        let of_course = numbers.get(id).cloned().unwrap_or_default();
        merge(&mut body, bodies::class(&of_course));
        body
    });
    let cursor = page.next.map(|next| Cursor::new(&request.caller, &taught_by(teacher), &next).to_string());
    Ok((courses.collect(), cursor))
}

/// Adds the fields of one object to another.
pub fn merge(body: &mut Value, other: Map<String, Value>) {
    if let Some(body) = body.as_object_mut() {
        body.extend(other);
    }
}

impl Part {
    /// The subject of a query: a course, for those who run it; a student, for that student or an admin; by default the
    /// caller.
    ///
    /// # Errors
    /// If the caller may not, the course does not exist, or the query is invalid.
    pub async fn of(request: &Request, courses: &Courses) -> Result<Self, Problem> {
        match (request.query::<CourseId>("courseId")?, request.query::<UserId>("studentId")?) {
            (Some(_), Some(_)) => {
                Err(Problem::query(InvalidField::new("studentId", "must not be given with courseId")))
            }
            (Some(id), None) => {
                let course = run_by(courses, &id, request).await?;
                Ok(Self::Course(id, course))
            }
            (None, _) => Ok(Self::Student(whose(request, "studentId")?)),
        }
    }

    /// The name of its list, for cursors.
    #[must_use]
    pub fn scope(&self, what: &str) -> String {
        match self {
            Self::Course(id, _) => format!("{what} in {id}"),
            Self::Student(student) => format!("{what} of {student}"),
        }
    }

    /// The existing courses among these.
    ///
    /// # Errors
    /// If they could not be read.
    pub async fn courses(
        self,
        found: BTreeSet<CourseId>,
        (courses, request): (&Courses, &Request),
    ) -> Result<BTreeMap<CourseId, Course>, Problem> {
        match self {
            Self::Course(id, course) => Ok(BTreeMap::from([(id, course)])),
            Self::Student(_) => Ok(courses.courses(&found, request.deadline).await?),
        }
    }
}
