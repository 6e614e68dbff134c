//! `shiro audit`: who decided what, on which evidence; and `shiro audit verify`: whether the record holds, offline.

use std::io::Write;

use serde_json::{Value, json};

use super::Exit;
use super::args::StatusArgs;
use super::args::approval::{AuditArgs, AuditVerb};
use super::ci::Environment;
use super::error::{CliError, STATE};
use super::{one_line, status};
use crate::approval::{Approver, CLOCK_TOLERANCE, Decision, Evidence, Request, time};
use crate::engine::RunState;
use crate::event::{Event, Record};
use crate::id::StepId;
use crate::journal::RunSummaryFile;
use crate::workflow::digest;
use crate::workflow::schema::Validator;

/// Shows or checks the record of the runs that are here.
pub(super) fn audit(args: &AuditArgs, environment: &Environment, out: &mut dyn Write) -> Exit {
    let (show, verify) = match &args.verb {
        Some(AuditVerb::Verify(show)) => (show, true),
        None => (&args.show, false),
    };
    let runs = runs(show, environment)?;
    if verify { verify_all(&runs, show.json, out) } else { show_all(&runs, show.json, out) }
}

/// The journals that are meant.
fn runs(show: &StatusArgs, environment: &Environment) -> Result<Vec<RunSummaryFile>, CliError> {
    let mut runs = status::open(show, environment)?.runs()?;
    let Some(asked) = &show.run else { return Ok(runs) };
    let names: Vec<String> = runs.iter().map(name).collect();
    runs.retain(|run| name(run) == *asked || run_id(run) == Some(asked));
    if runs.is_empty() { Err(status::unknown(asked, names)) } else { Ok(runs) }
}

fn name(run: &RunSummaryFile) -> String {
    run.name.clone()
}

fn run_id(run: &RunSummaryFile) -> Option<&str> {
    match &run.loaded.as_ref().ok()?.records.first()?.event {
        Event::RunStarted(started) => Some(started.run.as_str()),
        _ => None,
    }
}

fn show_all(runs: &[RunSummaryFile], as_json: bool, out: &mut dyn Write) -> Exit {
    let mut exit_code = 0;
    let mut documents = Vec::new();
    for run in runs {
        let loaded = match &run.loaded {
            Ok(loaded) => loaded,
            Err(error) => {
                exit_code = STATE;
                documents.push(json!({ "name": name(run), "error": error.to_string() }));
                if !as_json {
                    writeln!(out, "{}: unreadable: {}", name(run), one_line(&error.to_string()))?;
                }
                continue;
            }
        };
        let entries: Vec<Value> = loaded.records.iter().filter_map(entry).collect();
        if !as_json {
            writeln!(out, "{} ({})", name(run), run_id(run).unwrap_or_default())?;
            loaded
                .records
                .iter()
                .filter_map(lines)
                .try_for_each(|lines| lines.iter().try_for_each(|line| writeln!(out, "  {}", one_line(line))))?;
        }
        documents.push(json!({ "name": name(run), "run": run_id(run), "sealed": loaded.sealed, "entries": entries }));
    }
    if as_json {
        writeln!(out, "{:#}", json!({ "runs": documents }))?;
    } else if runs.is_empty() {
        writeln!(out, "no runs in .shiro/state/")?;
    }
    Ok(exit_code)
}

/// What of the record is about decisions, as JSON: the event itself, with a time that people can read.
fn entry(record: &Record) -> Option<Value> {
    if !is_decision(&record.event) {
        return None;
    }
    let mut entry = serde_json::to_value(record).ok()?;
    entry["time"] = time(record.at).into();
    Some(entry)
}

fn is_decision(event: &Event) -> bool {
    matches!(
        event,
        Event::RunStarted(_)
            | Event::ChangesAccepted { .. }
            | Event::InterruptionResolved { .. }
            | Event::ApprovalRequested { .. }
            | Event::ApprovalDecided { .. }
            | Event::ApprovalExpired { .. }
            | Event::WaitStarted { .. }
            | Event::WaitEnded { .. }
            | Event::ReworkRequested { .. }
            | Event::RunFinished { .. }
    )
}

/// The same for people: what happened, and below it what it rests on.
fn lines(record: &Record) -> Option<Vec<String>> {
    let mut details = Vec::new();
    let what = match &record.event {
        Event::RunStarted(started) => {
            details.extend(started.starter.as_ref().map(|starter| format!("by {starter}")));
            details.extend(started.starter.as_ref().and_then(Approver::proof).map(evidence));
            details.push(format!(
                "workflow {}, inputs {}",
                started.digests.workflow.short(),
                started.digests.inputs.short()
            ));
            "the run began".to_owned()
        }
        Event::ChangesAccepted { digests, approver } => {
            details.push(format!("by {approver}"));
            details.extend(approver.proof().map(evidence));
            details.push(format!("workflow {}, inputs {}", digests.workflow.short(), digests.inputs.short()));
            "changes were accepted: from here on it is another workflow, or other plugins, policies or bound files"
                .to_owned()
        }
        Event::InterruptionResolved { step, rerun, approver } => {
            let what = if *rerun { "runs again" } else { "is taken as done" };
            format!("{step}: {what} after an interruption, says {approver}")
        }
        Event::ApprovalRequested { step, request } => {
            details.extend(request_lines(request));
            format!("{step}: approval requested")
        }
        Event::ApprovalDecided { step, decision, missing, approver, job, reason, form, .. } => {
            details.extend(reason.as_ref().map(|reason| format!("reason: {reason}")));
            details.extend(form.as_ref().map(|form| format!("form: {form}")));
            details.extend(approver.proof().map(evidence));
            details.extend(approver.commit.as_ref().map(ToString::to_string));
            details.extend(job.name.as_ref().map(|name| {
                format!("job: {name}{}", job.url.as_ref().map_or_else(String::new, |url| format!(", {url}")))
            }));
            let missing = if *missing > 0 && *decision == Decision::Approved {
                format!(", {missing} missing")
            } else {
                String::new()
            };
            format!("{step}: {decision} by {approver}{missing}")
        }
        Event::ApprovalExpired { step, .. } => format!("{step}: the approval expired"),
        Event::WaitStarted { step, until, guards } => {
            let guards: Vec<&str> = guards.iter().map(StepId::as_str).collect();
            details.push(format!("before: {}", guards.join(", ")));
            format!("{step}: a wait until {} began", time(*until))
        }
        Event::WaitEnded { step, skipped_by: None } => format!("{step}: the wait is over"),
        Event::WaitEnded { step, skipped_by: Some(approver) } => {
            details.extend(approver.proof().map(evidence));
            format!("{step}: the wait was cut short (-skip), says {approver}")
        }
        Event::ReworkRequested { step, note, approver, again, .. } => {
            details.push(format!("note: {note}"));
            let again: Vec<&str> = again.iter().map(StepId::as_str).collect();
            details.push(format!("again: {}", again.join(", ")));
            format!("{step}: to be done again, says {approver}")
        }
        Event::RunFinished { outcome, exit_code } => {
            format!("the run ended: {}, exit code {exit_code}", format!("{outcome:?}").to_lowercase())
        }
        _ => return None,
    };
    let mut lines = vec![format!("{}  {what}", time(record.at))];
    lines.extend(details.into_iter().map(|detail| format!("    {detail}")));
    Some(lines)
}

fn evidence(proof: &Evidence) -> String {
    let token = proof.token_id.as_ref().map_or_else(String::new, |id| format!(", id {id}"));
    format!("evidence: {} vouches for {}{token}, {}", proof.issuer, proof.subject, proof.digest)
}

fn request_lines(request: &Request) -> Vec<String> {
    let subject = &request.subject;
    let mut lines = vec![format!("asks for: {}", request.rule.in_words())];
    lines.extend(request.expires_at.map(|expires_at| format!("expires: {}", time(expires_at))));
    lines.push(format!("request: {}", request.id));
    lines.push(format!("workflow {}, inputs {}", subject.workflow.short(), subject.inputs.short()));
    lines.extend(subject.plugins.iter().map(|(name, digest)| format!("plugin {name} {digest}")));
    lines.extend(subject.policies.iter().map(|(name, digest)| format!("policy ({name}) {digest}")));
    lines.extend(subject.files.iter().map(|(path, digest)| format!("bound file {path} {digest}")));
    lines
}

fn verify_all(runs: &[RunSummaryFile], as_json: bool, out: &mut dyn Write) -> Exit {
    let mut failed = false;
    let mut documents = Vec::new();
    for run in runs {
        let Report { problems, notes, decisions } = verify(run);
        failed |= !problems.is_empty();
        if as_json {
            documents.push(json!({
                "name": name(run), "run": run_id(run), "holds": problems.is_empty(), "decisions": decisions,
                "problems": problems, "notes": notes,
            }));
            continue;
        }
        let verdict = if problems.is_empty() { "holds" } else { "DOES NOT HOLD" };
        let noun = if decisions == 1 { "decision" } else { "decisions" };
        writeln!(out, "{}: {verdict} ({decisions} {noun})", name(run))?;
        for problem in &problems {
            writeln!(out, "  problem: {}", one_line(problem))?;
        }
        for note in &notes {
            writeln!(out, "  note: {}", one_line(note))?;
        }
    }
    if as_json {
        writeln!(out, "{:#}", json!({ "runs": documents }))?;
    } else if runs.is_empty() {
        writeln!(out, "no runs in .shiro/state/")?;
    }
    Ok(if failed { STATE } else { 0 })
}

/// What checking a journal came to.
#[derive(Default)]
struct Report {
    problems: Vec<String>,
    /// What is as it should be, and still worth knowing.
    notes: Vec<String>,
    decisions: usize,
}

/// Checks one journal: its chain has been checked by reading it. Folding it judges every decision again, by the rule of the
/// request that it answers, and finds steps that started behind a closed gate; what the fold does not know is checked here.
fn verify(run: &RunSummaryFile) -> Report {
    let mut report = Report::default();
    let loaded = match &run.loaded {
        Ok(loaded) => loaded,
        Err(error) => {
            report.problems.push(error.to_string());
            return report;
        }
    };
    report.notes.extend(loaded.notices.iter().cloned());
    if !loaded.sealed {
        report.notes.push("the last process did not close the journal: it runs, or it died".to_owned());
    }
    let mut state = RunState::new();
    for record in &loaded.records {
        if let Err(error) = state.apply(record) {
            report.problems.push(error.to_string());
            return report;
        }
        report.check(record, &state);
    }
    report
}

impl Report {
    /// `state`: after the record.
    fn check(&mut self, record: &Record, state: &RunState) {
        match (&record.event, state.started()) {
            (Event::RunStarted(started), _) if digest::of(&started.inputs) != started.digests.inputs => {
                self.problems.push("the inputs are not those that their digest is of".to_owned());
            }
            (Event::ApprovalRequested { step, request }, Some(started))
                if request.subject.workflow != started.digests.workflow
                    || request.subject.inputs != started.digests.inputs =>
            {
                self.problems.push(format!("`{step}`: what was asked to be approved is not what ran"));
            }
            (Event::ApprovalDecided { step, decision, approver, form, .. }, _) => {
                self.decisions += 1;
                self.check_evidence(step, approver, record.at);
                let schema = state.gate(step.as_str()).and_then(|gate| gate.request().rule.form.as_ref());
                if let (Some(schema), Decision::Approved) = (schema, decision)
                    && !matches_form(schema, form.as_ref())
                {
                    self.problems.push(format!("`{step}`: what was filled in does not match the form"));
                }
            }
            _ => {}
        }
    }

    fn check_evidence(&mut self, step: &StepId, approver: &Approver, at: u64) {
        let by = approver.by.as_deref().unwrap_or("someone");
        let Some(proof) = approver.proof() else {
            if approver.verified {
                self.problems.push(format!("`{step}`: {by} is said to be verified, but there is no evidence"));
            } else {
                self.notes.push(format!("`{step}`: that it was {by} who decided is unverified ({})", approver.source));
            }
            return;
        };
        let late = proof.expires_at.is_some_and(|expires_at| at > expires_at.saturating_add(CLOCK_TOLERANCE));
        let early = proof.issued_at.is_some_and(|issued_at| at.saturating_add(CLOCK_TOLERANCE) < issued_at);
        if late || early {
            self.problems.push(format!("`{step}`: the evidence for {by} was not valid when they decided"));
        }
    }
}

fn matches_form(schema: &Value, form: Option<&Value>) -> bool {
    let empty = json!({});
    Validator::new(schema).is_ok_and(|validator| validator.check_resolved(form.unwrap_or(&empty)).is_empty())
}
