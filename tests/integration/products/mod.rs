//! Products and boards over HTTP: sales, views and rankings. Every answer is checked against the contract.

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
