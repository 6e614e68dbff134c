//! Gates: what a step asked for and what came of it, as the records say. Part of the fold: see [`super::state`].

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use crate::approval::{Approver, CLOCK_TOLERANCE, Case, Decision, OnExpire, Refusal, Request};
use crate::event::{Event, Job};
use crate::id::StepId;
use crate::outcome::Failure;
use crate::workflow::model::Approval;

/// Makes the request of a step that has succeeded: what would run behind it, with the content of the bound files. May
/// block. The failure is the step's: nothing that can't be asked for is approved.
pub type RequestFn = Box<dyn FnMut(&StepId, &Approval) -> Result<Request, Box<Failure>> + Send>;

/// Whether what was approved at this step's gate is what is there, right before the first step behind it starts. May block.
/// The failure is that of the step behind it.
pub type CheckFn = Box<dyn FnMut(&StepId, &Request) -> Result<(), Box<Failure>> + Send>;

/// Where a gate stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gate {
    /// Nothing was asked.
    #[default]
    None,
    /// Decisions were asked for, and some are missing.
    Waiting,
    /// Enough people approved.
    Approved,
    /// Someone said no.
    Rejected,
    /// Nobody decided in time.
    Expired,
}

impl Gate {
    /// Nothing behind it will ever run as it was meant to.
    pub fn is_refused(self) -> bool {
        matches!(self, Self::Rejected | Self::Expired)
    }
}

/// What a step asked for, and what came of it.
#[derive(Clone, Debug)]
pub struct GateState {
    request: Request,
    asked_at: u64,
    standing: Gate,
    decisions: Vec<Decided>,
    /// When it expired.
    expired_at: Option<u64>,
    /// A process went on after it was approved: from then on the approval can't expire.
    passed: bool,
}

/// What someone decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// What.
    pub decision: Decision,
    /// Who, and how that is known.
    pub approver: Approver,
    /// The job that carried the decision.
    pub job: Job,
    /// Why.
    pub reason: Option<String>,
    /// What they filled in.
    pub form: Option<Value>,
    /// When: milliseconds since 1970-01-01 UTC.
    pub at: u64,
}

impl GateState {
    /// What is asked for.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// When it was asked for: milliseconds since 1970-01-01 UTC.
    pub fn asked_at(&self) -> u64 {
        self.asked_at
    }

    /// It was given once, for what was to be done once: not for what someone wants to be done again. Where anybody may approve
    /// at any time, whoever asks for that might as well.
    pub fn holds_once(&self) -> bool {
        self.request.rule.needs_identity() || self.request.expires_at.is_some()
    }

    /// Where it stands.
    pub fn standing(&self) -> Gate {
        self.standing
    }

    /// What was decided on this request, in order.
    pub fn decisions(&self) -> &[Decided] {
        &self.decisions
    }

    /// How many approvals are missing.
    pub fn missing(&self) -> u32 {
        self.with_case(None, |case| case.missing_after(case.approved.len()))
    }

    /// Approved, and a process went on because of it.
    pub fn is_passed(&self) -> bool {
        self.passed
    }

    /// Whether a decision at this time would count. `seen`: its proof was used before.
    pub fn judge(
        &self,
        decision: Decision,
        approver: &Approver,
        starter: Option<&Approver>,
        at: u64,
        seen: bool,
    ) -> Result<(), Refusal> {
        self.with_case(starter, |case| case.judge(decision, approver, at, seen))
    }

    /// Nobody decided in time, or what was approved was not made use of in time.
    pub fn is_expired(&self, at: u64) -> bool {
        let open = self.standing == Gate::Waiting || self.standing == Gate::Approved && !self.passed;
        open && self.request.expires_at.is_some_and(|expires_at| at >= expires_at)
    }

    /// It was rejected, or it expired and that counts as a rejection.
    pub fn is_rejected(&self) -> bool {
        self.standing == Gate::Rejected
            || self.standing == Gate::Expired && self.request.rule.on_expire == OnExpire::Reject
    }

    fn with_case<T>(&self, starter: Option<&Approver>, f: impl FnOnce(&Case<'_>) -> T) -> T {
        let approved: Vec<&Approver> = self
            .decisions
            .iter()
            .filter(|decided| decided.decision == Decision::Approved)
            .map(|decided| &decided.approver)
            .collect();
        f(&Case { request: &self.request, asked_at: self.asked_at, approved: &approved, starter })
    }

    /// As templates and conditions see it, once it is decided.
    pub(super) fn view(&self) -> Option<Value> {
        let decision = match self.standing {
            Gate::None | Gate::Waiting => return None,
            Gate::Approved => "approved",
            Gate::Rejected => "rejected",
            Gate::Expired => "expired",
        };
        let mut view = json!({
            "decision": decision, "by": null, "verified": false, "source": "", "reason": "", "form": {}, "job": {},
            "at": self.expired_at.unwrap_or(self.asked_at),
        });
        if let (Some(last), false) = (self.decisions.last(), self.standing == Gate::Expired) {
            let Decided { approver, job, reason, at, .. } = last;
            view["by"] = json!(approver.by);
            view["verified"] = approver.verified.into();
            view["source"] = approver.source.as_str().into();
            view["reason"] = reason.as_deref().unwrap_or_default().into();
            view["at"] = (*at).into();
            view["job"] = json!(job);
        }
        // Each may have filled in other fields.
        for (name, value) in self.decisions.iter().filter_map(|decided| decided.form.as_ref()?.as_object()).flatten() {
            view["form"][name] = value.clone();
        }
        view["decisions"] = self.decisions.iter().map(Decided::view).collect();
        Some(view)
    }
}

impl Decided {
    fn view(&self) -> Value {
        json!({
            "decision": self.decision, "by": self.approver.by, "verified": self.approver.verified,
            "reason": self.reason.as_deref().unwrap_or_default(), "at": self.at,
        })
    }
}

/// All gates of a run, and the proofs that were used at them.
#[derive(Debug, Default)]
pub(super) struct Gates {
    gates: HashMap<u32, GateState>,
    /// What steps asked for that are to be done again, until they ask anew. Not of the short form.
    voided: HashMap<u32, Request>,
    /// For each step, the steps whose gates it stands behind.
    guarded_by: HashMap<StepId, Vec<u32>>,
    used: HashSet<String>,
    /// Those of the record before, if it was a decision: one process may decide on several gates.
    just_used: Vec<String>,
}

impl Gates {
    pub(super) fn get(&self, step: u32) -> Option<&GateState> {
        self.gates.get(&step)
    }

    /// A proof that a decision, or whoever started the run, has used.
    pub(super) fn has_seen(&self, approver: &Approver) -> bool {
        approver.proof().is_some_and(|proof| proof.marks().any(|mark| self.used.contains(&mark)))
    }

    /// Remembers a proof as used.
    pub(super) fn use_up(&mut self, approver: &Approver) {
        self.used.extend(approver.proof().into_iter().flat_map(|proof| proof.marks()));
    }

    /// A record that is no decision.
    pub(super) fn other_record(&mut self) {
        self.just_used.clear();
    }

    /// A process goes on: what is approved is made use of.
    pub(super) fn pass(&mut self) {
        for gate in self.gates.values_mut().filter(|gate| gate.standing == Gate::Approved) {
            gate.passed = true;
        }
    }

    /// What a step asked for before it was to be done again.
    pub(super) fn voided(&self, step: u32) -> Option<&Request> {
        self.voided.get(&step)
    }

    /// The step is to be done again: what it asked for is void.
    pub(super) fn void(&mut self, step: u32) {
        if let Some(gate) = self.gates.get(&step).filter(|gate| !gate.request.rule.pause) {
            self.voided.insert(step, gate.request.clone());
        }
        self.forget(step);
    }

    /// Nothing is asked for any more.
    pub(super) fn forget(&mut self, step: u32) {
        if let Some(gate) = self.gates.remove(&step) {
            self.release(step, &gate.request);
        }
    }

    fn release(&mut self, step: u32, request: &Request) {
        for guarded in &request.guards {
            if let Some(gates) = self.guarded_by.get_mut(guarded) {
                gates.retain(|gate| *gate != step);
            }
        }
    }

    /// Changes were accepted: what waits in the short form is asked for anew, if it still is. Gives the steps.
    pub(super) fn forget_pauses(&mut self) -> Vec<u32> {
        let pauses = self.gates.iter().filter(|(_, gate)| gate.standing == Gate::Waiting && gate.request.rule.pause);
        let pauses: Vec<u32> = pauses.map(|(step, _)| *step).collect();
        pauses.iter().for_each(|step| self.forget(*step));
        pauses
    }

    /// Whether a step may start: nothing that it stands behind is closed. The error names the step with the gate.
    pub(super) fn check_start(&self, step: &str) -> Result<(), u32> {
        let gates = self.guarded_by.get(step).into_iter().flatten();
        let closed = |gate: &&u32| self.gates.get(*gate).is_some_and(|gate| gate.standing != Gate::Approved);
        gates.copied().find(|gate| closed(&gate)).map_or(Ok(()), Err)
    }

    /// The steps whose gates this one stands behind.
    pub(super) fn before(&self, step: &StepId) -> impl Iterator<Item = u32> {
        self.guarded_by.get(step).into_iter().flatten().copied()
    }

    pub(super) fn ask(&mut self, step: u32, at: u64, request: &Request) -> Result<Gate, String> {
        match self.gates.get(&step) {
            None => {}
            Some(gate) if gate.standing.is_refused() => return Err("its approval was refused already".into()),
            Some(gate) if gate.request.subject == request.subject && gate.request.rule == request.rule => {
                return Err("a decision was asked for already".into());
            }
            Some(gate) if gate.request.id == request.id => return Err("the request before it has the same id".into()),
            Some(_) => self.forget(step),
        }
        self.voided.remove(&step);
        for guarded in &request.guards {
            self.guarded_by.entry(guarded.clone()).or_default().push(step);
        }
        self.gates.insert(
            step,
            GateState {
                request: request.clone(),
                asked_at: at,
                standing: Gate::Waiting,
                decisions: Vec::new(),
                expired_at: None,
                passed: false,
            },
        );
        Ok(Gate::Waiting)
    }

    /// `live`: a process works on the run, so that it passes the gate at once.
    pub(super) fn decide(
        &mut self,
        step: u32,
        at: u64,
        event: &Event,
        starter: Option<&Approver>,
        live: bool,
    ) -> Result<Gate, String> {
        let Event::ApprovalDecided { request, decision, missing, approver, job, reason, form, .. } = event else {
            return Err("it is no decision".into());
        };
        let seen = self.has_seen(approver)
            && approver.proof().is_some_and(|proof| !proof.marks().all(|mark| self.just_used.contains(&mark)));
        let gate = self
            .gates
            .get_mut(&step)
            .filter(|gate| gate.standing == Gate::Waiting)
            .ok_or("no decision was asked for")?;
        if *request != gate.request.id {
            return Err("it answers a request that is void".into());
        }
        // Judged a moment before it was recorded.
        let judged_at = at.saturating_sub(CLOCK_TOLERANCE).max(gate.asked_at.min(at));
        gate.judge(*decision, approver, starter, judged_at, seen).map_err(|refusal| refusal.to_string())?;
        let approves = u32::from(*decision == Decision::Approved);
        if gate.missing().saturating_sub(approves) != *missing {
            return Err(format!("after it {} approvals are missing", gate.missing().saturating_sub(approves)));
        }
        gate.standing = match decision {
            Decision::Rejected => Gate::Rejected,
            Decision::Approved if *missing == 0 => Gate::Approved,
            Decision::Approved => Gate::Waiting,
        };
        gate.passed = live && gate.standing == Gate::Approved;
        gate.decisions.push(Decided {
            decision: *decision,
            approver: approver.clone(),
            job: job.clone(),
            reason: reason.clone(),
            form: form.clone(),
            at,
        });
        let standing = gate.standing;
        self.just_used = approver.proof().into_iter().flat_map(|proof| proof.marks()).collect();
        self.used.extend(self.just_used.iter().cloned());
        Ok(standing)
    }

    pub(super) fn expire(&mut self, step: u32, at: u64, request: &str) -> Result<Gate, String> {
        let gate = self.gates.get_mut(&step).ok_or("no decision was asked for")?;
        if gate.request.id != request || !gate.is_expired(at.saturating_add(CLOCK_TOLERANCE)) {
            return Err("it has not expired".into());
        }
        gate.standing = Gate::Expired;
        gate.expired_at = Some(at);
        Ok(Gate::Expired)
    }
}

/// What was asked to be done again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rework {
    /// From this step on; `None` while nobody has asked.
    pub step: Option<StepId>,
    /// What is to be different.
    pub note: String,
    /// Who asked.
    pub by: Option<String>,
    /// How often it has been asked.
    pub count: u32,
}

impl Rework {
    /// As templates and conditions see it.
    pub(super) fn view(&self) -> Value {
        let step = self.step.as_ref().map(StepId::as_str).unwrap_or_default();
        json!({ "note": self.note, "by": self.by.as_deref().unwrap_or_default(), "step": step, "count": self.count })
    }
}
