//! Packages over HTTP: which quizzes they hold, what numbers they have, who may do what; every answer is held against the
//! contract, every number against a plain count of what people did.

mod access;
mod api;
mod earnings;
mod lost_responses;
mod membership;
mod queries;
mod races;
mod rebuild;
mod stats;
mod validation;
