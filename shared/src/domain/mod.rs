//! The rules of the field, pure: what an event is, what it counts for, and how facts fold into numbers.
//!
//! Architecture invariant: nothing here reads a clock, the environment or a network.

pub mod analytics;
pub mod calendar;
pub mod caller;
pub mod counters;
pub mod distinct;
pub mod entity;
pub mod event;
pub mod fact;
pub mod fields;
pub mod fold;
pub mod id;
pub mod limits;
pub mod playlist;
pub mod rollup;
pub mod span;
pub mod time;
pub mod toggle;
pub mod track;
