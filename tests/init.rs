//! `shiro init`: every template works from the first minute, and nothing that was there is lost.

use std::fs;
use std::process::Command;

use crate::ci_files::has_schema;
use crate::support::forge::{Forge, none};
use crate::support::models::Models;
use crate::support::{Outcome, Project, SHIRO};

const TEMPLATES: [&str; 4] = ["approval", "code-review", "release", "blank"];

#[test]
fn every_template_is_valid_for_every_ci_system() {
    for template in TEMPLATES {
        for (system, file, schema) in [
            ("gitlab", ".gitlab-ci.yml".to_owned(), "vendor.gitlab-ci"),
            (
                "github",
                format!(".github/workflows/{}.yml", if template == "blank" { "main" } else { template }),
                "vendor.github-workflows",
            ),
        ] {
            let project = Project::new();
            project.shiro(&format!("init -template {template} -ci {system}")).exits(0).says("Next:").says(&file);
            project.shiro("validate").exits(0).does_not_say("warning");
            project.shiro("run -dry-run").exits(0).says("Dry Run Complete");
            project.shiro(&format!("validate -ci {file}")).exits(0).does_not_say("[WARN]").does_not_say("[ERROR]");
            has_schema(schema, project.join(&file));
            assert_eq!(project.read(".shiro/.gitignore").lines().last(), Some("/state/"));
        }
        let project = Project::new();
        project.shiro(&format!("init -template {template} -ci none")).exits(0);
        project.shiro("validate").exits(0);
        assert!(!project.join(".gitlab-ci.yml").exists() && !project.join(".github").exists());
    }
}

#[test]
fn a_project_without_a_template_gets_the_approval_and_it_runs() {
    let project = Project::new();
    project.shiro("init").exits(0).says(".gitlab-ci.yml: written").says("who may approve.");
    project.git(&["init", "-q"]);
    project.git(&["add", "-A"]);
    project.shiro("run").exits(0).says("Preparing the deployment to production").says("waits for approval");
    project.shiro("run").exits(0).says("Deploying to production");
    let output = project.command("git").args(["status", "--porcelain"]).output().expect("git starts");
    let status = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(status.contains(".shiro/workflow.json") && !status.contains("state"), "{status}");
}

#[test]
fn a_release_finds_its_version_and_its_notes_and_pushes_a_tag() {
    let mut project = Project::new();
    let home = project.path().display().to_string();
    project.env("HOME", home);
    project.shiro("init -template release -ci none").exits(0);
    project.git(&["init", "-q", "-b", "main"]);
    project.git(&["init", "-q", "--bare", "origin.git"]);
    project.git(&["remote", "add", "origin", "./origin.git"]);
    project.git(&["add", ".shiro"]);
    project.git(&["commit", "-q", "-m", "Start"]);
    project.git(&["tag", "v1.2.9"]);
    project.git(&["commit", "-q", "--allow-empty", "-m", "Improve"]);
    project.shiro("run").exits(0).says("Release v1.2.10?").says("- Improve").does_not_say("- Start");
    project.shiro("run").exits(0);
    let tags = |project: &Project| {
        let output = project.command("git").args(["--git-dir=origin.git", "tag"]).output().expect("git starts");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert_eq!(tags(&project), "v1.2.10\n");
    project.shiro("run -fresh -input version=2.0.0").exits(0).says("Release v2.0.0?");
    project.shiro("run").exits(0);
    assert_eq!(tags(&project), "v1.2.10\nv2.0.0\n");
    project.shiro("run -fresh -input version=next").exits(2).says("version");
}

/// A review says only what the model found, at the lines it is about; the next pipeline of the merge request says nothing
/// twice, and one that changes only lock files is not reviewed.
#[test]
fn a_review_comments_on_the_lines_once() {
    let found = r#"{"comments":[{"file":"src/a.rs","line":2,"comment":"This panics: `$(id)` {{env.LLM_API_KEY}}"}]}"#;
    let model = Models::saying(found);
    for (system, forge) in [("gitlab", Forge::gitlab(none)), ("github", Forge::github(none))] {
        let mut project = Project::repository();
        project.shiro(&format!("init -template code-review -ci {system}")).exits(0).says("LLM_API_KEY").says("fork");
        project.commit("src/a.rs", "one\ntwo\nthree\n", "start");
        project.git(&["switch", "--quiet", "--create", "feature"]);
        let head = project.commit("src/a.rs", "one\n2\n2b\nthree\n", "change");
        project.envs(Forge::variables(&forge, &forge)).envs([
            ("CI", "true".to_owned()),
            ("CI_COMMIT_SHA", head),
            ("LLM_BASE_URL", model.server.url("/v1")),
            ("LLM_API_KEY", "sk-0123456789abcdef".to_owned()),
            ("LLM_MODEL", "m".to_owned()),
        ]);
        let before = model.server.received().len();
        let target = project.git(&["rev-parse", "main"]);
        let review = |project: &mut Project| {
            project.env("CI_MERGE_REQUEST_DIFF_BASE_SHA", target.clone());
            project.shiro("run -fresh").exits(0).does_not_say("sk-0123456789abcdef")
        };
        review(&mut project);
        let asked = &model.server.received()[before];
        let prompt = asked.json()["messages"][1]["content"].to_string();
        assert!(prompt.contains("+2b") && !prompt.contains("a.txt"), "{prompt}");
        assert_eq!(asked.header("authorization"), "Bearer sk-0123456789abcdef");
        let texts = forge.texts();
        assert!(texts.iter().any(|text| text.contains("This panics: `$(id)` {{env.LLM_API_KEY}}")), "{texts:?}");
        let posted = texts.len();
        review(&mut project);
        assert_eq!(forge.texts().len(), posted, "nothing is posted twice");
        let asked = model.server.received().len();
        project.git(&["reset", "--quiet", "--hard", "main"]);
        project.commit("Cargo.lock", "version = 4\n", "update");
        review(&mut project).says("skipped");
        assert_eq!(model.server.received().len(), asked, "there is nothing to review");
    }
}

#[test]
fn a_review_runs_for_merge_requests_with_what_it_needs() {
    let project = Project::new();
    project.shiro("init -template code-review -ci gitlab").exits(0);
    let file = project.read(".gitlab-ci.yml");
    assert!(file.contains("- if: $CI_PIPELINE_SOURCE == \"merge_request_event\"\n"), "{file}");
    assert!(file.contains("GIT_DEPTH: \"0\"\n") && file.contains("code-review-$CI_MERGE_REQUEST_IID"), "{file}");
    let project = Project::new();
    project.shiro("init -template code-review -ci github").exits(0).does_not_say("approve.");
    let file = project.read(".github/workflows/code-review.yml");
    assert!(file.contains("on:\n  pull_request:\n") && !file.contains("pull_request_target:"), "{file}");
    assert!(file.contains("  LLM_API_KEY: ${{ secrets.LLM_API_KEY }}\n") && file.contains("fetch-depth: 0"), "{file}");
    assert!(file.contains("pull-requests: write") && !file.contains("id-token"), "{file}");
    project.shiro("ci generate gitlab -secret A").exits(2).says("GitHub");
    project.shiro("ci generate github -secret a-b").exits(2).says("letters");
}

#[test]
fn the_ci_system_is_the_repository_s() {
    for (remote, expected) in [
        ("git@github.com:group/name.git", ".github/workflows/approval.yml"),
        ("https://gitlab.example.com/group/name.git", ".gitlab-ci.yml"),
    ] {
        let project = Project::new();
        project.git(&["init", "-q"]);
        project.git(&["remote", "add", "origin", remote]);
        project.shiro("init").exits(0);
        assert!(project.join(expected).exists(), "{remote}");
    }
}

#[test]
fn what_is_there_is_not_overwritten_unless_that_is_wanted() {
    let project = Project::new();
    project.write(".gitlab-ci.yml", "mine: {script: [make]}\n");
    project
        .shiro("init")
        .exits(2)
        .says(".gitlab-ci.yml is there already: nothing was written")
        .says("-force")
        .says("-ci none");
    assert!(!project.join(".shiro").exists());
    project.shiro("init -ci none").exits(0);
    project.shiro("init -ci none").exits(0).says("as it was");
    assert_eq!(project.read(".gitlab-ci.yml"), "mine: {script: [make]}\n");
    project.write(".shiro/workflow.json", "{}");
    project.shiro("init -force").exits(0).says("overwritten");
    project.shiro("validate -ci .gitlab-ci.yml").exits(0);
}

#[test]
fn in_a_terminal_it_asks_for_each_file() {
    let project = Project::new();
    project.write(".gitlab-ci.yml", "mine: {script: [make]}\n");
    project.write(".shiro/workflow.json", "{}");
    // A terminal that answers each question: no, then yes.
    let script = r#"
import os, pty, sys
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], [sys.argv[1], "init"])
seen, answers = b"", [b"n\n", b"y\n"]
while True:
    try:
        data = os.read(fd, 4096)
    except OSError:
        break
    if not data:
        break
    seen += data
    if answers and seen.count(b"[y/N] ") > 2 - len(answers):
        os.write(fd, answers.pop(0))
sys.stdout.buffer.write(seen)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"#;
    let mut command: Command = project.command("python3");
    let output = command.args(["-c", script, SHIRO]).output().expect("python3 starts");
    Outcome::of(output).exits(0).says(".shiro/workflow.json: kept").says(".gitlab-ci.yml: overwritten");
    assert_eq!(project.read(".shiro/workflow.json"), "{}");
    assert!(project.read(".gitlab-ci.yml").contains("shiro run"));
}

#[test]
fn what_go_shiro_did_wrong_is_said() {
    let project = Project::new();
    project.write(".gitignore", "/target\n.shiro/\n");
    project.shiro("init -i").exits(2).says("-template");
    project.shiro("init -d api_key=x").exits(2).says("config.yaml");
    assert!(!project.join(".shiro").exists());
    project.shiro("init").exits(0).says("warning: .gitignore has `.shiro/`");
    assert_eq!(fs::read_to_string(project.join(".gitignore")).expect("read"), "/target\n.shiro/\n");
}

#[test]
fn another_folder_is_named_wherever_it_must_be() {
    let project = Project::new();
    project.shiro("init -shiro-dir deploy/shiro -template blank").exits(0).says("shiro run deploy/shiro/workflow.json");
    assert!(project.read(".gitlab-ci.yml").contains("shiro run deploy/shiro/workflow.json"));
    project.shiro("validate deploy/shiro/workflow.json -ci .gitlab-ci.yml").exits(0).does_not_say("[ERROR]");
}
