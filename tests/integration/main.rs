//! Tests of the whole: one binary, for each more is another link.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::let_underscore_must_use,
    reason = "a test fails by panicking, helpers outside its function too"
)]

mod analytics;
mod app;
mod asking;
mod audits;
mod boards;
mod chains;
mod classroom;
mod closing;
mod contract;
mod contributions;
mod crowd;
mod deliveries;
mod delivery;
mod everybody;
mod examples;
mod expired;
mod flow;
mod identity;
mod ledger;
mod limits;
mod live;
mod metrics;
mod migration;
mod packages;
mod playlists;
mod products;
mod purchases;
mod quizzes;
mod readme;
mod real_input;
mod realtime;
mod recovery;
mod refusals;
mod retail;
mod retention;
mod rollups;
mod stage;
mod tidy;
mod tokens;
