//! The main job: prepare, notify, pause; then resume, deploy, notify.

use serde_json::{Value, json};

use crate::support::Project;
use crate::support::http::Server;

/// The complete example workflow, unchanged.
fn example() -> Value {
    let file = crate::support::repository().join("examples/approval/workflow.json");
    serde_json::from_str(&std::fs::read_to_string(file).expect("read the example")).expect("JSON")
}

/// The example in a project, with Slack on loopback and a kubectl that leaves a mark.
fn project(slack: &Server) -> Project {
    let mut project = Project::with_workflow(&example());
    project.write_program("kubectl", "#!/bin/sh\necho \"kubectl $*\" >> \"$EFFECTS\"\n");
    let effects = project.join("effects").display().to_string();
    project
        .env("EFFECTS", effects)
        .env("SLACK_WEBHOOK_URL", slack.url("/services/T000/B000/the-secret-part"))
        .env("CI_COMMIT_REF_NAME", "release/1.2")
        .env("CI_SERVER_URL", "https://gitlab.example.com")
        .env("CI_PROJECT_ID", "17")
        .env("CI_PIPELINE_ID", "4711");
    project
}

fn in_job<'a>(project: &'a mut Project, name: &str) -> &'a Project {
    project.env("CI_JOB_NAME", name)
}

#[test]
fn notifies_pauses_and_goes_on_when_someone_starts_the_next_job() {
    let slack = Server::slack();
    let mut project = project(&slack);

    in_job(&mut project, "deploy-with-approval")
        .shiro("run -state-store gitlab -fresh")
        .exits(0)
        .says("Preparing deployment...")
        .says("shiro run")
        .does_not_say("the-secret-part");
    assert_eq!(project.read("effects"), "", "nothing is deployed before the approval");
    let first = slack.received();
    assert_eq!(first.len(), 1);
    assert_eq!((first[0].method.as_str(), first[0].path.as_str()), ("POST", "/services/T000/B000/the-secret-part"));
    let message = first[0].json();
    assert_eq!(message["channel"], "#deployments");
    assert_eq!(message["text"], "Ready to deploy release/1.2. Please review.");
    assert_eq!(message["blocks"][0]["type"], "section");
    assert_eq!(message["blocks"][0]["text"]["text"], "Ready to deploy release/1.2. Please review.");
    let button = &message["blocks"][1]["elements"][0];
    assert_eq!(button["type"], "button");
    assert_eq!(button["text"]["text"], "Review in GitLab");
    assert_eq!(button["url"], "https://gitlab.example.com/17/-/pipelines/4711");

    in_job(&mut project, "resume-deployment")
        .shiro("run -state-store gitlab")
        .exits(0)
        .does_not_say("Preparing deployment...");
    assert_eq!(project.read("effects"), "kubectl apply -f k8s/production.yaml\n");
    let both = slack.received();
    assert_eq!(both.len(), 2);
    assert_eq!(both[1].json()["text"], "Deployment completed!");

    let journals = project.journals();
    assert_eq!(journals.keys().collect::<Vec<_>>(), ["approval-workflow-pipeline-4711.jsonl"]);
    for (name, journal) in journals {
        assert!(!journal.contains("the-secret-part"), "{name} holds a secret");
    }
}

#[test]
fn a_finished_run_stays_finished_until_fresh() {
    let slack = Server::slack();
    let mut project = project(&slack);
    in_job(&mut project, "deploy").shiro("run -state-store gitlab").exits(0);
    in_job(&mut project, "resume").shiro("run -state-store gitlab").exits(0);
    in_job(&mut project, "resume").shiro("run -state-store gitlab").exits(0).says("finished").says("-fresh");
    assert_eq!(slack.received().len(), 2);
    in_job(&mut project, "deploy").shiro("run -state-store gitlab -fresh").exits(0);
    assert_eq!(slack.received().len(), 3);
}

#[test]
fn starting_the_job_that_paused_again_approves_nothing() {
    let slack = Server::slack();
    let mut project = project(&slack);
    in_job(&mut project, "deploy").shiro("run -state-store gitlab").exits(0);
    in_job(&mut project, "deploy").shiro("run -state-store gitlab").exits(0).says("deploy");
    assert_eq!(project.read("effects"), "");
    assert_eq!(slack.received().len(), 1);
    in_job(&mut project, "resume").shiro("run -state-store gitlab").exits(0);
    assert_eq!(project.read("effects"), "kubectl apply -f k8s/production.yaml\n");
}

#[test]
fn outside_ci_the_next_run_approves() {
    let slack = Server::slack();
    let mut project = project(&slack);
    project.env("CI_PIPELINE_ID", "");
    project.shiro("run").exits(0);
    assert_eq!(project.journals().into_keys().collect::<Vec<_>>(), ["approval-workflow.jsonl"]);
    project.shiro("run").exits(0);
    assert_eq!(project.read("effects"), "kubectl apply -f k8s/production.yaml\n");
}

#[test]
fn a_manual_job_without_state_starts_nothing() {
    let slack = Server::slack();
    let mut project = project(&slack);
    project.env("CI_JOB_MANUAL", "true");
    in_job(&mut project, "resume").shiro("run -state-store gitlab").exits(6).says("artifact").says("needs");
    project.env("CI_JOB_MANUAL", "");
    in_job(&mut project, "resume").shiro("run -state-store gitlab -resume").exits(6);
    assert!(slack.received().is_empty());
}

#[test]
fn a_manual_job_that_finds_another_pipelines_state_says_so() {
    let slack = Server::slack();
    let mut project = project(&slack);
    in_job(&mut project, "deploy").shiro("run -state-store gitlab").exits(0);
    project.env("CI_PIPELINE_ID", "4712").env("CI_JOB_MANUAL", "true");
    in_job(&mut project, "resume").shiro("run -state-store gitlab").exits(6).says("approval-workflow-pipeline-4711");
    assert_eq!(slack.received().len(), 1);
}

#[test]
fn a_workflow_that_changed_since_the_pause_is_refused_until_accepted() {
    let slack = Server::slack();
    let mut project = project(&slack);
    in_job(&mut project, "deploy").shiro("run -state-store gitlab").exits(0);

    let mut changed = example();
    changed["steps"][2]["config"]["command"] = json!("kubectl delete namespace production");
    project.write(".shiro/workflow.json", &changed.to_string());
    in_job(&mut project, "resume").shiro("run -state-store gitlab").exits(6).says("deploy").says("-accept-changes");
    assert_eq!(project.read("effects"), "");

    in_job(&mut project, "resume").shiro("run -state-store gitlab -accept-changes").exits(0);
    assert_eq!(project.read("effects"), "kubectl delete namespace production\n");
}

#[test]
fn spaces_and_the_order_of_keys_are_no_change() {
    let slack = Server::slack();
    let mut project = project(&slack);
    in_job(&mut project, "deploy").shiro("run -state-store gitlab").exits(0);
    project.write(".shiro/workflow.json", &example().to_string());
    in_job(&mut project, "resume").shiro("run -state-store gitlab").exits(0);
    assert_eq!(slack.received().len(), 2);
}

#[test]
fn the_decision_is_on_record_as_unverified() {
    let slack = Server::slack();
    let mut project = project(&slack);
    project.env("GITLAB_USER_LOGIN", "alice");
    in_job(&mut project, "deploy").shiro("run -state-store gitlab").exits(0);
    project.env("GITLAB_USER_LOGIN", "bob").env("CI_JOB_URL", "https://gitlab.example.com/jobs/2");
    in_job(&mut project, "resume").shiro("run -state-store gitlab").exits(0);
    let status = project.shiro("status -state-store gitlab -json approval-workflow-pipeline-4711").exits(0);
    let status: Value = serde_json::from_str(&status.stdout).expect("JSON");
    let decision = &status["approvals"][0];
    assert_eq!(decision["step"], "request_approval");
    assert_eq!(decision["by"], "bob");
    assert_eq!(decision["verified"], false);
    assert_eq!(decision["source"], "GITLAB_USER_LOGIN");
    assert_eq!(decision["job"]["name"], "resume");
}

#[test]
fn the_approver_is_there_for_later_steps() {
    let mut project = Project::with_workflow(&json!({
        "name": "who", "steps": [
            { "id": "gate", "type": "print", "config": { "message": "please look" }, "pause": true },
            { "id": "after", "type": "print", "config": { "message": "approved by {{approval.gate.by}}" }, "depends_on": ["gate"] }
        ]
    }));
    project.env("USER", "carol");
    project.shiro("run").exits(0).does_not_say("approved by");
    project.shiro("run").exits(0).says("approved by carol");
}

#[test]
fn the_pause_exit_code_can_be_chosen_and_the_status_is_left_for_the_ci_system() {
    let slack = Server::slack();
    let mut project = project(&slack);
    let output = project.join("github-output").display().to_string();
    project.env("GITHUB_OUTPUT", output);
    in_job(&mut project, "deploy").shiro("run -state-store gitlab -pause-exit-code 75").exits(75);
    assert!(project.read("github-output").starts_with("SHIRO_STATUS=paused\nSHIRO_RUN="));
    assert!(project.read(".shiro/state/status.env").starts_with("SHIRO_STATUS=paused\nSHIRO_RUN="));
    in_job(&mut project, "resume").shiro("run -state-store gitlab").exits(0);
    assert!(project.read(".shiro/state/status.env").starts_with("SHIRO_STATUS=succeeded\nSHIRO_RUN="));
}

#[test]
fn only_what_depends_on_the_gate_waits() {
    let project = Project::with_workflow(&json!({
        "name": "branches", "steps": [
            { "id": "gate", "type": "print", "config": { "message": "gate" }, "pause": true },
            { "id": "behind", "type": "print", "config": { "message": "behind the gate" }, "depends_on": ["gate"] },
            { "id": "slow", "type": "shell", "config": { "command": "sleep 0.3; echo aside" } },
            { "id": "aside", "type": "print", "config": { "message": "after {{steps.slow.stdout | trim}}" }, "depends_on": ["slow"] }
        ]
    }));
    project.shiro("run").exits(0).says("after aside").does_not_say("behind the gate");
    project.shiro("run").exits(0).says("behind the gate").does_not_say("after aside");
}

#[test]
fn each_start_passes_the_gates_that_waited_when_it_began_and_no_later_one() {
    let project = Project::with_workflow(&json!({
        "name": "gates", "steps": [
            { "id": "one", "type": "print", "config": { "message": "first" }, "pause": true },
            { "id": "two", "type": "print", "config": { "message": "second" }, "pause": true, "depends_on": ["one"] },
            { "id": "end", "type": "print", "config": { "message": "the end" }, "depends_on": ["two"] }
        ]
    }));
    project.shiro("run").exits(0).says("first").does_not_say("second");
    project.shiro("run").exits(0).says("second").does_not_say("the end");
    project.shiro("run").exits(0).says("the end");
}

#[test]
fn state_goes_between_two_working_copies_as_github_carries_it() {
    let slack = Server::slack();
    let mut first = project(&slack);
    first
        .env("CI_PIPELINE_ID", "")
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_RUN_ID", "99")
        .env("GITHUB_JOB", "deploy");
    first.shiro("run -fresh").exits(0);

    // upload-artifact and download-artifact: the files of one directory, without modes, in a fresh checkout.
    let mut second = project(&slack);
    second
        .env("CI_PIPELINE_ID", "")
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_RUN_ID", "99")
        .env("GITHUB_JOB", "resume");
    for (name, journal) in first.journals() {
        second.write(format!(".shiro/state/{name}"), &journal);
    }
    second.shiro("run").exits(0).does_not_say("Preparing deployment...");
    assert_eq!(second.read("effects"), "kubectl apply -f k8s/production.yaml\n");
    assert_eq!(slack.received().len(), 2);
}
