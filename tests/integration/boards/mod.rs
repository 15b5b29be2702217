//! Boards are exact under concurrency and faults. The figures of products and sellers are the fold of their facts,
//! every seller and viewed product has exactly one place on each board, and ranks and dashboards match a full count.
//!
//! Several clients describe, sell, delete and view the same products at the same time, and an admin records past sales.
//! The counting trees are compared with the places all the time.

mod actions;
mod answers;
mod check;
mod driver;
mod poison;
mod ranks;

use proptest::prelude::*;

use crate::support::driver::plans;
use crate::support::stage::config;

proptest! {
    #![proptest_config(config(64))]

    #[test]
    fn boards_are_exact_under_concurrency(plan in plans(3..12)) {
        if let Err(wrong) = driver::run(&plan) {
            prop_assert!(false, "{}", wrong);
        }
    }
}

/// The mutation checks: what holds is broken by hand, and the check finds it.
#[test]
fn check_detects_every_corruption() {
    driver::assert_corruption_is_detected();
}
