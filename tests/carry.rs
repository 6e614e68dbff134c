//! `shiro state`: a run's journal shown, taken elsewhere and brought here, and runs of Go shiro brought here.

use std::fs;

use serde_json::{Value, json};

use crate::support::Project;

const IDENTITY: &str = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";

/// Two steps before a gate, and one behind it.
fn project() -> Project {
    let mut project = Project::with_workflow(&json!({
        "name": "Carried",
        "inputs": { "zone": "eu", "kind": "small" },
        "steps": [
            { "id": "build", "type": "shell", "config": { "shell": "sh", "command": "printf built" } },
            { "id": "ask", "type": "print", "config": { "message": "ready" }, "pause": true, "depends_on": ["build"] },
            { "id": "deploy", "type": "shell", "depends_on": ["ask"],
              "config": { "shell": "sh", "command": "echo {{steps.build.stdout}} in {{inputs.zone}} >> effects" } }
        ]
    }));
    project.env("API_TOKEN", "the-token-of-the-api");
    project
}

/// The name of the only run that is here.
fn name(project: &Project) -> String {
    let journals = project.journals();
    journals.keys().find(|name| !name.contains(".previous.")).expect("a journal").trim_end_matches(".jsonl").to_owned()
}

#[test]
fn a_run_is_shown_exported_and_imported_with_another_protection() {
    let mut one = project();
    one.env("SHIRO_STATE_KEY", IDENTITY);
    one.shiro("run -state-encrypt").exits(0);
    let run = name(&one);
    one.shiro(&format!("state show {run}"))
        .exits(0)
        .says("authenticated with the state key, encrypted")
        .says("readable   by age1")
        .says("step_succeeded  step=build")
        .says("run_paused  waiting=[\"ask\"]");
    let events = one.shiro(&format!("state show -json {run}")).exits(0);
    let events: Vec<Value> = events.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(events[0]["event"], "run_started");
    one.shiro("state show nothing").exits(6).says("there are: carried");

    one.shiro(&format!("state export {run} -out exported")).exits(0);
    let exported = one.read("exported");
    assert!(exported.contains("built") && !exported.contains("\"age\""), "{exported}");
    one.shiro(&format!("state export {run} -out exported")).exits(2).says("can't write exported");

    // Elsewhere, without a key; and with one, which vouches for it.
    for key in ["", IDENTITY] {
        let mut two = project();
        two.env("SHIRO_STATE_KEY", key);
        two.write("exported", &exported);
        two.shiro("state import exported").exits(0).says("imported the run").says("-expect");
        two.shiro("state import exported").exits(6).says("there is state of the run").says("-fresh");
        two.shiro("state import exported -fresh").exits(0);
        two.shiro("run").exits(0).says("2 of 3 steps done before");
        assert_eq!(two.read("effects"), "built in eu\n");
    }
}

#[test]
fn what_is_no_state_of_this_workflow_is_not_imported() {
    let one = project();
    one.shiro("run").exits(0);
    let exported = one.shiro(&format!("state export {}", name(&one))).exits(0).stdout;
    let other = Project::with_workflow(&json!({ "name": "other", "steps": [
        { "id": "build", "type": "print", "config": { "message": "x" } } ] }));
    other.write("exported", &exported);
    other.shiro("state import exported").exits(6).says("a run of the workflow `Carried`, not of `other`");
    other.write("exported", &exported.replace("built", "butlt"));
    other.shiro("state import exported").exits(6).says("exported:").says("damaged").says("shiro state export RUN");
    other.write("exported", "");
    other.shiro("state import exported").exits(6).says("the file is empty");
    other.shiro("state import nowhere").exits(2).says("can't read nowhere");
    assert!(other.journals().is_empty());
}

/// As Go shiro leaves it when it has paused.
fn go_state() -> Value {
    json!({
        "Inputs": { "zone": "us", "gone": 1 },
        "Steps": {
            "build": { "success": true, "output": { "success": true, "exit_code": 0, "stdout": "built with the-token-of-old" }, "error": "" },
            "ask": { "success": true, "output": { "printed": true }, "error": "" }
        },
        "Memory": {},
        "Env": { "PATH": "/bin", "OLD_TOKEN": "the-token-of-old", "HOME": "/root" }
    })
}

#[test]
fn a_paused_run_of_go_shiro_goes_on_without_its_environment() {
    let mut project = project();
    project.write("old.json", &go_state().to_string());
    project
        .shiro("state import old.json")
        .exits(0)
        .says("holds the whole environment of its job")
        .says("imported the run")
        .does_not_say("the-token-of-old");
    let run = name(&project);
    let journal = project.journals().remove(&format!("{run}.jsonl")).expect("the journal");
    for hidden in ["the-token-of-old", "/root", "PATH"] {
        assert!(!journal.contains(hidden), "{hidden} in {journal}");
    }
    project.shiro(&format!("status {run}")).exits(0).says("paused").says("waits for an approval");
    project.env("OLD_TOKEN", "the-token-of-old");
    project.shiro("run").exits(0);
    assert_eq!(project.read("effects"), "built with the-token-of-old in us\n", "inputs and outputs are the old ones");
}

#[test]
fn the_gates_and_the_end_of_a_go_run_are_where_it_left_them() {
    let finished = project();
    let mut state = go_state();
    state["Steps"]["deploy"] = json!({ "success": true, "output": { "_saved": false, "_note": "x" }, "error": "" });
    state["Memory"] = json!({ "k": 1 });
    finished.write("old.json", &state.to_string());
    finished.shiro("state import old.json").exits(0).says("`Memory` was not imported");
    finished
        .shiro(&format!("status {}", name(&finished)))
        .exits(0)
        .says("succeeded")
        .says("a state file of Go shiro, which names nobody");
    finished.shiro("run").exits(0).says("finished already");
    assert_eq!(finished.read("effects"), "");

    // Before the gate: the next start approves nothing.
    let begun = project();
    let mut state = go_state();
    state["Steps"].as_object_mut().expect("an object").remove("ask");
    begun.write("old.json", &state.to_string());
    begun.shiro("state import old.json").exits(0);
    begun.shiro("run").exits(0).says("paused");
    assert_eq!(begun.read("effects"), "");
}

#[test]
fn a_damaged_or_foreign_state_of_go_shiro_is_refused() {
    let project = project();
    let whole = go_state().to_string();
    // Cut off, as its non-atomic writes leave it: Go shiro starts over then, and deploys twice.
    for end in [whole.len() - 1, whole.len() / 2, 40] {
        project.write("old.json", &whole[..end]);
        project.shiro("state import old.json").exits(6).says("old.json").says("hint:");
    }
    for (change, says) in [
        (json!({ "deploy_all": { "success": true, "output": {}, "error": "" } }), "has no step deploy_all"),
        (json!({ "deploy": { "success": true, "output": {}, "error": "" } }), "which it depends on, is not"),
        (json!({ "build": { "success": false, "output": null, "error": "boom" } }), "has not succeeded (boom)"),
    ] {
        let mut state = go_state();
        state["Steps"] = change;
        project.write("old.json", &state.to_string());
        project.shiro("state import old.json").exits(6).says(says);
    }
    assert!(project.journals().is_empty());
    assert!(fs::metadata(project.join("effects")).is_err());
}
