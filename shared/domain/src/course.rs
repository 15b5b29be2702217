//! Courses, and who takes them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::caller::{Caller, Role};
use super::id::{CourseId, UserId};
use super::live::{Channel, RESERVED_FOR_COURSES};
use super::rejection::Rejection;
use super::string_enum::string_enum;
use super::time::Time;
use super::validation::{InvalidField, object, title};

/// A course.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Course {
    /// The title.
    pub title: String,
    /// The teacher.
    pub teacher: UserId,
}

impl Course {
    /// Whether `caller` runs the course: its teacher and admins do.
    #[must_use]
    pub fn is_run_by(&self, caller: &Caller) -> bool {
        caller.is_admin() || caller.user() == Some(&self.teacher)
    }
}

string_enum! {
    /// The status of an enrollment.
    EnrollmentStatus {
        /// The teacher has invited the student, who has not answered.
        Invited = "invited",
        /// The student has requested the enrollment.
        Pending = "pending",
        /// The student takes the course.
        Active = "active",
        /// The student has completed the course.
        Completed = "completed",
        /// The student no longer takes the course.
        Dropped = "dropped",
    }
}

impl EnrollmentStatus {
    /// Whether the student receives the course's events.
    #[must_use]
    pub const fn takes_part(self) -> bool {
        matches!(self, Self::Active | Self::Completed)
    }
}

/// An enrollment of a student in a course.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Enrollment {
    /// The course.
    pub course: CourseId,
    /// The student.
    pub student: UserId,
    /// The user's name, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub student_name: Option<String>,
    /// The status.
    pub status: EnrollmentStatus,
    /// Whether the student requested or accepted the enrollment, or an admin enrolled them, and they have not dropped
    /// the course since. Until then only an admin can activate the enrollment.
    #[serde(default = "agreed", skip_serializing_if = "Clone::clone")]
    pub is_agreed: bool,
    /// Since when.
    pub enrolled_at: Time,
    /// When that last changed.
    pub changed_at: Time,
}

/// The default of enrollments stored without this attribute: teachers used to enroll students directly.
const fn agreed() -> bool {
    true
}

/// The role in which a caller changes an enrollment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnrollmentActor {
    /// The student.
    Student,
    /// The course's teacher.
    Teacher,
    /// An admin.
    Admin,
}

impl Enrollment {
    /// The enrollment after a request of `actor`; the same if nothing changes. It takes the student and the teacher, or
    /// an admin.
    #[must_use]
    pub fn after_request(
        course: &CourseId,
        student: &UserId,
        (name, actor): (Option<String>, EnrollmentActor),
        stored: Option<&Self>,
        now: Time,
    ) -> Self {
        use EnrollmentStatus::{Active, Completed, Dropped, Invited, Pending};
        let at = stored.map_or(now, |stored| now.strictly_after(stored.changed_at));
        let was_agreed = stored.is_some_and(|stored| stored.is_agreed);
        let status = match (stored.map(|stored| stored.status), actor) {
            (Some(Active | Completed), _)
            | (Some(Pending), EnrollmentActor::Student)
            | (Some(Invited), EnrollmentActor::Teacher) => None,
            (_, EnrollmentActor::Admin)
            | (Some(Pending), EnrollmentActor::Teacher)
            | (Some(Invited), EnrollmentActor::Student) => Some(Active),
            (None | Some(Dropped), EnrollmentActor::Student) => Some(Pending),
            (None | Some(Dropped), EnrollmentActor::Teacher) => Some(if was_agreed { Active } else { Invited }),
        };
        match (stored, status) {
            (Some(stored), None) => stored.clone(),
            (Some(stored), Some(status)) if stored.status != Dropped => Self {
                status,
                is_agreed: true,
                student_name: stored.student_name.clone().or(name),
                changed_at: at,
                ..stored.clone()
            },
            (stored, status) => {
                let status = status.unwrap_or(Pending);
                Self {
                    course: course.clone(),
                    student: student.clone(),
                    student_name: name.or_else(|| stored.and_then(|stored| stored.student_name.clone())),
                    status,
                    is_agreed: status != Invited,
                    enrolled_at: at,
                    changed_at: at,
                }
            }
        }
    }

    /// The enrollment with another status; the same if it has it. A teacher cannot activate an enrollment that the
    /// student has not agreed to.
    ///
    /// # Errors
    /// If `actor` may not set this status.
    pub fn with_status(&self, status: EnrollmentStatus, actor: EnrollmentActor, now: Time) -> Result<Self, Rejection> {
        use EnrollmentStatus::{Active, Completed, Dropped, Invited, Pending};
        let is_agreed = match (actor, status) {
            (EnrollmentActor::Student, Dropped) => false,
            (EnrollmentActor::Student, Active) if self.status == Invited => true,
            (EnrollmentActor::Student, Active) if self.status == Active => return Ok(self.clone()),
            (EnrollmentActor::Student, _) => return Err(Rejection::Forbidden(OF_STUDENTS)),
            (EnrollmentActor::Teacher, Active | Completed | Pending) if !self.is_agreed => {
                return Err(Rejection::Forbidden(
                    "the student has not agreed to take the course; invite the student instead",
                ));
            }
            (EnrollmentActor::Admin, Active | Completed) => true,
            _ => self.is_agreed,
        };
        if status == self.status && is_agreed == self.is_agreed {
            return Ok(self.clone());
        }
        Ok(Self { status, is_agreed, changed_at: now.strictly_after(self.changed_at), ..self.clone() })
    }

    /// The channels that receive the change.
    #[must_use]
    pub fn channels(&self, course: &Course) -> [Channel; 4] {
        [
            Channel::CourseEnrollments(self.course.clone()),
            Channel::TeacherDashboard(course.teacher.clone()),
            Channel::StudentDashboard(self.student.clone()),
            Channel::AdminDashboard,
        ]
    }
}

/// The rule for students.
const OF_STUDENTS: &str = "a student may only drop a course or accept an invitation";

/// A request to enroll a student in a course.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEnrollment {
    /// The course.
    pub course: CourseId,
    student: Option<UserId>,
}

impl NewEnrollment {
    /// Reads it.
    ///
    /// # Errors
    /// Every field that is missing or wrong.
    pub fn parse(body: &Value) -> Result<Self, Vec<InvalidField>> {
        let (fields, mut violations) = object(body, &["courseId", "studentId"])?;
        let (course, student) =
            (violations.keep(fields.required("courseId")), violations.keep(fields.parsed("studentId")));
        violations.finish(course.zip(student).map(|(course, student)| Self { course, student }))
    }

    /// The student, and the role of the caller: an admin enrolls, the course's teacher invites, others request for
    /// themselves.
    ///
    /// # Errors
    /// If the caller may not enroll others, or the student is missing.
    pub fn student_and_actor(&self, course: &Course, caller: &Caller) -> Result<(UserId, EnrollmentActor), Rejection> {
        let runs = course.is_run_by(caller);
        match (&self.student, caller.user()) {
            (Some(student), Some(own)) if runs => {
                // A teacher who takes part agrees by saying so.
                let actor =
                    if caller.is_admin() || student == own { EnrollmentActor::Admin } else { EnrollmentActor::Teacher };
                Ok((student.clone(), actor))
            }
            (None, _) if runs => {
                Err(InvalidField::new("studentId", "is required: the course's teacher and admins name the student")
                    .into())
            }
            (student, Some(own)) if student.as_ref().is_none_or(|student| student == own) => {
                Ok((own.clone(), EnrollmentActor::Student))
            }
            _ => Err(Rejection::Forbidden("only the course's teacher or an admin may enroll others")),
        }
    }
}

/// A request to change the status of an enrollment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrollmentChange {
    /// The course.
    pub course: CourseId,
    /// The student.
    pub student: UserId,
    /// The status.
    pub status: EnrollmentStatus,
}

impl EnrollmentChange {
    /// Reads it.
    ///
    /// # Errors
    /// Every field that is missing or wrong.
    pub fn parse(body: &Value) -> Result<Self, Vec<InvalidField>> {
        let (fields, mut violations) = object(body, &["courseId", "studentId", "status"])?;
        let course = violations.keep(fields.required("courseId"));
        let (student, status) =
            (violations.keep(fields.required("studentId")), violations.keep(fields.required("status")));
        let read = course.zip(student).zip(status);
        violations.finish(read.map(|((course, student), status)| Self { course, student, status }))
    }

    /// The role in which `caller` may change the enrollment; decided before the enrollment is read.
    ///
    /// # Errors
    /// If not at all.
    pub fn actor(&self, course: &Course, caller: &Caller) -> Result<EnrollmentActor, Rejection> {
        if caller.is_admin() {
            return Ok(EnrollmentActor::Admin);
        }
        match (caller.user() == Some(&course.teacher), caller.user() == Some(&self.student)) {
            (true, true) => Ok(EnrollmentActor::Admin),
            (true, false) => Ok(EnrollmentActor::Teacher),
            (false, true) if matches!(self.status, EnrollmentStatus::Dropped | EnrollmentStatus::Active) => {
                Ok(EnrollmentActor::Student)
            }
            (false, true) => Err(Rejection::Forbidden(OF_STUDENTS)),
            (false, false) => Err(Rejection::Forbidden("only the course's teacher or an admin may do this")),
        }
    }
}

/// A request to describe a course.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CourseDescription {
    title: String,
    teacher: Option<UserId>,
}

impl CourseDescription {
    /// Reads a description.
    ///
    /// # Errors
    /// Every field that is missing or wrong.
    pub fn parse(body: &Value) -> Result<Self, Vec<InvalidField>> {
        let (fields, mut violations) = object(body, &["title", "teacherId"])?;
        let (named, teacher) = (violations.keep(title(fields)), violations.keep(fields.parsed("teacherId")));
        violations.finish(named.zip(teacher).map(|(title, teacher)| Self { title, teacher }))
    }

    /// The course that replaces `stored`, which keeps its teacher.
    ///
    /// # Errors
    /// If the course is or would be another teacher's, or its id is reserved.
    pub fn apply(self, id: &CourseId, stored: Option<&Course>, caller: &Caller) -> Result<Course, Rejection> {
        let Self { title, teacher } = self;
        let teacher = match caller {
            Caller::User { role: Role::Admin, id } => {
                stored.map(|stored| stored.teacher.clone()).or(teacher).unwrap_or_else(|| id.clone())
            }
            Caller::User { role: Role::Teacher, id } => {
                let is_theirs =
                    stored.is_none_or(|stored| stored.teacher == *id) && teacher.is_none_or(|asked| asked == *id);
                is_theirs
                    .then(|| id.clone())
                    .ok_or(Rejection::Forbidden("only the course's teacher or an admin may do this"))?
            }
            _ => return Err(Rejection::Forbidden("only a teacher or an admin may do this")),
        };
        if id.as_str().starts_with(RESERVED_FOR_COURSES) {
            return Err(InvalidField::new("courseId", format!("must not begin with {RESERVED_FOR_COURSES:?}")).into());
        }
        Ok(Course { title, teacher })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Time {
        text.parse().unwrap()
    }

    #[test]
    fn changes_of_an_enrollment_have_increasing_times() {
        use EnrollmentStatus::{Active, Completed, Dropped, Pending};
        let (course, student) = ("c".parse().unwrap(), "s".parse().unwrap());
        let noon = at("2026-01-31T12:00:00Z");
        let begin = |actor, stored: Option<&Enrollment>, now| {
            Enrollment::after_request(&course, &student, (Some("Sam".to_owned()), actor), stored, now)
        };
        let asked = begin(EnrollmentActor::Student, None, noon);
        assert_eq!((asked.status, asked.enrolled_at, asked.changed_at), (Pending, noon, noon));
        assert_eq!(begin(EnrollmentActor::Student, Some(&asked), at("2026-02-01T00:00:00Z")), asked);
        // EnrollmentActor a clock that is behind.
        let early = at("2026-01-31T11:59:59Z");
        let accepted = begin(EnrollmentActor::Teacher, Some(&asked), early);
        assert_eq!((accepted.status, accepted.enrolled_at), (Active, noon));
        assert_eq!(accepted.changed_at, at("2026-01-31T12:00:00.001Z"));
        for actor in [EnrollmentActor::Teacher, EnrollmentActor::Student, EnrollmentActor::Admin] {
            assert_eq!(begin(actor, Some(&accepted), noon), accepted);
        }
        let with = |of: &Enrollment, status| of.with_status(status, EnrollmentActor::Teacher, early).unwrap();
        assert_eq!(with(&accepted, Active), accepted);
        let completed = with(&accepted, Completed);
        assert_eq!(completed.changed_at, at("2026-01-31T12:00:00.002Z"));
        let dropped = with(&completed, Dropped);
        let again =
            Enrollment::after_request(&course, &student, (None, EnrollmentActor::Student), Some(&dropped), early);
        assert_eq!((again.status, again.enrolled_at), (Pending, at("2026-01-31T12:00:00.004Z")));
        assert_eq!(again.student_name.as_deref(), Some("Sam"), "who they are stays known");
    }

    #[test]
    fn students_take_part_only_after_agreeing() {
        use EnrollmentStatus::{Active, Completed, Dropped, Invited, Pending};
        let (course, student) = ("c".parse().unwrap(), "s".parse().unwrap());
        let now = at("2026-01-31T12:00:00Z");
        let begin = |actor, stored: Option<&Enrollment>| {
            Enrollment::after_request(&course, &student, (None, actor), stored, now)
        };
        let invited = begin(EnrollmentActor::Teacher, None);
        assert_eq!(
            (invited.status, invited.is_agreed, begin(EnrollmentActor::Teacher, Some(&invited))),
            (Invited, false, invited.clone())
        );
        for status in [Pending, Active, Completed] {
            assert!(invited.with_status(status, EnrollmentActor::Teacher, now).is_err(), "{status}");
        }
        assert_eq!(begin(EnrollmentActor::Student, Some(&invited)).status, Active);
        let accepted = invited.with_status(Active, EnrollmentActor::Student, now).unwrap();
        assert_eq!((accepted.status, accepted.is_agreed), (Active, true));
        for status in [Pending, Completed, Invited] {
            assert!(accepted.with_status(status, EnrollmentActor::Student, now).is_err(), "{status}");
        }
        // A student whom the teacher dropped can be reinstated; a student who left must agree again.
        let dropped = accepted.with_status(Dropped, EnrollmentActor::Teacher, now).unwrap();
        assert_eq!(begin(EnrollmentActor::Teacher, Some(&dropped)).status, Active);
        assert!(dropped.with_status(Active, EnrollmentActor::Student, now).is_err());
        for dropped in [&dropped, &accepted] {
            let left = dropped.with_status(Dropped, EnrollmentActor::Student, now).unwrap();
            assert!(left.with_status(Active, EnrollmentActor::Teacher, now).is_err());
            assert_eq!(begin(EnrollmentActor::Teacher, Some(&left)).status, Invited);
            assert!(left.with_status(Active, EnrollmentActor::Admin, now).unwrap().is_agreed);
        }
        assert_eq!(begin(EnrollmentActor::Admin, None).status, Active);
    }
}
