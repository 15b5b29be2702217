//! Packages over HTTP: membership, stats and access. Every answer is checked against the contract, and every figure
//! against a plain count.

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
