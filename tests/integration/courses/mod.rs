//! Courses over HTTP: enrollments, scores, attendance, payments and dashboards, with the events that pages receive.
//! Every answer is checked against the contract, and the figures are exact under concurrency.

mod actions;
mod api;
mod attendance;
mod check;
mod dashboards;
mod driver;
mod enrollments;
mod lists;
mod payments;
mod scores;

use proptest::prelude::*;

use crate::support::driver::plans;
use crate::support::stage::config;

proptest! {
    #![proptest_config(config(100))]

    #[test]
    fn course_figures_are_exact_under_concurrency(plan in plans(3..20)) {
        if let Err(wrong) = driver::run(&plan, |_| ()) {
            prop_assert!(false, "{}", wrong);
        }
    }
}
