//! The gates of a run: who may approve, what is missing, until when, and what was decided.

use std::io::Write;

use serde_json::{Value, json};

use crate::approval::{Subject, time};
use crate::cli::one_line;
use crate::engine::approval::Decided;
use crate::engine::{Gate, GateState, RunState};
use crate::id::{StepId, StepType};
use crate::workflow::suggest;

/// Every gate that was asked for, as JSON.
pub(super) fn documents(state: &RunState) -> Vec<Value> {
    let document = |(step, gate): (&StepId, &GateState)| {
        let request = gate.request();
        let mut document = json!({
            "step": step,
            "request": request.id,
            "standing": word(gate.standing()),
            "required": request.rule.required,
            "missing": gate.missing(),
            "approvers": request.rule.approvers,
            "self": request.rule.own,
            "asked": time(gate.asked_at()),
            "subject": request.subject,
        });
        if let Some(expires_at) = request.expires_at {
            document["expires"] = time(expires_at).into();
        }
        if let Some(form) = &request.rule.form {
            document["form"] = form.clone();
        }
        document
    };
    state.gates().map(document).collect()
}

/// Every decision that counts, as JSON.
pub(super) fn decisions(state: &RunState) -> Vec<Value> {
    let document = |step: &StepId, decided: &Decided| {
        json!({
            "step": step,
            "decision": decided.decision,
            "by": decided.approver.by,
            "verified": decided.approver.verified,
            "source": decided.approver.source,
            "reason": decided.reason,
            "form": decided.form,
            "at": time(decided.at),
            "job": decided.job,
        })
    };
    let of_gate = |(step, gate): (&StepId, &GateState)| {
        gate.decisions().iter().map(|decided| document(step, decided)).collect::<Vec<_>>()
    };
    state.gates().flat_map(of_gate).collect()
}

/// The gates for people, if there are any.
pub(super) fn show(state: &RunState, out: &mut dyn Write) -> std::io::Result<()> {
    let mut gates = state.gates().peekable();
    if gates.peek().is_none() {
        return Ok(());
    }
    writeln!(out, "\napprovals")?;
    for (step, gate) in gates {
        let rule = &gate.request().rule;
        writeln!(out, "  {step}: {}", standing(gate))?;
        if !rule.pause {
            writeln!(out, "    asks for   {}", one_line(&rule.in_words()))?;
        }
        writeln!(out, "    asked      {}, request {}", time(gate.asked_at()), gate.request().id)?;
        writeln!(out, "    for        {}", one_line(&subject(&gate.request().subject)))?;
        if let Some(expires_at) = gate.request().expires_at {
            writeln!(out, "    expires    {}", time(expires_at))?;
        }
        if rule.form.is_some() && gate.standing() == Gate::Waiting {
            writeln!(out, "    form       {}", one_line(&rule.approve_command(step)))?;
        }
        for decided in gate.decisions() {
            writeln!(out, "    {}", one_line(&line(decided)))?;
        }
    }
    Ok(())
}

/// What is approved, in short: the digests are there with -json.
fn subject(subject: &Subject) -> String {
    let mut words = format!("workflow {}, inputs {}", subject.workflow.short(), subject.inputs.short());
    let names = |names: Vec<&str>| suggest::list(names, 10);
    if !subject.plugins.is_empty() {
        words += &format!(", plugins {}", names(subject.plugins.keys().map(StepType::as_str).collect()));
    }
    if !subject.policies.is_empty() {
        words += &format!(", policies {}", names(subject.policies.keys().map(String::as_str).collect()));
    }
    if !subject.files.is_empty() {
        words += &format!(", files {}", names(subject.files.keys().map(String::as_str).collect()));
    }
    words
}

fn standing(gate: &GateState) -> String {
    let required = gate.request().rule.required;
    match gate.standing() {
        Gate::Waiting if required > 1 => {
            format!("waiting, {} of {required} approvals", required - gate.missing())
        }
        standing => word(standing).to_owned(),
    }
}

fn word(gate: Gate) -> &'static str {
    match gate {
        Gate::None => "none",
        Gate::Waiting => "waiting",
        Gate::Approved => "approved",
        Gate::Rejected => "rejected",
        Gate::Expired => "expired",
    }
}

fn line(decided: &Decided) -> String {
    let reason = decided.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
    format!("{} by {} at {}{reason}", decided.decision, decided.approver, time(decided.at))
}
