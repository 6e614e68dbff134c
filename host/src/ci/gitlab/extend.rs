//! `extends`: a job on top of other jobs. GitLab allows eleven levels.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::finding::Finding;
use super::merge::{Budget, merge};
use crate::yaml::{Map, Node, Value};

/// GitLab's own limit.
const MAX_LEVELS: usize = 11;

/// Every job with what it extends merged in.
pub(super) fn extend(config: &Map, budget: &mut Budget, findings: &mut Vec<Finding>) -> Map {
    let mut extender = Extender { config, done: HashMap::new(), open: Vec::new(), budget, findings };
    config
        .iter()
        .map(|entry| {
            let mut entry = entry.clone();
            if entry.node.get("extends").is_some() {
                entry.node = extender.job(&entry.key, &entry.node);
            }
            entry
        })
        .collect()
}

struct Extender<'a> {
    config: &'a Map,
    done: HashMap<Arc<str>, Node>,
    open: Vec<Arc<str>>,
    budget: &'a mut Budget,
    findings: &'a mut Vec<Finding>,
}

impl Extender<'_> {
    fn job(&mut self, name: &Arc<str>, node: &Node) -> Node {
        if let Some(done) = self.done.get(name) {
            return done.clone();
        }
        let bases = node.get("extends").map(Node::elements).unwrap_or_default();
        self.open.push(Arc::clone(name));
        let mut below: Option<Node> = None;
        for base in bases {
            let Some(base) = self.base(base) else { continue };
            below = Some(match below {
                Some(below) => merge(&below, &base, self.budget),
                None => base,
            });
        }
        self.open.pop();
        let whole = match below {
            Some(below) => merge(&below, node, self.budget),
            None => node.clone(),
        };
        self.done.insert(Arc::clone(name), whole.clone());
        whole
    }

    fn base(&mut self, base: &Node) -> Option<Node> {
        let error = |message: String| Some(Finding::error("extends", &base.place, message));
        let problem = match base.text() {
            None => error("`extends` takes the name of a job or a list of them".to_owned()),
            Some(name) if self.open.iter().any(|open| &**open == name) => error(format!("`{name}` extends itself")),
            Some(_) if self.open.len() >= MAX_LEVELS => {
                error(format!("`extends` goes deeper than {MAX_LEVELS} levels"))
            }
            Some(name) => match self.config.entry(name).map(|entry| (&entry.key, &entry.node)) {
                Some((key, node)) if matches!(node.value, Value::Map(_)) => return Some(self.job(key, node)),
                _ => error(format!("there is no job `{name}` to extend")),
            },
        };
        self.findings.extend(problem);
        None
    }
}
