//! Recovery: what cannot be folded holds up nobody, and what was lost is folded again.

mod market;
mod poison;
mod refold;
mod restored;
