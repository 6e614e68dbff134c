//! The step type `wait`: what depends on it starts no earlier, no process waits for long, and a time is no approval.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::Project;

fn workflow(config: Value) -> Value {
    json!({ "name": "canary", "steps": [
        { "id": "first", "type": "shell", "config": { "command": "echo first >> effects" } },
        { "id": "watch", "type": "wait", "config": config, "depends_on": ["first"] },
        { "id": "last", "type": "shell", "config": { "command": "echo last >> effects" }, "depends_on": ["watch"] },
        { "id": "aside", "type": "shell", "config": { "command": "echo aside >> aside" } }
    ] })
}

/// The workflow with an approval beside the wait.
fn with_gate(config: Value) -> Value {
    let mut workflow = workflow(config);
    let steps = workflow["steps"].as_array_mut().expect("steps");
    steps.push(json!({ "id": "ask", "type": "print", "pause": true, "config": { "message": "?" } }));
    steps.push(json!({ "id": "deploy", "type": "shell", "config": { "command": "echo deploy >> effects" },
        "depends_on": ["ask"] }));
    workflow
}

const JOURNAL: &str = ".shiro/state/canary.jsonl";

/// The sum at the end of a journal's line: of the one before, and of what stands before it.
fn sum(before: &str, line: &str) -> String {
    let digest = Sha256::new().chain_update(before).chain_update(line).finalize();
    digest[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// As if the run had begun an hour earlier: whatever its journal waits for is over.
fn an_hour_passes(project: &Project) {
    let mut before = String::new();
    let journal = project.read(JOURNAL);
    let earlier = journal.lines().map(|line| {
        let (line, _) = line.split_once(",\"sum\":").expect("a sum");
        let digits = |until: &&str| until.starts_with(|c: char| c.is_ascii_digit());
        let line = match line.split_once("\"until\":").filter(|(_, until)| digits(until)) {
            Some((start, until)) => {
                format!("{start}\"until\":1{}", until.trim_start_matches(|c: char| c.is_ascii_digit()))
            }
            None => line.to_owned(),
        };
        before = sum(&before, &line);
        format!("{line},\"sum\":\"{before}\"}}\n")
    });
    let earlier: String = earlier.collect();
    project.write(JOURNAL, &earlier);
}

/// What someone without a state key can append to a journal: records and a seal that check.
fn appended(journal: &str, events: &[Value]) -> String {
    let last: Value = serde_json::from_str(journal.lines().last().expect("a line")).expect("JSON");
    let mut before = last["sum"].as_str().expect("a sum").to_owned();
    let first = last["seq"].as_u64().expect("a number") + 1;
    let batch = first + events.len() as u64 - 1;
    let mut lines: Vec<String> = events
        .iter()
        .zip(first..)
        .map(|(event, seq)| {
            format!("{{\"seq\":{seq},\"batch\":{batch},{}", &event.to_string()[1..].trim_end_matches('}'))
        })
        .collect();
    lines.push(format!("{{\"seq\":{0},\"batch\":{0},\"seal\":true", batch + 1));
    let sealed = lines.into_iter().map(|line| {
        before = sum(&before, &line);
        format!("{line},\"sum\":\"{before}\"}}\n")
    });
    sealed.collect()
}

fn status(project: &Project) -> Value {
    serde_json::from_str(&project.shiro("status canary -json").exits(0).stdout).expect("JSON")
}

#[test]
fn a_long_wait_pauses_and_nothing_runs_meanwhile() {
    let project = Project::with_workflow(&workflow(json!({ "duration": "12m" })));
    let paused = project.shiro("run").exits(0).says("Waiting until 20").says("after `watch`");
    assert!(paused.stdout.ends_with("To go on then: run `shiro run`\n"), "{}", paused.stdout);
    assert_eq!((project.read("effects"), project.read("aside")), ("first\n".to_owned(), "aside\n".to_owned()));
    let left = project.read(".shiro/state/status.env");
    assert!(left.starts_with("SHIRO_STATUS=paused\n") && left.contains("\nSHIRO_UNTIL=20"), "{left}");

    let before = project.journals();
    let early =
        project.shiro("run").exits(0).says("canary: still paused").says("after watch: 1").says("m").says(" left");
    assert!(early.stdout.ends_with("To go on then: run `shiro run`\n"), "{}", early.stdout);
    project.shiro("run -pause-exit-code 9").exits(9);
    assert_eq!(project.journals(), before, "a start that comes too early changes nothing");
    assert_eq!(project.read("effects"), "first\n");

    project.shiro("status canary").exits(0).says("paused").says("watch  succeeded").says(", waits until 20");
    let status = status(&project);
    let watch = status["steps"].as_array().expect("steps").iter().find(|step| step["id"] == "watch").expect("the step");
    assert_eq!(watch["waits_until"], status["until"]);
    assert!(status["until"].as_str().expect("a time").ends_with('Z'));
    project.shiro("audit canary").exits(0).says("watch: a wait until 20").says("before: last");
    project.shiro("audit verify").exits(0);
}

#[test]
fn a_short_wait_is_waited_for_and_then_everything_goes_on() {
    for store in ["", " -state-store memory"] {
        let project = Project::with_workflow(&workflow(json!({ "duration": 0.3 })));
        project.shiro(&format!("run{store}")).exits(0).says("watch: waits until 20").says("watch: the wait is over");
        assert_eq!(project.read("effects"), "first\nlast\n");
    }
    // What would be too long for a process stays all the same where there is no state to go on from.
    let project = Project::with_workflow(&workflow(json!({ "duration": 0.3 })));
    project.shiro("run -hold 0 -state-store memory").exits(0);
    assert_eq!(project.read("effects"), "first\nlast\n");
}

#[test]
fn a_run_that_paused_goes_on_once_the_time_has_come() {
    let project = Project::with_workflow(&workflow(json!({ "duration": "1h" })));
    project.shiro("run").exits(0).says("Waiting until");
    assert_eq!(project.read("effects"), "first\n");
    an_hour_passes(&project);
    project.shiro("run").exits(0).says("going on with run").says("watch: the wait is over");
    assert_eq!(project.read("effects"), "first\nlast\n");
    project.shiro("audit canary").exits(0).says("watch: the wait is over");
    project.shiro("audit verify").exits(0);
}

#[test]
fn a_time_that_has_passed_lets_the_run_through() {
    let project = Project::with_workflow(&workflow(json!({ "until": "2020-01-01T09:00:00+01:00" })));
    project.shiro("run -hold 0").exits(0).does_not_say("waits until");
    assert_eq!(project.read("effects"), "first\nlast\n");
}

#[test]
fn a_wait_is_cut_short_only_by_name_and_that_is_on_record() {
    let mut project = Project::with_workflow(&workflow(json!({ "duration": "1h" })));
    project.env("USER", "bob");
    project.shiro("run").exits(0);
    project.shiro("run -skip last").exits(6).says("-skip").says("waits for a time");
    project.shiro("run -skip watch").exits(0).says("watch: the wait is over early, says bob");
    assert_eq!(project.read("effects"), "first\nlast\n");
    project.shiro("audit canary").exits(0).says("watch: the wait was cut short (-skip), says bob");
}

#[test]
fn what_is_done_again_waits_again() {
    let project = Project::with_workflow(&workflow(json!({ "duration": "1h" })));
    project.shiro("run").exits(0);
    project.shiro("rework first -note again").exits(0);
    project.shiro("run").exits(0).says("Waiting until");
    assert_eq!(project.read("effects"), "first\nfirst\n");
    assert_eq!(project.read(JOURNAL).matches("wait_started").count(), 2);
}

#[test]
fn changes_that_are_accepted_take_no_time_back() {
    let mut changed = workflow(json!({ "duration": "1h" }));
    let project = Project::with_workflow(&changed);
    project.shiro("run").exits(0);
    let until = status(&project)["until"].clone();
    changed["steps"][1]["config"] = json!({ "duration": "1ms" });
    project.write(".shiro/workflow.json", &changed.to_string());
    project.shiro("run -accept-changes").exits(0).says("still paused");
    project.shiro("run -accept-changes -hold 2h -skip watch").exits(0);
    assert_eq!(project.read("effects"), "first\nlast\n");
    assert!(until.is_string());
}

#[test]
fn a_journal_that_starts_early_is_refused() {
    let project = Project::with_workflow(&workflow(json!({ "duration": "1h" })));
    project.shiro("run").exits(0);
    let at = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
    let forged = [
        json!({ "at": at, "event": "run_resumed", "job": {}, "shiro": "0.1.0" }),
        json!({ "at": at, "event": "wait_ended", "step": "watch" }),
    ];
    project.write(JOURNAL, &(project.read(JOURNAL) + &appended(&project.read(JOURNAL), &forged)));
    project.shiro("run").exits(6).says("wait_ended of `watch`").says("it waits until 20");
    project.shiro("audit verify").exits(6);
    assert_eq!(project.read("effects"), "first\n");
}

#[test]
fn the_end_of_a_wait_is_nobodys_approval() {
    let project = Project::with_workflow(&with_gate(json!({ "duration": "1h" })));
    let paused = project.shiro("run").exits(0).says("Waiting until 20").says("Waiting for approval after `ask`");
    let (time, approval) = paused.stdout.split_once("To go on then: run `shiro run -no-approve`\n").expect("both");
    assert!(time.contains("after `watch`") && approval.ends_with("To approve and go on: run `shiro run`\n"));
    an_hour_passes(&project);
    project.shiro("run -no-approve").exits(0).says("the wait is over").says("Waiting for approval after `ask`");
    assert_eq!(project.read("effects"), "first\nlast\n");
    project.shiro("run").exits(0);
    assert_eq!(project.read("effects"), "first\nlast\ndeploy\n");
}

#[test]
fn an_approval_before_the_time_leaves_the_time() {
    let project = Project::with_workflow(&with_gate(json!({ "duration": "1h" })));
    project.shiro("run").exits(0);
    project.shiro("run -no-approve").exits(0).says("still paused").says("To approve and go on: run `shiro run`");
    assert_eq!(project.read("effects"), "first\n");
    project.shiro("run").exits(0).says("Waiting until 20").does_not_say("Waiting for approval");
    assert_eq!(project.read("effects"), "first\ndeploy\n");
}

#[test]
fn in_gitlab_a_job_that_starts_by_itself_approves_nothing_while_a_time_is_waited_for() {
    let mut project = Project::with_workflow(&with_gate(json!({ "duration": "1h" })));
    project.env("GITLAB_CI", "true").env("CI_PIPELINE_ID", "7").env("CI_JOB_NAME", "begin");
    project.shiro("run -fresh").exits(0);
    project.env("CI_JOB_NAME", "delayed");
    project.shiro("run -resume").exits(0).says("still paused");
    assert_eq!(project.read("effects"), "first\n");
    project.env("CI_JOB_NAME", "approve").env("CI_JOB_MANUAL", "true");
    project.shiro("run -resume").exits(0);
    assert_eq!(project.read("effects"), "first\ndeploy\n");
}

#[test]
fn what_is_no_time_is_said_before_anything_runs() {
    for (config, said) in [
        (json!({}), "/steps/1/config"),
        (json!({ "duration": "1h", "until": "2026-12-01T08:00:00Z" }), "/steps/1/config"),
        (json!({ "duration": "soon" }), "/steps/1/config/duration"),
        (json!({ "for": "1h" }), "for"),
    ] {
        let project = Project::with_workflow(&workflow(config));
        project.shiro("validate").exits(2).says(said);
    }
    let mut project = Project::with_workflow(&workflow(json!({ "until": "{{env.UNTIL}}" })));
    project.env("UNTIL", "noon");
    project.shiro("run").exits(2).says("`until` is no time: `noon`");
    project.env("UNTIL", "9999-01-01T00:00:00Z");
    project.shiro("run -fresh").exits(3).says("more than a year away");
    assert_eq!(project.read("effects"), "first\nfirst\n");
}

#[test]
fn there_is_no_wait_for_each_item() {
    let mut workflow = workflow(json!({ "duration": "1h" }));
    workflow["steps"][1]["foreach"] = json!([1, 2]);
    Project::with_workflow(&workflow).shiro("validate").exits(2).says("wait-for-items").says("/steps/1/foreach");
}

#[test]
fn a_wait_has_no_power() {
    let project = Project::new();
    project.shiro("types wait").exits(0).says("nothing");
}
