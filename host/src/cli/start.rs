//! What a `shiro run` is to do, given the state there is: start, go on, approve, or refuse. Pure.

use std::fmt::Write as _;

use super::error::{CliError, STATE};
use super::{gates, one_line};
use crate::approval::compare;
use crate::engine::{End, Gate, RunState};
use crate::event::{Digests, Job};
use crate::id::StepId;
use crate::outcome::Outcome;

/// What the user and the environment ask for.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    /// `-fresh`.
    pub(super) fresh: bool,
    /// `-resume`.
    pub(super) resume: bool,
    /// `-accept-changes`.
    pub(super) accept_changes: bool,
    /// `-no-approve`.
    pub(super) no_approve: bool,
    /// Milliseconds since 1970-01-01 UTC.
    pub(super) now: u64,
    /// How long this process would stay for nothing but a wait, in milliseconds.
    pub(super) hold: u64,
    /// `-skip` names a step that waits for a time.
    pub(super) skips_wait: bool,
    /// The CI system started this job by itself, as far as it says: GitLab does.
    pub(super) unattended: bool,
    /// Inputs were given on the command line.
    pub(super) inputs_given: bool,
    /// A person started this job in CI.
    pub(super) manual: bool,
    /// This job.
    pub(super) job: Job,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// Begin a new run.
    Begin,
    /// Go on with the run.
    Resume {
        /// This start counts as an approval of the gates that are waiting.
        approve: bool,
        /// The workflow or the plugins changed, and the user knows.
        changed: bool,
    },
    /// The job that paused was started again, or it is too early: nothing changes.
    StillPaused {
        /// The steps whose gates are closed.
        waiting: Vec<StepId>,
    },
    /// The run has succeeded: nothing is left to do.
    Finished,
}

/// Decides. `state` is the run's state so far, if there is one; `sealed` says whether its journal was closed cleanly.
pub(super) fn decide(
    asked: &Asked,
    state: Option<&RunState>,
    sealed: bool,
    digests: &Digests,
) -> Result<Start, CliError> {
    if asked.fresh {
        return Ok(Start::Begin);
    }
    let Some((state, started)) = state.and_then(|state| Some((state, state.started()?))) else {
        if asked.manual || asked.resume {
            return Err(no_state(asked));
        }
        return Ok(Start::Begin);
    };
    if let Some(End::Finished { outcome: Outcome::Succeeded, .. }) = state.end() {
        return Ok(Start::Finished);
    }
    if let Some(End::Finished { outcome: Outcome::Rejected | Outcome::Expired, .. }) = state.end() {
        return Err(refused(state));
    }
    if asked.inputs_given {
        return Err(CliError::new(STATE, "the run keeps the inputs it started with: they can't be given again")
            .hint("leave -input and -input-file out to go on, or start a new run with -fresh"));
    }
    let changed = match check_unchanged(&started.digests, digests) {
        Ok(()) => false,
        Err(_) if asked.accept_changes => true,
        Err(error) => return Err(error),
    };
    match state.end() {
        Some(End::Paused(waiting)) if sealed => {
            // Something was decided, or the time is over: the run goes on, and nothing more is approved by that.
            if state.has_acted() || !gates::expired(state, asked.now).is_empty() {
                return Ok(Start::Resume { approve: false, changed });
            }
            // While a time is waited for, a job that starts by itself is there for that, and nobody's approval.
            let comes_for_time = asked.unattended && state.next_wait().is_some();
            let approves = !asked.no_approve && !comes_for_time && !state.has_worked(&asked.job);
            if approves && !waiting.is_empty() && !asked.skips_wait {
                return Ok(Start::Resume { approve: true, changed });
            }
            if asked.skips_wait || is_near(state, asked) {
                return Ok(Start::Resume { approve: false, changed });
            }
            Ok(Start::StillPaused { waiting: waiting.clone() })
        }
        _ => Ok(Start::Resume { approve: false, changed }),
    }
}

/// A wait is over, or so nearly that this process would stay for the rest.
fn is_near(state: &RunState, asked: &Asked) -> bool {
    let now = asked.now.max(state.latest());
    state.next_wait().is_some_and(|until| until <= now.saturating_add(asked.hold))
}

/// The run is over: it was refused.
fn refused(state: &RunState) -> CliError {
    let mut message = "the run is over".to_owned();
    for (step, gate) in state.gates().filter(|(_, gate)| gate.standing().is_refused()) {
        message += &match gate.decisions().last().filter(|_| gate.standing() == Gate::Rejected) {
            Some(last) => {
                let by = one_line(last.approver.by.as_deref().unwrap_or("someone"));
                let reason =
                    last.reason.as_deref().map_or_else(String::new, |reason| format!(": {}", one_line(reason)));
                format!("\n    the approval after `{step}` was rejected by {by}{reason}")
            }
            None => format!("\n    the approval after `{step}` was not given in time"),
        };
    }
    CliError::new(STATE, message).hint("to begin anew: shiro run -fresh")
}

/// The gates that are waiting for a decision.
pub(super) fn waiting(state: &RunState) -> Vec<&StepId> {
    state.steps().filter(|(_, step)| step.gate() == Gate::Waiting).map(|(id, _)| id).collect()
}

fn no_state(asked: &Asked) -> CliError {
    let message = if asked.manual && !asked.resume {
        "this job was started by hand, so it is to go on with a run, but there is no state of one"
    } else {
        "there is no state of a run to go on with"
    };
    CliError::new(STATE, message)
        .hint("the artifact with .shiro/state/ of the job that paused is missing: it may have expired (expire_in)")
        .hint("in GitLab the resuming job needs `needs: [<the job that paused>]` or `dependencies`, and that job `artifacts: paths: [.shiro/state/]`")
        .hint("in GitHub, upload-artifact leaves hidden files out unless `include-hidden-files: true`")
}

/// What would run now is what the run began with, or went on with knowingly.
pub(super) fn check_unchanged(before: &Digests, now: &Digests) -> Result<(), CliError> {
    let changes = differences(before, now);
    if changes.is_empty() { Ok(()) } else { Err(changed(&changes)) }
}

/// One line for each thing that differs.
fn differences(before: &Digests, now: &Digests) -> Vec<String> {
    let mut lines = Vec::new();
    compare(&mut lines, "step", &before.steps, &now.steps);
    if before.workflow != now.workflow && lines.is_empty() {
        lines.push("~ the workflow outside of its steps (name, inputs, settings, secrets)".to_owned());
    }
    compare(&mut lines, "plugin", &before.plugins, &now.plugins);
    lines
}

fn changed(changes: &[String]) -> CliError {
    const SHOWN: usize = 20;
    let mut message = "what would run now is not what the run began with".to_owned();
    for change in changes.iter().take(SHOWN) {
        let _ = write!(message, "\n    {change}");
    }
    if changes.len() > SHOWN {
        let _ = write!(message, "\n    and {} more", changes.len() - SHOWN);
    }
    CliError::new(STATE, message)
        .hint("restore what was there, or go on with the change knowingly: shiro run -accept-changes")
        .hint("to begin anew: shiro run -fresh")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    use crate::approval::{Request, Rule, Subject};
    use crate::event::{Approver, Decision, Event, Record, RunStarted};
    use crate::id::{Digest, RunId, StepType};
    use serde_json::json;

    fn digests(step: &str) -> Digests {
        Digests {
            workflow: Digest::of(step.as_bytes()),
            inputs: Digest::of(b"{}"),
            plugins: BTreeMap::from([(StepType::new("print"), Digest::of(b"print"))]),
            builtins: BTreeMap::new(),
            steps: BTreeMap::from([(StepId::new("gate"), Digest::of(step.as_bytes()))]),
        }
    }

    fn job(name: &str) -> Job {
        Job { name: Some(name.to_owned()), pipeline: Some("1".to_owned()), ..Job::default() }
    }

    fn request() -> Request {
        let digests = digests("a");
        let subject = Subject {
            workflow: digests.workflow,
            inputs: digests.inputs,
            plugins: digests.plugins,
            builtins: digests.builtins,
            policies: BTreeMap::new(),
            trust: None,
            files: BTreeMap::new(),
        };
        Request { id: "q".to_owned(), expires_at: None, rule: Rule::pause(), subject, guards: Vec::new() }
    }

    fn state(more: impl IntoIterator<Item = Event>) -> RunState {
        let step = StepId::new("gate");
        let started = Event::RunStarted(RunStarted {
            run: RunId::new("run"),
            workflow: "w".to_owned(),
            shiro: "0".to_owned(),
            digests: digests("a"),
            inputs: json!({}),
            job: job("deploy"),
            starter: None,
        });
        let succeeded =
            Event::StepSucceeded { step: step.clone(), attempt: 1, output: serde_json::Value::Null, duration_ms: 1 };
        let events = [
            started,
            Event::StepStarted { step: step.clone(), attempt: 1, idempotent: false },
            succeeded,
            Event::ApprovalRequested { step, request: Box::new(request()) },
        ];
        let records: Vec<Record> = events.into_iter().chain(more).map(|event| Record { at: 1, event }).collect();
        RunState::new().fold(&records).expect("a legal history")
    }

    fn paused() -> RunState {
        state([Event::RunPaused { waiting: vec![StepId::new("gate")], until: None }])
    }

    fn asked(name: &str) -> Asked {
        Asked { job: job(name), ..Asked::default() }
    }

    #[test]
    fn without_state_a_run_begins_unless_one_was_to_go_on() {
        assert_eq!(decide(&asked("deploy"), None, true, &digests("a")).unwrap(), Start::Begin);
        for asked in [Asked { manual: true, ..asked("resume") }, Asked { resume: true, ..asked("resume") }] {
            assert_eq!(decide(&asked, None, true, &digests("a")).unwrap_err().exit_code, STATE);
        }
    }

    #[test]
    fn another_job_approves_and_the_same_one_does_not() {
        let approved = Start::Resume { approve: true, changed: false };
        assert_eq!(decide(&asked("resume"), Some(&paused()), true, &digests("a")).unwrap(), approved);
        assert_eq!(decide(&Asked::default(), Some(&paused()), true, &digests("a")).unwrap(), approved);
        let still = Start::StillPaused { waiting: vec![StepId::new("gate")] };
        assert_eq!(decide(&asked("deploy"), Some(&paused()), true, &digests("a")).unwrap(), still);
    }

    #[test]
    fn a_crash_approves_nothing() {
        let not_approved = Start::Resume { approve: false, changed: false };
        assert_eq!(decide(&asked("resume"), Some(&paused()), false, &digests("a")).unwrap(), not_approved);
        assert_eq!(decide(&asked("resume"), Some(&state([])), true, &digests("a")).unwrap(), not_approved);
        let failed = state([Event::RunFinished { outcome: Outcome::Failed, exit_code: 1 }]);
        assert_eq!(decide(&asked("resume"), Some(&failed), true, &digests("a")).unwrap(), not_approved);
    }

    #[test]
    fn a_change_is_refused_with_what_changed_until_it_is_accepted() {
        let error = decide(&asked("resume"), Some(&paused()), true, &digests("b")).unwrap_err();
        assert_eq!(error.exit_code, STATE);
        assert!(error.message.contains("~ step `gate` is different"), "{error}");
        let accepting = Asked { accept_changes: true, ..asked("resume") };
        let start = decide(&accepting, Some(&paused()), true, &digests("b")).unwrap();
        assert_eq!(start, Start::Resume { approve: true, changed: true });
    }

    #[test]
    fn inputs_can_not_change_on_the_way() {
        let asked = Asked { inputs_given: true, ..asked("resume") };
        assert_eq!(decide(&asked, Some(&paused()), true, &digests("a")).unwrap_err().exit_code, STATE);
    }

    #[test]
    fn a_finished_run_stays_finished_until_fresh() {
        let finished = state([
            Event::ApprovalDecided {
                step: StepId::new("gate"),
                request: "q".to_owned(),
                decision: Decision::Approved,
                missing: 0,
                approver: Approver::unverified(None, ""),
                job: job("resume"),
                reason: None,
                form: None,
            },
            Event::RunFinished { outcome: Outcome::Succeeded, exit_code: 0 },
        ]);
        assert_eq!(decide(&asked("x"), Some(&finished), true, &digests("b")).unwrap(), Start::Finished);
        let fresh = Asked { fresh: true, ..asked("x") };
        assert_eq!(decide(&fresh, Some(&finished), true, &digests("b")).unwrap(), Start::Begin);
    }

    fn decided(decision: Decision) -> Event {
        Event::ApprovalDecided {
            step: StepId::new("gate"),
            request: "q".to_owned(),
            decision,
            missing: u32::from(decision == Decision::Rejected),
            approver: Approver::unverified(Some("bob".to_owned()), "USER"),
            job: job("approve"),
            reason: Some("no\n::stop".to_owned()),
            form: None,
        }
    }

    #[test]
    fn what_was_decided_lets_a_start_go_on_that_itself_approves_nothing() {
        let decided =
            |decision| state([Event::RunPaused { waiting: vec![StepId::new("gate")], until: None }, decided(decision)]);
        let goes_on = Start::Resume { approve: false, changed: false };
        for state in [decided(Decision::Approved), decided(Decision::Rejected)] {
            // Whichever job it is, even the one that paused.
            for job in ["resume", "deploy"] {
                assert_eq!(decide(&asked(job), Some(&state), true, &digests("a")).unwrap(), goes_on);
            }
        }
        let no_approve = Asked { no_approve: true, ..asked("resume") };
        assert_eq!(decide(&no_approve, Some(&decided(Decision::Approved)), true, &digests("a")).unwrap(), goes_on);
        let still = Start::StillPaused { waiting: vec![StepId::new("gate")] };
        assert_eq!(decide(&no_approve, Some(&paused()), true, &digests("a")).unwrap(), still);
    }

    #[test]
    fn no_job_that_has_worked_on_the_run_approves() {
        let resumed = Event::RunResumed { job: job("second"), shiro: "0".to_owned() };
        let again = Event::RunPaused { waiting: vec![StepId::new("gate")], until: None };
        let state = state([again.clone(), resumed, again]);
        let still = Start::StillPaused { waiting: vec![StepId::new("gate")] };
        for name in ["deploy", "second"] {
            assert_eq!(decide(&asked(name), Some(&state), true, &digests("a")).unwrap(), still, "{name}");
        }
        let approved = Start::Resume { approve: true, changed: false };
        assert_eq!(decide(&asked("third"), Some(&state), true, &digests("a")).unwrap(), approved);
        // The same name in another pipeline is another job.
        let elsewhere = Job { pipeline: Some("2".to_owned()), ..job("deploy") };
        let elsewhere = Asked { job: elsewhere, ..Asked::default() };
        assert_eq!(decide(&elsewhere, Some(&state), true, &digests("a")).unwrap(), approved);
    }

    /// A run that is paused until this time, and for its gate too if that is asked.
    fn paused_until(until: u64, asks: bool) -> RunState {
        let wait = StepId::new("cool");
        let began = [
            Event::StepStarted { step: wait.clone(), attempt: 1, idempotent: true },
            Event::StepSucceeded { step: wait.clone(), attempt: 1, output: serde_json::Value::Null, duration_ms: 1 },
            Event::WaitStarted { step: wait, until, guards: Vec::new() },
        ];
        let decided = (!asks).then(|| decided(Decision::Approved));
        let waiting = if asks { vec![StepId::new("gate")] } else { Vec::new() };
        state(began.into_iter().chain(decided).chain([Event::RunPaused { waiting, until: Some(until) }]))
    }

    #[test]
    fn a_start_before_the_time_changes_nothing_and_one_after_it_goes_on() {
        let goes_on = Start::Resume { approve: false, changed: false };
        let state = paused_until(10_000, false);
        let at = |now: u64, hold: u64| {
            let asked = Asked { now, hold, ..asked("resume") };
            decide(&asked, Some(&state), true, &digests("a")).unwrap()
        };
        assert_eq!(at(9_999, 0), Start::StillPaused { waiting: Vec::new() });
        assert_eq!(at(10_000, 0), goes_on);
        assert_eq!(at(9_000, 1_000), goes_on);
        // Whichever job it is: that is nobody's approval.
        let again = Asked { now: 10_000, ..asked("deploy") };
        assert_eq!(decide(&again, Some(&state), true, &digests("a")).unwrap(), goes_on);
        let skipping = Asked { skips_wait: true, ..asked("resume") };
        assert_eq!(decide(&skipping, Some(&state), true, &digests("a")).unwrap(), goes_on);
    }

    #[test]
    fn a_start_that_comes_for_the_time_approves_nothing() {
        let state = paused_until(10_000, true);
        let start = |asked: Asked| decide(&asked, Some(&state), true, &digests("a")).unwrap();
        let still = Start::StillPaused { waiting: vec![StepId::new("gate")] };
        let [goes_on, approves] = [false, true].map(|approve| Start::Resume { approve, changed: false });
        for now in [0, 10_000] {
            let asked = |name: &str| Asked { now, ..asked(name) };
            let for_time = if now == 0 { &still } else { &goes_on };
            assert_eq!(start(asked("resume")), approves);
            assert_eq!(&start(Asked { no_approve: true, ..asked("resume") }), for_time);
            assert_eq!(&start(Asked { unattended: true, ..asked("resume") }), for_time);
            assert_eq!(&start(asked("deploy")), for_time);
            assert_eq!(start(Asked { skips_wait: true, ..asked("resume") }), goes_on);
        }
    }

    #[test]
    fn a_refused_run_says_who_refused_it() {
        let state = state([
            Event::RunPaused { waiting: vec![StepId::new("gate")], until: None },
            decided(Decision::Rejected),
            Event::RunResumed { job: job("resume"), shiro: "0".to_owned() },
            Event::RunFinished { outcome: Outcome::Rejected, exit_code: 6 },
        ]);
        for asked in [asked("x"), Asked { accept_changes: true, ..asked("x") }] {
            let error = decide(&asked, Some(&state), true, &digests("b")).unwrap_err();
            assert_eq!(error.exit_code, STATE);
            assert!(error.message.ends_with("after `gate` was rejected by bob: no ::stop"), "{error}");
        }
        let fresh = Asked { fresh: true, ..asked("x") };
        assert_eq!(decide(&fresh, Some(&state), true, &digests("a")).unwrap(), Start::Begin);
    }
}
