//! `shiro plugin run`: one component alone, JSON in and JSON out.

use std::io::Write;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::guests::guest;
use crate::support::{Outcome, Project, SHIRO};

#[test]
fn the_output_is_json_on_standard_output_and_the_log_goes_to_standard_error() {
    let project = Project::new();
    let greet = guest("greet");
    let greet = greet.to_str().expect("text");
    let outcome = project.shiro_args(["plugin", "run", greet, "-config", r#"{"name":"you"}"#]).exits(0);
    let output: Value = serde_json::from_str(&outcome.stdout).expect("JSON and nothing else");
    assert!(output.to_string().contains("you"), "{output}");
}

#[test]
fn a_built_in_type_by_its_name_with_config_from_standard_input() {
    let project = Project::new();
    let mut command = project.command(SHIRO);
    command.args(["plugin", "run", "shell", "-config-file", "-"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("shiro starts");
    let config = json!({ "command": "echo from the shell", "shell": "sh" }).to_string();
    child.stdin.take().expect("a pipe").write_all(config.as_bytes()).expect("write the config");
    let outcome = Outcome::of(child.wait_with_output().expect("it ends")).exits(0);
    assert!(outcome.stderr.contains("from the shell"), "{}", outcome.all());
    let output: Value = serde_json::from_str(&outcome.stdout).expect("JSON");
    assert_eq!(output["exit_code"], 0);
}

#[test]
fn failures_have_the_exit_codes_of_a_run() {
    let project = Project::new();
    let run = |config: &str, more: &[&str]| {
        project.shiro_args(["plugin", "run", "shell", "-config", config].iter().chain(more))
    };
    let outcome = run(r#"{"command":"echo no; exit 7","shell":"sh"}"#, &[]).exits(1);
    let output: Value = serde_json::from_str(&outcome.stdout).expect("what there is to show");
    assert_eq!(output["exit_code"], 7);
    run(r#"{"command":"sleep 60","shell":"sh"}"#, &["-timeout", "200ms"]).exits(5).says("timed out");
    run(r#"{"comand":"true"}"#, &[]).exits(2).says("comand").says("plugin inspect");
    run("{", &[]).exits(2).says("-config is not JSON");
    project.shiro("plugin run missing.wasm").exits(3).says("missing.wasm");
}

#[test]
fn secrets_are_masked_in_both_streams() {
    let mut project = Project::new();
    project.env("DEPLOY_TOKEN", "s3cr3t-value-1234");
    let config = r#"{"command":"echo $DEPLOY_TOKEN","shell":"sh"}"#;
    let outcome = project.shiro_args(["plugin", "run", "shell", "-config", config]).exits(0);
    assert!(!outcome.all().contains("s3cr3t-value-1234"), "{}", outcome.all());
}
