//! Where a workflow waits for people or for a time, as far as its CI file must know.

use std::time::Duration;

use crate::plan::{Plan, StepIndex};
use crate::workflow::model::Step;
use crate::workflow::{StepTypes, duration};

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

/// A step after which the run waits for a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// The step's id.
    pub step: String,
    /// How long, where the workflow says so: its config's `duration`, without a template.
    pub time: Option<Duration>,
}

/// What can be waited for at the same time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// People, in file order.
    pub gates: Vec<Gate>,
    /// Times: the shortest first, last those that only a run knows.
    pub waits: Vec<Wait>,
}

/// Waits that one start passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TimedStart<'a> {
    /// The steps.
    pub(super) waits: Vec<&'a Wait>,
    /// How long after the job before it, if that is known.
    pub(super) after: Option<Duration>,
}

impl Round {
    /// The starts that pass the waits, one after the other. `hold`: how long a process stays for a wait that is nearly over.
    pub(super) fn timed_starts(&self, hold: Duration) -> Vec<TimedStart<'_>> {
        let mut starts: Vec<TimedStart<'_>> = Vec::new();
        // When the last start comes, counted from when the round began.
        let mut last = Duration::ZERO;
        for wait in &self.waits {
            match (wait.time, starts.last_mut()) {
                (Some(time), Some(start)) if time.saturating_sub(last) <= hold => start.waits.push(wait),
                (Some(time), _) => {
                    starts.push(TimedStart { waits: vec![wait], after: Some(time.saturating_sub(last)) });
                    last = time;
                }
                (None, _) => starts.push(TimedStart { waits: vec![wait], after: None }),
            }
        }
        starts
    }
}

/// All gates and waits of a workflow, in rounds: those of one round can be waited for at the same time, and each round comes
/// after one of the round before. One start of `shiro run` by a person passes the gates of one round.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gates {
    /// The rounds.
    pub rounds: Vec<Round>,
    /// A process stays for a wait that is no longer than this: no other job need go on after it.
    pub hold: Duration,
}

impl Gates {
    /// The gates of a plan, and its waits that are longer than `hold`.
    pub fn of(plan: &Plan, types: &StepTypes, hold: Duration) -> Self {
        let waits =
            |step: StepIndex| wait(plan.step(step), types).filter(|wait| wait.time.is_none_or(|time| time > hold));
        let stops = |step: StepIndex| plan.step(step).approval.is_some() || waits(step).is_some();
        // How many stops are on the way to each step, itself not counted.
        let mut before = vec![0_usize; plan.len()];
        let mut found: Vec<(usize, StepIndex)> = Vec::new();
        for &step in plan.order() {
            let passed = |&other: &StepIndex| before[other.get()] + usize::from(stops(other));
            let round = plan.dependencies(step).iter().map(passed).max().unwrap_or(0);
            before[step.get()] = round;
            if stops(step) {
                found.push((round, step));
            }
        }
        found.sort_unstable();
        let mut rounds: Vec<Round> = Vec::new();
        for (round, step) in found {
            if rounds.len() <= round {
                rounds.resize_with(round + 1, Round::default);
            }
            rounds[round].gates.extend(gate(plan.step(step)));
            rounds[round].waits.extend(waits(step));
        }
        for round in &mut rounds {
            round.waits.sort_by_key(|wait| (wait.time.is_none(), wait.time));
        }
        Self { rounds, hold }
    }

    /// These gates, and no waits.
    #[cfg(test)]
    pub(super) fn asking(rounds: Vec<Vec<Gate>>) -> Self {
        let rounds = rounds.into_iter().map(|gates| Round { gates, waits: Vec::new() }).collect();
        Self { rounds, hold: Duration::from_secs(60) }
    }

    /// The workflow waits for nothing.
    pub fn is_empty(&self) -> bool {
        self.rounds.is_empty()
    }

    /// The workflow waits for people.
    pub fn asks(&self) -> bool {
        self.iter().next().is_some()
    }

    /// Every gate.
    pub fn iter(&self) -> impl Iterator<Item = &Gate> {
        self.rounds.iter().flat_map(|round| &round.gates)
    }

    /// Every wait.
    pub fn waits(&self) -> impl Iterator<Item = &Wait> {
        self.rounds.iter().flat_map(|round| &round.waits)
    }

    /// How many jobs people must start one after the other, at the least.
    pub(super) fn starts(&self) -> usize {
        let people = |round: &Round| round.gates.iter().map(|gate| gate.approvals as usize).max().unwrap_or(0);
        self.rounds.iter().map(people).sum()
    }

    /// How many jobs must go on after a time, where each stays for as long as `hold` (or the default, if that is longer).
    pub(super) fn timed_starts(&self, hold: Duration) -> usize {
        let hold = hold.max(self.hold);
        let short = |start: &TimedStart<'_>| start.after.is_some_and(|after| after <= hold);
        self.rounds.iter().flat_map(|round| round.timed_starts(hold)).filter(|start| !short(start)).count()
    }

    /// Whether someone must be known for certain.
    pub(super) fn needs_identity(&self) -> bool {
        self.iter().any(|gate| gate.verified)
    }

    /// Whether who began the run must be known for certain.
    pub(super) fn needs_starter(&self) -> bool {
        self.iter().any(|gate| gate.verified && gate.others_only)
    }

    /// The longest time that a request holds or that is waited for, if one says so.
    pub(super) fn longest_wait(&self) -> Option<Duration> {
        self.iter().filter_map(|gate| gate.expires).chain(self.waits().filter_map(|wait| wait.time)).max()
    }
}

/// What a step's type waits for. How long is for its config to say, as `wait` has it.
fn wait(step: &Step, types: &StepTypes) -> Option<Wait> {
    types.loaded.get(&step.step_type)?.not_before.as_ref()?;
    let time = step.config.get("duration").and_then(|time| duration::read(time).ok());
    Some(Wait { step: step.id.as_str().to_owned(), time })
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
    use crate::id::StepType;
    use crate::workflow::{Source, TypeInfo, parse};

    fn gates(steps: Value) -> Gates {
        let text = json!({ "name": "w", "steps": steps }).to_string();
        let (workflow, problems) = parse(&Source::from_text("w.json", text));
        assert!(problems.iter().all(|problem| problem.severity == Severity::Warning), "{problems:?}");
        let description = json!({
            "name": "wait", "version": "1.0.0", "summary": "Waits.",
            "output_schema": { "properties": { "until": { "x-not-before": true } } }
        });
        let info = TypeInfo::new(serde_json::from_value(description).expect("a description")).expect("a type");
        let types = StepTypes { loaded: [(StepType::new("wait"), info)].into(), ..StepTypes::default() };
        Gates::of(&Plan::build(workflow.expect("a workflow")).expect("a plan"), &types, Duration::from_secs(60))
    }

    fn rounds(steps: Value) -> Vec<Vec<String>> {
        let names = |round: Round| round.gates.into_iter().map(|gate| gate.step).collect();
        gates(steps).rounds.into_iter().map(names).collect()
    }

    #[test]
    fn a_wait_that_a_process_would_not_stay_for_takes_a_start_of_its_own() {
        let wait = |id: &str, duration: Value, after: &[&str]| json!({ "id": id, "type": "wait", "config": { "duration": duration }, "depends_on": after });
        let found = gates(json!([
            wait("unknown", json!("{{env.LONG}}"), &[]),
            wait("long", json!("2h"), &[]),
            wait("short", json!("30s"), &[]),
            wait("ten", json!("10m"), &[]),
            wait("eleven", json!(660), &[]),
            { "id": "ask", "type": "print", "pause": true, "depends_on": ["long", "short"] },
            wait("last", json!("5m"), &["ask"])
        ]));
        let waits: Vec<Vec<&str>> =
            found.rounds.iter().map(|round| round.waits.iter().map(|wait| wait.step.as_str()).collect()).collect();
        assert_eq!(waits, [vec!["ten", "eleven", "long", "unknown"], vec![], vec!["last"]]);
        let starts = found.rounds[0].timed_starts(found.hold);
        let minutes = |minutes: u64| Some(Duration::from_secs(60 * minutes));
        let after: Vec<_> = starts.iter().map(|start| (start.waits.len(), start.after)).collect();
        assert_eq!(after, [(2, minutes(10)), (1, minutes(110)), (1, None)]);
        assert_eq!(found.timed_starts(Duration::ZERO), 4);
        assert_eq!(found.timed_starts(Duration::from_secs(600)), 2);
        assert_eq!((found.starts(), found.longest_wait()), (1, minutes(120)));
        assert!(gates(json!([wait("short", json!("60s"), &[])])).is_empty());
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
        let [a, b, c] = &found.rounds[0].gates[..] else { panic!("{found:?}") };
        assert_eq!((a.approvals, a.verified, a.expires), (1, false, None));
        assert_eq!((b.approvals, b.verified, b.others_only), (2, true, true));
        assert_eq!((b.expires, b.form.clone()), (Some(Duration::from_secs(86_400)), vec!["ticket".to_owned()]));
        assert!(!c.verified);
        assert_eq!(found.starts(), 2);
    }
}
