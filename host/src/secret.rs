//! Secret values: which they are, how they are masked, and how a journal refers to them.
