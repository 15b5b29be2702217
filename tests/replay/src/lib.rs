//! Loads files through the HTTP API, as a client would, and checks what the API then answers: the access log of a web
//! server as plays, and a shop's invoices as purchases and refunds, of which [`retail`] tells.
//!
//! Every request of a log becomes one play:
//!
//! | the log says | the play says | how |
//! |---|---|---|
//! | path, without the query | `trackId` | [`play::track_id`]: readable, and never one id for two paths |
//! | client address | `sessionId` | a hash, for addresses are never stored raw |
//! | time | `timestamp` | in UTC, with milliseconds |
//! | bytes of the answer | `duration` | one byte is one millisecond, so 20,000 bytes are the 20 seconds of a qualified play; `-` is absent |
//! | referrer | `source` | [`play::Source`] |
//! | the line and its number | `id` | a hash, so a second run of the same file changes nothing |
//!
//! Method and status are not read: what was asked for counts. Neither is the user agent, which the
//! API takes from the request alone, and a request carries many clients' events.
//!
//! [`access_log`] reads lines and [`play`] makes events of them; [`load`] sends these through
//! [`api`]. [`expected`] counts the same file in its own way, sharing no code with the two, and
//! [`verify`] waits until the API answers just these numbers, as long as more of them is counted ([`converge`]).

pub mod access_log;
pub mod api;
pub mod converge;
pub mod expected;
pub mod load;
pub mod play;
pub mod retail;
pub mod target;
pub mod verify;

#[cfg(test)]
mod stub;
