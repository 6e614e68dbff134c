//! What is approved is what runs: what would run now, held against what was asked for; and what a start approves.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};
use uuid::Uuid;

use super::error::{CliError, STATE};
use super::project::Project;
use super::{accepted, bind};
use crate::approval::{Approver, CLOCK_TOLERANCE, Decision, Refusal, Request, Subject, compare};
use crate::engine::{Gate, GateState, RunState, Status, resume};
use crate::event::Digests;
use crate::id::{Digest, StepId, StepType};
use crate::outcome::{Failure, FailureClass};
use crate::plan::{Plan, StepIndex};
use crate::report::human::Ask;
use crate::workflow::condition::Condition;
use crate::workflow::model::{Approval, Step};
use crate::workflow::schema::Validator;

/// Milliseconds since 1970-01-01 UTC, by this machine's clock.
pub(super) fn now() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
}

/// The digests of the components: of those that are not built in, and of those that are.
pub(super) fn components(project: &Project) -> (BTreeMap<StepType, Digest>, BTreeMap<StepType, Digest>) {
    let mut components = (BTreeMap::new(), BTreeMap::new());
    for (name, loaded) in &project.types {
        let of_its_kind = if loaded.builtin() { &mut components.1 } else { &mut components.0 };
        of_its_kind.insert(name.clone(), loaded.digest());
    }
    components
}

/// What would run now, but for the content of bound files, which is looked at when it matters.
#[derive(Clone, Debug)]
pub(super) struct Now {
    project_dir: PathBuf,
    plan: Arc<Plan>,
    subject: Subject,
}

impl Now {
    /// `inputs`: of the run.
    pub(super) fn new(project: &Project, project_dir: PathBuf, inputs: Digest) -> Self {
        let (plugins, builtins) = components(project);
        let subject = Subject {
            workflow: project.plan.workflow().digest,
            inputs,
            plugins,
            builtins,
            policies: project.policies.digests(),
            trust: project.policies.identity_digest(),
            files: BTreeMap::new(),
        };
        Self { project_dir, plan: Arc::clone(&project.plan), subject }
    }

    /// What this approval is about, as it is now.
    pub(super) fn subject(&self, approval: &Approval) -> Result<Subject, Box<Failure>> {
        Ok(Subject { files: bind::digests(&self.project_dir, &approval.bind)?, ..self.subject.clone() })
    }

    /// What is bound is what was approved, right before something behind the gate starts: what ran since this process began
    /// may have written to it. Nothing else of what was approved changes meanwhile: it was read before.
    pub(super) fn check_bound(&self, step: &StepId, request: &Request) -> Result<(), Box<Failure>> {
        let approval = self.plan.find(step.as_str()).and_then(|index| self.plan.step(index).approval.as_ref());
        let Some(approval) = approval.filter(|approval| !approval.bind.is_empty()) else { return Ok(()) };
        let mut lines = Vec::new();
        compare(&mut lines, "bound file", &request.subject.files, &bind::digests(&self.project_dir, &approval.bind)?);
        if lines.is_empty() {
            return Ok(());
        }
        let message = format!("what was approved after `{step}` is not what is there now: {}", lines.join("; "));
        Err(Box::new(Failure::new(FailureClass::State, "bind", message).with_hint(
            "restore it, or let it be approved anew: `shiro run -accept-changes` asks for that. A step that writes to what is \
             bound belongs before the approval",
        )))
    }

    /// A new request of this step. It expires some time after this moment.
    pub(super) fn request(&self, step: &StepId, approval: &Approval) -> Result<Request, Box<Failure>> {
        let expires_at = approval
            .expires
            .map(|expires| now().saturating_add(u64::try_from(expires.as_millis()).unwrap_or(u64::MAX)));
        Ok(Request {
            id: Uuid::now_v7().to_string(),
            expires_at,
            rule: approval.rule.clone(),
            subject: self.subject(approval)?,
            guards: self.plan.find(step.as_str()).map_or_else(Vec::new, |step| guards(&self.plan, step)),
        })
    }
}

/// The gates whose time is over.
pub(super) fn expired(state: &RunState, now: u64) -> Vec<StepId> {
    // A clock that was set back makes no more time.
    let now = now.max(state.latest());
    state.gates().filter(|(_, gate)| gate.is_expired(now)).map(|(step, _)| step.clone()).collect()
}

/// A clock that was set back makes no more time: where an approval expires, it is not made use of by such a clock.
pub(super) fn check_clock(state: &RunState, now: u64) -> Result<(), CliError> {
    let behind = now.saturating_add(CLOCK_TOLERANCE) < state.latest();
    let open = |gate: &GateState| {
        gate.request().expires_at.is_some()
            && (gate.standing() == Gate::Waiting || gate.standing() == Gate::Approved && !gate.is_passed())
    };
    match state.gates().find(|(_, gate)| behind && open(gate)) {
        None => Ok(()),
        Some((step, _)) => {
            let refusal = Refusal::ClockBehind { asked_at: state.latest(), now };
            Err(CliError::new(STATE, format!("the approval after `{step}`: {refusal}")).hint(refusal.hint()))
        }
    }
}

/// What differs, by gate: lines for people.
pub(super) type Differences = Vec<(StepId, Vec<String>)>;

/// Holds what each gate that matters was asked for against what would run now. With `approval`, a gate matters while it
/// waits, and as long as something behind it is still to be done; with the short form `pause`, when it is to be approved.
pub(super) fn differences(state: &RunState, plan: &Plan, now: &Now, approve: bool) -> Differences {
    let mut differences = Differences::new();
    let matters = |step: &StepId, gate: &GateState| match gate.request().rule.pause {
        true => approve && gate.standing() == Gate::Waiting,
        false => matters(state, plan, step, gate),
    };
    for (step, gate) in state.gates().filter(|(step, gate)| matters(step, gate)) {
        let request = gate.request();
        let approval = plan.find(step.as_str()).and_then(|index| plan.step(index).approval.as_ref());
        let lines = match approval {
            Some(approval) => differences_of(request, approval, now),
            None if request.rule.pause => Vec::new(),
            None => vec!["- the approval is gone".to_owned()],
        };
        if !lines.is_empty() {
            differences.push((step.clone(), lines));
        }
    }
    differences
}

/// What differs from one request.
pub(super) fn differences_of(request: &Request, approval: &Approval, now: &Now) -> Vec<String> {
    let mut lines = match now.subject(approval) {
        Ok(subject) => request.subject.differences(&subject),
        Err(failure) => vec![format!("- {}", failure.message)],
    };
    if !request.rule.asks_the_same_people(&approval.rule) {
        lines.push(format!("~ who has to approve: {}; it was: {}", approval.rule.in_words(), request.rule.in_words()));
    }
    lines
}

/// Another version of shiro has other built-in step types: worth a warning, and no reason to ask again.
pub(super) fn other_builtins(before: &Digests, now: &Digests) -> Option<String> {
    let differ =
        |(name, digest): &(&StepType, &Digest)| before.builtins.get(*name).is_some_and(|asked| asked != *digest);
    let names: Vec<String> = now.builtins.iter().filter(differ).map(|(name, _)| format!("`{name}`")).collect();
    (!names.is_empty()).then(|| {
        format!(
            "the built-in {} is not the one that the run began with: this is another version of shiro",
            names.join(", ")
        )
    })
}

fn matters(state: &RunState, plan: &Plan, step: &StepId, gate: &GateState) -> bool {
    match gate.standing() {
        Gate::Waiting => true,
        Gate::Approved => plan.find(step.as_str()).is_none_or(|step| has_work(state, plan, step)),
        Gate::None | Gate::Rejected | Gate::Expired => false,
    }
}

/// What must not start before this step's gate is open.
pub(super) fn guards(plan: &Plan, step: StepIndex) -> Vec<StepId> {
    let steps = plan.behind(step).into_iter().map(|step| plan.step(step));
    let cleans_up = |step: &&Step| step.condition.as_ref().is_some_and(Condition::admits_refusal);
    steps.filter(|step| !cleans_up(step)).map(|step| step.id.clone()).collect()
}

/// Something behind the step is still to be done.
fn has_work(state: &RunState, plan: &Plan, step: StepIndex) -> bool {
    plan.behind(step).into_iter().any(|step| {
        let seen = state.step(plan.step(step).id.as_str());
        seen.is_none_or(|seen| !seen.is_done() && !matches!(seen.status(), Status::Skipped(_)))
    })
}

/// The refusal of what differs from what was asked for.
pub(super) fn changed(differences: &Differences) -> CliError {
    const SHOWN: usize = 20;
    let mut message = "what would run now is not what was asked to be approved".to_owned();
    for (step, lines) in differences {
        message += &format!("\n    at `{step}`:");
        lines.iter().take(SHOWN).for_each(|line| message += &format!("\n      {line}"));
        if lines.len() > SHOWN {
            message += &format!("\n      and {} more", lines.len() - SHOWN);
        }
    }
    CliError::new(STATE, message)
        .hint("restore what was there; or let it be approved anew: `shiro run -accept-changes` asks for that")
        .hint("to begin anew: shiro run -fresh")
}

/// What is asked for in place of requests that don't fit any more, once someone accepted the changes: of gates that
/// differ, and of all that wait in the short form.
///
/// # Errors
///
/// The change is about who has to approve: that takes a new run.
pub(super) fn ask_again(
    state: &RunState,
    plan: &Plan,
    now: &Now,
    differences: &Differences,
) -> Result<Vec<(StepId, Request)>, CliError> {
    let pauses = state.gates().filter(|(_, gate)| gate.request().rule.pause && gate.standing() == Gate::Waiting);
    let steps: BTreeSet<&StepId> =
        differences.iter().map(|(step, _)| step).chain(pauses.map(|(step, _)| step)).collect();
    let mut requests = Vec::new();
    for step in steps {
        let approval = plan.find(step.as_str()).and_then(|index| plan.step(index).approval.as_ref());
        let request = state.gate(step.as_str()).map(GateState::request);
        let asked = request.map(|request| &request.rule);
        match (approval, asked) {
            (Some(approval), Some(asked))
                if asked.pause || request.is_some_and(|request| asks_the_same(request, approval, now)) =>
            {
                let request = now.request(step, approval).map_err(|failure| ask_error(&failure))?;
                requests.push((step.clone(), request));
            }
            (None, Some(asked)) if asked.pause => {}
            _ => return Err(accepted::other_people(step)),
        }
    }
    Ok(requests)
}

/// Both ask for the same people. Whoever is asked for is known by whom the policies trust.
pub(super) fn asks_the_same(request: &Request, approval: &Approval, now: &Now) -> bool {
    let same_trust = request.subject.trust == now.subject.trust;
    request.rule.asks_the_same_people(&approval.rule) && (same_trust || !request.rule.needs_identity())
}

/// What is to be approved can't be made out.
pub(super) fn ask_error(failure: &Failure) -> CliError {
    let error = CliError::new(failure.class.exit_code(), failure.message.clone());
    match &failure.hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// What the gates that wait ask for, once this start has approved these: for those with `approval`.
pub(super) fn asks(state: &RunState, approved: &[StepId]) -> Vec<(StepId, Ask)> {
    let waiting = state.gates().filter(|(_, gate)| gate.standing() == Gate::Waiting && !gate.request().rule.pause);
    let asks = |(step, gate): (&StepId, &GateState)| {
        let missing = gate.missing().saturating_sub(u32::from(approved.contains(step)));
        (step.clone(), Ask::of(step, gate.request(), missing))
    };
    waiting.map(asks).collect()
}

/// What one start approves.
#[derive(Debug, Default)]
pub(super) struct Approvals {
    /// These gates.
    pub(super) gates: Vec<StepId>,
    /// And not these: why, and what to do.
    pub(super) refused: Vec<(StepId, String, String)>,
}

impl Approvals {
    /// Judges this start's approval of each of these gates.
    pub(super) fn of(state: &RunState, gates: Vec<StepId>, approver: &Approver, now: u64) -> Self {
        let mut approvals = Self::default();
        for step in gates {
            let Some(gate) = state.gate(step.as_str()) else { continue };
            match judge(state, gate, Decision::Approved, approver, None, now) {
                Ok(()) => approvals.gates.push(step),
                Err((why, hint)) => {
                    let hint = hint.replace("STEP", step.as_str());
                    approvals.refused.push((step, why, hint));
                }
            }
        }
        approvals
    }

    /// The error of a start that can approve nothing.
    pub(super) fn error(&self) -> CliError {
        let mut message = "this start approves nothing".to_owned();
        for (step, why, _) in &self.refused {
            message += &format!("\n    `{step}`: {why}");
        }
        let mut hints: BTreeSet<&str> = self.refused.iter().map(|(_, _, hint)| hint.as_str()).collect();
        hints.insert("a start that is to approve nothing: shiro run -no-approve");
        hints.into_iter().fold(CliError::new(STATE, message), |error, hint| error.hint(hint))
    }

    /// One line for each gate that stays closed.
    pub(super) fn warnings(&self) -> impl Iterator<Item = String> {
        self.refused.iter().map(|(step, why, hint)| format!("this start does not approve `{step}`: {why}; {hint}"))
    }
}

/// Judges a decision: who it is, whether it is in time, whether the form is filled in. The error is why, and what to do.
pub(super) fn judge(
    state: &RunState,
    gate: &GateState,
    decision: Decision,
    approver: &Approver,
    form: Option<&Value>,
    now: u64,
) -> Result<(), (String, String)> {
    let starter = state.started().and_then(|started| started.starter.as_ref());
    gate.judge(decision, approver, starter, now.max(latest_for(state, gate, now)), state.has_seen(approver))
        .map_err(|refusal| (refusal.to_string(), refusal.hint().to_owned()))?;
    let rule = &gate.request().rule;
    match (&rule.form, decision) {
        (Some(schema), Decision::Approved) => {
            check_form(schema, form).map_err(|why| (why, rule.approve_command(&StepId::new("STEP"))))
        }
        _ => Ok(()),
    }
}

/// A clock that was set back a little counts as the latest that is known; one that is far behind is refused by the judge.
fn latest_for(state: &RunState, gate: &GateState, now: u64) -> u64 {
    let behind = now.saturating_add(CLOCK_TOLERANCE) < gate.asked_at();
    if behind { now } else { state.latest() }
}

fn check_form(schema: &Value, form: Option<&Value>) -> Result<(), String> {
    let empty = Value::Object(Map::new());
    let validator = Validator::new(schema).map_err(|why| format!("its form is {why}"))?;
    let problems = validator.check_resolved(form.unwrap_or(&empty));
    if problems.is_empty() {
        return Ok(());
    }
    let problems: Vec<String> =
        problems.into_iter().map(|problem| problem.diagnostic("form", "", "the form").message).collect();
    Err(problems.join("; "))
}

/// The gates that a start may approve at all: those that waited when it began, and only if nothing else lets the run go on.
pub(super) fn candidates(state: &RunState) -> Vec<StepId> {
    if state.has_acted() { Vec::new() } else { resume::approvable(state) }
}

/// Whether anything that the run's shape or parts are made of differs: what [`super::start`] compares.
pub(super) fn digests(project: &Project) -> Digests {
    let workflow = project.plan.workflow();
    let (plugins, builtins) = components(project);
    Digests {
        workflow: workflow.digest,
        // Filled in when a run begins.
        inputs: crate::workflow::digest::of(&Value::Null),
        plugins,
        builtins,
        // What begins a step is part of it.
        steps: workflow
            .steps
            .iter()
            .filter(|step| step.role.is_shown())
            .map(|step| (step.id.clone(), step.digest))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::approval::Rule;
    use crate::event::{Event, Job, Record, RunStarted};
    use crate::id::RunId;

    const ASKED: u64 = 1_000_000_000;
    const HOUR: u64 = 3_600_000;

    fn subject() -> Subject {
        let digest = Digest::of(b"");
        let (plugins, builtins, policies, files) = Default::default();
        Subject { workflow: digest, inputs: digest, plugins, builtins, policies, trust: None, files }
    }

    /// A run that waits for an approval for an hour, and these events.
    fn waiting(rule: Rule, more: impl IntoIterator<Item = (u64, Event)>) -> RunState {
        let Subject { workflow, inputs, plugins, builtins, .. } = subject();
        let started = Event::RunStarted(RunStarted {
            run: RunId::new("run"),
            workflow: "w".to_owned(),
            shiro: "0".to_owned(),
            digests: Digests { workflow, inputs, plugins, builtins, steps: BTreeMap::new() },
            inputs: json!({}),
            job: Job::default(),
            starter: None,
        });
        let step = StepId::new("gate");
        let request = Request {
            id: "q".to_owned(),
            expires_at: Some(ASKED + HOUR),
            rule,
            subject: subject(),
            guards: Vec::new(),
        };
        let events = [
            started,
            Event::StepStarted { step: step.clone(), attempt: 1, idempotent: false },
            Event::StepSucceeded { step: step.clone(), attempt: 1, output: Value::Null, duration_ms: 1 },
            Event::ApprovalRequested { step: step.clone(), request: Box::new(request) },
            Event::RunPaused { waiting: vec![step], until: None },
        ];
        let events = events.into_iter().map(|event| (ASKED, event)).chain(more);
        let records: Vec<Record> = events.map(|(at, event)| Record { at, event }).collect();
        RunState::new().fold(&records).expect("a legal history")
    }

    fn approved(at: u64) -> (u64, Event) {
        let event = Event::ApprovalDecided {
            step: StepId::new("gate"),
            request: "q".to_owned(),
            decision: Decision::Approved,
            missing: 0,
            approver: Approver::unverified(Some("bob".to_owned()), "USER"),
            job: Job::default(),
            reason: None,
            form: None,
        };
        (at, event)
    }

    #[test]
    fn a_clock_that_was_set_back_makes_no_more_time() {
        let state = waiting(Rule::default(), []);
        assert!(expired(&state, ASKED + HOUR - 1).is_empty());
        assert_eq!(expired(&state, ASKED + HOUR), [StepId::new("gate")]);
        assert!(check_clock(&state, ASKED).is_ok() && check_clock(&state, ASKED - CLOCK_TOLERANCE).is_ok());
        for now in [0, ASKED - CLOCK_TOLERANCE - 1] {
            assert_eq!(check_clock(&state, now).unwrap_err().exit_code, STATE);
        }
        // What is known to have happened later counts, whatever the clock says.
        let late = waiting(Rule::default(), [approved(ASKED + HOUR - 5)]);
        let resumed = (ASKED + 2 * HOUR, Event::RunResumed { job: Job::default(), shiro: "0".to_owned() });
        assert_eq!(check_clock(&late, ASKED).unwrap_err().exit_code, STATE);
        assert!(expired(&late, ASKED + HOUR - 1).is_empty());
        assert_eq!(expired(&late, ASKED + HOUR), [StepId::new("gate")], "it was not made use of in time");
        // Once the run has gone on with it, it can't expire.
        let passed = waiting(Rule::default(), [approved(ASKED), resumed]);
        assert!(expired(&passed, u64::MAX).is_empty() && check_clock(&passed, 0).is_ok());
    }

    #[test]
    fn a_start_says_why_it_approves_nothing() {
        let form =
            json!({ "type": "object", "required": ["ticket"], "properties": { "ticket": { "type": "string" } } });
        let approver = Approver::unverified(Some("bob".to_owned()), "USER");
        let of = |rule: Rule| {
            let state = waiting(rule, []);
            Approvals::of(&state, candidates(&state), &approver, ASKED)
        };
        assert_eq!(of(Rule::default()).gates, [StepId::new("gate")]);
        let named = of(Rule { approvers: vec!["alice".to_owned().try_into().unwrap()], ..Rule::default() });
        assert!(named.error().message.contains("whoever starts a job can set"), "{}", named.error());
        let asks = of(Rule { form: Some(form), ..Rule::default() });
        assert!(asks.error().to_string().contains("shiro approve gate -form ticket=..."), "{}", asks.error());
        // Someone decided already: this start decides nothing.
        assert!(candidates(&waiting(Rule::default(), [approved(ASKED)])).is_empty());
    }
}
