//! Live updates: no event is lost or out of order, and no page receives an event of another user.
//!
//! Several writers put events of several channels into the outbox, directly and through the functions, while publishers
//! get its stream. The Pusher server takes a request, rejects it, or takes it without an answer, at once or after its
//! sender has given up.
//!
//! The promised order: of two events of one channel, the one written first is published first if its key is smaller,
//! that is, if its time is earlier, or its name and id are smaller at the same time. Events that wait together are
//! published in the order of their keys.

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
