//! Steps that are run for each item of a list.

use serde_json::json;

use super::super::resume::{InterruptedStep, Resume, ResumeError, check, events};
use super::*;

fn id(step: &str) -> StepId {
    StepId::new(step)
}

fn started(world: &World) -> Vec<String> {
    let log = world.runner.log();
    log.iter().filter_map(|line| line.strip_prefix("start ")).map(str::to_owned).collect()
}

/// What the items of a step were made out to be.
fn recorded(world: &World) -> Vec<Value> {
    let expanded = world.records().into_iter().filter_map(|record| match record.event {
        Event::StepExpanded { items, .. } => Some(Value::from(items.to_vec())),
        _ => None,
    });
    expanded.collect()
}

#[tokio::test(start_paused = true)]
async fn each_item_is_an_attempt_of_its_own_and_the_outputs_come_in_order() {
    let mut world = World::new(json!([
        { "id": "list", "config": { "output": { "names": ["x", { "n": [7] }, "z"] } } },
        { "id": "each", "depends_on": ["list"], "foreach": "{{steps.list.names}}",

          "config": { "output": { "item": "{{item}}", "index": "{{index}}" }, "ms": 5 } },
        { "id": "last", "depends_on": ["each"], "if": "steps.each[1].index == 1 && size(steps.each) == 3",
          "config": { "all": "{{steps.each}}", "one": "{{steps.each[1].item.n[0]}}", "text": "{{steps.each | json}}" } },
    ]));
    assert_eq!(world.process().await.unwrap(), Finish::Succeeded);
    assert_eq!(started(&world), ["list", "each[0]", "each[1]", "each[2]", "last"]);
    let all = json!([{ "item": "x", "index": 0 }, { "item": { "n": [7] }, "index": 1 }, { "item": "z", "index": 2 }]);
    assert_eq!(world.config("last"), json!({ "all": all, "one": 7, "text": all.to_string() }));
    assert_eq!(recorded(&world), [json!(["x", { "n": [7] }, "z"])]);
    assert_eq!(
        world.statuses()[1..5],
        ["each: succeeded", "each[0]: succeeded", "each[1]: succeeded", "each[2]: succeeded"]
    );
    // The outputs stand in the journal once.
    let whole = world.records().into_iter().find_map(|record| match record.event {
        Event::StepSucceeded { step, output, .. } if step == id("each") => Some(output),
        _ => None,
    });
    assert_eq!(whole, Some(Value::Null));
}

#[tokio::test(start_paused = true)]
async fn a_matrix_is_every_combination() {
    let mut world = World::new(json!([
        { "id": "each", "matrix": { "os": ["linux", "macos"], "colour": ["{{inputs.colour}}", "red"] },
          "config": { "x": "{{matrix.os}}-{{matrix.colour}}-{{index}}", "whole": "{{matrix}}" } },
    ]));
    assert_eq!(world.process().await.unwrap(), Finish::Succeeded);
    assert_eq!(world.config("each[2]"), json!({ "x": "macos-blue-2", "whole": { "os": "macos", "colour": "blue" } }));
    assert_eq!(recorded(&world)[0].as_array().unwrap().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn an_empty_list_succeeds_and_runs_nothing() {
    let mut world = World::new(json!([
        { "id": "each", "foreach": [], "config": {} },
        { "id": "last", "depends_on": ["each"], "config": { "x": "{{steps.each}}" } },
    ]));
    assert_eq!(world.process().await.unwrap(), Finish::Succeeded);
    assert_eq!(started(&world), ["last"]);
    assert_eq!(world.config("last"), json!({ "x": [] }));
}

#[tokio::test(start_paused = true)]
async fn no_more_run_at_once_than_the_step_and_the_slots_allow() {
    for (jobs, max_parallel, expected) in [(10, json!(3), 3), (2, json!(3), 2), (4, json!(null), 4), (10, json!(1), 1)]
    {
        let mut world = World::new(json!([
            { "id": "each", "foreach": [0, 1, 2, 3, 4, 5, 6, 7], "max_parallel": max_parallel, "config": { "ms": 5 } },
        ]));
        world.options.jobs = jobs;
        assert_eq!(world.process().await.unwrap(), Finish::Succeeded);
        assert_eq!(world.runner.most_at_once.load(Ordering::SeqCst), expected, "{jobs} {max_parallel}");
        let in_order: Vec<_> = (0..8).map(|index| format!("each[{index}]")).collect();
        assert_eq!(started(&world), in_order);
    }
}

/// Of these items, those that are `bad` fail.
fn some_fail(more: Value) -> Value {
    let mut step = json!({ "id": "each", "foreach": ["ok", "bad", "ok", "ok"],
        "config": { "item": "{{item}}", "output": "{{index}}", "fail_if": "bad" } });
    step.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!([step, { "id": "last", "depends_on": ["each"], "config": { "x": "{{steps.each}}" } }])
}

#[tokio::test(start_paused = true)]
async fn a_failed_item_stops_the_others_and_only_what_is_left_runs_again() {
    let mut world = World::new(some_fail(json!({})));
    world.options.jobs = 1;
    assert_eq!(world.process().await.unwrap(), Finish::Failed { exit_code: 1 });
    assert_eq!(started(&world), ["each[0]", "each[1]"]);
    assert_eq!(
        world.statuses(),
        [
            "each: failed",
            "each[0]: succeeded",
            "each[1]: failed",
            "each[2]: pending",
            "each[3]: pending",
            "last: skipped for each"
        ]
    );
    let failure = world.failure("each");
    assert_eq!(failure.message, "one of 4 items failed, `each[1]`: it said no");
    assert_eq!((world.failure("each[1]").message.as_str(), failure.class.exit_code()), ("it said no", 1));

    world.runner = Arc::new(FakeRunner { all_is_well: true, ..FakeRunner::default() });
    assert_eq!(world.process().await.unwrap(), Finish::Succeeded);
    assert_eq!(started(&world), ["each[1]", "each[2]", "each[3]", "last"]);
    assert_eq!(world.config("last"), json!({ "x": [0, 1, 2, 3] }));
    assert_eq!(recorded(&world).len(), 1, "the list was recorded once");
}

#[tokio::test(start_paused = true)]
async fn items_that_are_tolerated_leave_null_and_the_others_run() {
    let mut world = World::new(some_fail(json!({ "continue_on_error": true })));
    assert_eq!(world.process().await.unwrap(), Finish::Succeeded);
    assert_eq!(world.statuses()[..3], ["each: tolerated", "each[0]: succeeded", "each[1]: tolerated"]);
    assert_eq!(world.config("last"), json!({ "x": [0, null, 2, 3] }));
}

#[tokio::test(start_paused = true)]
async fn with_keep_going_the_others_run_and_the_step_fails() {
    let mut world = World::new(some_fail(json!({})));
    world.options.keep_going = true;
    world.options.jobs = 1;
    assert_eq!(world.process().await.unwrap(), Finish::Failed { exit_code: 1 });
    assert_eq!(started(&world), ["each[0]", "each[1]", "each[2]", "each[3]"]);
    assert_eq!(world.statuses()[0], "each: failed");
    world.runner = Arc::new(FakeRunner { all_is_well: true, ..FakeRunner::default() });
    assert_eq!(world.process().await.unwrap(), Finish::Succeeded);
    assert_eq!(started(&world), ["each[1]", "last"]);
}

#[tokio::test(start_paused = true)]
async fn the_first_failure_decides_the_exit_code_although_its_step_ends_later() {
    // The second item succeeds late: until then the step has not ended, and another one fails.
    let mut world = World::new(json!([
        { "id": "each", "foreach": [[10, { "class": "limit", "code": "x" }], [40, null]], "config": {
            "fail": "{{item[1]}}", "ms": "{{item[0]}}" } },
        { "id": "other", "config": { "fail": {}, "ms": 20 } },
    ]));
    assert_eq!(world.process().await.unwrap(), Finish::Failed { exit_code: 5 });
    assert_eq!(world.state().first_failure().map(|(step, _)| step.to_string()), Some("each".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_failure_elsewhere_leaves_the_rest_for_the_next_process() {
    let mut world = World::new(json!([
        { "id": "each", "foreach": [0, 1, 2], "max_parallel": 1, "config": { "ms": 10 } },
        { "id": "other", "config": { "fail": {}, "ms": 1 } },
    ]));
    assert_eq!(world.process().await.unwrap(), Finish::Failed { exit_code: 1 });
    assert_eq!(
        world.statuses(),
        ["each: skipped", "each[0]: succeeded", "each[1]: pending", "each[2]: pending", "other: failed"]
    );
    world.runner = Arc::new(FakeRunner { all_is_well: true, ..FakeRunner::default() });
    assert_eq!(world.process().await.unwrap(), Finish::Succeeded);
    assert_eq!(started(&world), ["each[1]", "other", "each[2]"]);
}

#[tokio::test(start_paused = true)]
async fn each_item_is_tried_again_by_itself() {
    let mut world = World::new(json!([
        { "id": "each", "foreach": [0, 1], "retry": { "max_attempts": 3, "delay": 10 }, "max_parallel": 1,
          "config": { "failures": "{{item}}", "fail": { "transient": true } } },
    ]));
    assert_eq!(world.process().await.unwrap(), Finish::Succeeded);
    assert_eq!(started(&world), ["each[0]", "each[1]", "each[1]"]);
    let state = world.state();
    assert_eq!(["each[0]", "each[1]", "each"].map(|step| state.step(step).unwrap().attempts()), [1, 2, 1]);
}

#[tokio::test(start_paused = true)]
async fn what_gives_no_list_says_what_it_is() {
    for (foreach, message, exit_code) in [
        (json!("{{inputs.colour}}"), "`foreach` is a list, but this is a string (at /steps/0/foreach)", 2),
        (json!("{{inputs}}"), "`foreach` is a list, but this is an object (at /steps/0/foreach)", 2),
        (json!("{{inputs.none}}"), "`inputs` has no `none` (at /steps/0/foreach)", 2),
        (json!("{{inputs.long}}"), "a step has at most 100000 items, and these are 100001 (at /steps/0/foreach)", 5),
    ] {
        let mut world = World::new(json!([{ "id": "each", "foreach": foreach }]));
        world.inputs["long"] = json!(vec![0; 100_001]);
        assert_eq!(world.process().await.unwrap(), Finish::Failed { exit_code }, "{foreach}");
        assert_eq!(world.failure("each").message, message);
        assert!(started(&world).is_empty() && recorded(&world).is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn the_outputs_together_are_limited_where_they_are_used() {
    let steps = |last: &str| {
        json!([
            { "id": "each", "foreach": [0, 1, 2, 3], "config": { "output": "0123456789" } },
            { "id": "last", "depends_on": ["each"], "config": { "x": last } },
        ])
    };
    let mut world = World::new(steps("{{steps.each}}"));
    world.options.max_output = 36;
    assert_eq!(world.process().await.unwrap(), Finish::Failed { exit_code: 5 });
    assert_eq!(world.statuses()[4], "each[3]: failed");
    assert!(world.failure("each[3]").message.contains("larger than 36 bytes"), "{:?}", world.failure("each[3]"));
    // Nobody needs the list, so it need not be kept.
    let mut world = World::new(steps("none"));
    world.options.max_output = 36;
    assert_eq!(world.process().await.unwrap(), Finish::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn a_gate_is_asked_for_once_after_all_items() {
    let mut world = World::new(json!([
        { "id": "each", "foreach": [0, 1], "pause": true },
        { "id": "last", "depends_on": ["each"], "foreach": ["{{approval.each.by}}"], "config": { "by": "{{item}}" } },
    ]));
    assert_eq!(world.process().await.unwrap(), Finish::Paused { waiting: vec![id("each")], until: None });
    let asked = world.records().iter().filter(|record| matches!(record.event, Event::ApprovalRequested { .. })).count();
    assert_eq!((asked, started(&world).len()), (1, 2));
    assert_eq!(world.process().await.unwrap(), Finish::Succeeded);
    assert_eq!(world.config("last[0]"), json!({ "by": "alice" }));
}

#[tokio::test(start_paused = true)]
async fn a_secret_item_is_a_reference_in_the_journal_and_itself_when_it_runs() {
    let mut world = World::new(json!([
        { "id": "each", "foreach": ["{{env.TOKEN}}", "plain"], "config": { "x": "<{{item}}>", "output": "{{item}}" } },
        { "id": "last", "depends_on": ["each"], "config": { "x": "{{steps.each}}" } },
    ]));
    world.env.insert("TOKEN".into(), "s3cr3t-value".into());
    world.secrets.add("env:TOKEN", "s3cr3t-value");
    world.options.jobs = 1;
    // The process dies after the list and the first item are recorded.
    world.full_after = Some((2, false));
    assert!(matches!(world.process().await, Err(EngineError::Record(_))));
    world.full_after = None;
    world.rerun = vec![id("each")];
    world.process().await.unwrap();
    assert_eq!(world.config("each[0]")["x"], json!("<s3cr3t-value>"));
    assert_eq!(world.config("last"), json!({ "x": ["s3cr3t-value", "plain"] }));
    assert!(!serde_json::to_string(&world.records()).unwrap().contains("s3cr3t"));
}

#[tokio::test(start_paused = true)]
async fn secrets_of_items_configs_are_known_by_the_item_in_a_later_process_too() {
    let mut world = World::new(json!([
        { "id": "each", "foreach": ["first-secret", "second-secret"], "config": { "token": "{{item}}", "output": "{{item}}" } },
        { "id": "last", "depends_on": ["each"], "config": { "x": "{{steps.each}}", "fail_if": "second-secret" } },
    ]));
    world.inputs = json!({});
    assert_eq!(world.process().await.unwrap(), Finish::Succeeded);
    let outputs: Vec<Value> = world
        .records()
        .into_iter()
        .filter_map(|record| match record.event {
            Event::StepSucceeded { output, .. } if !output.is_null() => Some(output),
            _ => None,
        })
        .collect();
    let reference = |item: u32| json!({ "$shiro.secret": [{ "name": format!("config:each[{item}]:/token") }] });
    assert_eq!(outputs[..2], [reference(0), reference(1)]);
    // Another process makes the same secrets known before it opens the outputs.
    world.secrets = Arc::default();
    world.journal.lock().unwrap().retain(|record| match &record.event {
        Event::RunFinished { .. } => false,
        Event::StepStarted { step, .. } | Event::StepSucceeded { step, .. } => *step != id("last"),
        _ => true,
    });
    assert_eq!(world.process().await.unwrap(), Finish::Succeeded);
    assert_eq!(world.config("last")["x"], json!(["first-secret", "second-secret"]));
}

#[tokio::test(start_paused = true)]
async fn a_list_holds_no_value_that_a_config_makes_secret() {
    let mut world = World::new(json!([
        { "id": "each", "foreach": ["{{env.HOOK}}", "{{env.HOOK}}/other"],
          "config": { "token": "{{item}}", "x": "{{item}}", "item": "{{index}}", "fail_if": 1 } },
    ]));
    // Nothing but the type's schema says that this is a secret.
    world.env.insert("HOOK".into(), "https://hooks.invalid/abc".into());
    world.options.jobs = 1;
    assert_eq!(world.process().await.unwrap(), Finish::Failed { exit_code: 1 });
    assert!(!serde_json::to_string(&world.records()).unwrap().contains("hooks.invalid"));
    world.secrets = Arc::default();
    world.runner = Arc::new(FakeRunner { all_is_well: true, ..FakeRunner::default() });
    assert_eq!(world.process().await.unwrap(), Finish::Succeeded);
    assert_eq!(started(&world), ["each[1]"]);
    assert_eq!(world.config("each[1]")["x"], "https://hooks.invalid/abc/other");
}

/// A run whose process died while items 1 and 2 of four ran.
async fn died() -> World {
    let mut world = World::new(json!([
        { "id": "each", "foreach": [0, 50, 50, 50], "config": { "ms": "{{item}}", "output": "{{index}}" } },
        { "id": "last", "depends_on": ["each"], "config": { "x": "{{steps.each}}" } },
    ]));
    world.options.jobs = 2;
    world.full_after = Some((2, false));
    assert!(matches!(world.process().await, Err(EngineError::Record(_))));
    world.full_after = None;
    assert_eq!(
        world.statuses()[..5],
        ["each: expanded", "each[0]: succeeded", "each[1]: running", "each[2]: running", "each[3]: pending"]
    );
    world.runner = Arc::default();
    world
}

#[tokio::test(start_paused = true)]
async fn an_item_that_was_cut_off_needs_a_word_by_its_name_or_its_step_s() {
    let world = died().await;
    let state = world.state();
    let interrupted = |step: &str| InterruptedStep { step: id(step), attempt: 1 };
    assert_eq!(check(&state, &world.plan), [interrupted("each[1]"), interrupted("each[2]")]);
    let (job, approver) = (Job::default(), alice());
    let ask = |rerun: &[&str], skip: &[&str]| {
        let [rerun, skip] = [rerun, skip].map(|names| names.iter().map(|name| id(name)).collect::<Vec<_>>());
        let resume = Resume {
            job: &job,
            shiro: "0",
            approver: &approver,
            approve: &[],
            expired: &[],
            asked_again: &[],
            rerun: &rerun,
            skip: &skip,
        };
        events(&state, &world.plan, &resume).map(|events| events.len())
    };
    assert_eq!(ask(&[], &[]), Err(ResumeError::Interrupted(vec![interrupted("each[1]"), interrupted("each[2]")])));
    assert_eq!(ask(&["each[1]"], &[]), Err(ResumeError::Interrupted(vec![interrupted("each[2]")])));
    assert_eq!(ask(&["each[1]"], &["each[2]"]), Ok(5), "one resumed, two interrupted, two resolved");
    assert_eq!(ask(&["each", "each[2]"], &[]), Ok(5));
    assert_eq!(ask(&["each"], &["each[2]"]), Err(ResumeError::Both(id("each[2]"))));
    for wrong in ["each[0]", "each[3]", "each[4]", "each[01]", "last", "last[0]", "none[0]"] {
        assert_eq!(ask(&[wrong], &[]), Err(ResumeError::NotInterrupted(id(wrong))));
    }
}

#[tokio::test(start_paused = true)]
async fn a_cut_off_item_runs_again_or_counts_as_done_and_what_was_done_does_not() {
    let mut world = died().await;
    (world.rerun, world.skip) = (vec![id("each[2]")], vec![id("each[1]")]);
    assert_eq!(world.process().await.unwrap(), Finish::Succeeded);
    assert_eq!(started(&world), ["each[2]", "each[3]", "last"]);
    assert_eq!(world.config("last"), json!({ "x": [0, null, 2, 3] }));
    assert_eq!(world.statuses()[2], "each[1]: skipped by a human");
}

#[tokio::test(start_paused = true)]
async fn a_signal_interrupts_the_items_that_run() {
    let mut world = World::new(json!([
        { "id": "each", "foreach": [0, 5000, 5000], "config": { "ms": "{{item}}" }, "idempotent": true },
    ]));
    world.options.jobs = 2;
    let signals = world.signals.0.clone();
    let (finish, ()) = tokio::join!(world.process(), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        signals.send(Signal::Interrupt).unwrap();
    });
    assert_eq!(finish.unwrap(), Finish::Interrupted { signal: Signal::Interrupt });
    assert_eq!(
        world.statuses(),
        ["each: expanded", "each[0]: succeeded", "each[1]: interrupted", "each[2]: interrupted"]
    );
    world.runner = Arc::default();
    assert_eq!(world.process().await.unwrap(), Finish::Succeeded);
    assert_eq!(started(&world), ["each[1]", "each[2]"]);
}

#[tokio::test(start_paused = true)]
async fn a_condition_decides_about_the_whole_step() {
    let mut world = World::new(json!([
        { "id": "no", "if": "inputs.colour == 'red'", "foreach": [1, 2] },
        { "id": "yes", "if": "inputs.colour == 'blue'", "foreach": [1, 2] },
    ]));
    assert_eq!(world.process().await.unwrap(), Finish::Succeeded);
    assert_eq!(started(&world), ["yes[0]", "yes[1]"]);
    assert_eq!(world.statuses()[0], "no: skipped by condition");
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_items_are_one_batch_after_another() {
    let items: Vec<u32> = (0..10_000).collect();
    let mut world = World::new(json!([
        { "id": "list", "config": { "output": items } },
        { "id": "each", "type": "pure", "depends_on": ["list"], "foreach": "{{steps.list}}", "config": { "output": "{{item}}" } },
        { "id": "last", "depends_on": ["each"], "config": { "x": "{{steps.each[9999]}}" } },
    ]));
    assert_eq!(world.process().await.unwrap(), Finish::Succeeded);
    assert_eq!(world.config("last"), json!({ "x": 9999 }));
    assert_eq!(world.records().len(), 4 + 2 + 20_000 + 2);
}

mod legality {
    //! What may follow what: a journal that was put together differently is refused.

    use super::*;

    fn expanded(step: &str, items: usize) -> Event {
        Event::StepExpanded { step: id(step), items: vec![json!("x"); items].into() }
    }

    fn started(step: &str) -> Event {
        Event::StepStarted { step: id(step), attempt: 1, idempotent: false }
    }

    fn succeeded(step: &str, output: Value) -> Event {
        Event::StepSucceeded { step: id(step), attempt: 1, output, duration_ms: 1 }
    }

    fn failed(step: &str, tolerated: bool) -> Event {
        let failure = Failure::new(FailureClass::Step, "x", "x");
        Event::StepFailed { step: id(step), attempt: 1, failure, duration_ms: 1, tolerated }
    }

    fn skipped(step: &str, reason: SkipReason) -> Event {
        Event::StepSkipped { step: id(step), reason }
    }

    fn resumed() -> Event {
        Event::RunResumed { job: Job::default(), shiro: "0".into() }
    }

    fn apply(events: impl IntoIterator<Item = Event>) -> Result<RunState, String> {
        let mut state = RunState::new();
        let begin = World::new(json!([{ "id": "a" }])).run_started();
        for event in std::iter::once(begin).chain(events) {
            state.apply(&Record { at: 1, event }).map_err(|error| error.to_string())?;
        }
        Ok(state)
    }

    /// Both items of `a` have succeeded.
    fn both() -> Vec<Event> {
        vec![
            expanded("a", 2),
            started("a[0]"),
            started("a[1]"),
            succeeded("a[1]", json!(1)),
            succeeded("a[0]", json!(0)),
        ]
    }

    #[test]
    fn the_output_of_the_step_is_the_list_of_its_items() {
        let state = apply(both().into_iter().chain([succeeded("a", Value::Null)])).unwrap();
        assert_eq!(state.step("a").unwrap().output().map(|output| &**output), Some(&json!([0, 1])));
        assert_eq!(state.steps().count(), 1, "items are no steps");
        assert_eq!(state.attempted().count(), 3);
        assert_eq!((state.items("a").unwrap().len(), state.items("a").unwrap().done()), (2, 2));
        assert!(state.step("a[1]").unwrap().is_done() && state.step("a[2]").is_none());
    }

    #[test]
    fn forged_and_reordered_events_are_refused() {
        let after_both = |event: Event| [both(), vec![event]].concat();
        for (events, why) in [
            (vec![started("a[0]")], "nothing says what the items of `a` are"),
            (vec![expanded("a", 2), started("a[2]")], "the list has 2 items"),
            (vec![expanded("a", 2), started("a[1]")], "item 0 starts before it"),
            (vec![expanded("a", 2), started("a[0]"), started("a[0]")], "it is running"),
            (vec![expanded("a", 2), succeeded("a[0]", json!(0))], "it has not started"),
            (vec![expanded("a", 2), skipped("a[0]", SkipReason::EarlierFailure)], "items are not skipped one by one"),
            (vec![expanded("a", 2), skipped("a[0]", SkipReason::Human)], "it has not started"),
            (vec![expanded("a", 2), started("a")], "it is run for each of its items"),
            (vec![expanded("a", 2), expanded("a", 2)], "it is run for each of its items"),
            (vec![expanded("a", 2), succeeded("a", Value::Null)], "`a[0]` has not started"),
            (vec![expanded("a", 1), started("a[0]"), succeeded("a", Value::Null)], "`a[0]` is running"),
            (vec![expanded("a", 1), started("a[0]"), failed("a", false)], "`a[0]` is running"),
            (vec![expanded("a", 1), started("a[0]"), skipped("a", SkipReason::EarlierFailure)], "`a[0]` is running"),
            (
                vec![expanded("a", 2), started("a[0]"), failed("a[0]", true), failed("a", true)],
                "`a[1]` has not started",
            ),
            (
                vec![expanded("a", 1), started("a[0]"), failed("a[0]", true), succeeded("a", Value::Null)],
                "`a[0]` failed",
            ),
            (vec![expanded("a", 1), skipped("a", SkipReason::Human)], "it is run for each of its items"),
            (vec![expanded("a", 1), skipped("a", SkipReason::EarlierFailure), started("a[0]")], "not being run"),
            (vec![started("a"), expanded("a", 1)], "it is running"),
            (after_both(succeeded("a", json!([0, 1]))), "its output is the list of what its items gave out"),
            (after_both(started("a[0]")), "it has succeeded already"),
            (after_both(expanded("a", 3)), "it is run for each of its items"),
            (
                [both(), vec![succeeded("a", Value::Null), started("a[1]")]].concat(),
                "the step's items are not being run",
            ),
            ([both(), vec![succeeded("a", Value::Null), expanded("a", 2)]].concat(), "it has succeeded already"),
            // After a failure the list stays what it was, and what was done stays done.
            (
                vec![
                    expanded("a", 1),
                    started("a[0]"),
                    failed("a[0]", false),
                    failed("a", false),
                    resumed(),
                    expanded("a", 2),
                ],
                "it is run for each of its items",
            ),
            ([both(), vec![failed("a", false), resumed(), started("a[0]")]].concat(), "it has succeeded already"),
        ] {
            let error = apply(events).err().unwrap_or_else(|| panic!("accepted: {why}"));
            assert!(error.ends_with(why), "{error}: {why}");
        }
    }

    #[test]
    fn an_item_stands_behind_the_gates_of_its_step() {
        let approval = Approval { rule: crate::approval::Rule::pause(), ..Approval::default() };
        let request = Request { guards: vec![id("a")], ..request(&id("gate"), &approval) };
        let events = vec![
            started("gate"),
            succeeded("gate", Value::Null),
            Event::ApprovalRequested { step: id("gate"), request: Box::new(request) },
        ];
        let why = "it must not start before the approval after `gate` is given";
        assert!(apply([events.clone(), vec![expanded("a", 1)]].concat()).unwrap_err().ends_with(why));
        let expanded_before = [vec![expanded("a", 1)], events, vec![started("a[0]")]].concat();
        assert!(apply(expanded_before).unwrap_err().ends_with(why));
    }

    #[test]
    fn rework_forgets_the_items_and_names_no_single_one() {
        let rework = |again: &[&str]| Event::ReworkRequested {
            step: id(again[0]),
            again: again.iter().map(|step| id(step)).collect(),
            note: "again".into(),
            approver: alice(),
            job: Job::default(),
        };
        let paused = Event::RunInterrupted { signal: "SIGINT".into() };
        let done = [both(), vec![succeeded("a", Value::Null), paused]].concat();
        let state = apply([done.clone(), vec![rework(&["a"]), resumed(), expanded("a", 1), started("a[0]")]].concat());
        assert_eq!(state.unwrap().items("a").unwrap().len(), 1);
        let error = apply([done, vec![rework(&["a[0]"])]].concat()).unwrap_err();
        assert!(error.ends_with("`a[0]` is an item: a step is done again as a whole"), "{error}");
    }

    #[test]
    fn after_a_change_of_the_step_what_is_done_for_an_equal_item_stays_done() {
        let with = |text: &str| Event::ChangesAccepted {
            digests: Digests {
                workflow: Digest::of(b""),
                inputs: Digest::of(b""),
                plugins: BTreeMap::new(),
                builtins: BTreeMap::new(),
                steps: BTreeMap::from([(id("a"), Digest::of(text.as_bytes()))]),
            },
            approver: alice(),
        };
        let list = |items: &[&str]| Event::StepExpanded {
            step: id("a"),
            items: items.iter().map(|item| json!(item)).collect(),
        };
        let history = vec![
            list(&["x", "wrong", "y"]),
            started("a[0]"),
            started("a[1]"),
            succeeded("a[0]", json!("did x")),
            failed("a[1]", false),
            failed("a", false),
            Event::RunFinished { outcome: Outcome::Failed, exit_code: 1 },
        ];
        let same = apply([history.clone(), vec![resumed(), list(&["new"])]].concat()).unwrap_err();
        assert!(same.ends_with("it is run for each of its items"), "{same}");
        let state = apply([history, vec![with("changed"), resumed(), list(&["new", "x", "x"])]].concat()).unwrap();
        let done: Vec<bool> = state.items("a").unwrap().iter().map(|(_, item)| item.is_done()).collect();
        assert_eq!(done, [false, true, false]);
    }
}
