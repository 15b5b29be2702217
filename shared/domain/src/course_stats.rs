//! Totals of courses: enrollments, attendance, scores and payments.
//!
//! Sums and counts, never averages. Each document contributes its present state; when it changes, its earlier contribution is
//! subtracted.

use std::collections::BTreeMap;

use super::attendance::{Attendance, Presence};
use super::course::{Course, Enrollment, EnrollmentStatus};
use super::id::{CourseId, UserId};
use super::interaction::WHOLE;
use super::money::Currency;
use super::payment::{Payment, PaymentStatus};
use super::revenue::{percent, ratio};
use super::score::GivenScore;

/// The scope of totals.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum CourseStatsScope {
    /// A course's.
    Course(CourseId),
    /// A student's, over all they take.
    Student(UserId),
    /// A teacher's, over all they teach.
    Teacher(UserId),
    /// All courses.
    All,
}

impl CourseStatsScope {
    /// The scopes that a document about a student in a course contributes to.
    #[must_use]
    pub fn of(student: &UserId, (id, course): (&CourseId, &Course)) -> [Self; 4] {
        [Self::Course(id.clone()), Self::Student(student.clone()), Self::Teacher(course.teacher.clone()), Self::All]
    }
}

/// Payments, in one currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PaymentSums {
    /// The number of payments.
    pub payments: i64,
    /// The amount, in minor units.
    pub amount: i64,
}

/// The figures of a scope.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CourseFigures {
    /// Courses.
    pub courses: i64,
    /// Enrollments by status.
    pub enrollments: BTreeMap<EnrollmentStatus, i64>,
    /// Scores that were given.
    pub scores: i64,
    /// All of them together, in millionths of a percent of their maxima.
    pub score_sum: i64,
    /// Attendance by presence.
    pub attendance: BTreeMap<Presence, i64>,
    /// Payments by status and currency; `None` for payments of unknown amount.
    pub payments: BTreeMap<(PaymentStatus, Option<Currency>), PaymentSums>,
}

impl CourseFigures {
    /// The average score in percent, over all scores; `None` without any.
    #[must_use]
    pub fn average_score(&self) -> Option<f64> {
        ratio(self.score_sum, self.scores).map(|millionths| millionths / (WHOLE / 100) as f64)
    }

    /// Attendance in percent of the lessons that count: late counts as present, excused does not count. `None` without
    /// attendance.
    #[must_use]
    pub fn attendance_rate(&self) -> Option<f64> {
        let times = |presence| self.attendance.get(&presence).copied().unwrap_or_default();
        let there = times(Presence::Present) + times(Presence::Late);
        percent(there, there + times(Presence::Absent))
    }
}

/// A document that contributes to the totals of courses.
pub trait CourseContributor {
    /// The contribution of its present state.
    fn contributes(&self) -> CourseFigures;
}

impl CourseContributor for Course {
    fn contributes(&self) -> CourseFigures {
        CourseFigures { courses: 1, ..CourseFigures::default() }
    }
}

impl CourseContributor for Enrollment {
    fn contributes(&self) -> CourseFigures {
        CourseFigures { enrollments: [(self.status, 1)].into(), ..CourseFigures::default() }
    }
}

impl CourseContributor for GivenScore {
    fn contributes(&self) -> CourseFigures {
        CourseFigures { scores: 1, score_sum: self.description.score.share(), ..CourseFigures::default() }
    }
}

impl CourseContributor for Attendance {
    fn contributes(&self) -> CourseFigures {
        CourseFigures { attendance: [(self.status, 1)].into(), ..CourseFigures::default() }
    }
}

impl CourseContributor for Payment {
    fn contributes(&self) -> CourseFigures {
        // An unknown amount adds nothing; a known one is far below the limit.
        let amount = self.amount.map_or(0, |amount| i64::try_from(amount).unwrap_or(i64::MAX));
        let paid = PaymentSums { payments: 1, amount };
        CourseFigures { payments: [((self.status, self.currency), paid)].into(), ..CourseFigures::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures() -> CourseFigures {
        let usd = "USD".parse().unwrap();
        CourseFigures {
            courses: 2,
            enrollments: [(EnrollmentStatus::Active, 3), (EnrollmentStatus::Dropped, 1)].into(),
            scores: 2,
            score_sum: 150_000_000,
            attendance: [(Presence::Present, 2), (Presence::Late, 1), (Presence::Absent, 1), (Presence::Excused, 9)]
                .into(),
            payments: [
                ((PaymentStatus::Received, Some(usd)), PaymentSums { payments: 2, amount: 1_998 }),
                ((PaymentStatus::Approved, None), PaymentSums { payments: 1, amount: 0 }),
            ]
            .into(),
        }
    }

    #[test]
    fn averages_without_values_are_null() {
        assert_eq!(figures().average_score(), Some(75.0));
        assert_eq!(figures().attendance_rate(), Some(75.0));
        let nothing = CourseFigures::default();
        assert_eq!((nothing.average_score(), nothing.attendance_rate()), (None, None));
        let excused = CourseFigures { attendance: [(Presence::Excused, 1)].into(), ..nothing };
        assert_eq!(excused.attendance_rate(), None);
    }
}
