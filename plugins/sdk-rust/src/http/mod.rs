//! HTTP requests. Needs [`Permissions::network`](crate::Permissions::network).
//!
//! Redirects are not followed: the 3xx answer is the response. Whether and how a proxy is used is the host's business.

mod encode;
mod error;
mod link;
mod request;
mod response;
mod url;
mod wire;

pub use encode::percent_encode;
pub use error::{Error, ErrorKind};
pub use request::Request;
pub use response::Response;
