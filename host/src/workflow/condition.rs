//! `if`: a CEL expression that decides whether a step runs.

/// A parsed condition.
#[derive(Clone, Debug)]
pub struct Condition;
