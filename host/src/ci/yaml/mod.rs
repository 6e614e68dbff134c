//! YAML with places: files of strangers, so everything about them is bounded.

mod load;
mod node;

#[cfg(test)]
mod tests;

pub(super) use load::{Document, MAX_BYTES, load};
pub(super) use node::{Map, Node, Value};
