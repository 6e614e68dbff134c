//! What the user wrote: text in, typed workflow and diagnostics out.

pub mod condition;
pub mod model;
pub mod suggest;
pub mod template;
