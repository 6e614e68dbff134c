//! The whole configuration, in GitLab's order: includes, then `extends`, then `!reference`.

use std::sync::Arc;

use super::super::check::Subject;
use super::super::finding::Finding;
use super::extend::extend;
use super::include::Includes;
use super::merge::Budget;
use super::reference::References;
use crate::yaml::{Map, Node, Value};

/// Everything that the file and what it includes come to.
pub(super) fn resolve(subject: &Subject<'_>, root: &Node, findings: &mut Vec<Finding>) -> Map {
    let Some(map) = root.map() else { return Map::default() };
    let mut budget = Budget::new();
    let mut includes = Includes { subject, findings, budget: &mut budget, open: Vec::new(), files: 0, bytes: 0 };
    let included = includes.expand(map);
    let extended = extend(&included, &mut budget, findings);
    let mut references = References { config: &extended, budget: &mut budget, findings };
    let resolved = extended
        .iter()
        // What is in hidden jobs counts where it is referred to.
        .map(|entry| {
            let mut entry = entry.clone();
            if !entry.key.starts_with('.') && matches!(entry.node.value, Value::Map(_)) {
                entry.node = references.resolve(&entry.node);
            }
            entry
        })
        .collect();
    if budget.is_spent() {
        let message = "the pipeline is too large once everything it extends is merged";
        findings.push(Finding::error("yaml", &root.place, message));
    }
    resolved
}

/// The texts of a list, nested lists taken apart, as GitLab does with `script`.
pub(super) fn flat(node: &Node) -> Vec<(Arc<str>, &Node)> {
    let mut texts = Vec::new();
    let mut pending = vec![node];
    while let Some(node) = pending.pop() {
        match &node.value {
            Value::Scalar { text, .. } if !node.is_null() => texts.push((Arc::clone(text), node)),
            Value::List(items) => pending.extend(items.iter().rev()),
            _ => {}
        }
    }
    texts
}
