//! Audits over HTTP: what follows from the ledger is spoiled, found, and put right, and what is right is left as it is; every
//! answer is held against the contract.

mod access;
mod api;
mod buyers;
mod contradictions;
mod corruption;
mod incremental;
mod intact;
mod recent;
mod shop;
mod task_order;
mod tasks;
mod totals;
