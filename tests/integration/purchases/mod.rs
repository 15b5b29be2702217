//! Purchases over HTTP: buying once however often it is asked for, approving, giving back, discounts, who has what and who
//! bought what; every answer is held against the contract.

mod admins;
mod analytics;
mod api;
mod bodies;
mod buying;
mod discounts;
mod earnings;
mod history;
mod offers;
mod ownership;
mod pending;
mod refunds;
mod terms;
