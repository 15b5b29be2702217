//! Courses over HTTP: who takes them, and what pages are told of it; every answer is held against the contract.

mod api;
mod attendance;
mod enrollments;
mod lists;
mod payments;
mod scores;
