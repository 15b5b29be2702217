//! Products and the boards of their sellers over HTTP: selling, looking, and who is ahead; every answer is held against the
//! contract.

mod access;
mod api;
mod bodies;
mod dashboard;
mod deleting;
mod following;
mod imports;
mod log;
mod months;
mod pages;
mod prices;
mod ranks;
mod reading;
mod trending;
mod views;
