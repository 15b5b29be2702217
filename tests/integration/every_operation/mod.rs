//! Rules that every operation of the contract follows. Requests are built from the contract alone, so these tests cover a new
//! route as soon as the contract has it.

mod access;
mod operation;
mod validation;
mod world;
