//! The cost and speed of Tally, measured on this machine and printed as tables.
//!
//! Nothing here asserts a time: the reader judges the numbers.
//! Everything is bounded in count and in time, stops by itself, and stays on 127.0.0.1.
//!
//! [`bill`] is the arithmetic of the monthly bill. [`ingest`] and [`lag`] drive an API from outside, by the events of [`events`]. [`cold`] starts a
//! packaged function as Lambda would and weighs it. The binary adds what needs the local cloud
//! itself, and the command line.

pub mod bill;
pub mod cold;
pub mod events;
pub mod ingest;
pub mod lag;
pub mod table;
