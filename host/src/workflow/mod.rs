//! What the user wrote: text in, typed workflow and diagnostics out.

pub mod condition;
pub mod digest;
pub mod duration;
pub mod json;
mod locate;
pub mod model;
pub mod source;
pub mod suggest;
pub mod template;

pub use source::Source;
