//! HTTP functions: a typed request in, a response or a problem out.

pub mod bodies;
mod completion;
pub mod courses;
mod crawler;
mod cursor;
mod digest;
mod etag;
mod function;
mod headers;
mod idempotency;
pub mod identity;
mod problem;
pub mod quizzes;
mod request;
mod response;

pub use completion::{Completion, settle};
pub use crawler::is_crawler;
pub use cursor::{Cursor, Limit, ListPage, Paging};
pub use etag::{Preconditions, Tag};
pub use function::{Access, HttpHandler, function, start};
pub use idempotency::IdempotentRequest;
pub use problem::{Kind, Problem};
pub use request::{Client, QueryReader, Request};
pub use response::{Response, seconds};
