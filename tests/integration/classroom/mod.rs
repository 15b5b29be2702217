//! Courses over HTTP: who takes them, and what pages are told of it; every answer is held against the contract. And their
//! numbers, whatever happens at once.

mod actions;
mod api;
mod attendance;
mod check;
mod dashboards;
mod enrollments;
mod hostile;
mod lists;
mod payments;
mod scores;

use proptest::prelude::*;

use crate::crowd::plans;
use crate::stage::config;

proptest! {
    #![proptest_config(config(100))]

    #[test]
    fn dashboards_say_what_there_is(plan in plans(3..20)) {
        if let Err(wrong) = hostile::run(&plan, |_| ()) {
            prop_assert!(false, "{}", wrong);
        }
    }
}
