//! Audits over HTTP: what follows from the ledger is spoiled, found, and put right, and what is right is left as it is; every
//! answer is held against the contract.

mod access;
mod api;
mod changes;
mod contradictions;
mod healthy;
mod legs;
mod numbers;
mod orders;
mod people;
mod shop;
mod vandal;
mod young;
