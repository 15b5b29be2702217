//! What the tests share: the local cloud and its clients, the tables of hostile tests, and their drivers.

pub(crate) mod app;
pub(crate) mod client;
pub(crate) mod clock;
pub(crate) mod data;
pub(crate) mod deliveries;
pub(crate) mod driver;
pub(crate) mod faults;
pub(crate) mod items;
pub(crate) mod mutation;
pub(crate) mod people;
pub(crate) mod schedule;
pub(crate) mod stage;
