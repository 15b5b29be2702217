//! What is asked of the classroom: what a course has, or what a student has.

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

/// How many of a student's courses are looked through for one of a teacher's: so many at once, so many times.
const SEARCHED_AT_ONCE: usize = 100;
const SEARCHED_PAGES: usize = 10;

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
pub async fn run_by(courses: &Courses, id: &CourseId, request: &Request) -> Result<Course, Problem> {
    let course = courses.course(id).await?;
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
pub async fn takes_part(courses: &Courses, course: &CourseId, student: &UserId) -> Result<Enrollment, Problem> {
    let enrollment = courses.enrollment(course, student).await?.map(|held| held.document);
    let takes_part = enrollment.filter(|enrollment| enrollment.status.takes_part());
    takes_part.ok_or_else(|| InvalidField::new("studentId", format!("does not take course {course}")).into())
}

/// Makes sure that a student takes part in a course that the caller teaches: this one, or any of theirs.
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
    // Whoever takes so many courses is written to by naming the one.
    Err(InvalidField::new("courseId", "is required: the student takes too many courses to search").into())
}

/// Whose part of the classroom is asked for: the caller's own, or that of whom an admin names in this parameter.
///
/// # Errors
/// If the caller may not, or the query is wrong.
pub fn whose(request: &Request, parameter: &'static str) -> Result<UserId, Problem> {
    let person = request.query::<UserId>(parameter)?.map_or_else(|| request.user().cloned(), Ok)?;
    if !creator::is_theirs(&request.caller, &person) {
        return Err(Problem::Forbidden("only an admin may read the data of another user".to_owned()));
    }
    Ok(person)
}

/// Whose classroom is asked for: a teacher's own, or that of whom an admin names.
///
/// # Errors
/// If the caller may not, or the query is wrong.
pub fn teacher(request: &Request) -> Result<UserId, Problem> {
    match &request.caller {
        Caller::User { role: Role::Admin | Role::Teacher, .. } => whose(request, "teacherId"),
        _ => Err(Problem::Forbidden("only a teacher or an admin may do this".to_owned())),
    }
}

/// The name of the list of the courses that somebody teaches, for cursors.
#[must_use]
pub fn taught_by(teacher: &UserId) -> String {
    format!("courses taught by {teacher}")
}

/// A page of the courses that somebody teaches, with their numbers, and the cursor of the next.
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
    let cursor = page.next.map(|next| Cursor::new(&taught_by(teacher), &next).to_string());
    Ok((courses.collect(), cursor))
}

/// Adds the fields of one object to another.
pub fn merge(body: &mut Value, other: Map<String, Value>) {
    if let Some(body) = body.as_object_mut() {
        body.extend(other);
    }
}

impl Part {
    /// What a query asks for: of a course, by whoever runs it; of a student, by the student or an admin. The caller's own, if it
    /// says neither.
    ///
    /// # Errors
    /// If the caller may not, there is no such course, or the query is wrong.
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
        (courses, request): (&Courses, &Request),
    ) -> Result<BTreeMap<CourseId, Course>, Problem> {
        match self {
            Self::Course(id, course) => Ok(BTreeMap::from([(id, course)])),
            Self::Student(_) => Ok(courses.courses(&found, request.deadline).await?),
        }
    }
}
