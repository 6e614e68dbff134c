//! YAML with places: files of strangers, so everything about them is bounded.

mod json;
mod load;
mod node;
mod problem;

#[cfg(test)]
mod tests;

pub use load::{Document, MAX_BYTES, load};
pub use node::{Entry, Map, Node, Value};
pub use problem::{Place, Problem};
