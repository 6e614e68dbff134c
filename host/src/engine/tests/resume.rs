use serde_json::json;

use super::super::resume::{InterruptedStep, Resume, ResumeError, approvable, check, events};
use super::*;

fn ids(steps: &[&str]) -> Vec<StepId> {
    steps.iter().map(|step| StepId::new(*step)).collect()
}

/// A run whose process died while `a` and the idempotent `b` ran.
async fn died() -> World {
    let mut world = World::new(json!([
        { "id": "a", "config": { "ms": 10 } },
        { "id": "b", "config": { "ms": 10 }, "idempotent": true },
        { "id": "c", "type": "pure", "config": { "ms": 10 } },
        { "id": "d", "depends_on": ["a"] },
    ]));
    world.full_after = Some((1, false));
    assert!(matches!(world.process().await, Err(EngineError::Record(_))));
    world.full_after = None;
    assert_eq!(world.statuses(), ["a: running", "b: running", "c: running", "d: pending"]);
    world
}

fn resume<'a>(job: &'a Job, approver: &'a Approver, rerun: &'a [StepId], skip: &'a [StepId]) -> Resume<'a> {
    Resume { job, shiro: "0.1.0", approver, approve: &[], expired: &[], asked_again: &[], rerun, skip }
}

#[tokio::test(start_paused = true)]
async fn a_step_that_may_not_run_again_needs_a_word() {
    let world = died().await;
    let state = world.state();
    assert_eq!(check(&state, &world.plan), [InterruptedStep { step: StepId::new("a"), attempt: 1 }]);
    let (job, approver) = (Job::default(), alice());
    let ask = |rerun: &[&str], skip: &[&str]| {
        events(&state, &world.plan, &resume(&job, &approver, &ids(rerun), &ids(skip))).map(|events| events.len())
    };
    let error = ask(&[], &[]).unwrap_err();
    assert_eq!(error.to_string(), "the step `a` was cut off while it ran, and nobody knows how far it got");
    assert_eq!(ask(&["a"], &[]), Ok(5), "one resumed, three interrupted, one resolved");
    assert_eq!(ask(&["a", "a"], &["b"]), Ok(6));
    assert_eq!(ask(&["d"], &[]), Err(ResumeError::NotInterrupted(StepId::new("d"))));
    assert_eq!(ask(&["no"], &[]), Err(ResumeError::NotInterrupted(StepId::new("no"))));
    assert_eq!(ask(&["a"], &["a"]), Err(ResumeError::Both(StepId::new("a"))));
}

#[tokio::test(start_paused = true)]
async fn interrupted_steps_run_again() {
    let mut world = died().await;
    world.rerun = ids(&["a"]);
    assert_eq!(world.process().await.unwrap(), Finish::Succeeded);
    assert_eq!(world.statuses(), ["a: succeeded", "b: succeeded", "c: succeeded", "d: succeeded"]);
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_step_is_taken_as_done() {
    let mut world = died().await;
    world.skip = ids(&["a"]);
    world.runner = Arc::default();
    assert_eq!(world.process().await.unwrap(), Finish::Succeeded);
    assert_eq!(world.statuses(), ["a: skipped by a human", "b: succeeded", "c: succeeded", "d: succeeded"]);
    assert!(!world.runner.log().contains(&"start a".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_gate_of_a_step_that_was_taken_as_done_stays_closed() {
    let mut world =
        World::new(json!([{ "id": "a", "pause": true, "config": { "ms": 10 } }, { "id": "b", "depends_on": ["a"] }]));
    world.full_after = Some((1, false));
    world.process().await.unwrap_err();
    world.full_after = None;
    world.skip = ids(&["a"]);
    assert_eq!(world.process().await.unwrap(), Finish::Paused { waiting: ids(&["a"]), until: None });
    world.skip.clear();
    assert_eq!(world.process().await.unwrap(), Finish::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn only_gates_that_the_run_was_paused_for_can_be_approved() {
    let steps = json!([
        { "id": "gate", "pause": true },
        { "id": "after", "depends_on": ["gate"] },
        { "id": "bad", "config": { "fail": {}, "ms": 5 } },
    ]);
    let mut world = World::new(steps);
    assert_eq!(world.process().await.unwrap(), Finish::Failed { exit_code: 1 });
    assert_eq!(world.statuses(), ["gate: succeeded", "after: skipped", "bad: failed"]);
    assert!(approvable(&world.state()).is_empty(), "nobody was asked");
    assert_eq!(world.process().await.unwrap(), Finish::Failed { exit_code: 1 });
    assert_eq!(world.state().step("gate").unwrap().gate(), Gate::Waiting);
}

#[tokio::test(start_paused = true)]
async fn nothing_goes_on_without_a_run_or_after_a_success() {
    let mut world = World::new(json!([{ "id": "a" }]));
    let (job, approver) = (Job::default(), alice());
    let resume = resume(&job, &approver, &[], &[]);
    assert_eq!(events(&RunState::new(), &world.plan, &resume), Err(ResumeError::NotStarted));
    world.process().await.unwrap();
    assert_eq!(events(&world.state(), &world.plan, &resume), Err(ResumeError::Finished));
}
