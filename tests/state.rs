//! The state key through the real binary: who can read, forge and mix up what a job leaves for the next.

use std::fs;

use serde_json::json;

use crate::support::Project;

const KEY: &str = "0123456789abcdef0123456789abcdef";
const IDENTITY: &str = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";

/// A gate, and a step after it that shows its environment.
fn project() -> Project {
    let mut project = Project::with_workflow(&json!({
        "name": "gated",
        "steps": [
            { "id": "build", "type": "shell", "config": { "shell": "sh", "command": "echo built-in-private" } },
            { "id": "ask", "type": "print", "config": { "message": "ready" }, "pause": true, "depends_on": ["build"] },
            { "id": "deploy", "type": "shell", "config": { "shell": "sh", "command": "env; echo deployed | tee -a effects" },
              "depends_on": ["ask"] }
        ]
    }));
    project.env("CI_PROJECT_PATH", "group/name").env("CI_PIPELINE_ID", "7").env("CI_JOB_NAME", "start");
    project
}

/// The run has paused, and the next job begins.
fn paused(args: &str) -> Project {
    let mut project = project();
    project.env("SHIRO_STATE_KEY", IDENTITY);
    project.shiro(&format!("run {args}")).exits(0);
    project.env("CI_JOB_NAME", "resume");
    project
}

fn journal(project: &Project) -> String {
    project.journals().remove("gated.jsonl").expect("it is there")
}

#[test]
fn a_run_with_a_key_goes_on_with_that_key_only() {
    let mut project = paused("");
    assert!(journal(&project).contains("built-in-private"));
    project.shiro("status gated").exits(0).says("journal   authenticated");

    project.env("SHIRO_STATE_KEY", KEY);
    project.shiro("run").exits(6).says("is authenticated with the state key").says("-state-key");
    project.env("SHIRO_STATE_KEY", "");
    project.shiro("run").exits(6).says("and none is given").says("-state-key file:PATH or env:NAME");
    project.shiro("status gated").exits(6);

    // From another variable, and no step gets that one either.
    project.env("MY_KEY_OF_STATE", IDENTITY);
    project.shiro("run -state-key env:MY_KEY_OF_STATE").exits(0).says("deployed").does_not_say(IDENTITY);
    assert_eq!(project.read("effects"), "deployed\n");
    assert!(!journal(&project).contains("MY_KEY_OF_STATE"), "not even its name reaches a program");
}

#[test]
fn a_key_that_is_none_starts_nothing() {
    let mut project = project();
    project.env("SHIRO_STATE_KEY", "short");
    project.shiro("run").exits(2).says("SHIRO_STATE_KEY: this is no state key").says("openssl rand -hex 32");
    project.env("SHIRO_STATE_KEY", "");
    project.shiro("run -state-key env:NOT_SET").exits(6).says("the variable NOT_SET is not set");
    project.shiro("run -state-key file:nowhere").exits(2).says("can't read nowhere");
    project.shiro("run -state-key hunter2hunter2").exits(2).says("expected file:PATH or env:NAME");
    project.shiro("run -state-encrypt").exits(2).says("encryption needs a state key").says("age-keygen");
    project.env("SHIRO_STATE_KEY", KEY);
    project.shiro("run -state-encrypt").exits(6).says("no age identity");
    assert!(project.journals().is_empty());
}

#[test]
fn a_forged_or_changed_journal_passes_no_gate() {
    let project = paused("");
    let path = project.join(".shiro/state/gated.jsonl");
    let good = journal(&project);
    fs::write(&path, good.replace("built-in-private", "built-in-pirate!")).expect("write");
    project.shiro("run").exits(6).says("gated.jsonl:").says("the journal is damaged");

    // One that another run of the same workflow wrote without a key.
    let mut forger = self::project();
    forger.shiro("run").exits(0);
    forger.shiro("status gated").exits(0).says("not authenticated").says("-state-key");
    forger.env("SHIRO_STATE_KEY", "");
    fs::write(&path, journal(&forger)).expect("write");
    project.shiro("run").exits(6).says("the journal is not authenticated");
    assert_eq!(project.read("effects"), "");

    fs::write(&path, good).expect("write");
    project.shiro("run").exits(0);
}

#[test]
fn an_encrypted_journal_shows_nothing_of_the_run() {
    let project = paused("-state-encrypt");
    let text = journal(&project);
    assert!(text.contains(r#""age":""#), "{text}");
    for hidden in ["built-in-private", "step_succeeded", "\"build\""] {
        assert!(!text.contains(hidden), "{hidden} in {text}");
    }
    project.shiro("status gated").exits(0).says("authenticated and encrypted").says("waits for an approval");
    // It stays so without the flag.
    project.shiro("run").exits(0).says("deployed");
    assert!(!journal(&project).contains("deployed"));
}

#[test]
fn a_policy_can_require_a_key_and_encryption() {
    let mut project = project();
    project.write("operator.json", r#"{ "version": 1, "types": {}, "state": { "authenticated": true } }"#);
    project.env("SHIRO_POLICY", project.join("operator.json").display().to_string());
    project.shiro("run").exits(6).says("operator.json requires state that is authenticated").says("SHIRO_STATE_KEY");
    assert!(project.journals().is_empty());
    project.env("SHIRO_STATE_KEY", IDENTITY);
    project.shiro("run").exits(0);
    assert!(journal(&project).contains("built-in-private"));

    project.write("operator.json", r#"{ "version": 1, "types": {}, "state": { "encrypted": true } }"#);
    project.env("CI_JOB_NAME", "resume");
    project.shiro("run").exits(6).says("operator.json wants an encrypted journal").says("-fresh");
    project.shiro("run -fresh").exits(0);
    assert!(!journal(&project).contains("built-in-private"), "encrypted without a flag");
    project.env("SHIRO_STATE_KEY", KEY);
    project.shiro("run -fresh").exits(6).says("no age identity");
}

#[test]
fn a_journal_of_another_project_pipeline_or_run_is_refused_by_name() {
    let mut project = paused("");
    let status = project.read(".shiro/state/status.env");
    let of = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).expect(name).to_owned();
    let (run, receipt) = (of("SHIRO_RUN="), of("SHIRO_STATE="));

    project.env("CI_PIPELINE_ID", "8");
    project.shiro("run").exits(6).says("this is the journal of pipeline \"7\", not of pipeline \"8\"");
    project.env("CI_PIPELINE_ID", "7").env("CI_PROJECT_PATH", "group/fork");
    project.shiro("run").exits(6).says("this is the journal of project \"group/name\", not of project \"group/fork\"");
    project.env("CI_PROJECT_PATH", "group/name");
    project.shiro("run -expect 01980000").exits(6).says(&format!("this is the journal of run \"{run}\""));
    project.shiro("run -expect=").exits(2).says("is the variable that it comes from empty?");
    assert_eq!(project.read("effects"), "");

    // The older copy of itself is found by what the last job left beside it.
    let path = project.join(".shiro/state/gated.jsonl");
    let before = journal(&project);
    project.shiro(&format!("run -expect {receipt}")).exits(0);
    let status = project.read(".shiro/state/status.env");
    let newer = status.lines().find_map(|line| line.strip_prefix("SHIRO_STATE=")).expect("a receipt");
    fs::write(&path, before).expect("write");
    project.shiro(&format!("run -expect {newer}")).exits(6).says("it ends before that");
    assert_eq!(project.read("effects"), "deployed\n");
}
