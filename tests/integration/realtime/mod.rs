//! What open pages are told at once: nothing that was written is lost or told out of its order, and nobody hears what is
//! somebody else's.
//!
//! Several writers put events of several channels into the outbox, by hand and through the functions; its stream is delivered
//! by several, in pieces, from where it was acknowledged or from before. Every call of everybody waits for its turn, and may
//! fail, hang, be carried out without an answer, or be the last its sandbox makes; the server of channels takes what it is
//! sent, refuses it, or takes it without saying so, at once or when nobody waits for it any more.
//!
//! What is promised of the order: of two events of one channel, the one that was written first is told first, if its key is
//! the lesser, that is, if its time is earlier, or at one time its name and id are. Of those that wait together, all are told
//! in the order of their keys.

mod actions;
mod announcements;
mod api;
mod auth;
mod auth_validation;
mod channel_auth;
mod check;
mod courses;
mod driver;
mod faulty_server;
mod inbox;
mod mutants;
mod notifications;
mod plan;
mod publishing;
mod secrets;
mod server;
mod violations;

use proptest::prelude::*;

use crate::support::stage::config;

proptest! {
    #![proptest_config(config(64))]

    #[test]
    fn events_are_published_in_order_under_faults(plan in plan::plans()) {
        if let Err(wrong) = driver::run(&plan, plan::Publishers::Real) {
            prop_assert!(false, "{}", wrong);
        }
    }
}
