//! Purchases over HTTP: idempotency, approval, refunds, discounts, ownership and history. Every answer is checked
//! against the contract.

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
