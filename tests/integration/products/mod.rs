//! Products and the boards of their sellers over HTTP: selling, looking, and who is ahead; every answer is held against the
//! contract.

mod access;
mod access_log;
mod api;
mod boards;
mod dashboard;
mod deletion;
mod months;
mod pagination;
mod past_sales;
mod prices;
mod ranks;
mod reads;
mod trending;
mod validation;
mod views;
