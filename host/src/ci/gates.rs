//! Where a workflow waits for people, as far as its CI file must know.

use std::time::Duration;

use crate::plan::{Plan, StepIndex};
use crate::workflow::model::Step;

/// A step after which the run waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    /// The step's id.
    pub step: String,
    /// How many people must approve: at least one.
    pub approvals: u32,
    /// How long the request for it holds, if it ends.
    pub expires: Option<Duration>,
    /// Who approves must be known for certain.
    pub verified: bool,
    /// Who began the run must be known for certain, so that it is someone else who approves.
    pub others_only: bool,
    /// The fields that an approver fills in.
    pub form: Vec<String>,
}

/// All gates of a workflow, in rounds: the gates of one round can wait at the same time, and each round comes after one of
/// the round before. One start of `shiro run` passes one round.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gates {
    /// The rounds, each with its gates in file order.
    pub rounds: Vec<Vec<Gate>>,
}

impl Gates {
    /// The gates of a plan.
    pub fn of(plan: &Plan) -> Self {
        // How many gates are on the way to each step, itself not counted.
        let mut before = vec![0_usize; plan.len()];
        let mut found: Vec<(usize, StepIndex)> = Vec::new();
        for &step in plan.order() {
            let passed = |&other: &StepIndex| before[other.get()] + usize::from(plan.step(other).approval.is_some());
            let round = plan.dependencies(step).iter().map(passed).max().unwrap_or(0);
            before[step.get()] = round;
            if plan.step(step).approval.is_some() {
                found.push((round, step));
            }
        }
        found.sort_unstable();
        let mut rounds: Vec<Vec<Gate>> = Vec::new();
        for (round, step) in found {
            if rounds.len() <= round {
                rounds.resize_with(round + 1, Vec::new);
            }
            rounds[round].extend(gate(plan.step(step)));
        }
        Self { rounds }
    }

    /// The workflow waits for nobody.
    pub fn is_empty(&self) -> bool {
        self.rounds.is_empty()
    }

    /// Every gate.
    pub fn iter(&self) -> impl Iterator<Item = &Gate> {
        self.rounds.iter().flatten()
    }

    /// How many jobs people must start one after the other, at the least.
    pub(super) fn starts(&self) -> usize {
        let people = |round: &Vec<Gate>| round.iter().map(|gate| gate.approvals as usize).max().unwrap_or(0);
        self.rounds.iter().map(people).sum()
    }

    /// Whether someone must be known for certain.
    pub(super) fn needs_identity(&self) -> bool {
        self.iter().any(|gate| gate.verified)
    }

    /// Whether who began the run must be known for certain.
    pub(super) fn needs_starter(&self) -> bool {
        self.iter().any(|gate| gate.verified && gate.others_only)
    }

    /// The longest time that a request holds, if one says so.
    pub(super) fn longest_wait(&self) -> Option<Duration> {
        self.iter().filter_map(|gate| gate.expires).max()
    }
}

fn gate(step: &Step) -> Option<Gate> {
    let approval = step.approval.as_ref()?;
    let rule = &approval.rule;
    let fields = rule.form.as_ref().and_then(|form| form.get("properties")?.as_object());
    Some(Gate {
        step: step.id.as_str().to_owned(),
        approvals: rule.required,
        expires: approval.expires,
        verified: rule.needs_identity() && !rule.allow_unverified,
        others_only: !rule.own,
        form: fields.into_iter().flatten().map(|(name, _)| name.clone()).collect(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::diagnostic::Severity;
    use crate::workflow::{Source, parse};

    fn gates(steps: Value) -> Gates {
        let text = json!({ "name": "w", "steps": steps }).to_string();
        let (workflow, problems) = parse(&Source::from_text("w.json", text));
        assert!(problems.iter().all(|problem| problem.severity == Severity::Warning), "{problems:?}");
        Gates::of(&Plan::build(workflow.expect("a workflow")).expect("a plan"))
    }

    fn rounds(steps: Value) -> Vec<Vec<String>> {
        gates(steps).rounds.into_iter().map(|round| round.into_iter().map(|gate| gate.step).collect()).collect()
    }

    #[test]
    fn gates_that_can_wait_together_are_one_round() {
        let step = |id: &str, pause: bool, after: &[&str]| json!({ "id": id, "type": "print", "pause": pause, "depends_on": after });
        assert!(rounds(json!([step("a", false, &[])])).is_empty());
        assert_eq!(rounds(json!([step("a", true, &[]), step("b", true, &[])])), [["a", "b"]]);
        assert_eq!(
            rounds(json!([
                step("late", true, &["work"]),
                step("first", true, &[]),
                step("work", false, &["first"]),
                step("aside", true, &[])
            ])),
            [vec!["first", "aside"], vec!["late"]]
        );
    }

    #[test]
    fn a_gate_says_what_its_approval_asks_for() {
        let found = gates(json!([
            { "id": "a", "type": "print", "pause": true },
            { "id": "b", "type": "print", "approval": {
                "required": 2, "self": false, "expires": "24h",
                "form": { "type": "object", "properties": { "ticket": { "type": "string" } } }
            } },
            { "id": "c", "type": "print", "approval": { "approvers": ["alice"], "allow_unverified": true } }
        ]));
        let [a, b, c] = &found.rounds[0][..] else { panic!("{found:?}") };
        assert_eq!((a.approvals, a.verified, a.expires), (1, false, None));
        assert_eq!((b.approvals, b.verified, b.others_only), (2, true, true));
        assert_eq!((b.expires, b.form.clone()), (Some(Duration::from_secs(86_400)), vec!["ticket".to_owned()]));
        assert!(!c.verified);
        assert_eq!(found.starts(), 2);
    }
}
