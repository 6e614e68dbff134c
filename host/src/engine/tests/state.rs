use serde_json::json;

use super::*;
use crate::approval::Rule;
use crate::event::Decision;
use crate::workflow::model::Approval;

fn record(event: Event) -> Record {
    Record { at: 7, event }
}

/// A run that has just started.
fn fresh() -> RunState {
    let mut state = RunState::new();
    state.apply(&record(World::new(json!([{ "id": "a" }])).run_started())).unwrap();
    state
}

fn id(step: &str) -> StepId {
    StepId::new(step)
}

fn started(step: &str, attempt: u32) -> Event {
    Event::StepStarted { step: id(step), attempt, idempotent: false }
}

fn succeeded(step: &str, attempt: u32) -> Event {
    Event::StepSucceeded { step: id(step), attempt, output: json!({ "n": 1 }), duration_ms: 5 }
}

fn failed(step: &str, tolerated: bool) -> Event {
    let failure = Failure::new(FailureClass::Limit, "x", "x");
    Event::StepFailed { step: id(step), attempt: 1, failure, duration_ms: 5, tolerated }
}

fn attempt_failed(step: &str) -> Event {
    let failure = Failure::new(FailureClass::Step, "x", "x");
    Event::AttemptFailed { step: id(step), attempt: 1, failure, duration_ms: 5, retry_in_ms: 1 }
}

fn interrupted(step: &str) -> Event {
    Event::StepInterrupted { step: id(step), attempt: 1 }
}

fn resolved(step: &str, rerun: bool) -> Event {
    Event::InterruptionResolved { step: id(step), rerun, approver: alice() }
}

fn skipped(step: &str, reason: SkipReason) -> Event {
    Event::StepSkipped { step: id(step), reason }
}

fn requested(step: &str) -> Event {
    let request = Box::new(request(&id(step), &Approval { rule: Rule::pause(), ..Approval::default() }));
    Event::ApprovalRequested { step: id(step), request }
}

fn approved(step: &str) -> Event {
    let job = Job { name: Some("approve".into()), ..Job::default() };
    Event::ApprovalDecided {
        step: id(step),
        request: format!("request-{step}"),
        decision: Decision::Approved,
        missing: 0,
        approver: alice(),
        job,
        reason: None,
        form: None,
    }
}

fn paused(step: &str) -> Event {
    Event::RunPaused { waiting: vec![id(step)], until: None }
}

fn resumed() -> Event {
    Event::RunResumed { job: Job { name: Some("second".into()), ..Job::default() }, shiro: "0.2.0".into() }
}

fn finished(outcome: Outcome) -> Event {
    Event::RunFinished { outcome, exit_code: 0 }
}

fn apply(events: impl IntoIterator<Item = Event>) -> Result<RunState, String> {
    let mut state = fresh();
    for event in events {
        state.apply(&record(event)).map_err(|error| error.to_string())?;
    }
    Ok(state)
}

#[test]
fn folds_a_step_with_a_gate() {
    let state = apply([
        started("a", 1),
        attempt_failed("a"),
        started("a", 2),
        succeeded("a", 2),
        requested("a"),
        paused("a"),
        resumed(),
        approved("a"),
    ])
    .unwrap();
    let step = state.step("a").unwrap();
    assert_eq!((step.status(), step.attempts(), step.gate()), (&Status::Succeeded, 2, Gate::Approved));
    assert_eq!(step.output().map(|output| &**output), Some(&json!({ "n": 1 })));
    assert_eq!(step.duration_ms(), 5);
    let approval = state.approval("a").unwrap();
    assert_eq!((approval.at, approval.approver.by.as_deref()), (7, Some("alice")));
    assert_eq!((state.end(), state.job().name.as_deref()), (None, Some("second")));
    assert!(state.step("b").is_none());
}

#[test]
fn keeps_only_outputs_that_are_asked_for() {
    let world = World::new(json!([
        { "id": "a" }, { "id": "b" }, { "id": "c", "depends_on": ["a"], "config": { "x": "{{ steps.a.n }}" } },
    ]));
    let events = [world.run_started(), started("a", 1), succeeded("a", 1), started("b", 1), succeeded("b", 1)];
    let records: Vec<_> = events.into_iter().map(record).collect();
    let state = RunState::for_plan(Arc::clone(&world.plan)).fold(&records).unwrap();
    assert!(state.step("a").unwrap().output().is_some());
    assert!(state.step("b").unwrap().output().is_none());
    assert!(RunState::new().fold(&records).unwrap().step("b").unwrap().output().is_some());
}

#[test]
fn the_first_failure_counts_until_the_run_goes_on() {
    let events = [
        started("t", 1),
        failed("t", true),
        started("a", 1),
        failed("a", false),
        started("b", 1),
        failed("b", false),
        skipped("c", SkipReason::Dependency(id("a"))),
        skipped("d", SkipReason::Condition),
        started("e", 1),
        attempt_failed("e"),
        finished(Outcome::Failed),
    ];
    let state = apply(events.clone()).unwrap();
    let (step, failure) = state.first_failure().unwrap();
    assert_eq!((step.as_str(), failure.class), ("a", FailureClass::Limit));
    let state = apply(events.into_iter().chain([resumed()])).unwrap();
    assert!(state.first_failure().is_none() && state.failure("a").is_none());
    let status = |step| state.step(step).unwrap().status().clone();
    for step in ["a", "b", "c", "e"] {
        assert_eq!(status(step), Status::Pending, "{step}");
    }
    assert_eq!(status("t"), Status::Failed { tolerated: true });
    assert_eq!(status("d"), Status::Skipped(Box::new(SkipReason::Condition)));
}

#[test]
fn an_interrupted_step_waits_for_a_human_unless_it_is_idempotent() {
    let may_start = |events: &[Event]| apply(events.iter().cloned().chain([started("a", 1)])).is_ok();
    let idempotent = Event::StepStarted { step: id("a"), attempt: 1, idempotent: true };
    assert!(may_start(&[idempotent, resumed(), interrupted("a")]));
    assert!(!may_start(&[started("a", 1), resumed(), interrupted("a")]));
    assert!(may_start(&[started("a", 1), resumed(), interrupted("a"), resolved("a", true)]));
    let skip = [started("a", 1), resumed(), interrupted("a"), resolved("a", false)];
    assert!(!may_start(&skip));
    let state = apply(skip.into_iter().chain([skipped("a", SkipReason::Human), requested("a")])).unwrap();
    assert!(state.step("a").unwrap().is_done());
    assert_eq!(state.step("a").unwrap().gate(), Gate::Waiting);
}

#[test]
fn refuses_what_can_not_have_happened() {
    let start = || started("a", 1);
    for (events, message) in [
        (vec![fresh_start()], "record 2 (run_started) can't follow the ones before it: the run has started already"),
        (vec![start(), start()], "record 3 (step_started of `a`) can't follow the ones before it: it is running"),
        (
            vec![started("a", 2)],
            "record 2 (step_started of `a`) can't follow the ones before it: its next attempt is 1, not 2",
        ),
        (vec![start(), succeeded("a", 1), start()], "it has succeeded already"),
        (vec![start(), failed("a", false), start()], "it has failed already"),
        (vec![start(), failed("a", true), resumed(), start()], "it has failed already"),
        (vec![start(), attempt_failed("a"), start()], "its next attempt is 2, not 1"),
        (vec![succeeded("a", 1)], "it has not started"),
        (vec![start(), succeeded("a", 2)], "attempt 1 runs, not 2"),
        (vec![start(), skipped("a", SkipReason::Condition)], "it is running"),
        (vec![skipped("a", SkipReason::Human)], "it has not started"),
        (vec![skipped("a", SkipReason::EarlierFailure), start()], "it was skipped"),
        (vec![interrupted("a")], "it has not started"),
        (vec![resolved("a", true)], "it has not started, so there is nothing to decide"),
        (vec![requested("a")], "it has not started"),
        (vec![start(), failed("a", false), requested("a")], "it has failed already"),
        (vec![start(), succeeded("a", 1), approved("a")], "no decision was asked for"),
        (vec![start(), succeeded("a", 1), requested("a"), requested("a")], "a decision was asked for already"),
        (vec![start(), succeeded("a", 1), requested("a"), approved("a"), approved("a")], "no decision was asked for"),
        (vec![paused("a")], "`a` does not wait for a decision"),
        (
            vec![finished(Outcome::Failed), start()],
            "the process that wrote it had ended, and none went on with the run",
        ),
        (vec![finished(Outcome::Succeeded), resumed()], "the run has succeeded already"),
    ] {
        let error = apply(events.clone()).unwrap_err();
        assert!(error.ends_with(message), "{error}, not {message}, for {events:?}");
    }
    let first = RunState::new().fold([&record(start())]).unwrap_err();
    assert!(first.to_string().ends_with("a run begins with `run_started`"), "{first}");
}

fn fresh_start() -> Event {
    World::new(json!([{ "id": "a" }])).run_started()
}
