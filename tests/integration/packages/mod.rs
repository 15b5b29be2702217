//! Packages over HTTP: which quizzes they hold, what numbers they have, who may do what; every answer is held against the
//! contract, every number against a plain count of what people did.

mod access;
mod api;
mod bodies;
mod earnings;
mod losses;
mod membership;
mod numbers;
mod races;
mod reading;
mod refresh;
