//! Tests of the whole.

mod delivery;
