//! Every verb, flag and variable that Go shiro documents: each works, or is refused with a reason.

use serde_json::json;

use super::file;
use crate::support::Project;
use crate::support::http::{Answer, Server};

/// A project with its own tests' workflow that pauses, and one that prints.
fn project() -> Project {
    let project = Project::new();
    project.write(".shiro/workflow.json", &file("fixtures/pause-workflow.json"));
    project.write("simple.json", &file("fixtures/simple-print-workflow.json"));
    project.write(
        ".gitlab-ci.yml",
        &file("fixtures/valid.gitlab-ci.yml").replace("pause-workflow.json", ".shiro/workflow.json"),
    );
    project
}

#[test]
fn every_verb_and_flag_works_or_is_refused() {
    for (line, code, says) in [
        ("run", 0, "may it go on?"),
        ("run -workflow simple.json", 0, "Good morning"),
        ("run simple.json -fresh", 0, "Good morning"),
        ("-workflow simple.json -fresh=true", 0, "Good morning"),
        ("simple.json", 0, "Good morning"),
        ("run -config=models.yaml simple.json", 0, "Good morning"),
        ("run -state-store gitlab", 0, "may it go on?"),
        ("run --state-store=filesystem", 0, "may it go on?"),
        ("run -state-store memory", 0, "the memory store keeps no state"),
        ("run -state-store redis", 2, "gitlab"),
        ("run -shiro-dir .shiro", 0, "may it go on?"),
        ("run -dry-run", 0, "Dry Run Complete"),
        ("run -help", 0, "Usage: shiro run"),
        ("validate", 0, ".shiro/workflow.json: OK"),
        ("validate -workflow simple.json -shiro-dir .shiro", 0, "simple.json: OK"),
        ("validate -config models.yaml", 0, "OK"),
        ("validate -ci .gitlab-ci.yml", 0, "[CI-CHECK] CI: .gitlab-ci.yml (GitLab CI)"),
        ("validate -help", 0, "Usage: shiro validate"),
        ("init -help", 0, "Usage: shiro init"),
        ("init -template none", 2, "approval"),
        ("init -i", 2, "-i is of Go shiro"),
        ("init -d provider=openai -d api_key=sk-1", 2, "-d is of Go shiro"),
        ("set k v", 0, "stored k"),
        ("set -namespace n -ttl 24h k v", 0, "stored n/k"),
        ("set k v -namespace n -ttl 24h -state-store filesystem -shiro-dir .shiro", 0, "stored n/k"),
        ("set k v -state-store memory", 2, "keeps nothing between two commands"),
        ("get k -default none", 0, "none"),
        ("get k", 1, "there is no `k`"),
        ("delete k", 0, "there was no k"),
        ("list -prefix a", 0, "no keys"),
        ("help", 0, "Usage: shiro"),
        ("-v", 0, "shiro 0."),
        ("--version", 0, "shiro 0."),
        ("vaildate", 2, "validate"),
        ("hello_world", 2, "hello_world"),
        ("build", 2, "build"),
        ("test", 2, "test"),
    ] {
        let project = project();
        project.write("models.yaml", "models: {}\n");
        let outcome = project.shiro(line);
        assert_eq!(outcome.code, Some(code), "{line}\n{}", outcome.all());
        assert!(outcome.all().contains(says), "{line}: {says}\n{}", outcome.all());
        if code == 2 {
            assert!(project.journals().is_empty(), "{line}");
        }
    }
}

#[test]
fn what_it_did_with_modules_is_refused_with_the_reason() {
    let project = project();
    let marketplace = Server::start(|_, _| Answer::new(200, "{}"));
    for (line, instead) in [
        ("add module jira", "shiro plugin add OCI|FILE"),
        ("add jira", "shiro plugin add OCI|FILE"),
        ("add module github.com/user/custom-module", "shiro plugin add OCI|FILE"),
        ("install module github.com/user/custom-module", "shiro plugin fetch"),
        ("remove module jira", "shiro plugin remove TYPE"),
        ("search module jira", "shiro types"),
        ("info module jira", "shiro plugin inspect"),
        ("docs module jira", "shiro types TYPE"),
        ("module list", "shiro plugin"),
        ("list modules", "shiro plugin list"),
    ] {
        project.shiro(line).exits(2).says("is of Go shiro: a module was a program").says(instead);
    }
    assert!(marketplace.received().is_empty());
    assert!(project.journals().is_empty() && !project.join(".shiro/modules").exists());
}

#[test]
fn a_run_goes_on_until_it_is_to_begin_anew() {
    let project = project();
    project.shiro("run -state-store filesystem").exits(0).does_not_say("deploying");
    project.shiro("run -state-store filesystem").exits(0).says("going on with").says("[info] deploying");
    project.shiro("run -state-store filesystem").exits(0).says("finished already");
    project.shiro("run -fresh -state-store filesystem").exits(0).says("may it go on?").does_not_say("[info] deploying");
}

#[test]
fn the_state_is_where_its_stores_have_it_and_by_pipeline() {
    let mut project = project();
    project.env("CI_PIPELINE_ID", "4711");
    project.shiro("run -state-store gitlab").exits(0);
    assert_eq!(project.journals().into_keys().collect::<Vec<_>>(), ["pause-workflow-pipeline-4711.jsonl"]);
    project.env("CI_PIPELINE_ID", "");
    project.shiro("run -state-store filesystem").exits(0);
    assert!(project.journals().contains_key("pause-workflow.jsonl"));
}

#[test]
fn every_variable_is_read() {
    let gitlab = Server::start(|_, asked| match asked.line().as_str() {
        "GET /api/v4/projects/group%2Fname/repository/commits/abc" => Answer::json(200, &json!({ "id": "abc" })),
        "GET /repos/acme/app/pulls/7" => Answer::new(200, "a diff"),
        line => Answer::json(404, &json!({ "message": line })),
    });
    let mut project = Project::new();
    project.envs([
        ("CI_SERVER_URL", gitlab.url("").as_str()),
        ("CI_PROJECT_ID", "group/name"),
        ("CI_COMMIT_SHA", "abc"),
        ("CI_JOB_TOKEN", "the-token-of-the-job"),
        ("GITHUB_API_URL", &gitlab.url("")),
        ("GITHUB_REPOSITORY", "acme/app"),
        ("GITHUB_PR_NUMBER", "7"),
        ("GITHUB_SHA", "def"),
        ("GITHUB_TOKEN", "the-token-of-github"),
    ]);
    let (outcome, commit) = project.step("gitlab", &json!({ "operation": "get_commit_info" }));
    outcome.exits(0);
    assert_eq!(commit["info"]["id"], "abc");
    assert_eq!(gitlab.received()[0].header("job-token"), "the-token-of-the-job");
    project.env("GITLAB_TOKEN", "the-access-token");
    project.step("gitlab", &json!({ "operation": "get_commit_info" })).0.exits(0);
    assert_eq!(gitlab.received()[1].header("private-token"), "the-access-token");
    let (outcome, diff) = project.step("github", &json!({ "operation": "get_diff" }));
    outcome.exits(0);
    assert_eq!(diff["diff"], "a diff");
    assert_eq!(gitlab.received()[2].header("authorization"), "Bearer the-token-of-github");
}
