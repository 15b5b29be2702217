//! Tests of the whole: one binary, for each more is another link.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::let_underscore_must_use,
    reason = "a test fails by panicking, helpers outside its function too"
)]

mod access_log;
mod analytics;
mod audits;
mod boards;
mod contract;
mod contributions;
mod counters;
mod courses;
mod events;
mod every_operation;
mod example_events;
mod idempotency_expiry;
mod identity;
mod ledger;
mod likes;
mod live_updates;
mod metrics;
mod migration;
mod older_state;
mod packages;
mod playlists;
mod products;
mod purchases;
mod quizzes;
mod quotas;
mod readme;
mod realtime;
mod recovery;
mod recursive_loops;
mod rejections;
mod retail_invoices;
mod retention;
mod rollup_jobs;
mod rollups;
mod support;
mod tidy;
mod tokens;
