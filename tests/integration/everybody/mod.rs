//! Every operation of the contract, sent by everybody in every way: the requests are made of the contract alone, so a new
//! route is in here by being in the contract.

mod access;
mod making;
mod operation;
mod strict;
