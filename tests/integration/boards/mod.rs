//! Boards never lie: whatever happens when, numbers of products and sellers are the fold of what the products themselves say,
//! every seller who has something is once on the board of it, and so is every product that was looked at; ranks, and what
//! dashboards tell, are what counting tells.
//!
//! Several clients describe, sell, take back, delete and look at the same products at once, and do again what was not
//! answered; an admin brings in sales of long ago; the stream is delivered by several, from where it was acknowledged or from before.
//! Every call of everybody waits for its turn, and may fail, hang, be carried out without an answer, or be the last its
//! sandbox makes. While all that goes on, places and the trees that count them are held against each other.

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
