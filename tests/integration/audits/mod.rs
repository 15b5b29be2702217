//! Audits over HTTP: derived values are corrupted, found and repaired, and intact ones stay. Every answer is checked
//! against the contract.

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
