//! What takes place in classrooms, in numbers: who takes courses, who was there, how well they did, and what was paid.
//!
//! Sums and counts, never averages. Each thing contributes for as long as it is so: where it changes, what it contributed is
//! taken back.

use std::collections::BTreeMap;

use super::attendance::{Attendance, Presence};
use super::course::{Course, Enrollment, EnrollmentStatus};
use super::id::{CourseId, UserId};
use super::interaction::WHOLE;
use super::money::Currency;
use super::payment::{Payment, PaymentStatus};
use super::revenue::{percent, ratio};
use super::score::GivenScore;

/// Whose numbers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum CourseStatsScope {
    /// A course's.
    Course(CourseId),
    /// A student's, over all they take.
    Student(UserId),
    /// A teacher's, over all they teach.
    Teacher(UserId),
    /// All there are.
    All,
}

impl CourseStatsScope {
    /// Those whose numbers something changes that concerns a student in a course.
    #[must_use]
    pub fn of(student: &UserId, (id, course): (&CourseId, &Course)) -> [Self; 4] {
        [Self::Course(id.clone()), Self::Student(student.clone()), Self::Teacher(course.teacher.clone()), Self::All]
    }
}

/// Payments, in one currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PaymentSums {
    /// How many.
    pub payments: i64,
    /// What they come to, in minor units.
    pub amount: i64,
}

/// The numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CourseFigures {
    /// Courses.
    pub courses: i64,
    /// How many take courses, by how they do.
    pub enrollments: BTreeMap<EnrollmentStatus, i64>,
    /// Scores that were given.
    pub scores: i64,
    /// All of them together, in millionths of a percent of their maxima.
    pub score_sum: i64,
    /// How many times somebody was there, or not.
    pub attendance: BTreeMap<Presence, i64>,
    /// Payments by how they stand and by currency; `None` is of amounts that nobody knows.
    pub payments: BTreeMap<(PaymentStatus, Option<Currency>), PaymentSums>,
}

impl CourseFigures {
    /// The average score in percent, over all scores; `None` without any.
    #[must_use]
    pub fn average_score(&self) -> Option<f64> {
        ratio(self.score_sum, self.scores).map(|millionths| millionths / (WHOLE / 100) as f64)
    }

    /// How often somebody was there, in percent of the times when they were to be: late is there, and who was excused was not
    /// to be. `None` where nothing was noted.
    #[must_use]
    pub fn attendance_rate(&self) -> Option<f64> {
        let times = |presence| self.attendance.get(&presence).copied().unwrap_or_default();
        let there = times(Presence::Present) + times(Presence::Late);
        percent(there, there + times(Presence::Absent))
    }
}

/// Something that counts in the classroom.
pub trait CourseContributor {
    /// What it contributes as it is now.
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
        // What nobody knows adds nothing; what is known is far below what fits.
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
    fn averages_are_over_all_and_nothing_has_none() {
        assert_eq!(figures().average_score(), Some(75.0));
        assert_eq!(figures().attendance_rate(), Some(75.0));
        let nothing = CourseFigures::default();
        assert_eq!((nothing.average_score(), nothing.attendance_rate()), (None, None));
        let excused = CourseFigures { attendance: [(Presence::Excused, 1)].into(), ..nothing };
        assert_eq!(excused.attendance_rate(), None);
    }
}
