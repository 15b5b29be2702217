//! Scores that students are given in courses.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::course::Course;
use super::id::{CourseId, ScoreId, UserId};
use super::interaction::Score;
use super::live::Channel;
use super::time::Time;
use super::validation::{Fields, InvalidField, Violations, object, title};

/// The fields of a description.
const OF_SCORES: &[&str] = &["title", "score", "maxScore"];

/// The subject and the value of a score.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScoreDescription {
    /// The subject.
    pub title: String,
    /// The value.
    #[serde(flatten)]
    pub score: Score,
}

impl ScoreDescription {
    fn read(fields: Fields<'_>, violations: &mut Violations) -> Option<Self> {
        let (title, score) = (violations.keep(title(fields)), violations.keep_all(Score::parse(fields)));
        Some(Self { title: title?, score: score? })
    }

    /// Reads a description.
    ///
    /// # Errors
    /// Every field that is missing or wrong.
    pub fn parse(body: &Value) -> Result<Self, Vec<InvalidField>> {
        let (fields, mut violations) = object(body, OF_SCORES)?;
        let read = Self::read(fields, &mut violations);
        violations.finish(read)
    }
}

/// A score that a student was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GivenScore {
    /// The id.
    pub id: ScoreId,
    /// In which course.
    pub course: CourseId,
    /// The student.
    pub student: UserId,
    /// The user's name, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub student_name: Option<String>,
    /// The description.
    #[serde(flatten)]
    pub description: ScoreDescription,
    /// When.
    pub given_at: Time,
    /// When it last changed.
    pub changed_at: Time,
}

impl GivenScore {
    /// The score with a new description; the same if nothing changes.
    #[must_use]
    pub fn described(&self, description: ScoreDescription, now: Time) -> Self {
        if description == self.description {
            return self.clone();
        }
        Self { description, changed_at: now.strictly_after(self.changed_at), ..self.clone() }
    }

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

/// A request to give a score.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewScore {
    /// In which course.
    pub course: CourseId,
    /// The student.
    pub student: UserId,
    /// The description.
    pub description: ScoreDescription,
}

impl NewScore {
    /// Reads it.
    ///
    /// # Errors
    /// Every field that is missing or wrong.
    pub fn parse(body: &Value) -> Result<Self, Vec<InvalidField>> {
        let (fields, mut violations) = object(body, &[OF_SCORES, &["courseId", "studentId"]].concat())?;
        let (course, student) =
            (violations.keep(fields.required("courseId")), violations.keep(fields.required("studentId")));
        let description = ScoreDescription::read(fields, &mut violations);
        let read = course.zip(student).zip(description);
        violations.finish(read.map(|((course, student), description)| Self { course, student, description }))
    }

    /// The score under this id.
    #[must_use]
    pub fn given(&self, id: ScoreId, student_name: Option<String>, now: Time) -> GivenScore {
        let Self { course, student, description } = self.clone();
        GivenScore { id, course, student, student_name, description, given_at: now, changed_at: now }
    }
}
