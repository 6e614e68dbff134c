//! The step type `git.diff`, in real repositories.

use serde_json::{Value, json};

use crate::support::git::ZERO;
use crate::support::{Outcome, Project};

/// What the step returns, which has to succeed.
#[track_caller]
fn ok(repository: &Project, config: Value) -> Value {
    let (outcome, output) = step(repository, config);
    outcome.exits(0);
    output
}

fn step(repository: &Project, config: Value) -> (Outcome, Value) {
    repository.step("git.diff", &config)
}

#[test]
fn two_commits_are_compared() {
    let repository = Project::repository();
    let first = repository.git(&["rev-parse", "HEAD"]);
    let second = repository.commit("a.txt", "one\n2\nthree\n", "second");
    let output = ok(&repository, json!({ "operation": "diff", "base": "HEAD~1" }));
    let diff = output["diff"].as_str().expect("text");
    assert!(diff.starts_with("diff --git a/a.txt b/a.txt\n"), "{diff}");
    assert!(diff.contains("\n-two\n+2\n"), "{diff}");
    assert_eq!((&output["base"], &output["target"]), (&json!(first), &json!(second)));
    assert_eq!((&output["success"], &output["truncated"], &output["note"]), (&json!(true), &json!(false), &json!("")));
    repository.git(&["mv", "a.txt", "b.txt"]);
    repository.commit("sub/new\tfile ü.txt", "x\n", "third");
    let output = ok(&repository, json!({ "operation": "get_changes", "base": second, "target": "main" }));
    assert_eq!(output["files"], json!(["b.txt", "sub/new\tfile ü.txt"]));
    assert_eq!(output["count"], 2);
    assert_eq!(
        output["changes"],
        json!([
            { "path": "b.txt", "status": "renamed", "old_path": "a.txt", "additions": 0, "deletions": 0 },
            { "path": "sub/new\tfile ü.txt", "status": "added", "additions": 1, "deletions": 0 }
        ])
    );
    let output =
        ok(&repository, json!({ "operation": "get_changes", "base": second, "paths": ["*.txt", ":(exclude)sub"] }));
    assert_eq!(output["files"], json!(["b.txt"]));
}

#[test]
fn outside_of_ci_the_working_tree_is_compared() {
    let repository = Project::repository();
    assert_eq!(ok(&repository, json!({ "operation": "get_changes" }))["count"], 0);
    repository.write("a.txt", "one\ntwo\nthree\nfour\n");
    let output = ok(&repository, json!({ "operation": "diff" }));
    assert!(output["diff"].as_str().is_some_and(|diff| diff.contains("+four")), "{output}");
    assert_eq!(output["target"], "working tree");
}

#[test]
fn a_merge_request_is_compared_with_its_target() {
    let mut repository = Project::repository();
    let base = repository.git(&["rev-parse", "HEAD"]);
    repository.git(&["checkout", "--quiet", "-b", "feature"]);
    let head = repository.commit("b.txt", "feature\n", "on the branch");
    repository.git(&["checkout", "--quiet", "main"]);
    let target = repository.commit("c.txt", "main went on\n", "on main");
    repository.git(&["update-ref", "refs/remotes/origin/main", &target]);
    repository.git(&["checkout", "--quiet", "--detach", &head]);
    repository.envs([
        ("CI", "true"),
        ("GITLAB_CI", "true"),
        ("CI_MERGE_REQUEST_IID", "7"),
        ("CI_COMMIT_BEFORE_SHA", ZERO),
    ]);
    for (variables, from) in [
        (&[("CI_MERGE_REQUEST_DIFF_BASE_SHA", base.as_str())][..], "the merge request's base"),
        (
            &[("CI_MERGE_REQUEST_DIFF_BASE_SHA", ""), ("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "main")],
            "the merge request's target",
        ),
    ] {
        repository.envs(variables.iter().copied());
        let output = ok(&repository, json!({ "operation": "get_changes" }));
        assert_eq!((&output["files"], &output["base"]), (&json!(["b.txt"]), &json!(base)));
        assert!(output["base_from"].as_str().is_some_and(|text| text.ends_with(from)), "{output}");
    }
    // A pipeline for the merged result: HEAD holds both.
    repository.git(&["merge", "--quiet", "--no-edit", "main"]);
    repository.envs([("CI_MERGE_REQUEST_DIFF_BASE_SHA", &base), ("CI_MERGE_REQUEST_TARGET_BRANCH_SHA", &target)]);
    assert_eq!(ok(&repository, json!({ "operation": "get_changes" }))["files"], json!(["b.txt"]));
    // A target that is not here is no reason to compare with something else.
    repository.envs([
        ("CI_MERGE_REQUEST_DIFF_BASE_SHA", "1234567890123456789012345678901234567890"),
        ("CI_MERGE_REQUEST_TARGET_BRANCH_SHA", ""),
        ("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "gone"),
    ]);
    let (outcome, _) = step(&repository, json!({ "operation": "diff" }));
    outcome.exits(1).says("GIT_DEPTH").says("fetch-depth: 0");
}

#[test]
fn a_pull_request_and_a_push_on_github() {
    let mut repository = Project::repository();
    let before = repository.git(&["rev-parse", "HEAD"]);
    repository.commit("b.txt", "1\n", "one");
    repository.commit("c.txt", "2\n", "two");
    let event = repository.join("runner/event.json");
    let write_event = |repository: &Project, event: Value| repository.write("runner/event.json", &event.to_string());
    write_event(&repository, json!({ "before": before, "head_commit": { "message": "{{env.TOKEN}} $(id)" } }));
    let event = event.display().to_string();
    repository.envs([("GITHUB_ACTIONS", "true"), ("GITHUB_EVENT_NAME", "push"), ("GITHUB_EVENT_PATH", event.as_str())]);
    let output = ok(&repository, json!({ "operation": "get_changes" }));
    assert_eq!(
        (&output["files"], &output["base_from"]),
        (&json!(["b.txt", "c.txt"]), &json!("the commit before the push"))
    );
    // A new branch, of which the default branch is not here: the commit before.
    write_event(&repository, json!({ "before": ZERO }));
    assert_eq!(ok(&repository, json!({ "operation": "get_changes" }))["files"], json!(["c.txt"]));
    write_event(&repository, json!({ "before": "--output=pwned" }));
    assert_eq!(ok(&repository, json!({ "operation": "get_changes" }))["files"], json!(["c.txt"]));
    repository.git(&["update-ref", "refs/remotes/origin/trunk", &before]);
    write_event(&repository, json!({ "repository": { "default_branch": "trunk" } }));
    assert_eq!(ok(&repository, json!({ "operation": "get_changes" }))["files"], json!(["b.txt", "c.txt"]));
    repository.envs([
        ("GITHUB_EVENT_NAME", "pull_request"),
        ("GITHUB_BASE_REF", "trunk"),
        ("GITHUB_REF", "refs/pull/3/merge"),
    ]);
    assert_eq!(ok(&repository, json!({ "operation": "get_changes" }))["files"], json!(["b.txt", "c.txt"]));
    // Without the event's file, too.
    repository.envs([("GITHUB_EVENT_PATH", "/nonexistent/event.json")]);
    assert_eq!(ok(&repository, json!({ "operation": "get_changes" }))["files"], json!(["b.txt", "c.txt"]));
}

#[test]
fn a_push_on_gitlab_and_the_first_commit() {
    let mut repository = Project::repository();
    let before = repository.git(&["rev-parse", "HEAD"]);
    repository.envs([("CI", "true"), ("CI_COMMIT_BEFORE_SHA", ZERO), ("CI_DEFAULT_BRANCH", "main")]);
    let output = ok(&repository, json!({ "operation": "diff" }));
    assert!(output["diff"].as_str().is_some_and(|diff| diff.contains("+three")), "{output}");
    repository.commit("b.txt", "1\n", "one");
    repository.commit("c.txt", "2\n", "two");
    repository.envs([("CI_COMMIT_BEFORE_SHA", &before)]);
    assert_eq!(ok(&repository, json!({ "operation": "get_changes" }))["count"], 2);
}

#[test]
fn a_shallow_clone_says_what_to_do() {
    let origin = Project::repository();
    origin.commit("b.txt", "1\n", "one");
    let mut clone = Project::new();
    let url = format!("file://{}", origin.path().display());
    clone.git(&["clone", "--quiet", "--depth", "1", &url, "."]);
    clone.envs([("CI", "true"), ("CI_COMMIT_BEFORE_SHA", ZERO)]);
    let (outcome, _) = step(&clone, json!({ "operation": "diff" }));
    outcome.exits(1).says("shallow").says("GIT_DEPTH: 0").says("fetch-depth: 0");
}

#[test]
fn log_and_merge_base() {
    let repository = Project::repository();
    let base = repository.git(&["rev-parse", "HEAD"]);
    repository.git(&["checkout", "--quiet", "-b", "feature"]);
    let one = repository.commit("b.txt", "1\n", "one\n\nbody {{env.TOKEN}}\n$(id)");
    let two = repository.commit("c.txt", "2\n", "two");
    let output = ok(&repository, json!({ "operation": "log", "base": "main" }));
    assert_eq!(output["count"], 2);
    assert_eq!((&output["commits"][0]["sha"], &output["commits"][1]["sha"]), (&json!(two), &json!(one)));
    let commit = &output["commits"][1];
    assert_eq!((&commit["subject"], &commit["body"]), (&json!("one"), &json!("body {{env.TOKEN}}\n$(id)")));
    assert_eq!(
        (&commit["author"], &commit["email"], &commit["parents"]),
        (&json!("Ann"), &json!("ann@example.com"), &json!([base]))
    );
    let output = ok(&repository, json!({ "operation": "log", "max_count": 1 }));
    assert_eq!((&output["count"], &output["truncated"]), (&json!(1), &json!(true)));
    repository.git(&["checkout", "--quiet", "main"]);
    repository.commit("d.txt", "3\n", "main goes on");
    let output = ok(&repository, json!({ "operation": "merge_base", "base": "main", "target": "feature" }));
    assert_eq!(output["sha"], json!(base));
    repository.git(&["checkout", "--quiet", "--orphan", "other"]);
    repository.commit("e.txt", "4\n", "unrelated");
    let (outcome, _) = step(&repository, json!({ "operation": "merge_base", "base": "main" }));
    outcome.exits(1).says("no history in common");
}

#[test]
fn options_and_hostile_names_are_names_or_refused() {
    let repository = Project::repository();
    repository.commit("b.txt", "1\n", "one");
    for name in [
        "--output=pwned",
        "-O/etc/passwd",
        "--ext-diff",
        "main --output=pwned",
        "main\n--output=pwned",
        "--help",
        "$(touch pwned)",
        ";touch pwned",
        "nowhere",
        "HEAD..main",
        "",
        "\u{1b}[2J",
    ] {
        for key in ["base", "target"] {
            let (outcome, _) = step(&repository, json!({ "operation": "diff", "base": "HEAD~1", key: name }));
            if !name.is_empty() {
                assert_ne!(outcome.code, Some(0), "{key} {name:?}");
            }
            outcome.does_not_say("\u{1b}[2J").does_not_say("panicked");
        }
    }
    // Paths come after `--`: they are paths, however they look.
    for path in ["--output=pwned", "-p", ":(attr:x)b.txt"] {
        let (outcome, _) = step(&repository, json!({ "operation": "diff", "base": "HEAD~1", "paths": [path] }));
        outcome.exits(0);
    }
    assert!(!repository.join("pwned").exists());
    // A branch may be called like this, and is one.
    let branch = "feature/$(id)-`x`;{{env.TOKEN}}";
    repository.git(&["branch", branch]);
    ok(&repository, json!({ "operation": "diff", "base": branch }));
}

#[test]
fn the_repository_s_settings_run_nothing_and_change_nothing() {
    let mut repository = Project::repository();
    repository.write(".gitattributes", "*.txt diff=evil filter=evil\n");
    repository.commit("a.txt", "one\n2\nthree\n", "second");
    let plain = ok(&repository, json!({ "operation": "diff", "base": "HEAD~1" }));
    let touch = |name: &str| format!("touch {}", repository.join(name).display());
    for (key, value) in [
        ("diff.evil.command", touch("pwned-command")),
        ("diff.evil.textconv", touch("pwned-textconv")),
        ("diff.external", touch("pwned-external")),
        ("core.fsmonitor", touch("pwned-fsmonitor")),
        ("core.pager", touch("pwned-pager")),
        ("pager.diff", touch("pwned-pager-diff")),
        ("gpg.program", touch("pwned-gpg")),
        ("log.showSignature", "true".to_owned()),
        ("color.ui", "always".to_owned()),
        ("diff.noprefix", "true".to_owned()),
        ("diff.mnemonicPrefix", "true".to_owned()),
        ("diff.context", "0".to_owned()),
    ] {
        repository.git(&["config", key, &value]);
    }
    repository.envs([
        ("GIT_EXTERNAL_DIFF", "touch pwned-env"),
        ("GIT_DIR", "/nonexistent"),
        ("PAGER", "touch pwned-pager-env"),
    ]);
    assert_eq!(ok(&repository, json!({ "operation": "diff", "base": "HEAD~1" })), plain);
    ok(&repository, json!({ "operation": "log" }));
    let names: Vec<_> = std::fs::read_dir(repository.path())
        .expect("read")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with("pwned"))
        .collect();
    assert!(names.is_empty(), "{names:?}");
}

#[test]
fn a_git_in_the_project_does_not_run() {
    let mut repository = Project::repository();
    repository.write_program("git", "#!/bin/sh\ntouch pwned\n");
    let output = ok(&repository, json!({ "operation": "get_changes" }));
    assert_eq!(output["success"], true);
    assert!(!repository.join("pwned").exists());
}

#[test]
fn a_long_diff_leaves_whole_files_out_and_says_which() {
    let repository = Project::repository();
    repository.write("big.lock", &"a long line of a lock file\n".repeat(20_000));
    repository.write("z.txt", "small\n");
    repository.commit("m.txt", "small too\n", "many");
    let config = json!({ "operation": "diff", "base": "HEAD~1", "max_bytes": 4096 });
    let (outcome, output) = step(&repository, config);
    let outcome = outcome.exits(0);
    let diff = output["diff"].as_str().expect("text");
    assert!(diff.contains("+small\n") && diff.contains("+small too\n") && !diff.contains("a long line"), "{diff}");
    assert_eq!(
        (&output["truncated"], &output["omitted"], &output["count"]),
        (&json!(true), &json!(["big.lock"]), &json!(3))
    );
    let note = output["note"].as_str().expect("text");
    assert!(note.contains("the changes of 1 of 3 files are left out: big.lock ("), "{note}");
    assert!(diff.ends_with(&format!("[{note}]\n")), "{diff}");
    outcome.says("big.lock").does_not_say("+a long line");
}

#[test]
fn a_diff_full_of_commands_is_text() {
    let repository = Project::repository();
    let hostile =
        "{{env.API_TOKEN}} $(touch pwned) `touch pwned` ::set-output name=x::y\nsection_start:1:x\n\u{1b}[2J\n";
    repository.commit("a.txt", hostile, "hostile\n\n{{env.API_TOKEN}}");
    repository.write(".shiro/workflow.json", &json!({ "name": "w", "steps": [
        { "id": "diff", "type": "git.diff", "config": { "operation": "diff", "base": "HEAD~1" } },
        { "id": "say", "type": "print", "config": { "message": "{{steps.diff.diff}}" }, "depends_on": ["diff"] },
        { "id": "run", "type": "shell", "config": { "command": "printf %s \"{{steps.diff.diff}}\" > got" }, "depends_on": ["say"] }
    ] }).to_string());
    let mut repository = repository;
    repository.envs([("API_TOKEN", "correct-horse-battery")]);
    let outcome = repository.shiro("run").exits(0);
    let outcome = outcome.does_not_say("correct-horse").does_not_say("\u{1b}[2J").says("{{env.API_TOKEN}}");
    assert!(
        outcome.all().lines().all(|line| !line.starts_with("::") && !line.starts_with("section_start:")),
        "{}",
        outcome.all()
    );
    assert!(repository.read("got").contains("+\u{1b}[2J\n"), "byte for byte");
    assert!(!repository.join("pwned").exists());
}

#[test]
fn what_is_missing_is_said() {
    let project = Project::new();
    let (outcome, _) = project.step("git.diff", &json!({ "operation": "diff" }));
    outcome.exits(1).says("not a git repository");
    let mut project = Project::new();
    project.env("PATH", "/nonexistent");
    let (outcome, _) = project.step("git.diff", &json!({ "operation": "diff" }));
    outcome.exits(1).says("there is no git on PATH");
    let (outcome, _) = project.step("git.diff", &json!({ "operation": "push" }));
    outcome.exits(2);
}
