//! The workflow's shared data: from the command line, and as a capability of third-party steps.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::{Outcome, Project, SHIRO};

/// The files below a directory.
pub(crate) fn files(project: &Project, dir: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut rest = vec![project.join(dir)];
    while let Some(dir) = rest.pop() {
        for entry in fs::read_dir(dir).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            if path.is_dir() { rest.push(path) } else { found.push(path) }
        }
    }
    found
}

/// The entries that are stored.
pub(crate) fn entries(project: &Project) -> Vec<PathBuf> {
    let is_entry = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "json");
    files(project, ".shiro/state/data").into_iter().filter(is_entry).collect()
}

/// A project whose `.git` is somebody else's business: the branch is a variable.
fn project() -> Project {
    let mut project = Project::new();
    project.env("CI_COMMIT_REF_NAME", "main");
    project
}

#[test]
fn a_value_is_there_for_the_next_command() {
    let project = project();
    project.shiro_args(["data", "set", "greeting", "Hello, World"]).exits(0).says("stored greeting");
    assert_eq!(project.shiro("data get greeting").exits(0).stdout, "Hello, World\n");
    project.shiro("data list").exits(0).says("greeting").says("stored 20");
    project.shiro("data delete greeting").exits(0).says("deleted greeting");
    project.shiro("data delete greeting").exits(0).says("there was no greeting");
    project.shiro("data list").exits(0).says("no keys in the scope pipeline");
    assert!(entries(&project).is_empty());
}

#[test]
fn flags_stand_before_or_after_and_with_one_dash_or_two() {
    let project = project();
    project.shiro("data set -namespace deploy -scope project version 1.2.3 --ttl 24h").exits(0);
    for get in [
        "data get version -namespace deploy -scope project",
        "data get -namespace=deploy --scope=project version",
        "data -color never get deploy/version -scope project -state-store filesystem",
        "get -scope project -namespace deploy version",
        "get deploy/version -scope project -state-store gitlab",
    ] {
        assert_eq!(project.shiro(get).exits(0).stdout, "1.2.3\n", "{get}");
    }
    project.shiro("get version -default none -namespace other -scope project").exits(0).says("none");
}

#[test]
fn the_old_verbs_do_the_same() {
    let project = project();
    project.shiro("set -ttl 1h -namespace n k v").exits(0);
    assert_eq!(project.shiro("get k -namespace n").exits(0).stdout, "v\n");
    project.shiro("list -prefix n/").exits(0).says("n/k").says("until 20");
    project.shiro("delete k -namespace n").exits(0);
    project.shiro("list").exits(0).says("no keys");
    project.shiro("set k -5").exits(0);
    assert_eq!(project.shiro("get k").exits(0).stdout, "-5\n");
}

#[test]
fn who_asks_for_what_is_not_there_hears_what_is() {
    let project = project();
    project.shiro("data get k").exits(1).says("there is no `k` in the scope pipeline").says("has no keys");
    project.shiro("data set deploy/version 1").exits(0);
    project.shiro("data get k").exits(1).says("the scope pipeline has: `deploy/version`").says("-default");
    assert_eq!(project.shiro("data get k -default none").exits(0).stdout, "none\n");
    project.shiro("data set short 1 -ttl 1ms").exits(0);
    project.shiro("data get short").exits(1).says("`short` is gone").says("its time was over at 20");
    project.shiro("data list").exits(0).does_not_say("short");
    project.shiro("data set other 1").exits(0);
    assert_eq!(entries(&project).len(), 2, "what is over was removed");
}

#[test]
fn values_are_text_or_json() {
    let project = project();
    project.shiro_args(["data", "set", "-json", "k", r#"{"a":[1,2.5,null],"_ttl":"1ms"}"#]).exits(0);
    assert_eq!(project.shiro("data get k").exits(0).stdout, "{\"a\":[1,2.5,null],\"_ttl\":\"1ms\"}\n");
    let shown: Value = serde_json::from_str(&project.shiro("data get k -json").exits(0).stdout).expect("JSON");
    assert_eq!(shown["value"]["a"], json!([1, 2.5, null]));
    assert_eq!((&shown["key"], &shown["scope"], &shown["expires_at"]), (&json!("k"), &json!("pipeline"), &Value::Null));
    let listed: Value = serde_json::from_str(&project.shiro("data list -json").exits(0).stdout).expect("JSON");
    assert_eq!(listed["keys"][0], shown);
    project.shiro("data set -json k {").exits(2).says("not JSON").says("leave -json out");
    project.shiro("data set -json k null").exits(2).says("`null` is no value");

    let mut command = project.command(SHIRO);
    command.args(["data", "set", "piped", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("shiro starts");
    child.stdin.take().expect("a pipe").write_all(b"two\nlines\n").expect("write");
    Outcome::of(child.wait_with_output().expect("it ends")).exits(0);
    assert_eq!(project.shiro("data get piped").exits(0).stdout, "two\nlines\n");
}

#[test]
fn what_can_not_be_used_is_said() {
    let project = project();
    for (args, what) in [
        (&["data", "set", "", "v"][..], "it is empty"),
        (&["data", "set", "a*", "v"], "stands for many keys"),
        (&["data", "get", "a\nb"], "control character"),
        (&["data", "set", "k", "v", "-scope", "galaxy"], "run, pipeline, branch or project"),
        (&["data", "set", "k", "v", "-ttl", "soon"], "is not a duration"),
        (&["data", "set", "k", "v", "-ttl", "0"], "gone at once"),
        (&["data", "set", "k"], "<VALUE>"),
        (&["data", "get", "k", "-state-store", "memory"], "keeps nothing between two commands"),
        (&["data", "get", "k", "-namespace", "a/"], "without a `/`"),
        (&["data", "frobnicate"], "frobnicate"),
    ] {
        project.shiro_args(args).exits(2).says(what);
    }
    let huge = "x".repeat(1 << 16);
    let mut values = project.command(SHIRO);
    values.args(["data", "set", "k", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = values.spawn().expect("shiro starts");
    let mut pipe = child.stdin.take().expect("a pipe");
    for _ in 0..17 {
        // It need not read to the end.
        let _ = pipe.write_all(huge.as_bytes());
    }
    drop(pipe);
    Outcome::of(child.wait_with_output().expect("it ends")).exits(5).says("the most");
    assert!(entries(&project).is_empty());
}

#[test]
fn no_key_leads_out_and_none_is_taken_for_another() {
    let project = project();
    let keys =
        ["../../../escaped", "/etc/passwd", "..", ".", "a/b", "a-b", "A/b", "a b", "lock", "x.json", "é", "e\u{301}"];
    for key in keys {
        project.shiro_args(["data", "set", "-scope", "project", "--", key, key]).exits(0);
    }
    for key in keys {
        let got = project.shiro_args(["data", "get", "-scope", "project", "--", key]).exits(0).stdout;
        assert_eq!(got.trim_end_matches('\n'), key);
    }
    assert_eq!(entries(&project).len(), keys.len());
    let outside: Vec<_> =
        files(&project, ".").into_iter().filter(|path| !path.to_string_lossy().contains("/state/")).collect();
    assert!(outside.is_empty(), "{outside:?}");
}

#[test]
fn each_scope_is_by_itself() {
    let mut project = project();
    let set = |project: &Project, scope: &str, value: &str| {
        project.shiro_args(["data", "set", "-scope", scope, "k", value]).exits(0);
    };
    let get = |project: &Project, scope: &str| {
        project
            .shiro_args(["data", "get", "-scope", scope, "-default", "nothing", "k"])
            .exits(0)
            .stdout
            .trim()
            .to_owned()
    };
    project.env("CI_PIPELINE_ID", "1");
    for scope in ["pipeline", "branch", "project"] {
        set(&project, scope, scope);
    }
    project.env("CI_PIPELINE_ID", "2");
    assert_eq!(["pipeline", "branch", "project"].map(|scope| get(&project, scope)), ["nothing", "branch", "project"]);
    project.env("CI_COMMIT_REF_NAME", "feature");
    assert_eq!(["branch", "project"].map(|scope| get(&project, scope)), ["nothing", "project"]);
    // A tag is not the branch of its name.
    project.env("CI_COMMIT_REF_NAME", "main").env("CI_COMMIT_TAG", "main");
    assert_eq!(get(&project, "branch"), "nothing");
    project.shiro("data get -scope run k").exits(6).says("no state of such a run");
    let elsewhere = Project::new();
    elsewhere.shiro("data get -scope branch k").exits(2).says("no branch to share data with");
}

#[test]
fn damaged_data_is_never_no_data() {
    let project = project();
    project.shiro("data set k value").exits(0);
    let file = entries(&project).remove(0);
    let whole = fs::read(&file).expect("read");
    let mut flipped = whole.clone();
    *flipped.last_mut().expect("bytes") ^= 1;
    for bytes in [&whole[..whole.len() / 2], &flipped, b""] {
        fs::write(&file, bytes).expect("write");
        for verb in ["data get k", "data get k -default fallback", "data list", "data delete k"] {
            project.shiro(verb).exits(6).says(".shiro/state/data/").says("damaged").does_not_say("fallback");
        }
    }
    fs::write(&file, &whole).expect("write");
    assert_eq!(project.shiro("data get k").exits(0).stdout, "value\n");
}

#[test]
fn a_directory_that_can_not_be_written_to_is_exit_7() {
    let project = project();
    project.write(".shiro/state/data", "a file where the directory should be");
    project.shiro("data set k v").exits(7).says(".shiro/state/data");
}

#[test]
fn secrets_are_not_at_rest_and_not_shown() {
    let mut project = project();
    project.env("DEPLOY_TOKEN", "correct-horse-battery");
    project.shiro("data set k https://x:correct-horse-battery@a.example/").exits(0);
    let shown = project.shiro("data get k").exits(0).does_not_say("correct-horse").says("masked");
    assert_eq!(shown.stdout, "https://x:***@a.example/\n");
    project.shiro("data get k -json").exits(0).does_not_say("correct-horse");
    project
        .shiro("data set correct-horse-battery v")
        .exits(2)
        .says("the key holds a secret")
        .does_not_say("correct-horse");
    for file in files(&project, ".shiro") {
        let text = String::from_utf8_lossy(&fs::read(&file).expect("read")).into_owned();
        assert!(!text.contains("correct-horse"), "{}", file.display());
    }
}

/// A workflow of one third-party step that does this with shared data.
fn keeper(acts: Value) -> Project {
    keeper_with(json!({ "do": acts }), json!({}))
}

fn keeper_with(config: Value, more: Value) -> Project {
    let mut step = json!({ "id": "it", "type": "my.step", "config": config });
    for (key, value) in more.as_object().expect("an object") {
        step[key] = value.clone();
    }
    let show =
        json!({ "id": "show", "type": "print", "depends_on": ["it"], "config": { "message": "{{steps.it.results}}" } });
    let mut project = Project::with_workflow(&json!({ "name": "keeper", "steps": [step, show] }));
    project.install_guest("keeper", "my.step");
    project.env("CI_COMMIT_REF_NAME", "main");
    project
}

fn grant(project: &Project, permissions: &Value) {
    let policy = json!({ "version": 1, "types": { "my.step": permissions } });
    project.write(".shiro/policy.json", &policy.to_string());
}

#[test]
fn without_a_grant_each_call_is_a_denial_with_the_line_that_would_allow_it() {
    for (act, tried, line) in [
        (
            json!({ "get": ["project", "deploy/version"] }),
            "read the key `deploy/version`",
            r#"{ "scope": "project", "keys": "deploy/version", "access": "read" }"#,
        ),
        (json!({ "exists": ["run", "k"] }), "read the key `k`", r#"{ "scope": "run", "keys": "k", "access": "read" }"#),
        (
            json!({ "set": ["branch", "k", 1] }),
            "store the key `k`",
            r#"{ "scope": "branch", "keys": "k", "access": "read-write" }"#,
        ),
        (
            json!({ "delete": ["pipeline", "k"] }),
            "delete the key `k`",
            r#"{ "scope": "pipeline", "keys": "k", "access": "read-write" }"#,
        ),
        (
            json!({ "list": ["project", "deploy/"] }),
            "list the keys that begin with `deploy/`",
            r#"{ "scope": "project", "keys": "deploy/*", "access": "read" }"#,
        ),
    ] {
        let project = keeper(json!([act]));
        project.shiro("run -fresh").exits(4).says(tried).says(line).says("write this to .shiro/policy.json");
        grant(&project, &json!({ "environment": ["X"] }));
        project.shiro("run -fresh").exits(4).says(&format!("\"store\": [{line}]"));
        // The line itself is a grant.
        let permission: Value = serde_json::from_str(line).expect("the line is JSON");
        grant(&project, &json!({ "store": [permission] }));
        project.shiro("run -fresh").exits(0);
    }
    let tolerant = keeper_with(json!({ "do": [{ "get": ["project", "k"] }], "tolerate": true }), json!({}));
    tolerant.shiro("run").exits(0).says("went on without");
}

#[test]
fn a_grant_is_for_its_scope_its_keys_and_its_access() {
    let may = |permission: Value, act: Value, code: i32| {
        let project = keeper(json!([act]));
        grant(&project, &json!({ "store": [permission] }));
        project.shiro("run").exits(code)
    };
    let deploy = || json!({ "scope": "project", "keys": "deploy/*", "access": "read-write" });
    may(deploy(), json!({ "set": ["project", "deploy/version", 1] }), 0);
    may(deploy(), json!({ "set": ["project", "version", 1] }), 4);
    may(deploy(), json!({ "set": ["branch", "deploy/version", 1] }), 4);
    let denied =
        may(json!({ "scope": "project", "keys": "deploy/*" }), json!({ "set": ["project", "deploy/version", 1] }), 4);
    let lines = denied.stdout.matches(r#""access": "read-write""#).count();
    assert_eq!(lines, 1, "the line to add, once\n{}", denied.all());
    may(json!({ "scope": "*", "keys": "*" }), json!({ "get": ["branch", "anything"] }), 0);
    // A list needs all that it could name, whether something of the rest is there or not.
    let list = |prefix: &str| {
        let project = keeper(json!([{ "list": ["project", prefix] }]));
        project.shiro("data set -scope project deploy/version 1").exits(0);
        project.shiro("data set -scope project hidden 1").exits(0);
        grant(&project, &json!({ "store": [{ "scope": "project", "keys": "deploy/*" }] }));
        project.shiro("run")
    };
    list("deploy/").exits(0).says(r#"[["deploy/version"]]"#);
    list("deploy/v").exits(0).says(r#"[["deploy/version"]]"#);
    let all = list("").exits(4).does_not_say("hidden");
    all.says("list the keys of the shared data").says(r#"{ "scope": "project", "keys": "*", "access": "read" }"#);
}

#[test]
fn operators_and_steps_narrow_it() {
    let act = json!({ "do": [{ "set": ["project", "deploy/version", 1] }] });
    let all = json!({ "store": [{ "scope": "*", "keys": "*", "access": "read-write" }] });
    let project = keeper_with(act.clone(), json!({}));
    grant(&project, &all);
    project.write("op.json", r#"{ "version": 1, "types": { "*": { "store": [{ "scope": "run", "keys": "*" }] } } }"#);
    project.shiro("run -fresh -policy op.json").exits(4).says("op.json does not allow it").says("deploy/version");
    project.shiro("run -fresh -dry-run -policy op.json").exits(0).says("in part, as far as op.json allows it");
    project.shiro("run -fresh").exits(0);
    let step = keeper_with(act, json!({ "permissions": { "store": [{ "scope": "project", "keys": "other" }] } }));
    grant(&step, &all);
    step.shiro("run").exits(4).says("the step's own `permissions`");
    step.shiro("plugin inspect my.step").exits(0).says("store any key in any scope (read-write)");
    step.write(
        ".shiro/policy.json",
        r#"{ "version": 1, "types": { "my.step": { "store": [{ "scope": "planet", "keys": "a" }] } } }"#,
    );
    step.shiro("run").exits(2).says("policy.json:1:").says("`planet` is no scope");
}

#[test]
fn what_was_used_of_it_is_learned() {
    let acts = json!([{ "set": ["project", "deploy/version", 1] }, { "get": ["run", "k"] }, { "get": ["project", "deploy/version"] }]);
    let project = keeper(acts);
    project.shiro("run -fresh -learn").exits(0);
    let learned: Value = serde_json::from_str(&project.read(".shiro/policy.learned.json")).expect("JSON");
    assert_eq!(
        learned["types"]["my.step"]["store"],
        json!([
            { "scope": "project", "keys": "deploy/version", "access": "read-write" },
            { "scope": "run", "keys": "k", "access": "read" }
        ])
    );
    fs::rename(project.join(".shiro/policy.learned.json"), project.join(".shiro/policy.json")).expect("rename");
    project.shiro("run -fresh").exits(0);
}

#[test]
fn there_are_limits() {
    let all = json!({ "store": [{ "scope": "*", "keys": "*", "access": "read-write" }] });
    let value = keeper(json!([{ "fill": ["run", "k", 1 << 20] }]));
    grant(&value, &all);
    value.shiro("run").exits(5).says("1048576 are the most");
    assert!(entries(&value).is_empty());
    let fill: Vec<Value> = (0..3).map(|n| json!({ "fill": ["run", format!("k{n}"), 600_000] })).collect();
    let budget = keeper(json!(fill));
    grant(&budget, &json!({ "store": all["store"], "limits": { "store_mib": 1 } }));
    budget.shiro("run").exits(5).says("more than 1 MiB of shared data").says("store_mib");
    assert_eq!(entries(&budget).len(), 1);
    for act in [json!({ "get": ["run", ""] }), json!({ "set": ["run", "a\nb", 1] }), json!({ "list": ["run", "a*"] })] {
        let wrong = keeper(json!([act]));
        grant(&wrong, &all);
        wrong.shiro("run").exits(1).says("store_invalid");
    }
}

#[test]
fn what_one_step_stored_is_no_way_around_another_one_s_grants() {
    let mut project = keeper(json!([{ "get": ["project", "k"] }]));
    project.env("DEPLOY_TOKEN", "correct-horse-battery");
    project.shiro("data set -scope project k correct-horse-battery").exits(0);
    let store = json!([{ "scope": "project", "keys": "k" }]);
    grant(&project, &json!({ "store": store }));
    project.shiro("run -fresh").exits(4).says("see the secret `DEPLOY_TOKEN`").says(r#""secrets": ["DEPLOY_TOKEN"]"#);
    grant(&project, &json!({ "store": store, "secrets": ["DEPLOY_TOKEN"] }));
    project.shiro("run -fresh").exits(0).says("***").does_not_say("correct-horse");
    // Where the variable is not there, the value is not "nothing".
    project.env("DEPLOY_TOKEN", "");
    project.shiro("run -fresh").exits(6).says("DEPLOY_TOKEN");
}

#[test]
fn one_component_alone_has_the_data_of_its_directory() {
    let project = keeper(json!([]));
    project.shiro("data set -scope project k").exits(2);
    project.shiro("data set -scope project k from-outside").exits(0);
    grant(&project, &json!({ "store": [{ "scope": "project", "keys": "*", "access": "read-write" }] }));
    let config = json!({ "do": [{ "get": ["project", "k"] }, { "set": ["project", "l", [1]] }] }).to_string();
    project.shiro_args(["plugin", "run", "my.step", "-config", &config]).exits(0).says("from-outside");
    assert_eq!(project.shiro("data get -scope project l").exits(0).stdout, "[1]\n");
    grant(&project, &json!({}));
    project.shiro_args(["plugin", "run", "my.step", "-config", &config]).exits(4).says("\"store\": [");
}

#[test]
fn golden_cases_have_data_of_their_own() {
    let project = keeper(json!([]));
    let case = |stored: Value| {
        json!({
            "config": { "do": [
                { "get": ["project", "k"] }, { "set_for": ["branch", "l", [1], 60_000] }, { "delete": ["project", "k"] }
            ] },
            "store": [{ "scope": "project", "key": "k", "value": "before" }],
            "stored": stored,
            "output": { "results": ["before", "stored", true] }
        })
        .to_string()
    };
    let test = |stored: Value| {
        project.write("tests/case.json", &case(stored));
        let component = project.join(".shiro/plugins/my.step.wasm");
        project.shiro_args(["plugin", "test", "-component", component.to_str().expect("text"), "."])
    };
    test(json!([{ "scope": "branch", "key": "l", "value": [1], "ttl_ms": 60_000 }])).exits(0).says("1 of 1");
    test(json!([])).exits(1).says("was not expected: [1]");
    test(json!([{ "scope": "branch", "key": "l", "value": [2] }])).exits(1).says("to be [2]");
    assert!(entries(&project).is_empty(), "nothing outside of it was touched");
}
