//! HTTP functions: a typed request in, a response or a problem out.

pub mod bodies;
mod etag;
mod function;
pub mod identity;
mod problem;
mod request;
mod response;

pub use etag::{Preconditions, Tags};
pub use function::{Access, HttpHandler, function};
pub use problem::Problem;
pub use request::{Client, Request};
pub use response::{Response, seconds};
