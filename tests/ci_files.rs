//! CI files: what is generated is valid for GitLab and GitHub by their own schemas and runs in an emulator; what is checked
//! gets the right exit code.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::gitlab::{emulator, prepare};
use crate::support::{Outcome, Project, SHIRO, repository};

/// A workflow with two gates, one after the other.
fn two_gates() -> Value {
    let deploy = |place: &str| json!({ "command": format!("kubectl apply {place}") });
    json!({ "name": "two gates", "steps": [
        { "id": "ask", "type": "print", "pause": true, "config": { "message": "staging?" } },
        { "id": "staging", "type": "shell", "depends_on": ["ask"], "config": deploy("staging") },
        { "id": "ask-again", "type": "print", "pause": true, "depends_on": ["staging"], "config": { "message": "production?" } },
        { "id": "production", "type": "shell", "depends_on": ["ask-again"], "config": deploy("production") }
    ] })
}

/// Checks a file against one of the schemas that check-jsonschema carries.
pub(crate) fn has_schema(schema: &str, file: PathBuf) {
    let target = PathBuf::from(SHIRO).ancestors().nth(2).expect("target/PROFILE/shiro").to_owned();
    let program = target.join("tools/schemas/venv/bin/check-jsonschema");
    assert!(program.exists(), "{} is missing: run `make test`, which installs it", program.display());
    let project = Project::new();
    let output = project.command(program).args(["--builtin-schema", schema]).arg(file).output().expect("it starts");
    Outcome::of(output).exits(0);
}

#[test]
fn generated_files_have_the_schemas_of_gitlab_and_github() {
    let project = Project::with_workflow(&two_gates());
    for (system, schema, file) in [
        ("gitlab", "vendor.gitlab-ci", ".gitlab-ci.yml"),
        ("github", "vendor.github-workflows", ".github/workflows/two-gates.yml"),
    ] {
        project.shiro(&format!("ci generate {system} -output {file}")).exits(0).says("written");
        has_schema(schema, project.join(file));
        project.shiro(&format!("validate -ci {file}")).exits(0).says("[CI-CHECK] CI:").does_not_say("[WARN]");
        let with_more = "-image registry.example.com/tools/shiro:1 -environment";
        project.shiro(&format!("ci generate {system} {with_more} live -output other.yml")).exits(0);
        has_schema(schema, project.join("other.yml"));
        fs::remove_file(project.join("other.yml")).expect("remove it");
    }
}

#[test]
fn generated_files_for_named_approvers_forms_and_shared_stores_have_the_schemas_too() {
    let mut workflow = two_gates();
    let form = json!({ "type": "object", "required": ["ticket"], "properties": { "ticket": { "type": "string" } } });
    workflow["steps"][0]["pause"] = false.into();
    workflow["steps"][0]["approval"] =
        json!({ "required": 2, "approvers": ["alice", "bob"], "self": false, "form": form });
    let project = Project::with_workflow(&workflow);
    for (system, schema, file) in [
        ("gitlab -state-store gitlab-packages", "vendor.gitlab-ci", ".gitlab-ci.yml"),
        ("github -state-store s3://bucket/state", "vendor.github-workflows", ".github/workflows/two-gates.yml"),
    ] {
        project.shiro(&format!("ci generate {system} -output {file}")).exits(0);
        has_schema(schema, project.join(file));
        project
            .shiro(&format!("validate -ci {file}"))
            .exits(0)
            .does_not_say("[WARN]")
            .does_not_say("reject-does-not-bind");
    }
    for refused in
        ["gitlab -state-store memory", "github -state-store gitlab-packages", "gitlab -state-store filesystem"]
    {
        project.shiro(&format!("ci generate {refused}")).exits(2).says("-state-store").says("leave it out");
    }
}

#[test]
fn the_documented_files_are_the_generated_ones() {
    let project = Project::new();
    project.write(
        ".shiro/workflow.json",
        &fs::read_to_string(repository().join("examples/approval/workflow.json")).unwrap(),
    );
    for (system, file, schema) in
        [("gitlab", "gitlab-ci.yml", "vendor.gitlab-ci"), ("github", "github.yml", "vendor.github-workflows")]
    {
        let documented = repository().join("docs/ci").join(file);
        let generated = project.shiro(&format!("ci generate {system}")).exits(0).stdout;
        assert_eq!(generated, fs::read_to_string(&documented).expect("read it"));
        has_schema(schema, documented);
    }
}

#[test]
fn a_file_is_overwritten_only_when_that_is_wanted() {
    let project = Project::with_workflow(&two_gates());
    project.write(".gitlab-ci.yml", "mine: {}\n");
    project.shiro("ci generate gitlab -output .gitlab-ci.yml").exits(2).says("-force");
    assert_eq!(project.read(".gitlab-ci.yml"), "mine: {}\n");
    project.shiro("ci generate gitlab -output .gitlab-ci.yml -force").exits(0);
    assert!(project.read(".gitlab-ci.yml").contains("approve-ask-again:"));
    project.shiro("ci generate github -stage deploy").exits(2).says("GitLab");
    project.shiro("ci generate jenkins").exits(2).says("gitlab");
}

/// Runs the emulator on some jobs of the project's pipeline.
fn emulate(project: &Project, jobs: &[&str]) -> Outcome {
    let mut command = project.command(emulator());
    command.arg("--shell-isolation").arg("--variable");
    command.arg(format!("EFFECTS={}", project.join("effects.log").display()));
    Outcome::of(command.args(jobs).output().expect("the emulator starts"))
}

#[test]
fn a_generated_pipeline_stops_at_each_gate_and_goes_on_from_there() {
    let mut project = Project::with_workflow(&two_gates());
    project.shiro("ci generate gitlab -output .gitlab-ci.yml").exits(0);
    prepare(&mut project);
    emulate(&project, &[]).exits(0).says("staging?");
    assert_eq!(project.read("effects.log"), "");
    emulate(&project, &["approve-ask"]).exits(0).says("production?").does_not_say("staging?");
    assert_eq!(project.read("effects.log"), "kubectl apply staging\n");
    emulate(&project, &["approve-ask-again"]).exits(0).does_not_say("production?");
    assert_eq!(project.read("effects.log"), "kubectl apply staging\nkubectl apply production\n");
}

#[test]
fn a_rejected_run_deploys_nothing_and_tells() {
    let mut workflow = two_gates();
    let tell = json!({ "id": "tell", "type": "print", "depends_on": ["ask"], "if": "rejected()",
        "config": { "message": "not today: {{approval.ask.reason}}" } });
    workflow["steps"].as_array_mut().expect("a list").push(tell);
    let mut project = Project::with_workflow(&workflow);
    project.shiro("ci generate gitlab -output .gitlab-ci.yml").exits(0);
    prepare(&mut project);
    emulate(&project, &[]).exits(0);
    // The job may fail: it is red, and the pipeline is not held up by it.
    emulate(&project, &["reject-ask"]).says("not today: Rejected in ");
    assert_eq!(project.read("effects.log"), "");
}

#[test]
fn a_rejection_holds_for_the_job_that_approves_where_both_share_a_store() {
    let shared = Project::new();
    let mut project = Project::with_workflow(&two_gates());
    let store = format!("file://{}", shared.path().display());
    project.shiro(&format!("ci generate gitlab -state-store {store} -output .gitlab-ci.yml")).exits(0);
    prepare(&mut project);
    emulate(&project, &[]).exits(0);
    emulate(&project, &["reject-ask"]);
    let approve = emulate(&project, &["approve-ask"]).says("the approval after `ask` was rejected");
    assert_ne!(approve.code, Some(0), "{}", approve.all());
    assert_eq!(project.read("effects.log"), "");
}

#[test]
fn a_form_is_filled_in_by_the_variables_of_the_job() {
    let mut workflow = two_gates();
    let form = json!({ "type": "object", "required": ["ticket"], "properties": { "ticket": { "type": "string", "minLength": 3 } } });
    workflow["steps"][0].as_object_mut().expect("an object").remove("pause");
    workflow["steps"][0]["approval"] = json!({ "form": form });
    workflow["steps"][1]["config"]["command"] = json!("kubectl apply {{approval.ask.form.ticket}}");
    let mut project = Project::with_workflow(&workflow);
    project.shiro("ci generate gitlab -output .gitlab-ci.yml").exits(0);
    prepare(&mut project);
    emulate(&project, &[]).exits(0);
    let empty = emulate(&project, &["approve-ask"]);
    assert_ne!(empty.code, Some(0), "{}", empty.all());
    assert_eq!(project.read("effects.log"), "");
    emulate(&project, &["approve-ask", "--variable", "TICKET=CHG-1"]).exits(0);
    assert_eq!(project.read("effects.log"), "kubectl apply CHG-1\n");
}

#[test]
fn the_documented_pipeline_has_warnings_and_no_errors() {
    let project = Project::new();
    for (from, to) in [("workflow.json", ".shiro/workflow.json"), (".gitlab-ci.yml", ".gitlab-ci.yml")] {
        project.write(to, &fs::read_to_string(repository().join("examples/approval").join(from)).expect("read"));
    }
    project
        .shiro("validate -ci .gitlab-ci.yml")
        .exits(0)
        .says(".shiro/workflow.json: OK")
        .says("[CI-CHECK] CI: .gitlab-ci.yml (GitLab CI)")
        .says("[WARN] .gitlab-ci.yml:15:9: the pipeline passes although nobody started `resume-deployment`")
        .says("Hint: take {{env.CI_PIPELINE_URL}}")
        .says("[CI-CHECK] 0 errors, 3 warnings, 0 notes");
}

#[test]
fn a_file_that_can_not_work_is_exit_2() {
    let project = Project::with_workflow(&two_gates());
    project.write(".gitlab-ci.yml", "deploy:\n  script: [shiro run -fresh]\n");
    project
        .shiro("validate -ci .gitlab-ci.yml")
        .exits(2)
        .says("[ERROR] .gitlab-ci.yml:1:1: ")
        .says("pause-needs-manual-resume")
        .says("state-store-gitlab-needs-artifact");
    project.shiro("validate -ci nowhere.yml").exits(2).says("nowhere.yml");
    project.write("escape.yml", "include: [\"\u{1b}[31mx.yml\"]\n");
    let escaped = project.shiro("validate -ci escape.yml").exits(2);
    assert!(!escaped.stdout.contains('\u{1b}'), "{}", escaped.all());
}

#[test]
fn a_file_that_names_what_is_outside_reads_nothing_of_it() {
    let project = Project::with_workflow(&two_gates());
    fs::create_dir(project.join("repository")).expect("a directory");
    fs::create_dir(project.join("repository/.git")).expect("a directory");
    project.write("secret.yml", "secret_job: {script: [shiro run]}\n");
    project.write("repository/.gitlab-ci.yml", "include: [link.yml, ../secret.yml]\n");
    std::os::unix::fs::symlink("../secret.yml", project.join("repository/link.yml")).expect("a link");
    project
        .shiro("validate -ci repository/.gitlab-ci.yml")
        .exits(2)
        .says("`link.yml` can't be included: it leads out of the repository")
        .says("`../secret.yml` can't be included: it leads out of the repository")
        .does_not_say("secret_job");
}

/// The names of the rules in a source file.
fn rules(text: &str) -> Vec<String> {
    let before = ["const RULE: &str = \"", "Finding::error(\"", "Finding::warning(\"", "Finding::info(\""];
    let name = |rest: &str| rest.split('"').next().unwrap_or_default().to_owned();
    before.iter().flat_map(|before| text.split(before).skip(1).map(name)).collect()
}

#[test]
fn every_rule_is_in_the_documentation() {
    let table = fs::read_to_string(repository().join("docs/ci.md")).expect("read");
    let mut found = Vec::new();
    let mut pending = vec![repository().join("host/src/ci")];
    while let Some(dir) = pending.pop() {
        for entry in fs::read_dir(dir).expect("read the directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                pending.push(path);
            } else if !path.ends_with("tests.rs") {
                let text = fs::read_to_string(&path).expect("read");
                found.extend(rules(text.split("#[cfg(test)]").next().unwrap_or_default()));
            }
        }
    }
    assert!(found.len() > 40, "{found:?}");
    for rule in found {
        assert!(table.contains(&format!("`{rule}`")), "docs/ci.md lacks {rule}");
    }
}
