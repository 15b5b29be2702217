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
mod closing;
mod contract;
mod delivery;
mod examples;
mod flow;
mod playlists;
mod real_input;
mod refusals;
mod retention;
mod rollups;
mod tidy;
mod tokens;
