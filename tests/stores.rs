//! Stores beyond the artifact: two resumes at once, on one machine and on two, and runs in object storage.

use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::gitlab_packages::GitLab;
use crate::support::{Outcome, Project, SHIRO};

/// A gate, and a step after it that leaves a line and waits for a file.
fn workflow() -> serde_json::Value {
    json!({
        "name": "gated",
        "steps": [
            { "id": "build", "type": "shell", "config": { "shell": "sh", "command": "echo build >> \"$EFFECTS\"" } },
            { "id": "ask", "type": "print", "config": { "message": "ready" }, "pause": true, "depends_on": ["build"] },
            { "id": "deploy", "type": "shell", "depends_on": ["ask"], "timeout": "120s",
              "config": { "shell": "sh", "command": "echo deploy >> \"$EFFECTS\"; until test -e \"$GO\"; do sleep 0.05; done" } }
        ]
    })
}

/// A working copy of the project, as each machine has one of its own; effects are seen by all.
fn working_copy(effects: &Project, variables: &[(&str, String)]) -> Project {
    let mut project = Project::with_workflow(&workflow());
    project
        .env("EFFECTS", effects.join("effects").display().to_string())
        .env("GO", effects.join("go").display().to_string())
        .env("CI_PROJECT_PATH", "group/name")
        .env("CI_PIPELINE_ID", "7")
        .env("CI_JOB_NAME", "start");
    for (name, value) in variables {
        project.env(name, value.clone());
    }
    project
}

fn start(project: &Project, store: &str) -> Child {
    let mut command: Command = project.command(SHIRO);
    command.args(["run", "-state-store", store]).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("shiro starts")
}

/// Starts the same resume on both machines at once. Whichever gets the run waits in its step until the other has ended.
fn assert_one_of_two_runs(effects: &Project, machines: [&Project; 2], store: &str) {
    let mut running: Vec<Child> = machines.iter().map(|project| start(project, store)).collect();
    let deadline = Instant::now() + Duration::from_secs(90);
    let first = loop {
        assert!(Instant::now() < deadline, "one of the two ends while the other runs");
        match running.iter_mut().position(|child| child.try_wait().expect("wait").is_some()) {
            Some(ended) => break running.swap_remove(ended),
            None => sleep(Duration::from_millis(20)),
        }
    };
    let refused = Outcome::of(first.wait_with_output().expect("output"));
    effects.write("go", "");
    let ran = Outcome::of(running.remove(0).wait_with_output().expect("output"));
    refused.exits(8).says("another process").says("resource_group");
    ran.exits(0);
    assert_eq!(effects.read("effects"), "build\ndeploy\n");
}

#[test]
fn of_two_resumes_on_one_machine_one_runs() {
    let effects = Project::new();
    for store in ["filesystem", "gitlab"] {
        let mut project = working_copy(&effects, &[]);
        project.shiro(&format!("run -state-store {store}")).exits(0);
        project.env("CI_JOB_NAME", "resume");
        assert_one_of_two_runs(&effects, [&project, &project], store);
        for name in ["effects", "go"] {
            std::fs::remove_file(effects.join(name)).expect("remove");
        }
    }
}

/// Pauses on one machine, resumes on two at once, and looks at the result on another.
fn assert_runs_in(store: &str, variables: &[(&str, String)]) {
    let effects = Project::new();
    working_copy(&effects, variables).shiro(&format!("run -state-store {store}")).exits(0);
    let machines = [0, 1].map(|_| {
        let mut project = working_copy(&effects, variables);
        project.env("CI_JOB_NAME", "resume").env("CI_JOB_MANUAL", "true");
        project
    });
    machines[0].shiro(&format!("status -state-store {store}")).exits(0).says("gated-pipeline-7").says("paused");
    assert_one_of_two_runs(&effects, [&machines[0], &machines[1]], store);
    machines[1].shiro(&format!("run -state-store {store}")).exits(0).says("finished already");
    assert!(machines[0].journals().is_empty() && machines[1].journals().is_empty(), "nothing is kept here");
    // Another pipeline has a run of its own, and finds none.
    let mut other = working_copy(&effects, variables);
    other.env("CI_PIPELINE_ID", "8").env("CI_JOB_MANUAL", "true");
    other.shiro(&format!("run -state-store {store}")).exits(6).says("there is no state of one");
    assert_eq!(effects.read("effects"), "build\ndeploy\n");
}

#[test]
fn of_two_resumes_on_two_machines_with_a_shared_directory_one_runs() {
    let shared = Project::new();
    assert_runs_in(&format!("file://{}", shared.path().display()), &[]);
}

#[test]
fn of_two_resumes_on_two_machines_with_s3_one_runs() {
    let s3 = crate::support::s3::Server::start();
    assert_runs_in(&format!("s3://{}/some/prefix", s3.bucket()), &s3.variables());
}

/// There is no lease: who comes too late for the first write takes the step that runs for interrupted; and of two that write
/// at once both may stop.
#[test]
fn of_two_resumes_with_the_package_registry_at_most_one_runs() {
    let (gitlab, effects) = (GitLab::start(), Project::new());
    let store = "gitlab-packages";
    let copy = |job: &str| {
        let mut project = working_copy(&effects, &gitlab.variables());
        project.env("CI_JOB_NAME", job);
        project
    };
    copy("start").shiro(&format!("run -state-store {store}")).exits(0);
    let machines = [copy("resume"), copy("resume")];
    let mut running: Vec<Child> = machines.iter().map(|project| start(project, store)).collect();
    let deadline = Instant::now() + Duration::from_secs(90);
    let refused = loop {
        assert!(Instant::now() < deadline, "one of the two ends while the other runs");
        match running.iter_mut().position(|child| child.try_wait().expect("wait").is_some()) {
            Some(ended) => break Outcome::of(running.swap_remove(ended).wait_with_output().expect("output")),
            None => sleep(Duration::from_millis(20)),
        }
    };
    effects.write("go", "");
    let other = Outcome::of(running.remove(0).wait_with_output().expect("output"));
    assert!(matches!(refused.code, Some(6 | 8)), "{}", refused.all());
    if other.code != Some(0) {
        other.exits(8).says("another process has gone on with this run");
        assert_eq!(effects.read("effects"), "build\n");
        copy("resume").shiro(&format!("run -state-store {store}")).exits(0);
    }
    assert_eq!(effects.read("effects"), "build\ndeploy\n");
}

#[test]
fn a_killed_run_in_object_storage_goes_on_elsewhere() {
    let (shared, effects) = (Project::new(), Project::new());
    let store = format!("file://{}", shared.path().display());
    let mut one = working_copy(&effects, &[]);
    one.shiro(&format!("run -state-store {store}")).exits(0);
    one.env("CI_JOB_NAME", "resume");
    let mut killed = start(&one, &store);
    let deadline = Instant::now() + Duration::from_secs(60);
    while effects.read("effects") != "build\ndeploy\n" {
        assert!(Instant::now() < deadline, "the step starts");
        sleep(Duration::from_millis(10));
    }
    killed.kill().expect("kill");
    killed.wait().expect("reap");
    effects.write("go", "");
    let mut two = working_copy(&effects, &[]);
    two.env("CI_JOB_NAME", "resume");
    // Its lease is watched until its holder counts as dead, and whoever waits is told so.
    let outcome = two.shiro(&format!("run -state-store {store}")).exits(6).says("-rerun deploy");
    outcome.says(&format!("waiting for up to 20 s, to see whether process {} on ", killed.id()));
    two.shiro(&format!("run -state-store {store} -skip deploy")).exits(0);
    assert_eq!(effects.read("effects"), "build\ndeploy\n");
}

#[test]
fn storage_that_is_not_there_starts_nothing() {
    let effects = Project::new();
    let project = working_copy(&effects, &[]);
    project.shiro("run -state-store file:///nowhere/at/all").exits(7).says("file:///nowhere/at/all").says("hint:");
    project.shiro("run -state-store ftp://x/y").exits(2).says("s3://BUCKET/PREFIX");
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("an address").port()
    };
    let mut project = working_copy(&effects, &[]);
    project.env("CI_API_V4_URL", format!("http://127.0.0.1:{closed}/api/v4")).env("CI_PROJECT_ID", "1");
    project.shiro("run -state-store gitlab-packages").exits(7).says("CI_JOB_TOKEN is not set");
    project.env("CI_JOB_TOKEN", "token");
    project.shiro("run -state-store gitlab-packages").exits(7).says("cannot list").does_not_say("JOB-TOKEN");
    assert_eq!(effects.read("effects"), "");
}
