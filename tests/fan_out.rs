//! Steps that are run for each item of a list (`foreach`, `matrix`): through the real program.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::http::{Answer, Server};
use crate::support::{Project, SHIRO, repository};

fn project(steps: Value) -> Project {
    Project::with_workflow(&json!({ "name": "fan", "steps": steps }))
}

/// The events of the run's journal: each line's, in order.
fn events(project: &Project) -> Vec<Value> {
    let shown = project.shiro("state show fan -json").exits(0);
    shown.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// The steps and items that an event of this name is about, in order.
fn told(events: &[Value], name: &str) -> Vec<String> {
    let named = events.iter().filter(|event| event["event"] == name);
    named.map(|event| event["step"].as_str().expect("a step").to_owned()).collect()
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn the_example_runs() {
    let project = Project::new();
    let example = repository().join("examples/fan-out/workflow.json");
    let outcome = project.shiro_args(["run".as_ref(), example.as_os_str()]).exits(0);
    outcome
        .says("check[2] | checked worker, number 2")
        .says("package[3] | ")
        .says("api for macos")
        .says("checked api, number 0")
        .does_not_say("worker for macos");
}

#[test]
fn a_list_of_an_earlier_step_is_run_item_by_item_and_the_outputs_are_a_list() {
    let project = project(json!([
        { "id": "list", "type": "json", "config": { "input": [{ "n": 1 }, { "n": 2 }, { "n": 3 }], "query": "." } },
        { "id": "each", "type": "shell", "depends_on": ["list"], "foreach": "{{steps.list.value}}",
          "config": { "shell": "sh", "command": "printf %s $(( {{item.n}} * 10 ))" } },
        { "id": "say", "type": "print", "depends_on": ["each"], "if": "steps.each.all(one, one.exit_code == 0)",
          "config": { "message": "{{steps.each[0].stdout}} {{steps.each[2].stdout}}" } }
    ]));
    // Arithmetic has no safe reference: the way is a variable.
    project.shiro("validate").exits(2).says("item.n");
    let project = self::project(json!([
        { "id": "list", "type": "json", "config": { "input": [{ "n": 1 }, { "n": 2 }, { "n": 3 }], "query": "." } },
        { "id": "each", "type": "shell", "depends_on": ["list"], "foreach": "{{steps.list.value}}",
          "config": { "shell": "sh", "command": "printf %s $(( N * 10 ))", "env": { "N": "{{item.n}}" } } },
        { "id": "say", "type": "print", "depends_on": ["each"], "if": "steps.each.all(one, one.exit_code == 0)",
          "config": { "message": "{{steps.each[0].stdout}} {{steps.each[2].stdout}}" } }
    ]));
    project.shiro("run").exits(0).says("10 30").says("each: succeeded").says("3 of 3 items");
    let events = events(&project);
    assert_eq!(told(&events, "step_expanded"), ["each"]);
    assert_eq!(told(&events, "step_started"), ["list", "each[0]", "each[1]", "each[2]", "say"]);
}

#[test]
fn a_matrix_runs_every_combination() {
    let project = project(json!([
        { "id": "each", "type": "shell", "matrix": { "os": ["linux", "macos"], "version": [1, 2] },
          "config": { "shell": "sh", "command": "echo {{matrix.os}}-{{matrix.version}} >> made" } }
    ]));
    project.shiro("run -jobs 1").exits(0);
    assert_eq!(project.read("made"), "linux-1\nlinux-2\nmacos-1\nmacos-2\n");
    project.shiro("graph").exits(0).says("each<br>shell, for each of a matrix");
    project.shiro("run -fresh -dry-run").exits(0).says("For Each Of: 4 items");
}

#[test]
fn an_empty_list_runs_nothing_and_succeeds() {
    let project = project(json!([
        { "id": "each", "type": "shell", "foreach": [], "config": { "shell": "sh", "command": "touch effect" } },
        { "id": "say", "type": "print", "depends_on": ["each"], "config": { "message": "got {{steps.each | json}}" } }
    ]));
    project.shiro("run").exits(0).says("got []");
    assert!(!project.join("effect").exists());
}

/// Each item says that it is there, and how many are, then waits until two have been there together.
#[test]
fn never_more_than_max_parallel_are_there_at_once_and_as_many_are() {
    let script = "mkdir here.{{index}}; ls -d here.* | wc -l >> counts; \
        until test -e together || test $(ls -d here.* | wc -l) -ge 2; do sleep 0.01; done; touch together; rmdir here.{{index}}";
    let project = project(json!([
        { "id": "each", "type": "shell", "foreach": [0, 1, 2, 3, 4, 5, 6, 7], "max_parallel": 2, "timeout": "60s",
          "config": { "shell": "sh", "command": script } }
    ]));
    project.shiro("run -jobs 8").exits(0);
    let counts: BTreeSet<usize> =
        project.read("counts").lines().map(|line| line.trim().parse().expect("a number")).collect();
    assert!(counts.iter().all(|count| *count <= 2), "{counts:?}");
    let mut begun = 0;
    let mut most = 0;
    for event in events(&project) {
        match (event["event"].as_str(), event["step"].as_str()) {
            (Some("step_started"), _) => begun += 1,
            (Some("step_succeeded"), Some(step)) if step.contains('[') => begun -= 1,
            _ => {}
        }
        most = most.max(begun);
    }
    assert_eq!(most, 2);
}

#[test]
fn a_failed_item_ends_the_step_and_only_what_is_left_runs_again() {
    let script = "echo {{item}} >> effects; test {{item}} != c || test -e fixed";
    let project = project(json!([
        { "id": "each", "type": "shell", "foreach": ["a", "b", "c", "d", "e"],
          "config": { "shell": "sh", "command": script } },
        { "id": "end", "type": "print", "depends_on": ["each"], "config": { "message": "the end" } }
    ]));
    let outcome = project.shiro("run -jobs 1").exits(1).says("each[2]: failed").does_not_say("the end");
    outcome.says("one of 5 items failed, `each[2]`");
    assert_eq!(project.read("effects"), "a\nb\nc\n");
    project.shiro("status fan").exits(0).says("2 of 5 items done").says("each[2] failed");
    let status: Value = serde_json::from_str(&project.shiro("status fan -json").exits(0).stdout).expect("JSON");
    let items = status["steps"][0]["items"].as_array().expect("items");
    let words: Vec<_> = items.iter().map(|item| item["status"].as_str().expect("a word")).collect();
    assert_eq!(words, ["succeeded", "succeeded", "failed", "pending", "pending"]);

    project.write("fixed", "");
    project.shiro("run -jobs 1").exits(0).says("the end").says("5 of 5 items");
    assert_eq!(project.read("effects"), "a\nb\nc\nc\nd\ne\n");
    assert_eq!(told(&events(&project), "step_expanded"), ["each"], "the list is made out once");
}

#[test]
fn continue_on_error_and_keep_going_run_the_others() {
    let step = |more: Value| {
        let mut step = json!({ "id": "each", "type": "shell", "foreach": ["a", "bad", "c"],
            "config": { "shell": "sh", "command": "echo {{item}} >> effects; test {{item}} != bad; echo {{item}}" } });
        step.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        project(json!([step, { "id": "say", "type": "print", "depends_on": ["each"],
            "config": { "message": "{{steps.each[1] | default('none')}}, {{steps.each[2].stdout}}" } }]))
    };
    let tolerated = step(json!({ "continue_on_error": true }));
    tolerated.shiro("run -jobs 1").exits(0).says("none, c").says("failed, which is tolerated");
    assert_eq!(tolerated.read("effects"), "a\nbad\nc\n");
    let going = step(json!({}));
    going.shiro("run -jobs 1 -keep-going").exits(1).does_not_say("none, c");
    assert_eq!(going.read("effects"), "a\nbad\nc\n");
}

#[test]
fn each_item_is_tried_again_by_itself() {
    let script = "echo {{item}} >> tries; test $(grep -c {{item}} tries) -ge {{index}}";
    let project = project(json!([
        { "id": "each", "type": "shell", "foreach": ["zero", "one", "two", "three"], "max_parallel": 1,
          "retry": { "max_attempts": 3, "delay": 0.01 }, "config": { "shell": "sh", "command": script } }
    ]));
    project.shiro("run").exits(0).says("each[3]: attempt 3 of 3 started");
    assert_eq!(project.read("tries"), "zero\none\ntwo\ntwo\nthree\nthree\nthree\n");
    assert_eq!(told(&events(&project), "attempt_failed"), ["each[2]", "each[3]", "each[3]"]);
}

#[test]
fn after_a_kill_what_was_cut_off_is_named_and_what_was_done_stays_done() {
    let script = "echo {{item}} >> effects; test {{item}} = a || until test -e go; do sleep 0.01; done";
    let project = project(json!([
        { "id": "each", "type": "shell", "foreach": ["a", "b", "c", "d"], "max_parallel": 2,
          "config": { "shell": "sh", "command": script } },
        { "id": "end", "type": "print", "depends_on": ["each"], "config": { "message": "the end" } }
    ]));
    let mut child =
        project.command(SHIRO).arg("run").stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("start");
    // Two wait, and so the first has ended and is on record.
    wait_until("b and c start", || project.read("effects").lines().count() == 3);
    child.kill().expect("kill");
    child.wait().expect("reap");

    let outcome = project.shiro("run").exits(6).says("-rerun 'each[1]' -rerun 'each[2]'").says("-skip 'each[1]'");
    outcome.does_not_say("each[0]").does_not_say("each[3]");
    project.shiro("status fan").exits(0).says("1 of 4 items done").says("each[1] interrupted");
    project.shiro("run -rerun each[0]").exits(6).says("was not interrupted");
    assert_eq!(project.read("effects").lines().count(), 3);
    project.write("go", "");
    project.shiro("run -rerun each[1] -skip each[2]").exits(0).says("the end");
    let mut effects: Vec<String> = project.read("effects").lines().map(str::to_owned).collect();
    effects.sort();
    assert_eq!(effects, ["a", "b", "b", "c", "d"]);
    project.shiro("audit").exits(0).says("each[1]: runs again").says("each[2]: is taken as done");
}

#[test]
fn hostile_items_stay_text_everywhere() {
    let hostile = [
        "$(touch pwned)",
        "`touch pwned`",
        "'; touch pwned; '",
        "{{env.DEPLOY_TOKEN}}",
        "\u{1b}[2J::set-output x\nsection_start:1:x",
    ];
    let text = json!(hostile).to_string();
    let mut project = project(json!([
        { "id": "list", "type": "json", "config": { "text": text.replace("{{", r"\{{"), "query": "." } },
        { "id": "each", "type": "shell", "depends_on": ["list"], "foreach": "{{steps.list.value}}", "max_parallel": 1,
          "config": { "shell": "sh", "script": ["printf '%s|' {{item}} \"{{item}}\" '{{item}}' > out.{{index}}", "printf '%s\n' {{item}}"] } },
        { "id": "say", "type": "print", "depends_on": ["list"], "foreach": "{{steps.list.value}}",
          "config": { "message": "<{{item}}>" } }
    ]));
    project.env("DEPLOY_TOKEN", "the-value-of-the-token").env("GITHUB_ACTIONS", "true");
    let outcome = project.shiro("run").exits(0).does_not_say("the-value-of-the-token").does_not_say("\u{1b}[2J");
    let lines = || outcome.stdout.lines();
    assert!(
        lines().all(|line| !line.starts_with("::set-output") && !line.starts_with("section_start")),
        "{}",
        outcome.all()
    );
    for (index, item) in hostile.iter().enumerate() {
        assert_eq!(project.read(format!("out.{index}")), format!("{item}|{item}|{item}|"), "{item}");
    }
    assert!(!project.join("pwned").exists());
}

#[test]
fn secret_items_are_in_no_journal_and_in_no_log() {
    let secret = "the-secret-of-the-item";
    let mut project = project(json!([
        { "id": "each", "type": "shell", "foreach": ["{{env.DEPLOY_TOKEN}}", "plain"],
          "config": { "shell": "sh", "command": "echo {{item}}; test -e go" } },
        { "id": "end", "type": "shell", "depends_on": ["each"], "config": { "shell": "sh", "command": "printf %s {{steps.each[0].stdout}} > seen" } }
    ]));
    project.env("DEPLOY_TOKEN", secret);
    project.shiro("run -jobs 1").exits(1).does_not_say(secret).says("each[0] | ***");
    project.write("go", "");
    project.shiro("run").exits(0).does_not_say(secret);
    assert_eq!(project.read("seen"), format!("{secret}\n"));
    for (name, journal) in project.journals() {
        assert!(journal.contains("step_expanded") && !journal.contains(secret), "{name}: {journal}");
    }
    // Without the variable the list can't be told.
    let mut without = self::project(json!([
        { "id": "each", "type": "shell", "foreach": ["{{env.DEPLOY_TOKEN}}"], "config": { "shell": "sh", "command": "test {{item}} = x" } }
    ]));
    without.env("DEPLOY_TOKEN", secret);
    without.shiro("run").exits(1);
    without.env("DEPLOY_TOKEN", "");
    without.shiro("run").exits(6).says("DEPLOY_TOKEN");
}

#[test]
fn a_gate_is_asked_for_once_and_what_comes_after_it_waits() {
    let project = project(json!([
        { "id": "each", "type": "print", "foreach": [1, 2, 3], "config": { "message": "item {{item}}" }, "pause": true },
        { "id": "end", "type": "print", "depends_on": ["each"], "config": { "message": "the end" } }
    ]));
    project.shiro("run").exits(0).says("Waiting for approval after `each`").does_not_say("the end");
    assert_eq!(told(&events(&project), "approval_requested"), ["each"]);
    project.shiro("rework each[0] -note again").exits(6).says("shiro rework each");
    project.shiro("rework each -note again").exits(0);
    project.shiro("run").exits(0).says("item 3").does_not_say("the end");
    assert_eq!(told(&events(&project), "step_expanded"), ["each", "each"]);
    project.shiro("run").exits(0).says("the end");
}

#[test]
fn each_item_has_an_idempotency_key_of_its_own_that_retries_keep() {
    let server = Server::start(|number, _| Answer::json(if number == 0 { 503 } else { 200 }, &json!({})));
    let project = project(json!([
        { "id": "each", "type": "http", "foreach": ["a", "b", "c"], "max_parallel": 1,
          "retry": { "max_attempts": 2, "delay": 0.01 },
          "config": { "method": "POST", "url": server.url("/x"), "json": "{{item}}", "idempotency_header": "Idempotency-Key" } }
    ]));
    project.shiro("run").exits(0);
    let mut keys: BTreeMap<String, usize> = BTreeMap::new();
    for asked in server.received() {
        *keys.entry(asked.header("idempotency-key").to_owned()).or_default() += 1;
    }
    let mut counts: Vec<usize> = keys.values().copied().collect();
    counts.sort_unstable();
    assert_eq!(counts, [1, 1, 2], "{keys:?}");
}

#[test]
fn an_item_that_a_step_named_reaches_no_private_host_and_one_of_the_workflow_does() {
    let server = Server::start(|_, _| Answer::json(200, &json!({})));
    let of = |foreach: &str| {
        project(json!([
            { "id": "list", "type": "json", "config": { "input": [server.url("/x")], "query": "." } },
            { "id": "each", "type": "http", "depends_on": ["list"], "foreach": foreach,
              "config": { "url": "{{item}}" } }
        ]))
    };
    of("{{steps.list.value}}").shiro("run").exits(4).says("private address");
    let mut inputs = of("{{inputs.hosts}}");
    let workflow: Value = serde_json::from_str(&inputs.read(".shiro/workflow.json")).expect("JSON");
    let mut workflow = workflow;
    workflow["inputs"] = json!({ "hosts": [server.url("/x")] });
    inputs.write(".shiro/workflow.json", &workflow.to_string());
    inputs.env("HOME", "/nonexistent");
    inputs.shiro("run").exits(0);
    assert_eq!(server.received().len(), 1);
}

#[test]
fn ten_thousand_items_of_a_dynamic_list_are_fine() {
    let project = project(json!([
        { "id": "list", "type": "json", "config": { "input": 0, "query": "[range(10000)]" } },
        { "id": "each", "type": "print", "depends_on": ["list"], "foreach": "{{steps.list.value}}",
          "config": { "message": "{{item}}" }, "quiet": true },
        { "id": "say", "type": "print", "depends_on": ["each"],
          "config": { "message": "last {{steps.each[9999].message}}" } }
    ]));
    let outcome = project.shiro("run").exits(0).says("last 9999").says("10000 of 10000 items");
    assert!(outcome.stdout.lines().count() < 50, "no line for each item\n{}", outcome.all());
    let (_, journal) = project.journals().into_iter().next().expect("a journal");
    assert_eq!(journal.matches("\"event\":\"step_succeeded\"").count(), 10_003);
}

#[test]
fn a_list_that_is_too_long_or_none_is_a_documented_failure() {
    let of = |query: &str| {
        project(json!([
            { "id": "list", "type": "json", "config": { "input": 0, "query": query } },
            { "id": "each", "type": "print", "depends_on": ["list"], "foreach": "{{steps.list.value}}",
              "config": { "message": "x" } }
        ]))
    };
    of("[range(100001)]").shiro("run").exits(5).says("at most 100000 items");
    of("{ list: [1] }").shiro("run").exits(2).says("this is an object").says("name the list within it");
}

#[test]
fn mistakes_are_reported_with_their_place() {
    let project = Project::new();
    project.write(
        ".shiro/workflow.json",
        r#"{ "name": "fan", "steps": [
  { "id": "a", "type": "print", "config": { "message": "{{item}}" } },
  { "id": "b", "type": "print", "foreach": "{{steps.c.list}}", "config": { "message": "{{matrix.os}}" } },
  { "id": "c", "type": "print", "foreach": [1], "if": "item == 1", "config": { "message": "x" } },
  { "id": "d", "type": "print", "max_parallel": 2, "config": { "message": "x" } },
  { "id": "e", "type": "print", "foreach": [1], "matrix": { "os": [1] }, "config": { "message": "x" } }
] }"#,
    );
    project
        .shiro("validate")
        .exits(2)
        .says("2:56: error[no-items]: there is no `item` here")
        .says("3:44: error[not-upstream]: the step `b` does not depend on `c`")
        .says("3:87: error[no-items]: there is no `matrix.os` here")
        .says("4:55: error[condition]: there is no variable `item`")
        .says("before there are items")
        .says("5:49: error[no-items]: `max_parallel` is for a step with `foreach` or `matrix`")
        .says("6:59: error[contradiction]: a step has `foreach` or `matrix`, not both");
}
