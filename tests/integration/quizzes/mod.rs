//! Quizzes: likes, ratings, attempts and their numbers, over HTTP; every answer is held against the contract.

mod access;
mod api;
mod lost_responses;
mod races;
mod retention;
mod stats;
mod validation;
