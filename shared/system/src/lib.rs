//! What is injected into everything else: the time, fresh ids, the environment, and waiting before another try.

pub mod backoff;
pub mod clock;
pub mod environment;
pub mod ids;
