//! Keys of courses, and of who takes them.

use super::{ForeignKey, Key, TOTAL, user};
use domain::attendance::Date;
use domain::course_stats::CourseStatsScope;
use domain::id::{CourseId, ScoreId, UserId};
use domain::time::Time;

/// The prefix of the sort keys of enrollments.
pub const ENROLLED: &str = "ENROLLED#";

/// The partition of a course, and of who takes it.
#[must_use]
pub fn course_and_students(id: &CourseId) -> String {
    format!("COURSE#{id}")
}

/// A course.
#[must_use]
pub fn course(id: &CourseId) -> Key {
    Key { pk: course_and_students(id), sk: "DOC".to_owned() }
}

/// An enrollment, in the partition of its course.
#[must_use]
pub fn enrollment(course: &CourseId, student: &UserId) -> Key {
    Key { pk: course_and_students(course), sk: format!("{ENROLLED}{student}") }
}

/// The enrollment, listed by student.
#[must_use]
pub fn enrollment_of(student: &UserId, course: &CourseId) -> Key {
    Key { pk: user(student), sk: format!("{ENROLLED}{course}") }
}

/// The prefix of the sort keys of a teacher's courses.
pub const TAUGHT: &str = "TEACHES#";

/// A course, among those that its teacher teaches.
#[must_use]
pub fn taught(teacher: &UserId, course: &CourseId) -> Key {
    Key { pk: user(teacher), sk: format!("{TAUGHT}{course}") }
}

/// The course that a teacher teaches.
///
/// # Errors
/// If the key is no such key.
pub fn parse_taught(sk: &str) -> Result<CourseId, ForeignKey> {
    sk.strip_prefix(TAUGHT).and_then(|id| id.parse().ok()).ok_or(ForeignKey)
}

/// The totals of a scope; those of all courses are spread over lanes.
#[must_use]
pub fn course_stats(whose: &CourseStatsScope, lane: u8) -> Key {
    let pk = match whose {
        CourseStatsScope::Course(course) => course_and_students(course),
        CourseStatsScope::Student(student) => format!("STUDENT#{student}"),
        CourseStatsScope::Teacher(teacher) => format!("TEACHER#{teacher}"),
        CourseStatsScope::All => format!("CLASSROOMS#{lane:02}"),
    };
    Key { pk, sk: TOTAL.to_owned() }
}

/// The prefix of the sort keys of scores.
pub const SCORES: &str = "SCORE#";

/// A score.
#[must_use]
pub fn score(id: &ScoreId) -> Key {
    Key { pk: format!("SCORE#{id}"), sk: "DOC".to_owned() }
}

/// A score, listed by course.
#[must_use]
pub fn score_in(course: &CourseId, given: Time, id: &ScoreId) -> Key {
    Key { pk: course_and_students(course), sk: format!("{SCORES}{given}#{id}") }
}

/// A score, listed by student.
#[must_use]
pub fn score_of(student: &UserId, given: Time, id: &ScoreId) -> Key {
    Key { pk: user(student), sk: format!("{SCORES}{given}#{id}") }
}

/// The prefix of the sort keys of attendance: of all days, or of one.
#[must_use]
pub fn attended_on(date: Option<&Date>) -> String {
    date.map_or_else(|| "ATTENDED#".to_owned(), |date| format!("ATTENDED#{date}#"))
}

/// Whether a student was there on a day.
#[must_use]
pub fn attendance(course: &CourseId, date: &Date, student: &UserId) -> Key {
    Key { pk: course_and_students(course), sk: format!("{}{student}", attended_on(Some(date))) }
}

/// The entry, listed by student.
#[must_use]
pub fn attendance_of(student: &UserId, date: &Date, course: &CourseId) -> Key {
    Key { pk: user(student), sk: format!("{}{course}", attended_on(Some(date))) }
}
