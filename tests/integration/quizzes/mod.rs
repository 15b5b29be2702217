//! Quizzes over HTTP: likes, ratings, attempts and stats. Every answer is checked against the contract.

mod access;
mod api;
mod lost_responses;
mod races;
mod retention;
mod stats;
mod validation;
