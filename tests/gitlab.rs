//! The documented `.gitlab-ci.yml`, to the letter, run by an emulator of GitLab's runner.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::json;

use crate::support::http::Server;
use crate::support::{Outcome, Project, SHIRO, repository};

/// The emulator that `make test-tools` installs next to the build.
pub(crate) fn emulator() -> PathBuf {
    let target = PathBuf::from(SHIRO).ancestors().nth(2).expect("target/PROFILE/shiro").to_owned();
    let program = target.join("tools/node_modules/.bin/gitlab-ci-local");
    assert!(program.exists(), "{} is missing: run `make test`, which installs it", program.display());
    program
}

/// A repository with the documented files and nothing else of ours.
fn project() -> Project {
    let example = |name: &str| {
        let file = repository().join("examples/approval").join(name);
        fs::read_to_string(file).expect("read the example")
    };
    project_with(&example("workflow.json"), &example(".gitlab-ci.yml"))
}

/// A repository with this workflow and these jobs; `shiro` and a stand-in for `kubectl` are on the `PATH`.
fn project_with(workflow: &str, jobs: &str) -> Project {
    let mut project = Project::new();
    project.write(".shiro/workflow.json", workflow);
    project.write(".gitlab-ci.yml", jobs);
    prepare(&mut project);
    project
}

/// Makes a repository of what is there, with a stand-in for `kubectl` that writes to `effects.log`, as the emulator wants it.
pub(crate) fn prepare(project: &mut Project) {
    project.write_program("kubectl", "#!/bin/sh\necho \"kubectl $*\" >> \"$EFFECTS\"\n");
    std::os::unix::fs::symlink(SHIRO, project.join("bin/shiro")).expect("link shiro");
    let effects = project.join("effects.log").display().to_string();
    let home = project.join("home");
    fs::create_dir(&home).expect("create a home for git and the emulator");
    project.env("EFFECTS", effects).env("HOME", home.display().to_string());
    project.write(".gitignore", "/bin/\n/home/\n/effects.log\n/.gitlab-ci-local/\n");
    project.git(&["init", "--quiet", "--initial-branch=main"]);
    project.git(&["add", "."]);
    project.git(&["commit", "--quiet", "--message", "start"]);
    project.git(&["remote", "add", "origin", "git@gitlab.example.com:group/name.git"]);
}

fn run(project: &Project, slack: &Server, args: &[&str]) -> Outcome {
    let mut command: Command = project.command(emulator());
    command.args(["--shell-isolation", "--variable"]);
    command.arg(format!("SLACK_WEBHOOK_URL={}", slack.url("/services/T/B/the-secret-part")));
    command.arg("--variable").arg(format!("EFFECTS={}", project.join("effects.log").display()));
    Outcome::of(command.args(args).output().expect("the emulator starts"))
}

#[test]
fn the_documented_pipeline_pauses_and_the_manual_job_resumes_from_the_artifact() {
    let slack = Server::slack();
    let project = project();

    run(&project, &slack, &[]).exits(0).says("Preparing deployment...").does_not_say("the-secret-part");
    assert_eq!(slack.received().len(), 1, "the first job asks for the approval");
    assert_eq!(project.read("effects.log"), "", "and deploys nothing");
    let artifacts = artifact_journals(&project, "deploy-with-approval");
    assert_eq!(artifacts.len(), 1, "the artifact is there: {artifacts:?}");

    // The job alone: what it has of the first one is its artifact.
    run(&project, &slack, &["resume-deployment"])
        .exits(0)
        .does_not_say("Preparing deployment...")
        .does_not_say("the-secret-part");
    let messages: Vec<String> =
        slack.received().iter().map(|request| request.json()["text"].as_str().unwrap_or_default().to_owned()).collect();
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[1], "Deployment completed!");
    assert_eq!(project.read("effects.log"), "kubectl apply -f k8s/production.yaml\n");
}

#[test]
fn both_jobs_of_one_pipeline_run_when_the_manual_one_is_started() {
    let slack = Server::slack();
    let project = project();
    run(&project, &slack, &["--manual", "resume-deployment"]).exits(0);
    assert_eq!(slack.received().len(), 2);
    assert_eq!(project.read("effects.log"), "kubectl apply -f k8s/production.yaml\n");
}

const JOBS: &str = r#"
stages: [deploy, decide, resume]
.state:
  artifacts:
    when: always
    paths: [.shiro/state/]
deploy:
  extends: .state
  stage: deploy
  script: [shiro run -state-store gitlab -fresh]
approve:
  extends: .state
  stage: decide
  when: manual
  needs: [deploy]
  script: [shiro approve review -state-store gitlab -reason "looks good"]
reject:
  extends: .state
  stage: decide
  when: manual
  needs: [deploy]
  script: [shiro reject review -state-store gitlab -reason "not today"]
resume:
  extends: .state
  stage: resume
  needs: [approve]
  script: [shiro run -state-store gitlab -resume -no-approve]
end:
  extends: .state
  stage: resume
  needs: [reject]
  script: [shiro run -state-store gitlab -resume -no-approve]
"#;

#[test]
fn a_decision_travels_in_the_artifact_of_its_own_job() {
    let workflow = json!({ "name": "gated", "steps": [
        { "id": "review", "type": "print", "approval": {}, "config": { "message": "please look" } },
        { "id": "deploy", "type": "shell", "depends_on": ["review"], "config": { "command": "kubectl apply" } },
        { "id": "tell", "type": "print", "depends_on": ["review"], "if": "rejected()",
          "config": { "message": "not deployed: {{approval.review.reason}}" } }
    ] });
    let slack = Server::slack();
    let project = project_with(&workflow.to_string(), JOBS);
    run(&project, &slack, &["deploy"]).exits(0).says("Waiting for approval after `review`");
    run(&project, &slack, &["approve"]).exits(0).says("review: approved by");
    assert_eq!(project.read("effects.log"), "", "approving deploys nothing");
    run(&project, &slack, &["resume"]).exits(0);
    assert_eq!(project.read("effects.log"), "kubectl apply\n");

    // From the same pause, whose artifact is still there.
    run(&project, &slack, &["reject"]).exits(0).says("review: rejected by");
    run(&project, &slack, &["end"]).exits(1).says("not deployed: not today").says("rejected after");
    assert_eq!(project.read("effects.log"), "kubectl apply\n");
}

/// The journals in a job's artifacts, as the emulator keeps them.
fn artifact_journals(project: &Project, job: &str) -> Vec<PathBuf> {
    let state = project.join(".gitlab-ci-local/artifacts").join(job).join(".shiro/state");
    let Ok(entries) = fs::read_dir(state) else { return Vec::new() };
    entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
        .collect()
}
