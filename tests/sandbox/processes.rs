//! Programs, variables and secrets: what a component that was granted some gets, and what the programs get.

use serde_json::{Value, json};

use super::Case;
use crate::support::{Outcome, Project, SHIRO};

/// A case of `grabby`, which asks for everything, in a job with plain variables and a secret one.
fn grabby(acts: Value) -> Case {
    Case::of("grabby", json!({ "do": acts }))
        .env("PLAIN_A", "plain value")
        .env("CI_JOB_TOKEN", "glcbt-secret-token")
        .env("SHIRO_STATE_KEY", "0123456789abcdef".repeat(4))
        .env("DEPLOY_KEY", "correct-horse-battery")
}

/// The same, which may run any program.
fn running(acts: Value) -> Case {
    grabby(acts).granted("process", json!([{ "program": "*" }]))
}

#[test]
fn a_program_without_a_grant_does_not_run() {
    let case = grabby(json!([{ "run": ["touch", "ran"] }]));
    case.ends(4)
        .says("run the program `touch` with `ran`")
        .says(r#"{ "program": "touch", "args": ["ran"], "environment": ["*"] }"#);
    assert!(!case.project.join("ran").exists());
    let case = grabby(json!([{ "run": ["touch", "ran"] }])).granted("process", json!([{ "program": "touch" }]));
    case.ends(0);
    assert!(case.project.join("ran").exists());
}

#[test]
fn a_granted_name_is_no_other_file_of_that_name() {
    for program in ["/tmp/true", "./true", "bin/true", "../true", "true ", "/proc/self/exe"] {
        let mut case = grabby(json!([{ "run": [program] }])).granted("process", json!([{ "program": "true" }]));
        case.project.write_program("true", "#!/bin/sh\ntouch ran\n");
        case.ends(4).says("run the program");
        assert!(!case.project.join("ran").exists(), "{program}");
    }
    running(json!([{ "run": ["true\0x"] }])).ends(1).says("NUL");
    // A file that a step could have put there does not take the place of the system's.
    let mut case = grabby(json!([{ "run": ["true"] }])).granted("process", json!([{ "program": "true" }]));
    case.project.write_program("true", "#!/bin/sh\ntouch ran\n");
    case.ends(0);
    assert!(!case.project.join("ran").exists());
}

#[test]
fn a_program_sees_what_its_grant_names() {
    let printed = json!([{ "run": ["env"] }]);
    let hidden = ["PLAIN_A=", "CI_JOB_TOKEN=", "SHIRO_STATE_KEY=", "DEPLOY_KEY="];
    let outcome = running(printed.clone()).ends(0);
    hidden.iter().for_each(|name| assert!(!outcome.all().contains(name), "{name}\n{}", outcome.all()));
    let granted =
        |names: Value| grabby(printed.clone()).granted("process", json!([{ "program": "*", "environment": names }]));
    let outcome = granted(json!(["*"])).ends(0).says("PLAIN_A=plain value");
    hidden[1..].iter().for_each(|name| assert!(!outcome.all().contains(name), "{name}\n{}", outcome.all()));
    granted(json!(["SHIRO_STATE_KEY"])).ends(0).does_not_say("SHIRO_STATE_KEY=");
}

#[test]
fn a_component_sees_the_variables_it_was_granted_and_no_others() {
    let tried = || {
        let config = json!({ "tries": ["env"], "fail": true });
        Case::of("forbidden", config).env("PLAIN_A", "plain value").env("CI_JOB_TOKEN", "glcbt-secret-token")
    };
    // It asks for none, so policy can give it none.
    tried().granted("environment", json!(["*"])).ends(1).says("nothing there").does_not_say("plain value");
    grabby(json!([{ "variable": "PLAIN_A" }])).granted("environment", json!(["PLAIN_*"])).ends(0);
    grabby(json!([{ "variable": "EXACT" }])).granted("environment", json!(["PLAIN_*"])).ends(4);
    grabby(json!([{ "length": "DEPLOY_KEY" }]))
        .granted("environment", json!(["*"]))
        .ends(4)
        .says("secret `DEPLOY_KEY`");
    let case = grabby(json!([{ "variable": "DEPLOY_KEY" }])).granted("secrets", json!(["DEPLOY_KEY"]));
    case.ends(0).does_not_say("correct-horse");
    assert!(case.project.journals().values().all(|journal| !journal.contains("correct-horse")));
}

#[test]
fn variables_that_make_a_program_run_another_are_not_passed_on() {
    let injected = ["LD_PRELOAD", "BASH_ENV", "IFS", "GIT_SSH_COMMAND", "PYTHONPATH", "NODE_OPTIONS", "PATH"];
    let variables: Vec<_> =
        injected.iter().map(|name| json!([name, "/nonexistent"])).chain([json!(["OWN", "x"])]).collect();
    let outcome = running(json!([{ "run_with": [variables, ["env"]] }])).ends(0).says("OWN=x");
    for name in injected {
        assert!(!outcome.all().contains(&format!("{name}=/nonexistent")), "{name}\n{}", outcome.all());
        assert!(outcome.all().contains(&format!("`{name}` was not passed")), "{name}\n{}", outcome.all());
    }
}

#[test]
fn a_program_reads_nothing_and_its_end_is_told() {
    running(json!([{ "run": ["cat"] }, { "run": ["sh", "-c", "exit 255"] }])).ends(0);
    let case = running(json!([{ "run": ["sh", "-c", "kill -9 $$"] }, { "run": ["sh", "-c", "exit 255"] }]));
    case.ends(0);
    let results = case.recorded("guest").expect("an end")["output"]["results"].to_string();
    assert!(results.contains("signal 9") && results.contains("255"), "{results}");
}

#[test]
fn a_program_that_writes_without_end_leaves_memory_flat() {
    let script = "yes 0123456789012345678901234567890123456789 | head -c 200000000 | tee /dev/stderr | cat";
    let outcome = running(json!([{ "run": ["sh", "-c", script] }])).step("quiet", json!(true)).ends(0);
    assert!(outcome.all().len() < 8 << 20, "{} bytes", outcome.all().len());
}

#[test]
fn a_program_ends_with_its_step() {
    let mark = format!("89{}", std::process::id());
    let script = format!("trap '' TERM; (setsid sleep {mark} &); nohup sleep {mark} >/dev/null 2>&1 & sleep {mark}");
    running(json!([{ "run": ["sh", "-c", script] }])).step("timeout", json!("1s")).ends(5).says("timed out");
    assert_eq!(crate::shell::processes_with(&mark), Vec::<String>::new());
}

/// What a program is not given it can't take from shiro either, which runs as the same user.
#[test]
#[cfg(target_os = "linux")]
fn a_program_does_not_read_what_shiro_itself_has() {
    let script =
        "cat /proc/self/environ > own; cat /proc/$PPID/environ > shiros || true; cat /proc/$PPID/maps > maps || true";
    let mut project = Project::with_workflow(&json!({ "name": "own", "steps": [
        { "id": "look", "type": "shell", "config": { "shell": "sh", "command": script } }
    ] }));
    project.env("SHIRO_STATE_KEY", "0123456789abcdef".repeat(4)).env("PLAIN_A", "plain value");
    // Root may look into any process, where it has not given that up.
    let less =
        r#"if [ "$(id -u)" = 0 ]; then exec setpriv --bounding-set=-all --inh-caps=-all "$@"; else exec "$@"; fi"#;
    let mut command = project.command("sh");
    let output = command.args(["-c", less, "sh", SHIRO, "run"]).output().expect("sh starts");
    Outcome::of(output).exits(0);
    assert!(project.read("own").contains("PLAIN_A=plain value"));
    assert_eq!((project.read("shiros"), project.read("maps")), (String::new(), String::new()));
}
