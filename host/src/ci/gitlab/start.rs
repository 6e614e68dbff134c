//! When a job starts, and whether the pipeline waits for it: `when`, `allow_failure` and `rules`, with their defaults.

use super::super::finding::Place;
use crate::yaml::Node;

/// How a job comes to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// By itself: `on_success`, `always`, `on_failure`.
    Itself,
    /// By itself, after a time: `delayed`.
    Delayed,
    /// A person starts it: `manual`.
    Manual,
}

/// One way for a job to be in a pipeline.
#[derive(Clone, Debug)]
pub(super) struct Start {
    /// How it comes to run.
    pub(super) when: When,
    /// The pipeline passes without it.
    pub(super) allow_failure: bool,
    /// Where that is said.
    pub(super) place: Place,
}

/// Every way that a job's fields leave. None means that it is never in a pipeline.
pub(super) fn starts(field: &dyn Fn(&str) -> Option<Node>, job: &Place) -> Vec<Start> {
    let own = field("when");
    let own_when = own.as_ref().and_then(Node::text);
    let own_failure = field("allow_failure");
    let Some(rules) = field("rules") else {
        let place = own.as_ref().map_or(job, |node| &node.place);
        return start(own_when, own_failure.as_ref(), own_when == Some("manual"), place).into_iter().collect();
    };
    let mut pending: Vec<&Node> = rules.elements().iter().rev().collect();
    let mut starts = Vec::new();
    while let Some(rule) = pending.pop() {
        // A `!reference` brings a list of rules.
        if let Some(nested) = rule.list() {
            pending.extend(nested.iter().rev());
            continue;
        }
        let when = rule.get("when");
        let place = when.map_or(&rule.place, |node| &node.place);
        let text = when.and_then(Node::text).or(own_when);
        let failure = rule.get("allow_failure").or(own_failure.as_ref());
        // Manual by its rule, a job blocks the pipeline; manual by itself, it does not.
        let passes = when.is_none() && own_when == Some("manual");
        starts.extend(start(text, failure, passes, place));
    }
    starts
}

fn start(when: Option<&str>, allow_failure: Option<&Node>, default: bool, place: &Place) -> Option<Start> {
    let when = match when {
        Some("never") => return None,
        Some("manual") => When::Manual,
        Some("delayed") => When::Delayed,
        _ => When::Itself,
    };
    // `exit_codes` lets only some failures pass.
    let allow_failure = match allow_failure {
        Some(node) => node.truth().unwrap_or(false),
        None => default,
    };
    Some(Start { when, allow_failure, place: place.clone() })
}
