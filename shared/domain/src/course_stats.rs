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
pub struct Paid {
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
    pub payments: BTreeMap<(PaymentStatus, Option<Currency>), Paid>,
}

/// A sum that is none of a classroom's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no number of a classroom")]
pub struct ForeignSum(String);

const COURSES: &str = "courses";
const ENROLLMENTS: &str = "enrollments";
const SCORES: &str = "scores";
const SCORE_SUM: &str = "scoreSum";
const ATTENDANCE: &str = "attendance";
const PAYMENTS: &str = "payments";
const AMOUNT: &str = "amount";

/// How a currency is told where nobody knows it.
const UNKNOWN: &str = "-";

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

    /// The sums by name, such as `enrollments#active`; one that is left out is 0.
    #[must_use]
    pub fn sums(&self) -> Vec<(String, i64)> {
        let alone = [(COURSES, self.courses), (SCORES, self.scores), (SCORE_SUM, self.score_sum)];
        let alone = alone.map(|(name, sum)| (name.to_owned(), sum));
        let enrollments = self.enrollments.iter().map(|(status, sum)| (format!("{ENROLLMENTS}#{status}"), *sum));
        let attendance = self.attendance.iter().map(|(presence, sum)| (format!("{ATTENDANCE}#{presence}"), *sum));
        let payments = self.payments.iter().flat_map(|((status, currency), paid)| {
            let currency = currency.map_or(UNKNOWN, Currency::code);
            [(PAYMENTS, paid.payments), (AMOUNT, paid.amount)]
                .map(|(name, sum)| (format!("{name}#{status}#{currency}"), sum))
        });
        let all = alone.into_iter().chain(enrollments).chain(attendance).chain(payments);
        all.filter(|(_, sum)| *sum != 0).collect()
    }

    /// The figures whose sums these are.
    ///
    /// # Errors
    /// If one is no number of a classroom.
    pub fn of_sums<'a>(sums: impl IntoIterator<Item = (&'a str, i64)>) -> Result<Self, ForeignSum> {
        let mut figures = Self::default();
        for (name, sum) in sums.into_iter().filter(|(_, sum)| *sum != 0) {
            let foreign = || ForeignSum(name.to_owned());
            let mut words = name.split('#');
            match (words.next().unwrap_or_default(), words.next(), words.next()) {
                (COURSES, None, _) => figures.courses = sum,
                (SCORES, None, _) => figures.scores = sum,
                (SCORE_SUM, None, _) => figures.score_sum = sum,
                (ENROLLMENTS, Some(status), None) => {
                    figures.enrollments.insert(status.parse().map_err(|_| foreign())?, sum);
                }
                (ATTENDANCE, Some(presence), None) => {
                    figures.attendance.insert(presence.parse().map_err(|_| foreign())?, sum);
                }
                (of @ (PAYMENTS | AMOUNT), Some(status), Some(currency)) => {
                    let known = Some(currency).filter(|currency| *currency != UNKNOWN);
                    let currency = known.map(str::parse).transpose().map_err(|_| foreign())?;
                    let key = (status.parse().map_err(|_| foreign())?, currency);
                    let paid = figures.payments.entry(key).or_default();
                    *if of == PAYMENTS { &mut paid.payments } else { &mut paid.amount } = sum;
                }
                _ => return Err(foreign()),
            }
        }
        Ok(figures)
    }
}

/// Something that counts in the classroom.
pub trait Counted {
    /// What it contributes as it is now.
    fn contributes(&self) -> CourseFigures;
}

impl Counted for Course {
    fn contributes(&self) -> CourseFigures {
        CourseFigures { courses: 1, ..CourseFigures::default() }
    }
}

impl Counted for Enrollment {
    fn contributes(&self) -> CourseFigures {
        CourseFigures { enrollments: [(self.status, 1)].into(), ..CourseFigures::default() }
    }
}

impl Counted for GivenScore {
    fn contributes(&self) -> CourseFigures {
        CourseFigures { scores: 1, score_sum: self.description.score.share(), ..CourseFigures::default() }
    }
}

impl Counted for Attendance {
    fn contributes(&self) -> CourseFigures {
        CourseFigures { attendance: [(self.status, 1)].into(), ..CourseFigures::default() }
    }
}

impl Counted for Payment {
    fn contributes(&self) -> CourseFigures {
        // What nobody knows adds nothing; what is known is far below what fits.
        let amount = self.amount.map_or(0, |amount| i64::try_from(amount).unwrap_or(i64::MAX));
        let paid = Paid { payments: 1, amount };
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
                ((PaymentStatus::Received, Some(usd)), Paid { payments: 2, amount: 1_998 }),
                ((PaymentStatus::Approved, None), Paid { payments: 1, amount: 0 }),
            ]
            .into(),
        }
    }

    #[test]
    fn sums_say_the_same_as_what_they_are_of() {
        let sums = figures().sums();
        for expected in [("enrollments#dropped", 1), ("payments#approved#-", 1), ("amount#received#USD", 1_998)] {
            assert!(sums.contains(&(expected.0.to_owned(), expected.1)), "{expected:?} of {sums:?}");
        }
        let read = CourseFigures::of_sums(sums.iter().map(|(name, sum)| (name.as_str(), *sum)));
        assert_eq!(read, Ok(figures()));
        assert_eq!(CourseFigures::of_sums([("enrollments#active", 0), ("nonsense", 0)]), Ok(CourseFigures::default()));
        for foreign in
            ["nonsense", "courses#x", "enrollments", "enrollments#asleep", "attendance#late#x", "amount#received"]
        {
            let read = CourseFigures::of_sums([(foreign, 1)]);
            assert_eq!(read, Err(ForeignSum(foreign.to_owned())));
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
