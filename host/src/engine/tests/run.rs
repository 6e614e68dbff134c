use serde_json::json;

use super::*;

#[tokio::test(start_paused = true)]
async fn runs_a_workflow_in_as_few_batches_as_can_be() {
    let mut world = World::new(json!([
        { "id": "a", "config": { "output": { "n": [1, 2] } } },
        { "id": "b", "depends_on": ["a"], "config": { "x": "{{ steps.a.n[1] }}", "y": "{{ inputs.colour }} {{ env.HOME }}" } },
    ]));
    world.env.insert("HOME".into(), "/home".into());
    assert_eq!(world.process().await.unwrap(), Finish::Succeeded);
    assert_eq!(world.config("b"), json!({ "x": 2, "y": "blue /home" }));
    // run_started and a's start; a's end and b's start; b's end and run_finished.
    assert_eq!(*world.batches.lock().unwrap(), [2, 2, 2]);
    assert_eq!(world.state().end(), Some(&End::Finished { outcome: Outcome::Succeeded, exit_code: 0 }));
}

#[tokio::test(start_paused = true)]
async fn nobody_hears_of_what_is_not_durable() {
    let mut world = World::new(json!([{ "id": "a" }, { "id": "b", "depends_on": ["a"] }]));
    world.full_after = Some((1, false));
    let error = world.process().await.unwrap_err();
    assert!(matches!(error, EngineError::Record(_)), "{error}");
    assert_eq!(*world.heard.0.lock().unwrap(), ["recorded run_started", "recorded step_started"]);
    assert_eq!(world.runner.log(), ["start a", "end a"]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_append_stops_what_runs() {
    let mut world = World::new(json!([
        { "id": "a", "config": { "ms": 10 } },
        { "id": "b", "config": { "ms": 60_000 } },
        { "id": "c", "depends_on": ["a"] },
    ]));
    world.full_after = Some((1, false));
    world.process().await.unwrap_err();
    assert_eq!(world.runner.log(), ["start a", "start b", "end a", "stop b"]);
}

#[tokio::test(start_paused = true)]
async fn at_most_so_many_run_at_once() {
    let steps: Vec<_> = (0..20).map(|step| json!({ "id": format!("s{step}"), "config": { "ms": 5 } })).collect();
    for (jobs, most) in [(0, 1), (1, 1), (3, 3), (100, 20)] {
        let mut world = World::new(steps.clone().into());
        world.options.jobs = jobs;
        world.process().await.unwrap();
        assert_eq!(world.runner.most_at_once.load(Ordering::SeqCst), most);
    }
}

#[tokio::test(start_paused = true)]
async fn one_job_is_one_step_after_the_other() {
    let mut world = World::new(json!([
        { "id": "c", "depends_on": ["a"] }, { "id": "a" }, { "id": "b" },
    ]));
    world.options.jobs = 1;
    world.process().await.unwrap();
    assert_eq!(world.runner.log(), ["start a", "end a", "start c", "end c", "start b", "end b"]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_lets_what_runs_finish_and_decides_the_exit_code() {
    let mut world = World::new(json!([
        { "id": "a", "config": { "ms": 1, "fail": { "class": "denied" } } },
        { "id": "b", "config": { "ms": 5, "fail": { "class": "step" } } },
        { "id": "c", "config": { "ms": 9 } },
        { "id": "d", "depends_on": ["a"] },
        { "id": "e", "depends_on": ["c"] },
        { "id": "f", "if": "failure()" },
    ]));
    assert_eq!(world.process().await.unwrap(), Finish::Failed { exit_code: 4 });
    assert_eq!(
        world.statuses(),
        ["a: failed", "b: failed", "c: succeeded", "d: skipped for a", "e: skipped", "f: succeeded"]
    );
    // What failed and what was skipped for it is done again; the rest is not.
    world.options.keep_going = true;
    world.runner = Arc::default();
    assert_eq!(world.process().await.unwrap(), Finish::Failed { exit_code: 4 });
    assert_eq!(
        world.statuses(),
        ["a: failed", "b: failed", "c: succeeded", "d: skipped for a", "e: succeeded", "f: succeeded"]
    );
    assert!(!world.runner.log().iter().any(|line| line.ends_with('c') || line.ends_with('f')));
}

#[tokio::test(start_paused = true)]
async fn retries_wait_without_a_slot() {
    let mut world = World::new(json!([
        { "id": "a", "retry": { "max_attempts": 3, "delay": 10, "backoff": 2 },
          "config": { "failures": 2, "fail": { "transient": true }, "output": 1 } },
        { "id": "b", "config": { "ms": 5000 } },
    ]));
    world.options.jobs = 1;
    let began = Instant::now();
    assert_eq!(world.process().await.unwrap(), Finish::Succeeded);
    let took = began.elapsed().as_secs_f64();
    assert!((24.0..36.1).contains(&took), "10 s and 20 s, give or take a fifth, not {took}");
    assert_eq!(world.runner.log(), ["start a", "end a", "start b", "end b", "start a", "end a", "start a", "end a"]);
    assert_eq!(world.state().step("a").unwrap().attempts(), 3);
    let waits: Vec<_> = world
        .records()
        .iter()
        .filter_map(|record| match &record.event {
            Event::AttemptFailed { attempt, retry_in_ms, .. } => Some((*attempt, *retry_in_ms)),
            _ => None,
        })
        .collect();
    assert!(matches!(waits[..], [(1, 8_000..=12_000), (2, 16_000..=24_000)]), "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn attempts_run_out() {
    let retry = json!({ "max_attempts": 2, "delay": 0 });
    let mut world = World::new(json!([
        { "id": "a", "retry": retry, "config": { "fail": { "transient": true } } },
        { "id": "b", "retry": retry, "config": { "fail": { "class": "limit", "code": "timeout" } } },
        { "id": "c", "retry": retry, "config": { "fail": { "class": "plugin", "code": "trap" } } },
    ]));
    world.options.keep_going = true;
    world.process().await.unwrap();
    let state = world.state();
    assert_eq!(["a", "b", "c"].map(|step| state.step(step).unwrap().attempts()), [2, 2, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_tolerated_failure_shows_what_it_left() {
    let mut world = World::new(json!([
        { "id": "a", "continue_on_error": true, "config": { "fail": { "output": { "exit_code": 3 } } } },
        { "id": "b", "continue_on_error": true, "config": { "fail": {} } },
        { "id": "c", "depends_on": ["a", "b"], "if": "outcome('a') == 'failed' && steps.a.exit_code == 3",
          "config": { "x": "{{ steps.a.exit_code }}", "y": "{{ steps.b.x | default('none') }}" } },
        { "id": "d", "depends_on": ["b"], "config": { "x": "{{ steps.b.x }}" } },
    ]));
    assert_eq!(world.process().await.unwrap(), Finish::Failed { exit_code: 2 });
    assert_eq!(world.config("c"), json!({ "x": 3, "y": "none" }));
    assert_eq!(world.failure("d").message, "step `b` has no output: it failed (at /steps/3/config/x)");
}

#[tokio::test(start_paused = true)]
async fn an_output_that_is_not_saved_is_not_there_later() {
    let mut world = World::new(json!([
        { "id": "a", "save_output": false, "config": { "output": { "big": 1 } } },
        { "id": "b", "depends_on": ["a"], "config": { "x": "{{ steps.a }}" } },
    ]));
    world.process().await.unwrap();
    assert_eq!(world.config("b")["x"]["_saved"], json!(false));
    let outputs: Vec<_> = world
        .records()
        .into_iter()
        .filter_map(|record| match record.event {
            Event::StepSucceeded { output, .. } => Some(output),
            _ => None,
        })
        .collect();
    assert_eq!(outputs, [json!(null), json!({})]);
}

#[tokio::test(start_paused = true)]
async fn templates_and_conditions_that_can_not_be_filled_in_fail_their_step() {
    let mut world = World::new(json!([
        { "id": "a", "config": { "output": { "n": "x", "l": 1 } } },
        { "id": "b", "depends_on": ["a"], "config": { "v": ["", "see {{ steps.a.m }}"] } },
        { "id": "c", "depends_on": ["a"], "config": { "count": "{{ steps.a.n }}" } },
        { "id": "d", "depends_on": ["a"], "if": "steps.a.m == 1" },
        { "id": "e", "depends_on": ["a"], "config": { "v": "{{ env.NONE }}" } },
    ]));
    world.options.keep_going = true;
    assert_eq!(world.process().await.unwrap(), Finish::Failed { exit_code: 2 });
    let message = |step| world.failure(step).message;
    assert_eq!(message("b"), "`steps.a` has no `m` (at /steps/1/config/v/1, byte 4)");
    assert!(
        message("c").starts_with("with its templates filled in, the config is wrong: `count` must be"),
        "{}",
        message("c")
    );
    assert!(
        message("d").ends_with("(at /steps/3/if)") || message("d").contains("(at /steps/3/if, byte"),
        "{}",
        message("d")
    );
    assert_eq!(message("e"), "environment variable `NONE` is not set (at /steps/4/config/v)");
    assert_eq!(world.runner.log(), ["start a", "end a"]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failure_of_its_step() {
    let mut world = World::new(json!([{ "id": "a", "config": { "panic": "at the s3cr3t-value" } }, { "id": "b" }]));
    world.secrets.add("env:TOKEN", "s3cr3t-value");
    world.options.keep_going = true;
    assert_eq!(world.process().await.unwrap(), Finish::Failed { exit_code: 70 });
    assert_eq!(world.failure("a").message, "shiro panicked while it ran the step: at the ***");
    assert_eq!(world.statuses(), ["a: failed", "b: succeeded"]);
}

#[tokio::test(start_paused = true)]
async fn an_output_that_is_too_large_is_a_failure() {
    let large = "x".repeat(100);
    let mut world = World::new(json!([
        { "id": "a", "config": { "output": large } },
        { "id": "b", "config": { "output": large }, "save_output": false },
        { "id": "c", "config": { "fail": { "output": large } } },
    ]));
    world.options.max_output = 100;
    world.options.keep_going = true;
    assert_eq!(world.process().await.unwrap(), Finish::Failed { exit_code: 5 });
    assert_eq!(world.statuses(), ["a: failed", "b: succeeded", "c: failed"]);
    assert_eq!(world.failure("a").code, "output-size");
    assert_eq!(world.failure("c").output, None);
}

#[tokio::test(start_paused = true)]
async fn secrets_are_in_no_event_and_in_every_config() {
    let secret = "s3cr3t-value";
    let mut world = World::new(json!([
        { "id": "a", "config": { "output": { "url": format!("https://x/{secret}") }, "write": format!("it is {secret}\n") } },
        { "id": "gate", "pause": true, "depends_on": ["a"] },
        { "id": "b", "depends_on": ["gate"], "config": { "x": "{{ steps.a.url }}", "y": "{{ inputs.token }}" } },
        { "id": "c", "depends_on": ["gate"], "continue_on_error": true,
          "config": { "fail": { "message": secret, "output": { "o": secret } } } },
        { "id": "d", "depends_on": ["c"], "if": format!("steps.c.o == '{secret}' && inputs.token == '{secret}'") },
    ]));
    world.inputs = json!({ "colour": "blue", "token": secret });
    world.secrets.add("env:TOKEN", secret);
    assert!(matches!(world.process().await, Ok(Finish::Paused { .. })));
    // Another process, with the same environment.
    world.secrets = Arc::default();
    world.secrets.add("env:TOKEN", secret);
    assert_eq!(world.process().await.unwrap(), Finish::Succeeded);
    assert_eq!(world.config("b"), json!({ "x": format!("https://x/{secret}"), "y": secret }));
    assert_eq!(world.statuses()[4], "d: succeeded");
    let journal = serde_json::to_string(&world.records()).unwrap();
    assert!(!journal.contains(secret), "{journal}");
    let heard = world.heard.0.lock().unwrap().join("\n");
    assert!(
        heard.contains("output it is ***") && heard.contains("log it is ***") && !heard.contains(secret),
        "{heard}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_is_missing_later_is_named() {
    let mut world = World::new(json!([
        { "id": "a", "pause": true, "config": { "output": "s3cr3t-value" } },
        { "id": "b", "depends_on": ["a"], "config": { "x": "{{ steps.a }}" } },
        { "id": "c", "depends_on": ["a"], "config": { "x": "{{ inputs.token }}" } },
        { "id": "d", "depends_on": ["a"], "if": "inputs.token != ''" },
        { "id": "e", "depends_on": ["a"], "config": { "x": "{{ inputs.colour }}" } },
    ]));
    world.options.keep_going = true;
    world.inputs = json!({ "colour": "blue", "token": "s3cr3t-value" });
    world.secrets.add("env:TOKEN", "s3cr3t-value");
    world.process().await.unwrap();
    world.secrets = Arc::default();
    assert_eq!(world.process().await.unwrap(), Finish::Failed { exit_code: 6 });
    assert_eq!(world.statuses(), ["a: succeeded", "b: failed", "c: failed", "d: failed", "e: succeeded"]);
    for step in ["b", "c", "d"] {
        let failure = world.failure(step);
        assert!(failure.class == FailureClass::State && failure.message.contains("`TOKEN`"), "{failure:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_schema_calls_secret_is_masked_before_anything_runs() {
    let mut world = World::new(json!([
        { "id": "a", "config": { "write": "literal-secret and other-secret\n" } },
        { "id": "b", "config": { "token": "literal-secret" } },
        { "id": "c", "config": { "token": "{{ env.HOOK }}" } },
        { "id": "d", "config": { "token": "short" } },
    ]));
    world.options.jobs = 1;
    world.env.insert("HOOK".into(), "other-secret".into());
    world.process().await.unwrap();
    let heard = world.heard.0.lock().unwrap().clone();
    assert!(heard.contains(&"output *** and ***".to_owned()), "{heard:?}");
    assert!(heard[0].starts_with("warning `/token` is secret, but too short"), "{heard:?}");
    assert_eq!(world.config("c")["token"], "other-secret");
}

#[tokio::test(start_paused = true)]
async fn pauses_when_nothing_else_is_left() {
    let mut world = World::new(json!([
        { "id": "ask", "pause": true },
        { "id": "deploy", "depends_on": ["ask"], "config": { "by": "{{ approval.ask.by }}" } },
        { "id": "lint", "config": { "ms": 50 } },
        { "id": "ask2", "pause": true, "depends_on": ["deploy"] },
        { "id": "end", "if": "always()" },
    ]));
    let ids = |step: &str| vec![StepId::new(step)];
    assert_eq!(world.process().await.unwrap(), Finish::Paused { waiting: ids("ask"), until: None });
    assert_eq!(
        world.statuses(),
        ["ask: succeeded", "deploy: pending", "lint: succeeded", "ask2: pending", "end: pending"]
    );
    assert_eq!(world.state().end(), Some(&End::Paused(ids("ask"))));
    // A start that is no approval changes nothing.
    world.approve = false;
    assert_eq!(world.process().await.unwrap(), Finish::Paused { waiting: ids("ask"), until: None });
    // A start passes the gates that waited when it began, and no later one.
    world.approve = true;
    assert_eq!(world.process().await.unwrap(), Finish::Paused { waiting: ids("ask2"), until: None });
    assert_eq!(world.config("deploy")["by"], "alice");
    assert_eq!(world.process().await.unwrap(), Finish::Succeeded);
    assert_eq!(world.runner.log().iter().filter(|line| line.starts_with("start")).count(), 5);
}

/// Sends a signal after 10 ms.
fn signal_soon(world: &World, signals: &[(u64, Signal)]) {
    for (ms, signal) in signals.iter().copied() {
        let sender = world.signals.0.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            sender.send(signal)
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_signal_stops_what_runs_and_the_run_can_go_on() {
    let mut world = World::new(json!([
        { "id": "a", "config": { "ms": 1 } },
        { "id": "b", "config": { "ms": 60_000 }, "idempotent": true },
        { "id": "c", "config": { "ms": 100, "stubborn": true } },
        { "id": "d", "depends_on": ["b"] },
    ]));
    signal_soon(&world, &[(10, Signal::Terminate)]);
    let finish = world.process().await.unwrap();
    assert_eq!((finish.clone(), finish.exit_code()), (Finish::Interrupted { signal: Signal::Terminate }, 143));
    assert_eq!(world.statuses(), ["a: succeeded", "b: interrupted", "c: succeeded", "d: pending"]);
    assert_eq!(world.state().end(), Some(&End::Interrupted("SIGTERM".into())));
    assert_eq!(world.runner.log(), ["start a", "start b", "start c", "end a", "stop b", "end c"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_waits_longer_than_the_grace_period() {
    let steps = json!([{ "id": "a", "config": { "ms": 3_600_000, "stubborn": true } }]);
    for (signals, seconds) in
        [(vec![(10, Signal::Interrupt)], 7.0), (vec![(10, Signal::Interrupt), (1010, Signal::Interrupt)], 1.5)]
    {
        let mut world = World::new(steps.clone());
        signal_soon(&world, &signals);
        let began = Instant::now();
        assert_eq!(world.process().await.unwrap().exit_code(), 130);
        let took = began.elapsed().as_secs_f64();
        assert!((took - seconds).abs() < 0.1, "{took}, not {seconds}");
        assert_eq!(world.statuses(), ["a: interrupted"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_signal_does_not_wait_for_retries() {
    let mut world = World::new(json!([{
        "id": "a", "retry": { "max_attempts": 5, "delay": 200, "max_delay": 200 }, "config": { "fail": { "transient": true } }
    }]));
    signal_soon(&world, &[(10, Signal::Interrupt)]);
    let began = Instant::now();
    assert_eq!(world.process().await.unwrap().exit_code(), 130);
    assert!(began.elapsed() < Duration::from_secs(1));
    assert_eq!(world.statuses(), ["a: retrying"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn steps_without_effects_start_ahead_where_the_disk_is_slow() {
    let steps = |step_type: &str| -> Value {
        (0..200).map(|step| json!({ "id": format!("s{step}"), "type": step_type })).collect()
    };
    for (step_type, jobs, ahead) in [("pure", 2, true), ("fake", 2, false), ("pure", 1, false)] {
        let mut world = World::new(steps(step_type));
        world.options.jobs = jobs;
        world.slow_disk = true;
        assert_eq!(world.process().await.unwrap(), Finish::Succeeded);
        assert!(world.runner.most_at_once.load(Ordering::SeqCst) <= jobs);
        // A batch holds at most the end and the start of one step for each slot, unless steps start ahead.
        let largest = *world.batches.lock().unwrap().iter().max().unwrap();
        assert_eq!(largest > 2 * jobs + 1, ahead, "{step_type}, {jobs} jobs: {largest}");
        super::crash::check_journal(&world).unwrap();
    }
}
