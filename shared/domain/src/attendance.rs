//! Attendance: who was there, day by day.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::calendar::InvalidPeriod;
use super::course::Course;
use super::date_range;
use super::id::{CourseId, UserId};
use super::live::Channel;
use super::string_enum::string_enum;
use super::time::Time;
use super::validation::{Fields, InvalidField, object};

string_enum! {
    /// Presence at a lesson.
    Presence {
        /// The student was present.
        Present = "present",
        /// The student was absent.
        Absent = "absent",
        /// The student came late.
        Late = "late",
        /// The student was excused.
        Excused = "excused",
    }
}

/// The first date on which attendance can be recorded.
const FIRST_DATE: &str = "1970-01-01";

/// The date of a lesson in the teacher's calendar: `2026-01-31`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Date(String);

impl FromStr for Date {
    type Err = InvalidPeriod;

    fn from_str(text: &str) -> Result<Self, InvalidPeriod> {
        date_range::day(text).map(|day| Self(day.to_string()))
    }
}

impl TryFrom<String> for Date {
    type Error = InvalidPeriod;

    fn try_from(text: String) -> Result<Self, InvalidPeriod> {
        text.parse()
    }
}

impl From<Date> for String {
    fn from(date: Date) -> Self {
        date.0
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a student was there on a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attendance {
    /// In which course.
    pub course: CourseId,
    /// The student.
    pub student: UserId,
    /// The user's name, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub student_name: Option<String>,
    /// On which day.
    pub date: Date,
    /// Whether.
    pub status: Presence,
    /// When that was noted last.
    pub marked_at: Time,
}

impl Attendance {
    /// The channels that receive the change.
    #[must_use]
    pub fn channels(&self, course: &Course) -> [Channel; 3] {
        [
            Channel::User(self.student.clone()),
            Channel::StudentDashboard(self.student.clone()),
            Channel::TeacherDashboard(course.teacher.clone()),
        ]
    }
}

/// The attendance to record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// In which course.
    pub course: CourseId,
    /// The student.
    pub student: UserId,
    /// The date.
    pub date: Date,
    /// The presence.
    pub status: Presence,
}

/// A date of attendance; not before 1970.
fn date(fields: Fields<'_>) -> Result<Date, InvalidField> {
    let date: Date = fields.required("date")?;
    if date.0.as_str() < FIRST_DATE {
        return Err(InvalidField::new("date", format!("must not be before {FIRST_DATE}")));
    }
    Ok(date)
}

impl Mark {
    /// Reads it.
    ///
    /// # Errors
    /// Every field that is missing or wrong.
    pub fn parse(body: &Value) -> Result<Self, Vec<InvalidField>> {
        let (fields, mut violations) = object(body, &["courseId", "studentId", "date", "status"])?;
        let (course, student) =
            (violations.keep(fields.required("courseId")), violations.keep(fields.required("studentId")));
        let (date, status) = (violations.keep(date(fields)), violations.keep(fields.required("status")));
        let read = course.zip(student).zip(date.zip(status));
        violations.finish(read.map(|((course, student), (date, status))| Self { course, student, date, status }))
    }

    /// The attendance that replaces `before`; the same if nothing changes.
    #[must_use]
    pub fn apply(&self, student_name: Option<String>, stored: Option<&Attendance>, now: Time) -> Attendance {
        if let Some(stored) = stored.filter(|stored| stored.status == self.status) {
            return stored.clone();
        }
        let Self { course, student, date, status } = self.clone();
        let marked_at = stored.map_or(now, |stored| now.strictly_after(stored.marked_at));
        Attendance { course, student, student_name, date, status, marked_at }
    }
}
