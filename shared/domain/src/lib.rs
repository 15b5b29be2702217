//! The rules of the field, pure: what an event is, what it counts for, and how facts fold into numbers.
//!
//! Architecture invariant: nothing here reads a clock, the environment or a network.

pub mod analytics;
pub mod attendance;
pub mod audit;
pub mod authorship;
pub mod board;
pub mod calendar;
pub mod caller;
pub mod counters;
pub mod country;
pub mod course;
pub mod course_stats;
pub mod days;
pub mod discount;
pub mod distinct;
pub mod entity;
pub mod event;
pub mod fact;
pub mod fields;
pub mod fold;
pub mod id;
pub mod interaction;
pub mod joined;
pub mod limits;
pub mod live;
pub mod money;
pub mod notification;
pub mod package;
pub mod payment;
pub mod playlist;
pub mod product;
pub mod purchase;
pub mod quiz;
pub mod quota;
pub mod raw;
pub mod refold;
pub mod revenue;
pub mod revenue_totals;
pub mod rollup;
pub mod sale;
pub mod score;
pub mod span;
mod string_enum;
pub mod time;
pub mod toggle;
pub mod track;
