//! Recovery: an unfoldable item blocks no other one, and lost work is done again.

mod market;
mod point_in_time_restore;
mod poison;
mod refold;
