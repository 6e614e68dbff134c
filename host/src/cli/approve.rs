//! `shiro approve`, `reject` and `rework`: what humans decide between two processes of a run. They record it; the next
//! `shiro run` makes it happen.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;

use serde_json::Value;

use super::Exit;
use super::approver::{Asking, approver};
use super::args::approval::{ApproveArgs, DecisionArgs, RejectArgs, ReworkArgs};
use super::args::state::{JournalArgs, StateStore};
use super::ci::Environment;
use super::error::{CliError, STATE, USAGE};
use super::gates::{self, Now};
use super::held::Held;
use super::leave::Left;
use super::project::Project;
use super::run::register_secrets;
use super::{one_line, start, store};
use crate::approval::{Approver, Decision};
use crate::engine::{End, Gate, GateState, RunState, StepState};
use crate::event::{Event, Record};
use crate::id::StepId;
use crate::journal::Loaded;
use crate::outcome::Outcome;
use crate::secret::Secrets;
use crate::workflow::{digest, form};

/// The longest reason or note, in bytes: it is part of the journal, and of messages.
const MAX_TEXT: usize = 16 * 1024;

/// Records an approval of each of these steps: all or none.
pub(super) fn approve(args: &ApproveArgs, environment: &Environment, out: &mut dyn Write) -> Exit {
    let desk = Desk::open(&args.run, environment, Decision::Approved)?;
    let reason = args.reason.as_deref().map(|reason| desk.text("-reason", reason)).transpose()?;
    let mut steps: Vec<&String> = Vec::new();
    args.steps.iter().for_each(|step| {
        if !steps.contains(&step) {
            steps.push(step);
        }
    });
    let mut events = Vec::new();
    for step in steps {
        let (step, gate) = desk.open_gate(step)?;
        desk.check_request(&step, gate, args.request.as_deref())?;
        desk.check_unchanged(&step, gate)?;
        let form = desk.form(&step, gate, &args.form)?;
        events.push(desk.decide(&step, gate, Decision::Approved, reason.clone(), form)?);
    }
    desk.record(events, "approved", out)
}

/// Records that someone said no.
pub(super) fn reject(args: &RejectArgs, environment: &Environment, out: &mut dyn Write) -> Exit {
    let desk = Desk::open(&args.run, environment, Decision::Rejected)?;
    let reason = desk.text("-reason", &args.reason)?;
    let (step, gate) = desk.open_gate(&args.step)?;
    let event = desk.decide(&step, gate, Decision::Rejected, Some(reason), None)?;
    desk.record(vec![event], "rejected", out)
}

/// Records that a step, and all that comes after it, is to be done again.
pub(super) fn rework(args: &ReworkArgs, environment: &Environment, out: &mut dyn Write) -> Exit {
    let desk = Desk::open(&args.run, environment, Decision::Approved)?;
    let note = desk.text("-note", &args.note)?;
    let event = desk.go_back(&args.step, note)?;
    desk.record(vec![event], "paused", out)
}

/// A run that waits for humans, and the one who decides.
struct Desk<'a> {
    args: &'a DecisionArgs,
    environment: &'a Environment,
    project: Project,
    secrets: Arc<Secrets>,
    held: Held,
    loaded: Loaded,
    state: RunState,
    approver: Approver,
    now: Now,
}

impl<'a> Desk<'a> {
    fn open(args: &'a DecisionArgs, environment: &'a Environment, decision: Decision) -> Result<Self, CliError> {
        if args.state.state_store == Some(StateStore::Memory) {
            return Err(CliError::new(USAGE, "the memory store keeps no run to decide on")
                .hint("leave -state-store out, or say filesystem or gitlab"));
        }
        let project = Project::load(&args.workflow.for_run(), None)?;
        let secrets = Arc::new(Secrets::new());
        register_secrets(&secrets, &project, environment);
        let found = store::state_key(&args.state, environment)?;
        if let Some(found) = &found {
            found.mask(&secrets);
        }
        let journal = JournalArgs { expect: args.expect.clone(), ..JournalArgs::default() };
        let held = Held::take(&args.state, &journal, found, &project, environment)?;
        let mut loaded = held.store.load(&held.key)?.ok_or_else(|| {
            CliError::new(STATE, format!("there is no state of the run {}", held.key.stem()))
                .hint("`shiro status` shows the runs that are here; in CI, the artifact of the job that paused has to be here")
        })?;
        let records = std::mem::take(&mut loaded.records);
        let state = RunState::for_plan(Arc::clone(&project.plan))
            .fold(&records)
            .map_err(|error| CliError::new(STATE, format!("{}: {error}", loaded.path.display())))?;
        if !loaded.sealed {
            return Err(CliError::new(
                STATE,
                "the last process died before it could close the run's journal, so nothing is decided on it",
            )
            .hint("`shiro run` goes on to the next pause"));
        }
        gates::check_clock(&state, gates::now())?;
        let inputs = state.started().map_or(digest::of(&Value::Null), |started| digest::of(&started.inputs));
        let now = Now::new(&project, environment.project_dir(), inputs);
        let asking = Asking::who_decides(environment, &project.policies, &secrets, &state);
        let approver = approver(&if decision == Decision::Rejected { asking.no() } else { asking })?;
        Ok(Self { args, environment, project, secrets, held, loaded, state, approver, now })
    }

    /// A text for the record: without secrets.
    fn text(&self, flag: &str, text: &str) -> Result<String, CliError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(CliError::new(USAGE, format!("{flag} is empty")).hint("say in a few words why"));
        }
        if text.len() > MAX_TEXT {
            return Err(CliError::new(USAGE, format!("{flag} is longer than {} KiB", MAX_TEXT / 1024)));
        }
        Ok(self.secrets.mask(text).into_owned())
    }

    /// The gate of a step, if it waits for decisions in a run that is paused.
    fn open_gate(&self, name: &str) -> Result<(StepId, &GateState), CliError> {
        let step = StepId::new(name);
        let waiting: Vec<&str> = start::waiting(&self.state).into_iter().map(StepId::as_str).collect();
        let what_waits = match waiting.as_slice() {
            [] => "nothing waits for an approval: `shiro status` shows where the run stands".to_owned(),
            names => format!("waiting for an approval: {}", names.join(", ")),
        };
        let refuse = |message: String| Err(CliError::new(STATE, message).hint(what_waits.clone()));
        let Some(gate) = self.state.gate(name) else {
            return refuse(format!("nobody has asked for an approval after `{name}`"));
        };
        match gate.standing() {
            Gate::None | Gate::Waiting => {}
            Gate::Approved => return refuse(format!("the approval after `{name}` has been given already")),
            Gate::Rejected => return refuse(format!("the approval after `{name}` has been rejected already")),
            Gate::Expired => return refuse(format!("the approval after `{name}` has expired")),
        }
        if !matches!(self.state.end(), Some(End::Paused(_))) {
            return Err(CliError::new(STATE, format!("the run is not paused, so nothing is decided after `{name}`"))
                .hint("`shiro run` goes on to the next pause"));
        }
        Ok((step, gate))
    }

    /// The request that is answered is the one that the approver has looked at.
    fn check_request(&self, step: &StepId, gate: &GateState, asked: Option<&str>) -> Result<(), CliError> {
        match asked {
            Some(asked) if asked != gate.request().id => {
                let message =
                    format!("`{step}` asks for another approval than the request {asked}: {}", gate.request().id);
                Err(CliError::new(STATE, message).hint("look at it again: `shiro status` shows what is asked for now"))
            }
            _ => Ok(()),
        }
    }

    /// What is approved is what was asked for, and what is here now.
    fn check_unchanged(&self, step: &StepId, gate: &GateState) -> Result<(), CliError> {
        let digests = gates::digests(&self.project);
        if let Some(started) = self.state.started() {
            start::check_unchanged(&started.digests, &digests)?;
        }
        let plan = &self.project.plan;
        let approval = plan.find(step.as_str()).and_then(|index| plan.step(index).approval.as_ref());
        let lines = match approval {
            Some(approval) => gates::differences_of(gate.request(), approval, &self.now),
            None => vec!["- the approval is gone".to_owned()],
        };
        if lines.is_empty() { Ok(()) } else { Err(gates::changed(&vec![(step.clone(), lines)])) }
    }

    fn form(&self, step: &StepId, gate: &GateState, given: &[(String, String)]) -> Result<Option<Value>, CliError> {
        let Some(schema) = &gate.request().rule.form else {
            if given.is_empty() {
                return Ok(None);
            }
            return Err(CliError::new(USAGE, format!("the approval after `{step}` has no form to fill in"))
                .hint("leave -form out"));
        };
        let filled = form::fill(schema, given).map_err(|error| {
            let cli_error = CliError::new(USAGE, error.message);
            match error.hint {
                Some(hint) => cli_error.hint(hint),
                None => cli_error,
            }
        })?;
        if self.secrets.seal(filled.clone()) != filled {
            return Err(CliError::new(USAGE, "the form holds the value of a secret, which must not stand in a record")
                .hint("write the name of the variable instead"));
        }
        Ok(Some(filled))
    }

    fn decide(
        &self,
        step: &StepId,
        gate: &GateState,
        decision: Decision,
        reason: Option<String>,
        form: Option<Value>,
    ) -> Result<Event, CliError> {
        gates::judge(&self.state, gate, decision, &self.approver, form.as_ref(), gates::now()).map_err(
            |(why, hint)| {
                let error = CliError::new(STATE, format!("the approval after `{step}`: {why}"));
                if hint.is_empty() { error } else { error.hint(hint.replace("STEP", step.as_str())) }
            },
        )?;
        let approves = u32::from(decision == Decision::Approved);
        Ok(Event::ApprovalDecided {
            step: step.clone(),
            request: gate.request().id.clone(),
            decision,
            missing: gate.missing().saturating_sub(approves),
            approver: self.approver.clone(),
            job: self.environment.job(),
            reason,
            form,
        })
    }

    fn go_back(&self, name: &str, note: String) -> Result<Event, CliError> {
        let refuse = |message: String, hint: &str| Err(CliError::new(STATE, message).hint(hint));
        let plan = &self.project.plan;
        if let Some((step, _)) = StepId::split_item(name) {
            let hint = format!("a step is done again as a whole: shiro rework {step}");
            return refuse(format!("there is no step `{name}`"), &hint);
        }
        let Some(index) = plan.find(name).filter(|index| plan.step(*index).role.is_shown()) else {
            let shown = plan.steps().map(|step| plan.step(step)).filter(|step| step.role.is_shown());
            let names: Vec<&str> = shown.map(|step| step.id.as_str()).collect();
            return refuse(
                format!("there is no step `{name}`"),
                &format!("there are {}", crate::workflow::suggest::list(names, 20)),
            );
        };
        match self.state.end() {
            Some(End::Finished { outcome: Outcome::Failed, .. } | End::Paused(_) | End::Interrupted(_)) => {}
            Some(End::Finished { .. }) => {
                return refuse(
                    "the run is over: there is nothing to go back in".to_owned(),
                    "to begin anew: shiro run -fresh",
                );
            }
            None => {
                return refuse("the run has not come to a pause".to_owned(), "`shiro run` goes on to the next pause");
            }
        }
        if let [expired, ..] = gates::expired(&self.state, gates::now()).as_slice() {
            return refuse(
                format!("the approval after `{expired}` was not given in time, which is final"),
                "`shiro run` ends the run, with the steps whose `if` says `expired()`; then start anew with -fresh",
            );
        }
        if !self.state.step(name).is_some_and(|step| step.is_done() || is_failed(step)) {
            return refuse(format!("`{name}` has not been done yet"), "the next `shiro run` does it");
        }
        // A workflow that runs as a step is done again from its beginning.
        let begin = plan.concludes(index).and_then(|group| plan.ends(group)).map_or(index, |ends| ends.begin);
        let behind = plan.behind(begin);
        let ids = std::iter::once(begin).chain(behind).map(|step| &plan.step(step).id);
        let begun = |id: &&StepId| {
            self.state.step(id.as_str()).is_some_and(|step| *step.status() != crate::engine::Status::Pending)
        };
        let again: Vec<StepId> = ids.filter(begun).cloned().collect();
        if let Some(refused) =
            again.iter().find(|id| self.state.gate(id.as_str()).is_some_and(|gate| gate.standing().is_refused()))
        {
            return refuse(
                format!("the approval after `{refused}` was refused, which is final"),
                "to begin anew: shiro run -fresh",
            );
        }
        Ok(Event::ReworkRequested {
            step: StepId::new(name),
            again,
            note,
            approver: self.approver.clone(),
            job: self.environment.job(),
        })
    }

    /// Makes it durable, and says what comes next.
    fn record(self, events: Vec<Event>, status: &str, out: &mut dyn Write) -> Exit {
        let asked_again = asked_again(&self.state, &events);
        let at = gates::now();
        let records: Vec<Record> = events.into_iter().map(|event| Record { at, event }).collect();
        let mut state = self.state;
        records
            .iter()
            .try_for_each(|record| state.apply(record))
            .map_err(|error| CliError::new(STATE, format!("this can't be recorded: {error}")))?;
        let mut journal = self.held.store.resume(&self.held.key, &self.held.lock, &self.loaded)?;
        journal.append(&records)?;
        let receipt = journal.seal()?;
        for record in &records {
            writeln!(out, "{}", line(&record.event))?;
        }
        for step in asked_again {
            writeln!(out, "{step}: approved for the first round only, and to be asked for again")?;
        }
        let open = start::waiting(&state);
        let status = if status == "approved" && !open.is_empty() { "paused" } else { status };
        let run = state.started().map(|started| &started.run);
        let left = Left { run, receipt: receipt.as_ref(), until: None };
        left.leave(self.environment, &self.args.state, status);
        if state.has_acted() {
            writeln!(out, "to go on with it: shiro run")?;
        }
        Ok(0)
    }
}

/// The gates before what is to be done again whose approvals don't hold for that.
fn asked_again(state: &RunState, events: &[Event]) -> BTreeSet<StepId> {
    let mut gates = BTreeSet::new();
    for event in events {
        let Event::ReworkRequested { again, .. } = event else { continue };
        let before = again.iter().flat_map(|step| state.gates_before(step));
        let once = before.filter(|(gate, state)| state.holds_once() && !again.contains(gate));
        gates.extend(once.map(|(gate, _)| gate.clone()));
    }
    gates
}

fn is_failed(step: &StepState) -> bool {
    matches!(step.status(), crate::engine::Status::Failed { .. })
}

/// What was recorded, for people. Texts that humans wrote are shown with nothing in them that acts on a terminal.
fn line(event: &Event) -> String {
    let text = match event {
        Event::ApprovalDecided { step, decision, missing, approver, .. } => {
            let rest = match (decision, missing) {
                (Decision::Rejected, _) => "; the next `shiro run` ends the run".to_owned(),
                (_, 0) => String::new(),
                (_, 1) => "; one more approval is missing".to_owned(),
                (_, missing) => format!("; {missing} more approvals are missing"),
            };
            format!("{step}: {decision} by {approver}{rest}")
        }
        Event::ReworkRequested { step, again, note, approver, .. } => {
            let others: Vec<&str> =
                again.iter().filter(|id| *id != step && !id.is_begin()).map(StepId::as_str).collect();
            let others = if others.is_empty() { String::new() } else { format!(", and so {}", others.join(", ")) };
            format!("{step}: to be done again{others}, says {approver}: {note}")
        }
        _ => String::new(),
    };
    one_line(&text)
}
