//! How GitLab joins two configurations: mappings member by member, and of anything else the later one.

use std::sync::Arc;

use crate::yaml::{Map, Node, Value};

/// How much may be copied in all: mappings that extend each other multiply.
pub(super) struct Budget {
    left: usize,
}

impl Budget {
    /// Enough for any pipeline that GitLab would take.
    pub(super) fn new() -> Self {
        Self { left: 2_000_000 }
    }

    /// Takes some of it. `false` when it is used up.
    pub(super) fn spend(&mut self, values: usize) -> bool {
        self.left = self.left.saturating_sub(values);
        self.left > 0
    }

    /// Nothing is left: what was made so far is not whole.
    pub(super) fn is_spent(&self) -> bool {
        self.left == 0
    }
}

/// `over` on top of `base`.
pub(super) fn merge(base: &Node, over: &Node, budget: &mut Budget) -> Node {
    match (&base.value, &over.value) {
        (Value::Map(below), Value::Map(above)) if base.tag.is_none() && over.tag.is_none() => {
            Node { value: Value::Map(Arc::new(merge_maps(below, above, budget))), ..over.clone() }
        }
        _ => over.clone(),
    }
}

/// The same for two mappings.
pub(super) fn merge_maps(below: &Map, above: &Map, budget: &mut Budget) -> Map {
    if !budget.spend(below.len() + above.len()) {
        return Map::default();
    }
    let mut merged = below.clone();
    for entry in above.iter() {
        let mut entry = entry.clone();
        if let Some(old) = below.entry(&entry.key) {
            entry.node = merge(&old.node, &entry.node, budget);
        }
        merged.put(entry);
    }
    merged
}
