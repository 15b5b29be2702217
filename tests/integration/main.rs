//! Tests of the whole: one binary, for each more is another link.

mod app;
mod contract;
mod delivery;
mod flow;
mod real_input;
mod refusals;
mod retention;
mod tidy;
mod tokens;
