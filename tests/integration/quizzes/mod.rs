//! Quizzes: likes, ratings, attempts and their numbers, over HTTP; every answer is held against the contract.

mod access;
mod api;
mod bodies;
mod keeping;
mod losses;
mod numbers;
mod races;
