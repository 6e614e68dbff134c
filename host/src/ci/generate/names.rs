//! The names of the generated jobs.

use std::collections::BTreeSet;

use super::super::gates::{Gate, Gates, TimedStart};

/// Longer names of several gates become a number.
const LONGEST: usize = 60;

/// The jobs of one round.
pub(super) struct Round<'a> {
    /// The jobs that go on after a time, one after the other, before those that approve. Maybe none.
    pub(super) timed: Vec<(String, TimedStart<'a>)>,
    /// The jobs that approve and go on, one after the other. Maybe none.
    pub(super) approve: Vec<String>,
    /// What they approve.
    pub(super) gates: &'a [Gate],
    /// The jobs that reject: one for each gate.
    pub(super) reject: Vec<(String, &'a Gate)>,
}

/// The names of all jobs, each given once.
pub(super) struct Names<'a> {
    /// The job that begins the run.
    pub(super) initial: String,
    /// The rounds in their order.
    pub(super) rounds: Vec<Round<'a>>,
}

impl<'a> Names<'a> {
    /// Names that say what a press on them does.
    pub(super) fn of(workflow: &str, gates: &'a Gates) -> Self {
        let mut taken = BTreeSet::new();
        let initial = unique(&mut taken, format!("run-{}", slug(workflow)));
        let mut rounds = Vec::new();
        for (number, round) in gates.rounds.iter().enumerate() {
            let join = |steps: Vec<String>, otherwise: &str| match steps.join("-and-") {
                joined if joined.len() > LONGEST => format!("{otherwise}-{}", number + 1),
                joined => joined,
            };
            let starts = round.timed_starts(gates.hold).into_iter();
            let timed = starts
                .map(|start| {
                    let joined = join(start.waits.iter().map(|wait| job(&wait.step)).collect(), "wait");
                    (unique(&mut taken, format!("after-{joined}")), start)
                })
                .collect();
            let joined = join(round.gates.iter().map(|gate| job(&gate.step)).collect(), "round");
            let people = round.gates.iter().map(|gate| gate.approvals.max(1)).max().unwrap_or(0);
            let approve = (1..=people)
                .map(|person| match people {
                    1 => unique(&mut taken, format!("approve-{joined}")),
                    _ => unique(&mut taken, format!("approve-{joined}-{person}")),
                })
                .collect();
            let reject = round
                .gates
                .iter()
                .map(|gate| (unique(&mut taken, format!("reject-{}", job(&gate.step))), gate))
                .collect();
            rounds.push(Round { timed, approve, gates: &round.gates, reject });
        }
        Self { initial, rounds }
    }
}

/// A step's id as part of a job's name.
fn job(step: &str) -> String {
    step.replace('/', "-")
}

/// The name as both systems take it for a job: letters, digits, `-` and `_`.
pub(super) fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars().take(LONGEST) {
        match c {
            c if c.is_ascii_alphanumeric() || c == '_' => slug.push(c.to_ascii_lowercase()),
            _ if slug.is_empty() || slug.ends_with('-') => {}
            _ => slug.push('-'),
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "workflow".to_owned() } else { slug.to_owned() }
}

fn unique(taken: &mut BTreeSet<String>, name: String) -> String {
    let mut candidate = name.clone();
    let mut number = 2;
    while !taken.insert(candidate.clone()) {
        candidate = format!("{name}-{number}");
        number += 1;
    }
    candidate
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(step: &str, approvals: u32) -> Gate {
        Gate { step: step.to_owned(), approvals, expires: None, verified: false, others_only: false, form: Vec::new() }
    }

    #[test]
    fn every_job_has_a_name_of_its_own() {
        let gates = Gates::asking(vec![vec![gate("a", 2)], vec![gate("a-2", 1), gate("b", 1)], vec![gate("a-1", 1)]]);
        let names = Names::of("Déploy / Prod!", &gates);
        assert_eq!(names.initial, "run-d-ploy-prod");
        let approve: Vec<&Vec<String>> = names.rounds.iter().map(|round| &round.approve).collect();
        assert_eq!(approve, [&vec!["approve-a-1", "approve-a-2"], &vec!["approve-a-2-and-b"], &vec!["approve-a-1-2"]]);
        let reject: Vec<&str> = names.rounds[1].reject.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(reject, ["reject-a-2", "reject-b"]);
    }

    #[test]
    fn a_slug_is_never_empty_and_never_long() {
        assert_eq!(slug("***"), "workflow");
        assert_eq!(slug(&"x".repeat(500)).len(), LONGEST);
        assert_eq!(slug("-a--b-"), "a-b");
    }
}
