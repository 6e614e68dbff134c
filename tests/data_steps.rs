//! The step types `data.store`, `data.load`, `data.delete`, `data.exists` and `data.list`.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::data::{entries, files};
use crate::support::{Project, SHIRO};

/// A workflow of these steps, one after the other, and the branch that it is for.
fn project(steps: &[Value]) -> Project {
    let mut project = Project::with_workflow(&workflow(steps));
    project.env("CI_COMMIT_REF_NAME", "main");
    project
}

fn workflow(steps: &[Value]) -> Value {
    let mut steps = steps.to_vec();
    for index in 1..steps.len() {
        let before = steps[index - 1]["id"].clone();
        steps[index]["depends_on"] = json!([before]);
    }
    json!({ "name": "data", "steps": steps })
}

fn step(id: &str, operation: &str, config: Value) -> Value {
    json!({ "id": id, "type": format!("data.{operation}"), "config": config })
}

fn print(message: &str) -> Value {
    json!({ "id": "say", "type": "print", "config": { "message": message } })
}

#[test]
fn what_one_step_stores_others_load_with_its_type() {
    let project = project(&[
        step(
            "store",
            "store",
            json!({ "key": "v", "namespace": "deploy", "value": { "n": [1, 2.5, "x"], "_ttl": "1ms" } }),
        ),
        step("load", "load", json!({ "key": "v", "namespace": "deploy" })),
        step("same", "load", json!({ "key": "deploy/v" })),
        step("exists", "exists", json!({ "key": "deploy/v" })),
        step("list", "list", json!({ "namespace": "deploy", "prefix": "v" })),
        step("delete", "delete", json!({ "key": "v", "namespace": "deploy" })),
        step("again", "delete", json!({ "key": "v", "namespace": "deploy" })),
        step("gone", "exists", json!({ "key": "deploy/v" })),
        print(
            "{{steps.store}}|{{steps.load}}|{{steps.same.value.n[1]}}|{{steps.exists.exists}}|{{steps.list}}|{{steps.delete.deleted}}|{{steps.again.deleted}}|{{steps.gone.exists}}",
        ),
    ]);
    let stored = r#"{"success":true,"key":"v","namespace":"deploy","scope":"pipeline","stored":true}"#;
    let loaded = r#"{"success":true,"key":"v","namespace":"deploy","scope":"pipeline","value":{"n":[1,2.5,"x"],"_ttl":"1ms"},"exists":true,"fallback":false,"expired":false}"#;
    let listed = r#"{"success":true,"prefix":"v","namespace":"deploy","scope":"pipeline","keys":["v"],"count":1}"#;
    project.shiro("run").exits(0).says(&format!("{stored}|{loaded}|2.5|true|{listed}|true|false|false"));
}

#[test]
fn what_is_missing_fails_unless_there_is_a_fallback() {
    let missing = project(&[
        step("store", "store", json!({ "key": "there", "value": 1 })),
        step("load", "load", json!({ "key": "k" })),
    ]);
    missing
        .shiro("run")
        .exits(1)
        .says("data.not_found")
        .says("`k`: there is no value (the scope pipeline has: `there`)")
        .says("`fallback`");
    let fallback = project(&[
        step("load", "load", json!({ "key": "k", "fallback": { "n": 1 } })),
        print("{{steps.load.value.n}} {{steps.load.exists}} {{steps.load.fallback}}"),
    ]);
    fallback.shiro("run").exits(0).says("1 false true");
    let expired = project(&[
        step("store", "store", json!({ "key": "k", "value": 1, "ttl": "1ms" })),
        step("load", "load", json!({ "key": "k", "fallback": 2 })),
        step("exists", "exists", json!({ "key": "k" })),
        print("{{steps.load.value}} {{steps.load.expired}} {{steps.exists.exists}}"),
    ]);
    expired.shiro("run").exits(0).says("2 true false");
}

#[test]
fn what_can_not_be_stored_is_refused_before_anything_runs() {
    for (operation, config, what) in [
        ("store", json!({ "key": "k" }), "value"),
        ("store", json!({ "value": 1 }), "key"),
        ("store", json!({ "key": "", "value": 1 }), "key"),
        ("store", json!({ "key": "k", "value": null }), "value"),
        ("store", json!({ "key": "k", "value": 1, "ttl": "soon" }), "ttl"),
        ("store", json!({ "key": "k", "value": 1, "scope": "galaxy" }), "scope"),
        ("load", json!({ "key": "k", "fallbak": 1 }), "fallback"),
        ("delete", json!({}), "key"),
        ("exists", json!({}), "key"),
    ] {
        project(&[step("it", operation, config)]).shiro("validate").exits(2).says(what);
    }
    project(&[step("it", "store", json!({ "key": "a*", "value": 1 }))])
        .shiro("run")
        .exits(1)
        .says("stands for many keys");
}

#[test]
fn data_outlives_the_run_as_its_scope_says() {
    let store: Vec<Value> = ["run", "pipeline", "branch", "project"]
        .iter()
        .map(|scope| step(&format!("store_{scope}"), "store", json!({ "key": "k", "value": scope, "scope": scope })))
        .collect();
    let load: Vec<Value> = ["run", "pipeline", "branch", "project"]
        .iter()
        .map(|scope| step(&format!("load_{scope}"), "load", json!({ "key": "k", "scope": scope, "fallback": "-" })))
        .chain([print("{{steps.load_run.value}},{{steps.load_pipeline.value}},{{steps.load_branch.value}},{{steps.load_project.value}}")])
        .collect();
    let mut project = project(&store);
    project.env("CI_PIPELINE_ID", "1");
    project.shiro("run -state-store gitlab").exits(0);
    assert_eq!(project.shiro("data get -scope run k").exits(0).stdout, "run\n");
    project.write("load.json", &workflow(&load).to_string());
    project.shiro("run -fresh load.json -state-store gitlab").exits(0).says("-,pipeline,branch,project");
    project.env("CI_PIPELINE_ID", "2");
    project.shiro("run -fresh load.json -state-store gitlab").exits(0).says("-,-,branch,project");
    project.env("CI_COMMIT_REF_NAME", "feature");
    project.shiro("run -fresh load.json -state-store gitlab").exits(0).says("-,-,-,project");
}

#[test]
fn the_memory_store_lasts_for_one_process() {
    let project = project(&[
        step("store", "store", json!({ "key": "k", "value": 7, "scope": "project" })),
        step("load", "load", json!({ "key": "k", "scope": "project" })),
        print("{{steps.load.value}}"),
    ]);
    project.shiro("run -state-store memory").exits(0).says("[info] 7");
    assert!(files(&project, ".shiro/state").is_empty());
}

#[test]
fn a_resumed_run_sees_what_the_first_job_stored() {
    let gate = json!({ "id": "gate", "type": "print", "pause": true, "config": { "message": "wait" } });
    let mut project = project(&[
        step("store", "store", json!({ "key": "k", "value": "from the first job", "scope": "run" })),
        gate,
        step("load", "load", json!({ "key": "k", "scope": "run" })),
        print("{{steps.load.value}}"),
    ]);
    project.env("CI_PIPELINE_ID", "7").env("CI_JOB_NAME", "first");
    project.shiro("run -state-store gitlab").exits(0);
    // The artifact, in another job's directory.
    let mut second = Project::new();
    second.env("CI_COMMIT_REF_NAME", "main").env("CI_PIPELINE_ID", "7").env("CI_JOB_NAME", "second");
    second.write(".shiro/workflow.json", &project.read(".shiro/workflow.json"));
    for file in files(&project, ".shiro/state") {
        let inside = file.strip_prefix(project.path()).expect("below the project");
        second.write(inside, &fs::read_to_string(&file).expect("read"));
    }
    second.shiro("run -state-store gitlab").exits(0).says("from the first job");
}

#[test]
fn data_of_runs_that_nobody_can_go_on_with_is_removed() {
    let project = project(&[step("store", "store", json!({ "key": "k", "value": 1, "scope": "run" }))]);
    for _ in 0..3 {
        project.shiro("run -fresh").exits(0);
    }
    // The last run's, and the one before it, which was there when the last began.
    assert_eq!(entries(&project).len(), 2);
}

#[test]
fn a_damaged_value_is_exit_6_even_with_a_fallback() {
    let project = project(&[step("load", "load", json!({ "key": "k", "fallback": "none" }))]);
    project.shiro("data set k v").exits(0);
    let file = entries(&project).remove(0);
    fs::write(&file, "shiro-data 1 sha256:00\n{}").expect("write");
    project.shiro("run").exits(6).says("damaged").says("data.store_unreadable").does_not_say("\"none\"");
}

#[test]
fn text_that_a_step_returned_is_never_expanded_again() {
    let hostile = "{{env.DEPLOY_TOKEN}} $(touch marker) {{steps.nowhere.x}}";
    let mut project = project(&[
        json!({ "id": "made", "type": "shell", "config": { "command": "printf '%s' \"$HOSTILE\"" } }),
        step("store", "store", json!({ "key": "k", "value": "{{steps.made.stdout}}" })),
        step("load", "load", json!({ "key": "k" })),
        print("{{steps.load.value}}"),
    ]);
    project.env("HOSTILE", hostile).env("DEPLOY_TOKEN", "correct-horse-battery");
    project.shiro("run").exits(0).says(hostile).does_not_say("correct-horse");
    assert!(!project.join("marker").exists());
}

#[test]
fn secrets_are_stored_as_references() {
    let mut project = project(&[
        step("store", "store", json!({ "key": "k", "value": "Bearer {{env.DEPLOY_TOKEN}}", "scope": "project" })),
        step("load", "load", json!({ "key": "k", "scope": "project" })),
        json!({ "id": "use", "type": "shell", "config": { "command": "printf '%s' {{steps.load.value}} | wc -c" } }),
    ]);
    project.env("DEPLOY_TOKEN", "correct-horse-battery");
    project.shiro("run").exits(0).says("28").does_not_say("correct-horse");
    for file in files(&project, ".shiro") {
        let text = String::from_utf8_lossy(&fs::read(&file).expect("read")).into_owned();
        assert!(!text.contains("correct-horse"), "{}", file.display());
    }
}

#[test]
fn operators_bound_them_like_any_type() {
    let project = project(&[
        step("store", "store", json!({ "key": "version", "namespace": "deploy", "value": 1, "scope": "project" })),
        step("load", "load", json!({ "key": "deploy/version", "scope": "project" })),
        step("missing", "load", json!({ "key": "deploy/other", "scope": "project" })),
    ]);
    let bound = |keys: &str| {
        let access = json!([{ "scope": "project", "keys": keys, "access": "read-write" }]);
        let types = json!({ "data.store": { "store": access }, "data.load": { "store": access } });
        project.write("op.json", &json!({ "version": 1, "types": types }).to_string());
        project.shiro("run -fresh -policy op.json")
    };
    bound("other/*").exits(4).says("store the key `deploy/version`").says("op.json");
    // What is missing is missing, and no denial of the list that says what there is.
    bound("deploy/*").exits(1).says("data.not_found").says("has: `deploy/version`");
    project.shiro("run -fresh -dry-run").exits(0).says("store any key in any scope (read-write)");
}

#[test]
fn a_store_that_was_cut_off_runs_again_by_itself() {
    // The lock is somebody else's, so the step waits in the middle of its call; then shiro is killed.
    let project =
        project(&[step("store", "store", json!({ "key": "k", "value": "v", "scope": "project" })), print("done")]);
    project.shiro("data set -scope project other 1").exits(0);
    let lock = fs::File::open(project.join(".shiro/state/data/lock")).expect("the lock's file");
    lock.lock().expect("take it");
    let mut child =
        project.command(SHIRO).arg("run").stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("shiro starts");
    let deadline = Instant::now() + Duration::from_secs(60);
    while !project.journals().values().any(|journal| journal.contains("step_started")) {
        assert!(Instant::now() < deadline && child.try_wait().expect("wait").is_none(), "the step starts");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().expect("kill");
    assert_eq!(child.wait().expect("reap").signal(), Some(9));
    drop(lock);
    assert_eq!(entries(&project).len(), 1, "nothing was stored");
    project.shiro("run").exits(0).says("done");
    assert_eq!(project.shiro("data get -scope project k").exits(0).stdout, "v\n");
}

#[test]
fn many_steps_at_once_lose_nothing() {
    let steps: Vec<Value> = (0..40)
        .map(|index| {
            step(
                &format!("s{index}"),
                "store",
                json!({ "key": format!("k/{index}"), "value": index, "scope": "project" }),
            )
        })
        .collect();
    let project = Project::with_workflow(&json!({ "name": "many", "steps": steps }));
    let run = |name: &str| {
        let mut command = project.command(SHIRO);
        project.write(format!("{name}.json"), &json!({ "name": name, "steps": steps }).to_string());
        command.args(["run", "-jobs", "8"]).arg(format!("{name}.json")).stdout(Stdio::null()).stderr(Stdio::piped());
        command.spawn().expect("shiro starts")
    };
    let mut both = [run("one"), run("two")];
    for child in &mut both {
        assert!(child.wait().expect("it ends").success());
    }
    let listed: Value =
        serde_json::from_str(&project.shiro("data list -scope project -json").exits(0).stdout).expect("JSON");
    assert_eq!(listed["keys"].as_array().expect("keys").len(), 40);
}
