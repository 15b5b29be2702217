//! Purchases over HTTP: buying once however often it is asked for, approving, giving back, discounts, who has what and who
//! bought what; every answer is held against the contract.

mod admin_records;
mod analytics;
mod api;
mod discounts;
mod earnings;
mod history;
mod offers;
mod orders;
mod ownership;
mod payment_terms;
mod pending;
mod refunds;
mod validation;
