//! The retried resume job: no completed step runs again, or shiro says that it could.

use std::fs;

use serde_json::{Value, json};

use crate::gitlab::{emulator, prepare};
use crate::support::gitlab_packages::GitLab;
use crate::support::{Outcome, Project};

/// A gate; then a step with an effect, and one that fails as long as something is broken.
fn workflow(deploy: Value) -> Value {
    let mut deploy_step = json!({
        "id": "deploy", "type": "shell", "depends_on": ["ask"],
        "config": { "shell": "sh", "command": "echo deploy >> \"$EFFECTS\"" }
    });
    deploy_step.as_object_mut().expect("an object").extend(deploy.as_object().expect("an object").clone());
    json!({
        "name": "retried",
        "steps": [
            { "id": "ask", "type": "print", "config": { "message": "ready" }, "pause": true },
            deploy_step,
            { "id": "verify", "type": "shell", "depends_on": ["deploy"], "idempotent": true,
              "config": { "shell": "sh", "command": "echo verify >> \"$EFFECTS\"; test ! -e \"$EFFECTS.broken\"" } }
        ]
    })
}

/// The working copy of one job of one pipeline.
fn job(gitlab: &GitLab, shared: &Project, name: &str, id: &str, deploy: Value) -> Project {
    let mut project = Project::with_workflow(&workflow(deploy));
    project
        .env("GITLAB_CI", "true")
        .env("CI_PROJECT_PATH", "group/name")
        .env("CI_PIPELINE_ID", "7")
        .env("CI_JOB_NAME", name)
        .env("CI_JOB_ID", id)
        .env("CI_JOB_MANUAL", if name == "resume" { "true" } else { "false" })
        .env("EFFECTS", shared.join("effects").display().to_string());
    for (name, value) in gitlab.variables() {
        project.env(name, value);
    }
    project
}

#[test]
fn with_the_package_registry_a_retry_goes_on_where_the_attempt_before_stopped() {
    for page in [100, 2] {
        let (gitlab, shared) = (GitLab::start(), Project::new());
        gitlab.pages_of(page);
        shared.write("effects.broken", "");
        let job = |name: &str, id: &str| job(&gitlab, &shared, name, id, json!({}));
        job("start", "1").shiro("run -state-store gitlab-packages -fresh").exits(0);
        job("resume", "2").shiro("run -state-store gitlab-packages").exits(1);
        assert_eq!(shared.read("effects"), "deploy\nverify\n");
        fs::remove_file(shared.join("effects.broken")).expect("remove");
        // Nothing of the first attempt is here but what the registry has.
        let retry = job("resume", "3");
        retry.shiro("run -state-store gitlab-packages").exits(0).says("2 of 3 steps done before");
        assert_eq!(shared.read("effects"), "deploy\nverify\nverify\n");
        retry.shiro("run -state-store gitlab-packages").exits(0).says("finished already");
        retry.shiro("status -state-store gitlab-packages retried-pipeline-7").exits(0).says("succeeded");
        assert!(retry.journals().is_empty());
        for name in gitlab.files() {
            assert!(name.ends_with(".jsonl"), "{name}");
        }
    }
}

#[test]
fn of_two_writers_in_the_package_registry_the_second_stops_before_it_starts_anything() {
    let (gitlab, shared) = (GitLab::start(), Project::new());
    let job = |name: &str, id: &str| job(&gitlab, &shared, name, id, json!({}));
    job("start", "1").shiro("run -state-store gitlab-packages -fresh").exits(0);
    let next = gitlab.files().len() + 1;
    gitlab.rival_writes(&format!("{next:010}.rival.jsonl"), "{}\n");
    let refused = job("resume", "2").shiro("run -state-store gitlab-packages");
    refused.exits(8).says("another process has gone on with this run").says("resource_group");
    assert_eq!(shared.read("effects"), "");
    assert!(gitlab.files().last().expect("files").ends_with(".lost"));
    // The rival's segment is the one that counts from now on; this one is no journal's.
    job("resume", "3").shiro("run -state-store gitlab-packages").exits(6).says("damaged");
}

#[test]
fn a_token_that_may_not_write_packages_starts_nothing() {
    let (gitlab, shared) = (GitLab::start(), Project::new());
    let mut project = job(&gitlab, &shared, "start", "1", json!({}));
    project.env("CI_JOB_TOKEN", "another");
    let refused = project.shiro("run -state-store gitlab-packages");
    refused.exits(7).says("401 Unauthorized").says("package registry of the project must be on");
}

/// The first job has paused, and its artifact is restored in another one.
fn with_artifact(gitlab: &GitLab, shared: &Project, deploy: &Value) -> Project {
    let start = job(gitlab, shared, "start", "1", deploy.clone());
    start.shiro("run -fresh").exits(0);
    let resume = job(gitlab, shared, "resume", "2", deploy.clone());
    for (name, text) in start.journals() {
        resume.write(format!(".shiro/state/{name}"), &text);
    }
    resume
}

#[test]
fn with_artifacts_only_a_retry_that_could_repeat_a_step_is_refused() {
    let (gitlab, shared) = (GitLab::start(), Project::new());
    let resume = with_artifact(&gitlab, &shared, &json!({}));
    gitlab.job_created_at("2199-01-11T10:14:09.526+02:00");
    let refused = resume.shiro("run");
    refused
        .exits(6)
        .says("this job was started before (GitLab created it at 2199-01-11T08:14:09Z, after the run had begun)")
        .says("`deploy` could run twice")
        .says("-accept-retry")
        .says("-state-store gitlab-packages");
    assert_eq!(shared.read("effects"), "");
    // The journal of the attempt before is what we go on from: nothing could repeat.
    resume.shiro("run -accept-retry").exits(0);
    assert_eq!(shared.read("effects"), "deploy\nverify\n");
}

#[test]
fn a_first_start_and_steps_that_may_run_twice_are_not_refused() {
    let (gitlab, shared) = (GitLab::start(), Project::new());
    gitlab.job_created_at("2020-01-11T10:14:09.526Z");
    with_artifact(&gitlab, &shared, &json!({})).shiro("run").exits(0).does_not_say("started before");

    gitlab.job_created_at("2199-01-11T10:14:09.526Z");
    with_artifact(&gitlab, &shared, &json!({ "idempotent": true })).shiro("run").exits(0);
    assert_eq!(shared.read("effects"), "deploy\nverify\ndeploy\nverify\n");

    // Where nobody can tell, it is said.
    let mut resume = with_artifact(&gitlab, &shared, &json!({}));
    resume.env("CI_JOB_TOKEN", "another");
    resume.shiro("run").exits(0).says("nobody could say whether this job was started before").says("401");
}

#[test]
fn an_attempt_that_has_its_own_journal_is_not_refused() {
    let (gitlab, shared) = (GitLab::start(), Project::new());
    shared.write("effects.broken", "");
    let resume = with_artifact(&gitlab, &shared, &json!({}));
    gitlab.job_created_at("2020-01-11T10:14:09.526Z");
    resume.shiro("run").exits(1);
    fs::remove_file(shared.join("effects.broken")).expect("remove");
    gitlab.job_created_at("2199-01-11T10:14:09.526Z");
    resume.shiro("run").exits(0);
    assert_eq!(shared.read("effects"), "deploy\nverify\nverify\n");
}

#[test]
fn a_second_attempt_in_github_is_refused() {
    let (gitlab, shared) = (GitLab::start(), Project::new());
    let mut project = job(&gitlab, &shared, "x", "1", json!({}));
    for (name, value) in [
        ("GITLAB_CI", ""),
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_REPOSITORY", "group/name"),
        ("GITHUB_RUN_ID", "7"),
        ("GITHUB_JOB", "start"),
        ("GITHUB_RUN_ATTEMPT", "1"),
    ] {
        project.env(name, value);
    }
    project.shiro("run").exits(0);
    project.env("GITHUB_JOB", "resume").env("GITHUB_RUN_ATTEMPT", "2");
    project.shiro("run -resume").exits(6).says("GITHUB_RUN_ATTEMPT is 2").says("`deploy` could run twice");
    project.env("GITHUB_RUN_ATTEMPT", "1");
    project.shiro("run -resume").exits(0);
}

const PIPELINE: &str = r#"
stages: [deploy, resume]
start:
  stage: deploy
  script:
  - shiro run -state-store gitlab-packages -fresh
resume:
  stage: resume
  when: manual
  needs: [start]
  script:
  - shiro run -state-store gitlab-packages
"#;

#[test]
fn a_retried_job_of_the_emulator_runs_no_completed_step_again() {
    let (gitlab, shared) = (GitLab::start(), Project::new());
    shared.write("effects.broken", "");
    let mut project = Project::with_workflow(&workflow(json!({})));
    project.write(".gitlab-ci.yml", PIPELINE);
    prepare(&mut project);
    let run = |jobs: &[&str]| {
        let mut command = project.command(emulator());
        command.args(["--shell-isolation", "--variable"]).arg(format!("EFFECTS={}", shared.join("effects").display()));
        for (name, value) in gitlab.variables() {
            command.arg("--variable").arg(format!("{name}={value}"));
        }
        Outcome::of(command.args(jobs).output().expect("the emulator starts"))
    };
    run(&[]).exits(0);
    run(&["resume"]).exits(1);
    assert_eq!(shared.read("effects"), "deploy\nverify\n");
    fs::remove_file(shared.join("effects.broken")).expect("remove");
    run(&["resume"]).exits(0);
    assert_eq!(shared.read("effects"), "deploy\nverify\nverify\n");
}
