//! `finally`: what is done whatever happened, through the real program.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Project, SHIRO};

/// A shell step that leaves its id in a file, then runs this command.
fn step(id: &str, command: &str, more: &Value) -> Value {
    let command = format!("echo {id} >> effects; {command}");
    let mut step = json!({ "id": id, "type": "shell", "config": { "shell": "sh", "command": command } });
    step.as_object_mut().expect("a step").extend(more.as_object().expect("fields").clone());
    step
}

fn project(steps: &[Value], finally: &[Value]) -> Project {
    Project::with_workflow(&json!({ "name": "ends", "steps": steps, "finally": finally }))
}

fn effects(project: &Project) -> Vec<String> {
    project.read("effects").lines().map(str::to_owned).collect()
}

/// What tells how it went, one step for each way.
fn asking() -> Vec<Value> {
    ["always()", "success()", "failure()", "rejected()", "expired()"]
        .iter()
        .map(|condition| step(condition.trim_end_matches("()"), "true", &json!({ "if": condition })))
        .collect()
}

#[test]
fn it_runs_once_everything_else_is_settled_and_sees_all_of_it() {
    let project = project(
        &[
            step("build", "echo image:7", &json!({})),
            step("test", "exit 3", &json!({ "depends_on": ["build"] })),
            step("deploy", "true", &json!({ "depends_on": ["test"] })),
            step("last", "true", &json!({ "if": "always()" })),
        ],
        &[
            json!({ "id": "tell", "type": "print", "config": {
                "message": "built {{steps.build.stdout | trim}}, deployed {{steps.deploy.exit_code | default('nothing')}}" } }),
            step("clean", "true", &json!({ "if": "outcome('test') == 'failed'", "depends_on": ["tell"] })),
            step("cheer", "true", &json!({ "if": "success()" })),
        ],
    );
    project.shiro("run -jobs 1").exits(1).says("built image:7, deployed nothing").says("cheer: skipped");
    assert_eq!(effects(&project), ["build", "test", "last", "clean"]);
    project.shiro("graph").exits(0).says("subgraph finally");
    project.shiro("run -dry-run").exits(0).says("Finally, whatever came of the steps above\n\n5. tell (print)");
}

#[test]
fn each_end_is_told_from_the_others_and_a_pause_is_none() {
    let gate = |approval: Value| step("gate", "true", &json!({ "approval": approval }));
    let after = || step("after", "true", &json!({ "depends_on": ["gate"] }));
    let ends = |project: &Project| {
        let mut effects = effects(project);
        effects.sort();
        effects.join(" ")
    };

    let ok = project(&[gate(json!({})), after()], &asking());
    ok.shiro("run").exits(0);
    assert_eq!(effects(&ok), ["gate"], "a pause is no end");
    ok.shiro("run").exits(0);
    assert_eq!(ends(&ok), "after always gate success");

    let failed = project(&[step("gate", "false", &json!({ "pause": true })), after()], &asking());
    failed.shiro("run").exits(1);
    assert_eq!(ends(&failed), "always failure gate");

    let rejected = project(&[gate(json!({})), after()], &asking());
    rejected.shiro("run").exits(0);
    rejected.shiro("reject gate -reason no").exits(0);
    rejected.shiro("run").exits(6);
    assert_eq!(ends(&rejected), "always gate rejected");

    let expired = project(&[gate(json!({ "expires": 0.001 })), after()], &asking());
    expired.shiro("run").exits(0);
    expired.shiro("run").exits(6);
    assert_eq!(ends(&expired), "always expired gate");
}

#[test]
fn its_failure_fails_the_run_and_the_first_failure_s_code_stays() {
    let project = project(
        &[step("build", "true", &json!({}))],
        &[step("clean", "test -e fixed", &json!({})), step("tell", "true", &json!({}))],
    );
    project.shiro("run -jobs 1").exits(1);
    assert_eq!(effects(&project), ["build", "clean", "tell"], "the others go on");
    // Nothing that is done runs again.
    project.write("fixed", "");
    project.shiro("run").exits(0);
    assert_eq!(effects(&project), ["build", "clean", "tell", "clean"]);

    let denied = json!({ "id": "look", "type": "http", "config": { "url": "https://example.invalid/" }, "permissions": { "network": [] } });
    let project = self::project(&[denied], &[step("clean", "false", &json!({}))]);
    project.shiro("run").exits(4);
}

#[test]
fn a_failed_run_that_goes_on_does_not_clean_up_twice() {
    for keep_going in ["", " -keep-going"] {
        let project = project(
            &[step("once", "true", &json!({})), step("flaky", "test -e fixed", &json!({ "depends_on": ["once"] }))],
            &[
                step("clean", "true", &json!({})),
                step("mourn", "true", &json!({ "if": "failure()" })),
                step("cheer", "true", &json!({ "if": "success()" })),
            ],
        );
        project.shiro(&format!("run -jobs 1{keep_going}")).exits(1);
        assert_eq!(effects(&project), ["once", "flaky", "clean", "mourn"]);
        project.write("fixed", "");
        project.shiro(&format!("run -jobs 1{keep_going}")).exits(0);
        assert_eq!(effects(&project), ["once", "flaky", "clean", "mourn", "flaky", "cheer"]);
    }
}

#[test]
fn killed_in_the_middle_it_goes_on_with_what_is_left() {
    let project = project(
        &[step("build", "false", &json!({}))],
        &[
            step("first", "true", &json!({})),
            step("clean", "test -e go || sleep 100", &json!({ "depends_on": ["first"] })),
            step("tell", "true", &json!({ "depends_on": ["clean"] })),
        ],
    );
    let mut child =
        project.command(SHIRO).arg("run").stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("shiro starts");
    let deadline = Instant::now() + Duration::from_secs(60);
    while !project.read("effects").contains("clean") {
        assert!(Instant::now() < deadline, "the step starts");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().expect("kill");
    child.wait().expect("reap");
    project.write("go", "");
    project.shiro("run").exits(6).says("-rerun clean");
    project.shiro("run -rerun clean").exits(1);
    let effects = effects(&project);
    let count = |id: &str| effects.iter().filter(|line| *line == id).count();
    assert_eq!((count("first"), count("clean"), count("tell")), (1, 2, 1), "{effects:?}");
}

#[test]
fn a_signal_saves_the_state_and_leaves_the_rest_to_the_next_process() {
    let project = project(
        &[step("build", "test -e go || { touch waits; sleep 100; }", &json!({ "idempotent": true }))],
        &[step("clean", "true", &json!({}))],
    );
    let child =
        project.command(SHIRO).arg("run").stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("shiro starts");
    let deadline = Instant::now() + Duration::from_secs(60);
    while !project.join("waits").exists() {
        assert!(Instant::now() < deadline, "the step starts");
        std::thread::sleep(Duration::from_millis(5));
    }
    let killed = project.command("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill");
    assert!(killed.success());
    let mut child = child;
    assert_eq!(child.wait().expect("wait").code(), Some(143));
    assert_eq!(effects(&project), ["build"]);
    project.write("go", "");
    project.shiro("run").exits(0);
    assert_eq!(effects(&project), ["build", "build", "clean"]);
}

#[test]
fn a_change_of_it_is_a_change_of_what_runs() {
    let gate = || json!({ "id": "gate", "type": "print", "config": { "message": "look" }, "pause": true });
    let workflow =
        |clean: &str| json!({ "name": "ends", "steps": [gate()], "finally": [step("clean", clean, &json!({}))] });
    let project = Project::with_workflow(&workflow("true"));
    project.shiro("run").exits(0);
    project.write(".shiro/workflow.json", &workflow("rm -rf everything").to_string());
    project.shiro("run").exits(6).says("~ step `clean` is different");
    // The same step in the other list is another one.
    let moved = json!({ "name": "ends", "steps": [gate(), step("clean", "true", &json!({}))] });
    project.write(".shiro/workflow.json", &moved.to_string());
    project.shiro("run").exits(6).says("~ step `clean` is different");
    project.write(".shiro/workflow.json", &workflow("true").to_string());
    project.shiro("run").exits(0);
    assert_eq!(effects(&project), ["clean"]);
}

#[test]
fn what_can_not_be_is_said_with_its_place() {
    let project = project(
        &[step("a", "true", &json!({ "depends_on": ["z"] }))],
        &[step("z", "true", &json!({ "depends_on": ["a"], "pause": true }))],
    );
    project
        .shiro("validate")
        .exits(2)
        .says("at /steps/0/depends_on/0")
        .says("`z` is a step of `finally`, which comes after all of `steps`")
        .says("at /finally/0/depends_on/0")
        .says("outcome('a') == 'succeeded'")
        .says("at /finally/0/pause")
        .says("can't wait for an approval");
}
