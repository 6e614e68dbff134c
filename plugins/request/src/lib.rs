//! What the step types that send a request of the user's have in common: how it is configured, and what came back.

mod answer;
mod ask;
mod status;

pub use answer::{headers, line, redirects};
pub use ask::{Ask, Limits, filled};
pub use status::Statuses;
