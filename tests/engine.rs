//! Order, conditions, retries, failures: through the real program.

use serde_json::json;

use crate::support::Project;

fn print(id: &str, message: &str, depends_on: &[&str]) -> serde_json::Value {
    json!({ "id": id, "type": "print", "config": { "message": message }, "depends_on": depends_on })
}

#[test]
fn a_failure_stops_what_depends_on_it_and_the_recap_comes_last() {
    let project = Project::with_workflow(&json!({ "name": "fails", "steps": [
        { "id": "bad", "type": "shell", "config": { "command": "exit 4" } },
        print("after", "never shown", &["bad"])
    ] }));
    let outcome = project.shiro("run").exits(1).does_not_say("never shown");
    let all = outcome.all();
    assert!(all.rfind("exited with code 4") > all.find("after"), "{all}");
}

#[test]
fn a_failed_run_goes_on_with_what_failed() {
    let project = Project::with_workflow(&json!({ "name": "again", "steps": [
        { "id": "once", "type": "shell", "config": { "command": "echo once >> effects" } },
        { "id": "flaky", "type": "shell", "config": { "command": "test -e fixed" }, "depends_on": ["once"] },
        print("end", "the end", &["flaky"])
    ] }));
    project.shiro("run").exits(1);
    project.write("fixed", "");
    project.shiro("run").exits(0).says("the end");
    assert_eq!(project.read("effects"), "once\n");
}

#[test]
fn retries_wait_and_count() {
    let project = Project::with_workflow(&json!({ "name": "retry", "steps": [
        { "id": "flaky", "type": "shell", "config": { "command": "echo x >> tries; test $(wc -l < tries) -ge 3" },
          "retry": { "max_attempts": 3, "delay": 0.05 } },
        { "id": "no", "type": "shell", "config": { "command": "echo x >> others; false" },
          "retry": { "max_attempts": 2, "delay": 0 }, "depends_on": ["flaky"] }
    ] }));
    project.shiro("run").exits(1);
    assert_eq!(project.read("tries").lines().count(), 3);
    assert_eq!(project.read("others").lines().count(), 2);
}

#[test]
fn keep_going_runs_independent_branches() {
    let steps = json!({ "name": "branches", "steps": [
        { "id": "bad", "type": "shell", "config": { "command": "false" } },
        print("aside", "independent", &[]),
        print("further", "further on", &["aside"])
    ] });
    Project::with_workflow(&steps).shiro("run -jobs 1").exits(1).does_not_say("independent");
    Project::with_workflow(&steps).shiro("run -jobs 1 -keep-going").exits(1).says("independent").says("further on");
}

#[test]
fn continue_on_error_lets_dependants_see_the_failure() {
    let project = Project::with_workflow(&json!({ "name": "tolerated", "steps": [
        { "id": "bad", "type": "shell", "config": { "command": "exit 9" }, "continue_on_error": true },
        print("after", "went on", &["bad"])
    ] }));
    project.shiro("run").exits(0).says("went on");
}

#[test]
fn conditions_decide() {
    let project = Project::with_workflow(
        &json!({ "name": "conditions", "inputs": { "environment": "staging" }, "steps": [
        { "id": "production", "type": "print", "config": { "message": "to production" }, "if": "inputs.environment == 'production'" },
        { "id": "staging", "type": "print", "config": { "message": "to staging" }, "if": "inputs.environment == 'staging'" },
        { "id": "bad", "type": "shell", "config": { "command": "false" } },
        { "id": "clean-up", "type": "print", "config": { "message": "cleaning up" }, "if": "failure()", "depends_on": ["bad"] },
        { "id": "always", "type": "print", "config": { "message": "in any case" }, "if": "always()", "depends_on": ["bad"] },
        { "id": "not", "type": "print", "config": { "message": "only after success" }, "depends_on": ["bad"] }
    ] }),
    );
    project
        .shiro("run")
        .exits(1)
        .says("to staging")
        .does_not_say("to production")
        .says("cleaning up")
        .says("in any case")
        .does_not_say("only after success");
}

#[test]
fn outputs_keep_their_types_and_are_expanded_once() {
    let project = Project::with_workflow(&json!({ "name": "types", "steps": [
        { "id": "make", "type": "shell", "config": { "command": "echo '{{ literal }}' | sed 's/X//'" , "stdin": "" } },
        print("say", "{{steps.make.exit_code}}", &["make"])
    ] }));
    // `{{ literal }}` is no template of ours: the error says how to write it.
    project.shiro("validate").exits(2).says("\\{{");

    let project = Project::with_workflow(&json!({ "name": "types", "steps": [
        { "id": "make", "type": "shell", "config": { "command": "echo '\\{{env.HOME}}'" } },
        print("say", "got {{steps.make.stdout | trim}}, code {{steps.make.exit_code}}", &["make"]),
        print("whole", "{{steps.make.output}}", &["make"])
    ] }));
    project.shiro("run").exits(0).says("got {{env.HOME}}, code 0").says("\"exit_code\":0");
}

#[test]
fn a_missing_value_names_what_there_is() {
    let project = Project::with_workflow(&json!({ "name": "missing", "steps": [
        { "id": "make", "type": "shell", "config": { "command": "true" } },
        print("say", "{{steps.make.stdot}}", &["make"]),
        print("fine", "{{steps.make.nothing | default('nothing there')}}", &["make"])
    ] }));
    project.shiro("run -keep-going").exits(2).says("stdout").says("nothing there");
}

#[test]
fn two_processes_do_not_share_a_run() {
    let project = Project::with_workflow(&json!({ "name": "held", "steps": [
        { "id": "wait", "type": "shell", "config": { "command": "touch waiting; while ! test -e go; do sleep 0.02; done" } }
    ] }));
    let first =
        project.command(crate::support::SHIRO).arg("run").stdout(std::process::Stdio::null()).spawn().expect("start");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !project.join("waiting").exists() {
        assert!(std::time::Instant::now() < deadline, "the step starts");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    project.shiro("run").exits(8).says(&first.id().to_string());
    project.write("go", "");
    let mut first = first;
    assert!(first.wait().expect("wait").success());
}

#[test]
fn state_that_can_not_be_written_stops_before_the_first_step() {
    let project = Project::with_workflow(&json!({ "name": "read-only", "steps": [
        { "id": "effect", "type": "shell", "config": { "command": "touch effect" } }
    ] }));
    // A file stands where the directory should be: true for root as well.
    project.write(".shiro/state", "not a directory");
    let outcome = project.shiro("run");
    assert!(matches!(outcome.code, Some(6 | 7)), "{}", outcome.all());
    assert!(!project.join("effect").exists());
}

#[test]
fn corrupt_state_is_never_no_state() {
    let project = Project::with_workflow(&json!({ "name": "corrupt", "steps": [
        { "id": "gate", "type": "print", "config": { "message": "gate" }, "pause": true },
        print("end", "the end", &["gate"])
    ] }));
    project.shiro("run").exits(0);
    let (name, journal) = project.journals().into_iter().next().expect("a journal");
    let middle = journal.len() / 2;
    let mut bytes = journal.into_bytes();
    bytes[middle] ^= 1;
    std::fs::write(project.join(".shiro/state").join(&name), bytes).expect("write");
    project.shiro("run").exits(6).says(&name).does_not_say("the end");
    project.shiro("run -fresh").exits(0);
}
