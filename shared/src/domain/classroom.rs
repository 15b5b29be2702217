//! Courses, and who takes them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::caller::{Caller, Role};
use super::fields::{Invalid, Wrong, object, title};
use super::id::{CourseId, UserId};
use super::live::{Channel, RESERVED_FOR_COURSES};
use super::time::Time;
use super::words::words;

/// A course.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Course {
    /// Its title.
    pub title: String,
    /// Who teaches it.
    pub teacher: UserId,
}

impl Course {
    /// Whether `caller` says who takes it: its teacher and admins do.
    #[must_use]
    pub fn is_run_by(&self, caller: &Caller) -> bool {
        caller.is_admin() || caller.user() == Some(&self.teacher)
    }
}

words! {
    /// How somebody takes a course.
    EnrollmentStatus {
        /// They asked to.
        Pending = "pending",
        /// They do.
        Active = "active",
        /// They did, to its end.
        Completed = "completed",
        /// They no longer do.
        Dropped = "dropped",
    }
}

impl EnrollmentStatus {
    /// Whether somebody is told what happens in the course.
    #[must_use]
    pub const fn takes_part(self) -> bool {
        matches!(self, Self::Active | Self::Completed)
    }
}

/// That somebody takes a course.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Enrollment {
    /// Which.
    pub course: CourseId,
    /// Who.
    pub student: UserId,
    /// What they are called, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub student_name: Option<String>,
    /// How.
    pub status: EnrollmentStatus,
    /// Since when.
    pub enrolled_at: Time,
    /// When that last changed.
    pub changed_at: Time,
}

impl Enrollment {
    /// The enrollment that `held` becomes when somebody enrolls, who begins with this status; the same where nothing changes.
    #[must_use]
    pub fn begun(
        course: &CourseId,
        student: &UserId,
        (name, status): (Option<String>, EnrollmentStatus),
        held: Option<&Self>,
        now: Time,
    ) -> Self {
        let at = held.map_or(now, |held| now.behind(held.changed_at));
        match held {
            // They asked to, and now they may.
            Some(held) if held.status == EnrollmentStatus::Pending => held.with_status(status, now),
            Some(held) if held.status != EnrollmentStatus::Dropped => held.clone(),
            _ => Self {
                course: course.clone(),
                student: student.clone(),
                student_name: name.or_else(|| held.and_then(|held| held.student_name.clone())),
                status,
                enrolled_at: at,
                changed_at: at,
            },
        }
    }

    /// The enrollment with another status; the same where it has it.
    #[must_use]
    pub fn with_status(&self, status: EnrollmentStatus, now: Time) -> Self {
        if status == self.status {
            return self.clone();
        }
        Self { status, changed_at: now.behind(self.changed_at), ..self.clone() }
    }

    /// Where it is told.
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

/// What somebody wants to take, or somebody else to take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEnrollment {
    /// Which course.
    pub course: CourseId,
    student: Option<UserId>,
}

impl NewEnrollment {
    /// Reads it.
    ///
    /// # Errors
    /// Every field that is missing or wrong.
    pub fn parse(body: &Value) -> Result<Self, Vec<Invalid>> {
        let fields = object(body)?;
        let mut wrong = Wrong::default();
        let (course, student) = (wrong.keep(fields.required("courseId")), wrong.keep(fields.parsed("studentId")));
        match (course, student) {
            (Some(course), Some(student)) => Ok(Self { course, student }),
            _ => Err(wrong.into()),
        }
    }

    /// Who is to take the course, and how that begins: whoever runs it says who does, others ask for themselves.
    ///
    /// # Errors
    /// If others are none of the caller's business, or it is not said who.
    pub fn whom(&self, course: &Course, caller: &Caller) -> Result<(UserId, EnrollmentStatus), Refused> {
        let runs = course.is_run_by(caller);
        match (&self.student, caller.user()) {
            (Some(student), _) if runs => Ok((student.clone(), EnrollmentStatus::Active)),
            (None, _) if runs => {
                Err(Invalid::new("studentId", "is missing: its teacher does not take a course").into())
            }
            (student, Some(own)) if student.as_ref().is_none_or(|student| student == own) => {
                Ok((own.clone(), EnrollmentStatus::Pending))
            }
            _ => Err(Refused::NotTheirs("only the course's teacher or an admin may enroll others")),
        }
    }
}

/// How somebody is to take a course from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrollmentChange {
    /// Which course.
    pub course: CourseId,
    /// Who.
    pub student: UserId,
    /// How.
    pub status: EnrollmentStatus,
}

impl EnrollmentChange {
    /// Reads it.
    ///
    /// # Errors
    /// Every field that is missing or wrong.
    pub fn parse(body: &Value) -> Result<Self, Vec<Invalid>> {
        let fields = object(body)?;
        let mut wrong = Wrong::default();
        let course = wrong.keep(fields.required("courseId"));
        let (student, status) = (wrong.keep(fields.required("studentId")), wrong.keep(fields.required("status")));
        match (course, student, status) {
            (Some(course), Some(student), Some(status)) => Ok(Self { course, student, status }),
            _ => Err(wrong.into()),
        }
    }

    /// Whether `caller` may change it so: whoever runs the course may all, a student may drop it.
    ///
    /// # Errors
    /// If not.
    pub fn may(&self, course: &Course, caller: &Caller) -> Result<(), Refused> {
        if course.is_run_by(caller) {
            return Ok(());
        }
        if caller.user() != Some(&self.student) {
            return Err(Refused::NotTheirs("only the course's teacher or an admin may do this"));
        }
        let drops = self.status == EnrollmentStatus::Dropped;
        drops.then_some(()).ok_or(Refused::NotTheirs("a student may drop a course, and nothing else"))
    }
}

/// Why a course or an enrollment is not made or changed so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The caller may not.
    #[error("{0}")]
    NotTheirs(&'static str),
    /// It breaks a rule.
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

/// What a caller wants a course to be.
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
    pub fn parse(body: &Value) -> Result<Self, Vec<Invalid>> {
        let fields = object(body)?;
        let mut wrong = Wrong::default();
        let (named, teacher) = (wrong.keep(title(fields)), wrong.keep(fields.parsed("teacherId")));
        match (named, teacher) {
            (Some(title), Some(teacher)) => Ok(Self { title, teacher }),
            _ => Err(wrong.into()),
        }
    }

    /// The course that `held` becomes, if `caller` may make it that; it stays its teacher's.
    ///
    /// # Errors
    /// If it is somebody else's, or would be, or its id is not for courses.
    pub fn apply(self, id: &CourseId, held: Option<&Course>, caller: &Caller) -> Result<Course, Refused> {
        let Self { title, teacher } = self;
        let teacher = match caller {
            Caller::User { role: Role::Admin, id } => {
                held.map(|held| held.teacher.clone()).or(teacher).unwrap_or_else(|| id.clone())
            }
            Caller::User { role: Role::Teacher, id } => {
                let is_theirs = held.is_none_or(|held| held.teacher == *id) && teacher.is_none_or(|asked| asked == *id);
                is_theirs.then(|| id.clone()).ok_or(Refused::NotTheirs("only its teacher or an admin may do this"))?
            }
            _ => return Err(Refused::NotTheirs("only a teacher or an admin may do this")),
        };
        if id.as_str().starts_with(RESERVED_FOR_COURSES) {
            return Err(Invalid::new("courseId", format!("must not begin with {RESERVED_FOR_COURSES:?}")).into());
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
    fn an_enrollment_changes_one_time_after_the_other() {
        use EnrollmentStatus::{Active, Completed, Dropped, Pending};
        let (course, student) = ("c".parse().unwrap(), "s".parse().unwrap());
        let noon = at("2026-01-31T12:00:00Z");
        let begin = |status, held: Option<&Enrollment>, now| {
            Enrollment::begun(&course, &student, (Some("Sam".to_owned()), status), held, now)
        };
        let asked = begin(Pending, None, noon);
        assert_eq!((asked.status, asked.enrolled_at, asked.changed_at), (Pending, noon, noon));
        assert_eq!(begin(Pending, Some(&asked), at("2026-02-01T00:00:00Z")), asked);
        // By a clock that is behind.
        let early = at("2026-01-31T11:59:59Z");
        let accepted = begin(Active, Some(&asked), early);
        assert_eq!((accepted.status, accepted.enrolled_at), (Active, noon));
        assert_eq!(accepted.changed_at, at("2026-01-31T12:00:00.001Z"));
        for status in [Active, Pending] {
            assert_eq!(begin(status, Some(&accepted), noon), accepted);
        }
        assert_eq!(accepted.with_status(Active, noon), accepted);
        let completed = accepted.with_status(Completed, early);
        assert_eq!(completed.changed_at, at("2026-01-31T12:00:00.002Z"));
        let dropped = completed.with_status(Dropped, early);
        let again = Enrollment::begun(&course, &student, (None, Pending), Some(&dropped), early);
        assert_eq!((again.status, again.enrolled_at), (Pending, at("2026-01-31T12:00:00.004Z")));
        assert_eq!(again.student_name.as_deref(), Some("Sam"), "who they are stays known");
    }
}
