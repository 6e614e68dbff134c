//! Waits: what the fold of their events refuses, and what a run does about them.

use std::time::SystemTime;

use serde_json::json;

use super::*;
use crate::event::Decision;

const HOUR: u64 = 3_600_000;

fn id(step: &str) -> StepId {
    StepId::new(step)
}

fn ids(steps: &[&str]) -> Vec<StepId> {
    steps.iter().map(|step| id(step)).collect()
}

/// In so many milliseconds from now, as a step's output says it.
fn later(milliseconds: u64) -> (u64, String) {
    let at = now() + milliseconds;
    let time = SystemTime::UNIX_EPOCH + Duration::from_millis(at);
    (at, humantime::format_rfc3339_millis(time).to_string())
}

fn wait(step: &str, until: &str) -> Value {
    json!({ "id": step, "type": "wait", "config": { "output": { "until": until } } })
}

fn after(step: &str, dependency: &str) -> Value {
    json!({ "id": step, "depends_on": [dependency] })
}

/// These events after `a` is done, each at its time.
fn fold(events: impl IntoIterator<Item = (u64, Event)>) -> Result<RunState, String> {
    let world = World::new(json!([{ "id": "a" }, after("behind", "a")]));
    let done = [
        Event::StepStarted { step: id("a"), attempt: 1, idempotent: true },
        Event::StepSucceeded { step: id("a"), attempt: 1, output: Value::Null, duration_ms: 0 },
    ];
    let before = std::iter::once(world.run_started()).chain(done).map(|event| (0, event));
    let mut state = RunState::new();
    for (at, event) in before.chain(events) {
        state.apply(&Record { at, event }).map_err(|error| error.to_string())?;
    }
    Ok(state)
}

fn began(until: u64) -> Event {
    Event::WaitStarted { step: id("a"), until, guards: ids(&["behind"]) }
}

fn over() -> Event {
    Event::WaitEnded { step: id("a"), skipped_by: None }
}

fn cut_short() -> Event {
    Event::WaitEnded { step: id("a"), skipped_by: Some(alice()) }
}

fn starts() -> Event {
    Event::StepStarted { step: id("behind"), attempt: 1, idempotent: true }
}

fn paused(until: Option<u64>) -> Event {
    Event::RunPaused { waiting: Vec::new(), until }
}

fn resumed() -> Event {
    Event::RunResumed { job: Job::default(), shiro: "0.1.0".into() }
}

fn accepted(world: &World) -> Event {
    let Event::RunStarted(started) = world.run_started() else { unreachable!("a run starts") };
    Event::ChangesAccepted { digests: started.digests, approver: alice() }
}

#[test]
fn nothing_starts_before_the_time_whatever_a_journal_says() {
    for (events, message) in [
        (
            vec![(0, began(1000)), (999, starts())],
            "must not start before 1970-01-01T00:00:01Z, when the wait of `a` is over",
        ),
        (vec![(0, began(1000)), (2000, starts())], "must not start before"),
        (vec![(0, began(1000)), (999, over())], "it waits until 1970-01-01T00:00:01Z"),
        (vec![(0, began(1000)), (1000, over()), (1000, over())], "there is nothing to wait for"),
        (vec![(0, over())], "there is nothing to wait for"),
        (vec![(0, began(1000)), (0, began(500))], "a wait was begun already"),
        (vec![(0, began(1000)), (0, paused(Some(1000))), (2000, over())], "none went on with the run"),
        (vec![(0, began(1000)), (0, paused(Some(500)))], "not until then"),
        (vec![(0, began(1000)), (0, paused(None))], "not until then"),
        (vec![(0, paused(Some(1000)))], "not until then"),
        (vec![(0, Event::WaitStarted { step: id("behind"), until: 1, guards: Vec::new() })], "it has not started"),
    ] {
        let error = fold(events.clone()).unwrap_err();
        assert!(error.contains(message), "{error}, not {message}, for {events:?}");
    }
    let state = fold([(0, began(1000)), (0, paused(Some(1000))), (1000, resumed()), (1000, over()), (0, starts())]);
    let state = state.expect("the time had come, and a clock that is set back takes nothing back");
    assert!(state.next_wait().is_none() && !state.wait("a").unwrap().is_pending());
    fold([(0, began(1000)), (0, paused(Some(1000))), (1, resumed()), (1, cut_short()), (1, starts())])
        .expect("on purpose");
}

#[test]
fn after_accepted_changes_a_wait_holds_back_what_stands_behind_it_then() {
    let world = World::new(json!([{ "id": "a" }]));
    let before = [(0, began(1000)), (0, paused(Some(1000))), (1, accepted(&world)), (1, resumed())];
    let with = |event: Event| fold(before.clone().into_iter().chain([(1, event), (1, starts())]));
    assert!(with(began(1000)).unwrap_err().contains("must not start before"));
    let other = Event::WaitStarted { step: id("a"), until: 1000, guards: ids(&["other"]) };
    with(other).expect("it does not stand behind it any more");
    assert!(with(began(500)).unwrap_err().contains("it waits until 1970-01-01T00:00:01Z"));
}

#[test]
fn what_is_done_again_waits_again() {
    let again = Event::ReworkRequested {
        step: id("a"),
        again: ids(&["a"]),
        note: "once more".into(),
        approver: alice(),
        job: Job::default(),
    };
    let state = fold([(0, began(1000)), (0, paused(Some(1000))), (1, again)]).unwrap();
    assert!(state.wait("a").is_none() && state.next_wait().is_none());
}

#[tokio::test]
async fn a_long_wait_pauses_and_the_rest_goes_on_meanwhile() {
    let (until, text) = later(HOUR);
    let mut world = World::new(json!([wait("cool", &text), after("next", "cool"), { "id": "aside" }]));
    assert_eq!(world.process().await.unwrap(), Finish::Paused { waiting: Vec::new(), until: Some(until) });
    assert_eq!(world.statuses(), ["cool: succeeded", "next: pending", "aside: succeeded"]);
    assert!(world.records().iter().any(|record| matches!(
        &record.event,
        Event::WaitStarted { guards, .. } if *guards == ids(&["next"])
    )));
    // A start that comes too early changes nothing.
    assert_eq!(world.process().await.unwrap(), Finish::Paused { waiting: Vec::new(), until: Some(until) });
    assert_eq!(world.statuses()[1], "next: pending");
    // Someone cuts it short.
    world.skip = ids(&["cool"]);
    assert_eq!(world.process().await.unwrap(), Finish::Succeeded);
    assert!(world.runner.log().contains(&"end next".to_owned()));
    world.state();
}

#[tokio::test]
async fn a_short_wait_is_held_in_the_order_of_time() {
    let (_, first) = later(150);
    let (_, second) = later(300);
    let mut world = World::new(json!([
        wait("long", &second),
        after("after-long", "long"),
        wait("short", &first),
        after("after-short", "short")
    ]));
    assert_eq!(world.process().await.unwrap(), Finish::Succeeded);
    let log = world.runner.log();
    let position = |what: &str| log.iter().position(|line| line == what).expect(what);
    assert!(position("start after-short") < position("start after-long"), "{log:?}");
    for record in world.records() {
        if let Event::StepStarted { step, .. } = &record.event
            && step.as_str().starts_with("after")
        {
            let until = world.state().wait(&step.as_str()["after-".len()..]).expect("a wait").until();
            assert!(record.at >= until, "{step} started at {} and not from {until} on", record.at);
        }
    }
}

#[tokio::test]
async fn a_time_that_has_passed_is_no_wait() {
    let mut world = World::new(json!([wait("past", "2020-01-01T00:00:00Z"), after("next", "past")]));
    assert_eq!(world.process().await.unwrap(), Finish::Succeeded);
    assert!(world.state().wait("past").is_none());
}

#[tokio::test]
async fn an_output_that_names_no_time_is_the_components_fault() {
    let mut world = World::new(json!([wait("odd", "soon"), after("next", "odd")]));
    assert_eq!(world.process().await.unwrap(), Finish::Failed { exit_code: 3 });
    assert_eq!(world.failure("odd").code, "plugin.not_before");
}

#[tokio::test]
async fn an_output_that_is_not_kept_still_makes_wait() {
    let (until, text) = later(HOUR);
    let mut step = wait("cool", &text);
    step["save_output"] = json!(false);
    let mut world = World::new(json!([step, after("next", "cool")]));
    assert_eq!(world.process().await.unwrap(), Finish::Paused { waiting: Vec::new(), until: Some(until) });
}

#[tokio::test]
async fn a_gate_and_a_wait_each_take_their_own() {
    let (until, text) = later(HOUR);
    let mut both = wait("both", &text);
    both["pause"] = json!(true);
    let mut world = World::new(json!([
        both,
        after("behind-both", "both"),
        { "id": "ask", "pause": true },
        after("behind-ask", "ask")
    ]));
    let paused = |waiting: &[&str]| Finish::Paused { waiting: ids(waiting), until: Some(until) };
    assert_eq!(world.process().await.unwrap(), paused(&["both", "ask"]));
    // It is approved, and still too early.
    assert_eq!(world.process().await.unwrap(), paused(&[]));
    assert_eq!(world.statuses()[1..], ["behind-both: pending", "ask: succeeded", "behind-ask: succeeded"]);
    world.skip = ids(&["both"]);
    assert_eq!(world.process().await.unwrap(), Finish::Succeeded);
}

#[tokio::test]
async fn the_end_of_a_wait_approves_nothing() {
    let (_, text) = later(100);
    let mut both = wait("both", &text);
    both["pause"] = json!(true);
    let mut world = World::new(json!([both, after("next", "both")]));
    assert_eq!(world.process().await.unwrap(), Finish::Paused { waiting: ids(&["both"]), until: None });
    assert!(
        world
            .records()
            .iter()
            .all(|record| !matches!(&record.event, Event::ApprovalDecided { decision: Decision::Approved, .. }))
    );
    assert_eq!(world.statuses(), ["both: succeeded", "next: pending"]);
}

#[tokio::test]
async fn a_failure_comes_before_a_wait_and_the_wait_is_still_there_after_it() {
    let (until, text) = later(HOUR);
    let fail = json!({ "id": "bad", "config": { "fail": {}, "failures": 1, "ms": 20 } });
    let mut world = World::new(json!([wait("cool", &text), after("next", "cool"), fail]));
    assert_eq!(world.process().await.unwrap(), Finish::Failed { exit_code: 1 });
    assert_eq!(world.statuses()[1], "next: skipped");
    world.process().await.unwrap();
    assert_eq!(world.state().next_wait(), Some(until));
}

#[tokio::test]
async fn a_signal_ends_a_held_wait_at_once() {
    let (until, text) = later(HOUR);
    let mut world = World::new(json!([wait("cool", &text), after("next", "cool")]));
    world.options.hold = Duration::from_secs(2 * 3600);
    let stop = world.signals.0.clone();
    let runner = Arc::clone(&world.runner);
    tokio::spawn(async move {
        while !runner.log().contains(&"end cool".to_owned()) {
            tokio::task::yield_now().await;
        }
        stop.send(Signal::Terminate).unwrap();
    });
    assert_eq!(world.process().await.unwrap(), Finish::Interrupted { signal: Signal::Terminate });
    // What is left of it holds for the next process.
    world.options.hold = Duration::ZERO;
    assert_eq!(world.process().await.unwrap(), Finish::Paused { waiting: Vec::new(), until: Some(until) });
}
