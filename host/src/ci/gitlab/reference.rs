//! `!reference [job, key, ...]`: a value that stands elsewhere. GitLab allows ten levels.

use std::sync::Arc;

use super::super::finding::Finding;
use super::merge::Budget;
use crate::yaml::{Map, Node, Value};

/// GitLab's own limit.
const MAX_LEVELS: usize = 10;
/// More of them help nobody.
const MOST_FINDINGS: usize = 1_000;

/// Replaces references by what they stand for.
pub(super) struct References<'a> {
    pub(super) config: &'a Map,
    pub(super) budget: &'a mut Budget,
    pub(super) findings: &'a mut Vec<Finding>,
}

impl References<'_> {
    /// The value with everything it refers to in its place.
    pub(super) fn resolve(&mut self, node: &Node) -> Node {
        self.at(node, 0)
    }

    fn at(&mut self, node: &Node, level: usize) -> Node {
        if !self.budget.spend(1) {
            return node.clone();
        }
        if node.tag.as_deref() == Some("reference") {
            return self.target(node, level);
        }
        let value = match &node.value {
            Value::Scalar { .. } => return node.clone(),
            Value::List(items) => Value::List(items.iter().map(|item| self.at(item, level)).collect()),
            Value::Map(map) => {
                let entries = map.iter().map(|entry| {
                    let mut entry = entry.clone();
                    entry.node = self.at(&entry.node, level);
                    entry
                });
                Value::Map(Arc::new(entries.collect()))
            }
        };
        Node { value, ..node.clone() }
    }

    fn target(&mut self, node: &Node, level: usize) -> Node {
        let path: Vec<&str> = node.list().unwrap_or_default().iter().filter_map(Node::text).collect();
        let mut found = path.split_first().and_then(|(first, rest)| {
            rest.iter()
                .try_fold(&self.config.entry(first)?.node, |node, key| node.map()?.entry(key).map(|entry| &entry.node))
        });
        let mut problem = format!("`!reference [{}]` leads nowhere", path.join(", "));
        if level >= MAX_LEVELS {
            problem = format!("`!reference` goes deeper than {MAX_LEVELS} levels");
            found = None;
        }
        match found {
            Some(target) => self.at(&target.clone(), level + 1),
            None => {
                // References that lead in circles meet many times.
                if self.findings.len() < MOST_FINDINGS {
                    self.findings.push(Finding::error("reference", &node.place, problem));
                }
                let value = Value::Scalar { text: Arc::from(""), plain: true };
                Node { tag: None, value, place: node.place.clone() }
            }
        }
    }
}
