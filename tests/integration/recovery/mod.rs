//! Recovery: what cannot be folded holds up nobody, and what was lost is folded again.

mod market;
mod point_in_time_restore;
mod poison;
mod refold;
