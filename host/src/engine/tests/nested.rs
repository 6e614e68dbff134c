//! Workflows that run as steps of others.

use serde_json::json;

use super::*;
use crate::plan::testing::nested;

/// The step `sub` runs the file `part` with these steps; `more` are further fields of it.
fn world(steps: &[Value], more: Value, part: Value) -> World {
    let mut sub = json!({ "id": "sub", "type": "workflow", "config": { "file": "part" } });
    sub.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let steps: Vec<Value> = steps.iter().cloned().chain([sub]).collect();
    let mut whole = json!({ "name": "test", "inputs": { "colour": "blue" }, "steps": steps });
    whole["steps"].as_array_mut().unwrap().push(json!({ "id": "after", "depends_on": ["sub"],
        "config": { "x": "{{ steps.sub | default('nothing') }}" } }));
    let mut part = part;
    part["name"] = "part".into();
    World::of(nested(whole, &[("part", part)]))
}

#[tokio::test(start_paused = true)]
async fn what_is_inside_sees_its_inputs_and_the_outside_its_outputs() {
    let mut world = world(
        &[json!({ "id": "first", "config": { "output": { "n": 7 } } })],
        json!({ "depends_on": ["first"], "config": { "file": "part", "inputs": { "n": "{{ steps.first.n }}", "colour": "{{ inputs.colour }}" } } }),
        json!({
            "inputs": { "n": { "type": "integer" }, "colour": "red", "run": "{{ run.id }} of {{ workflow.name }}" },
            "outputs": { "sum": "{{ steps.a.n }}", "all": ["{{ inputs.n }}", "{{ steps.b | default('no b') }}"] },
            "steps": [
                { "id": "a", "config": { "n": "{{ inputs.n }}", "text": "{{ inputs.colour }} {{ inputs.run }}", "output": { "n": 8 } } },
                { "id": "b", "depends_on": ["a"], "if": "inputs.n == 8 || steps.a.n == 7" },
                { "id": "c", "depends_on": ["a"], "if": "inputs.n == 7 && steps.a.n == 8 && workflow.name == 'part'" },
            ],
        }),
    );
    assert_eq!(world.process().await.unwrap(), Finish::Succeeded);
    assert_eq!(world.config("sub/a"), json!({ "n": 7, "text": "blue run-1 of part", "output": { "n": 8 } }));
    assert_eq!(world.config("after"), json!({ "x": { "sum": 8, "all": [7, "no b"] } }));
    assert_eq!(
        world.statuses(),
        [
            "first: succeeded",
            "sub/.begin: succeeded",
            "sub/a: succeeded",
            "sub/b: skipped by condition",
            "sub/c: succeeded",
            "sub: succeeded",
            "after: succeeded"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn without_outputs_it_gives_those_of_its_steps() {
    let mut world = world(
        &[],
        json!({}),
        json!({ "steps": [
        { "id": "a", "config": { "output": [1] } }, { "id": "b", "if": "false" }, { "id": "c", "save_output": false },
    ] }),
    );
    world.process().await.unwrap();
    assert_eq!(world.config("after")["x"]["a"], json!([1]));
    assert!(world.config("after")["x"].get("b").is_none());
}

#[tokio::test(start_paused = true)]
async fn inputs_that_do_not_fit_fail_it_before_anything_inside_runs() {
    let part =
        json!({ "inputs": { "n": { "type": "integer" } }, "steps": [{ "id": "a" }], "finally": [{ "id": "z" }] });
    for (tolerated, finish) in [(false, Finish::Failed { exit_code: 2 }), (true, Finish::Succeeded)] {
        let mut world = world(
            &[json!({ "id": "first", "config": { "output": "seven" } })],
            json!({ "depends_on": ["first"], "continue_on_error": tolerated, "config": { "file": "part", "inputs": { "n": "{{ steps.first }}" } } }),
            part.clone(),
        );
        assert_eq!(world.process().await.unwrap(), finish);
        assert!(world.failure("sub").message.starts_with("the input `n`"), "{:?}", world.failure("sub"));
        let statuses = world.statuses();
        assert_eq!(statuses[2..4], ["sub/a: skipped with sub", "sub/z: skipped with sub"]);
        assert_eq!(statuses[5], if tolerated { "after: succeeded" } else { "after: skipped for sub" });
        assert_eq!(world.runner.log().len(), if tolerated { 4 } else { 2 });
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_inside_is_one_of_the_run_unless_it_is_tolerated() {
    let part = json!({ "steps": [
        { "id": "bad", "config": { "fail": { "class": "denied" } } },
        { "id": "next", "depends_on": ["bad"] },
        { "id": "aside" },
        { "id": "last", "if": "failure()" },
    ], "finally": [{ "id": "clean" }, { "id": "cheer", "if": "success()" }] });
    let mut world = self::world(&[], json!({}), part.clone());
    world.options.jobs = 1;
    assert_eq!(world.process().await.unwrap(), Finish::Failed { exit_code: 4 });
    let inside = [
        "sub/.begin: succeeded",
        "sub/bad: failed",
        "sub/next: skipped for sub/bad",
        "sub/aside: skipped",
        "sub/last: succeeded",
        "sub/clean: succeeded",
        "sub/cheer: skipped by condition",
    ];
    assert_eq!(world.statuses()[..7], inside);
    assert_eq!(world.statuses()[7..], ["sub: failed", "after: skipped for sub"]);
    assert_eq!(world.failure("sub").message, "`sub/bad` failed");
    // What is done stays done.
    world.runner = Arc::default();
    world.process().await.unwrap();
    assert_eq!(world.runner.log(), ["start sub/bad", "end sub/bad"]);

    let mut world = self::world(&[json!({ "id": "other" })], json!({ "continue_on_error": true }), part);
    world.options.jobs = 1;
    assert_eq!(world.process().await.unwrap(), Finish::Succeeded);
    assert_eq!(world.statuses()[2], "sub/bad: tolerated");
    assert_eq!(world.statuses()[8..], ["sub: tolerated", "after: succeeded"]);
}

#[tokio::test(start_paused = true)]
async fn a_tolerated_failure_is_final_when_the_run_goes_on() {
    let part = json!({ "steps": [
        { "id": "bad", "config": { "fail": {} } },
        { "id": "next", "depends_on": ["bad"] },
        { "id": "slow", "config": { "ms": 50 }, "idempotent": true },
    ] });
    let mut world = world(&[], json!({ "continue_on_error": true }), part);
    // The process dies once `bad` has failed, while `slow` runs.
    world.full_after = Some((3, false));
    world.process().await.unwrap_err();
    assert_eq!(world.statuses()[1..4], ["sub/bad: tolerated", "sub/next: skipped for sub/bad", "sub/slow: running"]);
    world.full_after = None;
    world.runner = Arc::default();
    assert_eq!(world.process().await.unwrap(), Finish::Succeeded);
    assert_eq!(world.statuses()[4..], ["sub: tolerated", "after: succeeded"]);
    assert!(!world.runner.log().contains(&"start sub/bad".to_owned()), "{:?}", world.runner.log());
}

#[tokio::test(start_paused = true)]
async fn its_condition_decides_for_all_of_it() {
    let part = || json!({ "steps": [{ "id": "a" }, { "id": "b", "if": "always()" }], "finally": [{ "id": "c" }] });
    let mut world = world(&[], json!({ "if": "inputs.colour == 'red'" }), part());
    assert_eq!(world.process().await.unwrap(), Finish::Succeeded);
    assert_eq!(
        world.statuses(),
        [
            "sub/.begin: skipped by condition",
            "sub/a: skipped with sub",
            "sub/b: skipped with sub",
            "sub/c: skipped with sub",
            "sub: skipped by condition",
            "after: succeeded"
        ]
    );
    // What went wrong around it does not stop what was made for that, and is not seen inside.
    let mut world = self::world(
        &[json!({ "id": "bad", "config": { "fail": {} } })],
        json!({ "if": "failure()", "depends_on": ["bad"] }),
        json!({ "steps": [{ "id": "a" }, { "id": "b", "depends_on": ["a"] }, { "id": "c", "if": "failure()" }] }),
    );
    assert_eq!(world.process().await.unwrap(), Finish::Failed { exit_code: 1 });
    assert_eq!(
        world.statuses()[1..],
        [
            "sub/.begin: succeeded",
            "sub/a: succeeded",
            "sub/b: succeeded",
            "sub/c: skipped by condition",
            "sub: succeeded",
            "after: skipped for bad"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_failure_around_it_stops_what_has_not_started_and_the_run_goes_on_with_it() {
    let mut world = world(
        &[json!({ "id": "bad", "config": { "ms": 5, "fail": {} } })],
        json!({}),
        json!({ "steps": [{ "id": "a", "config": { "ms": 10 } }, { "id": "b", "depends_on": ["a"] }], "finally": [{ "id": "z" }] }),
    );
    world.process().await.unwrap();
    assert_eq!(
        world.statuses()[1..],
        [
            "sub/.begin: succeeded",
            "sub/a: succeeded",
            "sub/b: skipped",
            "sub/z: succeeded",
            "sub: skipped",
            "after: skipped"
        ]
    );
    world.runner = Arc::default();
    world.process().await.unwrap();
    assert!(
        world.runner.log().contains(&"start bad".to_owned()) && !world.runner.log().contains(&"start sub/a".to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn gates_inside_hold_back_what_is_behind_them_in_both() {
    let part = json!({ "steps": [{ "id": "gate", "pause": true }, { "id": "go", "depends_on": ["gate"] }],
        "finally": [{ "id": "end", "if": "!rejected()" }] });
    let mut world = self::world(&[], json!({ "pause": true }), part.clone());
    assert_eq!(world.process().await.unwrap(), Finish::Paused { waiting: vec![StepId::new("sub/gate")], until: None });
    assert_eq!(world.statuses()[2..], ["sub/go: pending", "sub/end: pending", "sub: pending", "after: pending"]);
    assert_eq!(world.process().await.unwrap(), Finish::Paused { waiting: vec![StepId::new("sub")], until: None });
    assert_eq!(world.statuses()[2..], ["sub/go: succeeded", "sub/end: succeeded", "sub: succeeded", "after: pending"]);
    assert_eq!(world.process().await.unwrap(), Finish::Succeeded);
    // One that nobody decides on in time.
    let part = json!({ "steps": [{ "id": "gate", "approval": { "expires": "1ms" } }, { "id": "go", "depends_on": ["gate"] }],
        "finally": [{ "id": "end", "if": "expired()" }] });
    let mut world = self::world(&[], json!({ "continue_on_error": true }), part);
    world.approve = false;
    world.process().await.unwrap();
    world.expired = vec![StepId::new("sub/gate")];
    assert_eq!(world.process().await.unwrap(), Finish::Expired);
    assert_eq!(
        world.statuses()[2..],
        ["sub/go: refused at sub/gate", "sub/end: succeeded", "sub: refused at sub/gate", "after: refused at sub/gate"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_gate_of_a_workflow_that_has_failed_is_given_up_if_the_run_has() {
    let part = json!({ "steps": [{ "id": "gate", "pause": true }, { "id": "go", "depends_on": ["gate"] },
        { "id": "bad", "config": { "ms": 5, "fail": {} } }] });
    let mut world = self::world(&[], json!({}), part.clone());
    assert_eq!(world.process().await.unwrap(), Finish::Failed { exit_code: 1 });
    assert_eq!(
        world.statuses()[2..],
        ["sub/go: skipped", "sub/bad: failed", "sub: skipped for sub/bad", "after: skipped for sub/bad"]
    );
    let mut world = self::world(&[], json!({ "continue_on_error": true }), part);
    assert_eq!(world.process().await.unwrap(), Finish::Paused { waiting: vec![StepId::new("sub/gate")], until: None });
    assert_eq!(world.process().await.unwrap(), Finish::Succeeded);
    assert_eq!(world.statuses()[2..], ["sub/go: skipped", "sub/bad: tolerated", "sub: tolerated", "after: succeeded"]);
}

#[tokio::test(start_paused = true)]
async fn secrets_go_in_by_name_and_open_inside() {
    let mut world = world(
        &[],
        json!({ "config": { "file": "part", "inputs": { "key": "{{ env.API_KEY }}" } } }),
        json!({ "inputs": { "key": "" }, "steps": [{ "id": "a", "pause": true }, { "id": "b", "depends_on": ["a"], "config": { "x": "{{ inputs.key }}" } }] }),
    );
    world.secrets.add("env:API_KEY", "s3cr3t-value");
    world.env.insert("API_KEY".into(), "s3cr3t-value".into());
    world.process().await.unwrap();
    assert!(!serde_json::to_string(&world.records()).unwrap().contains("s3cr3t"));
    assert_eq!(world.process().await.unwrap(), Finish::Succeeded);
    assert_eq!(world.config("sub/b"), json!({ "x": "s3cr3t-value" }));
}

#[tokio::test(start_paused = true)]
async fn a_step_inside_is_run_for_each_item_of_an_input() {
    let mut world = world(
        &[json!({ "id": "first", "config": { "output": ["s3cr3t-one", "s3cr3t-two"] }, "save_output": true })],
        json!({ "depends_on": ["first"], "config": { "file": "part", "inputs": { "list": "{{ steps.first }}" } } }),
        json!({ "inputs": { "list": { "type": "array" } }, "steps": [
            { "id": "each", "foreach": "{{ inputs.list }}", "config": { "x": "{{ item }} of {{ workflow.name }}", "output": "{{ index }}" } },
        ] }),
    );
    assert_eq!(world.process().await.unwrap(), Finish::Succeeded);
    assert_eq!(world.config("sub/each[1]")["x"], "s3cr3t-two of part");
    assert_eq!(world.config("after")["x"], json!({ "each": [0, 1] }));
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_an_item_inside_can_be_tolerated_by_what_it_stands_in() {
    let part = json!({ "steps": [
        { "id": "each", "foreach": [1, 2, 3], "max_parallel": 1, "config": { "fail": {} } },
        { "id": "next", "depends_on": ["each"] },
    ] });
    let mut world = self::world(&[], json!({ "continue_on_error": true }), part.clone());
    assert_eq!(world.process().await.unwrap(), Finish::Succeeded);
    let statuses = world.statuses().join(", ");
    assert!(
        statuses.contains("sub/each: tolerated") && statuses.contains("sub/next: skipped for sub/each"),
        "{statuses}"
    );
    assert!(statuses.contains("sub: tolerated") && statuses.ends_with("after: succeeded"), "{statuses}");
    assert_eq!(world.runner.log().iter().filter(|line| line.starts_with("start sub/each")).count(), 1);
    let mut world = self::world(&[], json!({}), part);
    assert_eq!(world.process().await.unwrap(), Finish::Failed { exit_code: 1 });
}
