//! The step types `json`, `template` and `file`: what they do in a workflow, and that they have no power beyond a directory.

use serde_json::{Value, json};

use crate::support::Project;

#[test]
fn json_picks_from_what_another_step_wrote() {
    let project = Project::with_workflow(&json!({ "name": "pick", "steps": [
        { "id": "list", "type": "shell", "config": { "command": "echo '{\"items\": [{\"n\": \"a\"}, {\"n\": \"b; $(id)\"}]}'" } },
        { "id": "pick", "type": "json", "depends_on": ["list"], "config": {
            "text": "{{steps.list.stdout}}", "query": ".items | map(select(.n != $skip) | .n) | first", "variables": { "skip": "a" }
        } },
        { "id": "show", "type": "print", "depends_on": ["pick"], "config": { "message": "picked {{steps.pick.value}}" } }
    ] }));
    project.shiro("run").exits(0).says("picked b; $(id)");
    let (outcome, _) = project.step("json", &json!({ "input": {}, "query": ".a | nope" }));
    outcome.exits(2).says("at character 6, there is no filter `nope`");
}

#[test]
fn a_filter_that_never_ends_is_ended() {
    let project = Project::with_workflow(&json!({ "name": "spin", "steps": [
        { "id": "spin", "type": "json", "timeout": "1s", "config": { "input": 1, "query": "def f: f; f" } }
    ] }));
    project.shiro("run").exits(5).says("timed out");
}

#[test]
fn a_template_becomes_a_file_of_its_directory() {
    let project = Project::with_workflow(
        &json!({ "name": "render", "inputs": { "who": "{{ not a template }}" }, "steps": [
        { "id": "render", "type": "template", "config": {
            "dir": "site", "file": "page.j2", "output": "out/page.txt", "values": { "who": "{{inputs.who}}", "list": [1, 2] }
        } }
    ] }),
    );
    project.write("site/page.j2", "Hello {{ who }}\n{% for n in list %}{{ n }}\n{% endfor %}");
    project.write(
        ".shiro/workflow.json",
        &project.read(".shiro/workflow.json").replace("{{ not a template }}", "\\\\{{ x }}"),
    );
    project.shiro("run").exits(0);
    assert_eq!(project.read("site/out/page.txt"), "Hello {{ x }}\n1\n2\n");
    let (outcome, _) = project.step("template", &json!({ "dir": "site", "file": "../.shiro/workflow.json" }));
    outcome.exits(1);
    let (outcome, _) = project.step("template", &json!({ "template": "\\{{ nobody }}" }));
    outcome.exits(1).says("the template, line 1");
}

#[test]
fn files_are_written_found_and_checked() {
    let project = Project::new();
    std::fs::create_dir(project.join("dist")).expect("create");
    let act = |config: Value| {
        let mut config = config;
        config["dir"] = json!("dist");
        let (outcome, output) = project.step("file", &config);
        outcome.exits(0);
        output
    };
    act(json!({ "operation": "write", "path": "a/x.txt", "content": "a" }));
    act(json!({ "operation": "append", "path": "a/x.txt", "content": "b" }));
    assert_eq!(project.read("dist/a/x.txt"), "ab");
    assert_eq!(act(json!({ "operation": "read", "path": "a/x.txt" }))["content"], "ab");
    let found = act(json!({ "operation": "checksum", "pattern": "**/*.txt" }));
    assert_eq!(found["files"][0]["path"], "a/x.txt");
    assert_eq!(found["files"][0]["sha256"], "fb8e20fc2e4c3f248c60c39bd652f3c1347298bb977b8b4d5903b85055620603");
    assert_eq!(act(json!({ "operation": "remove", "path": "a/x.txt" }))["exists"], true);
}

#[test]
fn file_has_no_power_beyond_its_directory() {
    let project = Project::new();
    project.write("secret.txt", "the secret");
    std::fs::create_dir(project.join("dist")).expect("create");
    std::os::unix::fs::symlink(project.join("secret.txt"), project.join("dist/link")).expect("link");
    for (dir, path) in
        [("dist", "../secret.txt"), ("dist", "link"), (".", "secret.txt"), (".shiro", "x"), ("/", "etc/passwd")]
    {
        let (outcome, _) = project.step("file", &json!({ "operation": "read", "dir": dir, "path": path }));
        assert_ne!(outcome.code, Some(0), "{dir} {path}: {}", outcome.all());
        outcome.does_not_say("the secret").does_not_say("root:");
    }
    // An operator may leave it nothing but reading.
    project.write(
        "operator.json",
        &json!({ "version": 1, "types": { "file": { "files": [{ "path": "dist" }] } } }).to_string(),
    );
    let config = json!({ "operation": "write", "dir": "dist", "path": "x", "content": "x" }).to_string();
    let args = ["plugin", "run", "file", "-policy", "operator.json", "-config", &config];
    let outcome = project.shiro_args(args);
    assert!(matches!(outcome.code, Some(1 | 4)), "{}", outcome.all());
    assert!(!project.join("dist/x").exists());
}
