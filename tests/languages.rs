//! The same step in every language: made by `shiro plugin new`, built by `shiro plugin build`.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::http::{Answer, Server};
use crate::support::languages::{LANGUAGES, build, example, new, share_compiled, template, tools, type_name};
use crate::support::{Outcome, Project, repository};

/// A project with every language's component, and one workflow with a step of each.
fn project(config: &Value) -> Project {
    let steps: Vec<Value> = LANGUAGES
        .iter()
        .map(|language| {
            json!({ "id": language, "type": type_name(language), "config": config, "continue_on_error": true })
        })
        .collect();
    let mut project = Project::with_workflow(&json!({ "name": "languages", "steps": steps }));
    share_compiled(&mut project);
    for language in LANGUAGES {
        project.install(&template(language), &type_name(language));
    }
    project
}

/// The description of each language's component.
fn descriptions() -> Vec<(&'static str, Value)> {
    let project = project(&json!({ "url": "https://example.com" }));
    let inspect = |language: &'static str| {
        let shown = project.shiro_args(["plugin", "inspect", "--json", &type_name(language)]).exits(0).stdout;
        let shown: Value = serde_json::from_str(&shown).expect("JSON");
        (language, shown["description"].clone())
    };
    LANGUAGES.map(inspect).into()
}

/// Without what says the same in other words: the name, the dialect, Rust's names of number types.
fn essence(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for name in ["$schema", "format"] {
                members.remove(name);
            }
            members.values_mut().for_each(essence);
        }
        Value::Array(items) => items.iter_mut().for_each(essence),
        _ => {}
    }
}

/// What a run's recap says of a step.
fn failure_of<'a>(outcome: &'a Outcome, language: &str) -> &'a str {
    let recap = outcome.stdout.split("Failures:\n").nth(1).unwrap_or_else(|| panic!("no recap\n{}", outcome.all()));
    let start = recap.find(&format!("  {language}: ")).unwrap_or_else(|| panic!("{language}\n{}", outcome.all()));
    let rest = &recap[start..];
    rest.split("    its output:").next().unwrap_or(rest)
}

#[test]
fn every_language_describes_itself_alike() {
    let mut descriptions = descriptions();
    for (language, description) in &mut descriptions {
        assert_eq!(description["name"], type_name(language));
        description["name"] = Value::Null;
        essence(description);
    }
    let (_, rust) = &descriptions[0];
    assert_eq!(rust["permissions"]["network"][0]["url"], "{config.url}");
    for (language, description) in &descriptions {
        assert_eq!(description, rust, "{language} and Rust");
    }
}

#[test]
fn every_language_s_config_is_checked_before_anything_runs() {
    let project = project(&json!({ "url": "https://example.com", "expect_status": 99, "labl": "x" }));
    let refused = project.shiro("validate").exits(2);
    for wrong in ["labl", "expect_status"] {
        assert!(refused.stderr.matches(wrong).count() >= LANGUAGES.len(), "{}", refused.all());
    }
}

#[test]
fn every_language_logs_and_is_refused_a_host_with_the_same_message() {
    let server = Server::start(|_, _| Answer::new(200, "ok"));
    let project = project(&json!({ "url": server.url("/health"), "label": "the site" }));
    let outcome = project.shiro("run").exits(0);
    let expected =
        format!("the request to http://127.0.0.1:{port} was denied: it is not granted\n", port = server.port());
    for language in LANGUAGES {
        assert!(outcome.stdout.contains(&format!("{language} | checking the site")), "{language}\n{}", outcome.all());
        let failure = failure_of(&outcome, language);
        assert!(failure.contains("permission denied, tolerated (acme.denied"), "{failure}");
        assert!(failure.contains(&expected), "{failure}");
        // What would allow it is the host's to say, once, with the line of policy.
        assert_eq!(failure.matches("hint: ").count(), 1, "{failure}");
        assert!(failure.contains(&format!("\"url\": \"http://127.0.0.1:{}\"", server.port())), "{failure}");
    }
    assert!(server.received().is_empty());
}

#[test]
fn every_language_makes_an_allowed_request() {
    let server = Server::start(|_, request| Answer::new(if request.path == "/down" { 503 } else { 204 }, ""));
    let types: Value = LANGUAGES
        .map(|language| (type_name(language), json!({ "network": [{ "url": server.url("") }] })))
        .into_iter()
        .collect::<serde_json::Map<_, _>>()
        .into();
    let policy = json!({ "version": 1, "types": types }).to_string();

    let up = project(&json!({ "url": server.url("/health"), "expect_status": 204 }));
    up.write(".shiro/policy.json", &policy);
    let outcome = up.shiro("run").exits(0).does_not_say("Failures:");
    assert_eq!(server.received().len(), LANGUAGES.len(), "{}", outcome.all());

    let down = project(&json!({ "url": server.url("/down") }));
    down.write(".shiro/policy.json", &policy);
    let outcome = down.shiro("run").exits(0);
    for language in LANGUAGES {
        let failure = failure_of(&outcome, language);
        assert!(failure.contains("step failed, tolerated (acme.unexpected_status"), "{failure}");
        assert!(failure.contains("expected status 200, got 503"), "{failure}");
    }
}

#[test]
fn every_sdk_says_what_went_wrong_with_a_request_in_the_same_words() {
    let read = |path: &str| fs::read_to_string(repository().join("plugins").join(path)).expect("read the SDK");
    let rust = read("sdk-rust/src/http/error.rs");
    let table = rust.split("fn classify").nth(1).and_then(|rest| rest.split("\n}\n").next()).expect("the table");
    let texts: Vec<&str> = table.split('"').skip(1).step_by(2).filter(|text| !text.is_empty()).collect();
    assert!(texts.len() > 30, "{texts:?}");
    for path in
        ["sdk-js/http-error.ts", "sdk-python/shiro_step/http_error.py", "sdk-go/http_codes.go", "sdk-c/shiro_http.c"]
    {
        let sdk = read(path);
        for text in &texts {
            assert!(sdk.contains(text), "{path} lacks: {text}");
        }
    }
}

/// Everything that a step type can ask for.
fn everything() -> Value {
    json!({
        "network": [{ "url": "https://*.example.com", "methods": ["GET", "POST"], "path_prefix": "/v1/" }],
        "process": [
            { "program": "git", "args": ["log", "**"], "working_dir": "src", "environment": ["HOME"] },
            { "program": "make", "inherit_environment": true },
        ],
        "environment": ["CI_*"],
        "secrets": ["TOKEN"],
        "files": [{ "path": "in" }, { "path": "{config.out}", "access": "read-write" }],
        "store": [{ "scope": "project", "keys": "deploy/*", "access": "read-write" }],
        "limits": {
            "memory_mib": 512, "cpu_seconds": 90, "wall_seconds": 600, "output_mib": 8, "log_mib": 8, "files_mib": 128,
            "http_mib": 128, "store_mib": 32, "open_requests": 32,
        },
    })
}

/// A plugin that asks for it, in a language's own words.
fn asking(language: &str) -> (&'static str, &'static str) {
    match language {
        "ts" => (
            "plugin.ts",
            r#"import { defineStep, type Permissions } from './sdk/index.ts';
               const permissions: Permissions = {
                 network: [{ url: 'https://*.example.com', methods: ['GET', 'POST'], path_prefix: '/v1/' }],
                 process: [
                   { program: 'git', args: ['log', '**'], working_dir: 'src', environment: ['HOME'] },
                   { program: 'make', inherit_environment: true },
                 ],
                 environment: ['CI_*'],
                 secrets: ['TOKEN'],
                 files: [{ path: 'in' }, { path: '{config.out}', access: 'read-write' }],
                 store: [{ scope: 'project', keys: 'deploy/*', access: 'read-write' }],
                 limits: {
                   memory_mib: 512, cpu_seconds: 90, wall_seconds: 600, output_mib: 8, log_mib: 8, files_mib: 128,
                   http_mib: 128, store_mib: 32, open_requests: 32,
                 },
               };
               export const step = defineStep({
                 name: 'acme.asking', version: '1', summary: 'Asks.', config: { type: 'object' }, permissions, run: () => null,
               });"#,
        ),
        "python" => (
            "plugin.py",
            r#"
from typing import Any

from shiro_step import step
from shiro_step.permissions import Directory, Keys, Limits, Network, Permissions, Process


@step(
    name="acme.asking",
    version="1",
    summary="Asks.",
    permissions=Permissions(
        network=[Network("https://*.example.com", methods=["GET", "POST"], path_prefix="/v1/")],
        process=[
            Process("git", args=["log", "**"], working_dir="src", environment=["HOME"]),
            Process("make", inherit_environment=True),
        ],
        environment=["CI_*"],
        secrets=["TOKEN"],
        files=[Directory("in"), Directory("{config.out}", access="read-write")],
        store=[Keys("project", "deploy/*", access="read-write")],
        limits=Limits(
            memory_mib=512, cpu_seconds=90, wall_seconds=600, output_mib=8, log_mib=8, files_mib=128, http_mib=128,
            store_mib=32, open_requests=32,
        ),
    ),
)
def run(config: dict[str, Any]) -> None:
    pass
"#,
        ),
        "c" => (
            "plugin.c",
            r#"#include "sdk/shiro_step.h"

               const shiro_type shiro_step = {
                   .name = "acme.asking",
                   .version = "1",
                   .summary = "Asks.",
                   .permissions = {
                       .network = (const shiro_network[]){{.url = "https://*.example.com",
                                                           .methods = SHIRO_LIST("GET", "POST"),
                                                           .path_prefix = "/v1/"},
                                                          {0}},
                       .process = (const shiro_program[]){{.program = "git",
                                                           .args = SHIRO_LIST("log", "**"),
                                                           .working_dir = "src",
                                                           .environment = SHIRO_LIST("HOME")},
                                                          {.program = "make", .inherit_environment = true},
                                                          {0}},
                       .environment = SHIRO_LIST("CI_*"),
                       .secrets = SHIRO_LIST("TOKEN"),
                       .files = (const shiro_directory[]){{.path = "in"},
                                                          {.path = "{config.out}", .read_write = true},
                                                          {0}},
                       .store = (const shiro_keys[]){{"project", "deploy/*", true}, {0}},
                       .limits = {.memory_mib = 512, .cpu_seconds = 90, .wall_seconds = 600, .output_mib = 8, .log_mib = 8,
                                  .files_mib = 128, .http_mib = 128, .store_mib = 32, .open_requests = 32},
                   },
               };

               bool shiro_run(const shiro_value *config, shiro_text *output, shiro_failure *failure) {
                 (void)config, (void)output, (void)failure;
                 return true;
               }"#,
        ),
        "go" => (
            "main.go",
            r#"package main

import "shiro/step"

func init() {
	step.Register(step.Type{Name: "acme.asking", Version: "1", Summary: "Asks.", Permissions: step.Permissions{
		Network: []step.Network{{URL: "https://*.example.com", Methods: []string{"GET", "POST"}, PathPrefix: "/v1/"}},
		Process: []step.Process{
			{Program: "git", Args: []string{"log", "**"}, WorkingDir: "src", Environment: []string{"HOME"}},
			{Program: "make", InheritEnvironment: true},
		},
		Environment: []string{"CI_*"},
		Secrets:     []string{"TOKEN"},
		Files:       []step.Directory{{Path: "in"}, {Path: "{config.out}", Access: step.ReadWrite}},
		Store:       []step.Keys{{Scope: step.ScopeProject, Keys: "deploy/*", Access: step.ReadWrite}},
		Limits: step.Limits{
			MemoryMiB: 512, CPUSeconds: 90, WallSeconds: 600, OutputMiB: 8, LogMiB: 8, FilesMiB: 128, HTTPMiB: 128,
			StoreMiB: 32, OpenRequests: 32,
		},
	}}, run)
}

func run(map[string]any) (any, error) { return nil, nil }

func main() {}
"#,
        ),
        other => panic!("no plugin in {other}"),
    }
}

#[test]
fn every_sdk_can_ask_for_everything() {
    let project = tools();
    for language in ["ts", "python", "c", "go"] {
        let name = format!("acme.asking-{language}");
        new(&project, &name, language).exits(0);
        let (file, source) = asking(language);
        let _ = fs::remove_file(project.join(&name).join("main_test.go"));
        project.write(format!("{name}/{file}"), source);
        if language == "ts" {
            let mut tsc = project.command("tsc");
            let checked = Outcome::of(tsc.arg("--project").arg(project.join(&name)).output().expect("tsc starts"));
            checked.exits(0);
        }
        build(&project, &name).exits(0);
        let component = format!("{name}/acme.asking.wasm");
        let shown = project.shiro_args(["plugin", "inspect", "--json", &component]).exits(0).stdout;
        let shown: Value = serde_json::from_str(&shown).expect("JSON");
        let mut asked = shown["description"]["permissions"].clone();
        // Reading is what is meant without a word.
        if let Some(first) =
            asked["files"][0].as_object_mut().filter(|first| first.get("access") == Some(&json!("read")))
        {
            first.remove("access");
        }
        assert_eq!(asked, everything(), "{language}");
    }
}

#[test]
fn a_new_plugin_overwrites_nothing_and_has_a_name_that_can_be_used() {
    let project = Project::new();
    project.shiro("plugin new acme.check -lang go").exits(0);
    project.write("acme.check/main.go", "mine");
    project.shiro("plugin new acme.check -lang go").exits(2).says("is there already").says("choose another name");
    assert_eq!(project.read("acme.check/main.go"), "mine");
    project.shiro("plugin new shell -lang c").exits(2).says("`shell` is a built-in step type");
    project.shiro("plugin new Acme/Check -lang c").exits(2).says("can't be the name of a step type");
    project.shiro("plugin new acme.probe -lang go -engine quickjs").exits(2).says("Go has no engine to choose");
    project.shiro("plugin new acme.probe -lang cobol").exits(2).says("possible values: rust, js, ts, python, c, go");
}

#[test]
fn a_missing_tool_is_named_with_what_installs_it() {
    for (language, expected) in [
        ("js", "npm install"),
        ("ts", "npm install"),
        ("python", "pip install componentize-py==0.25.1"),
        ("c", "pip install ziglang==0.17.1"),
        ("go", "install Go 1.24 or newer"),
        ("rust", "https://rustup.rs"),
    ] {
        let mut project = Project::new();
        project.shiro_args(["plugin", "new", "acme.check", "-lang", language]).exits(0);
        project.env("PATH", "/nonexistent");
        build(&project, "acme.check").exits(2).says("is not installed").says(expected);
    }
}

#[test]
fn sources_that_do_not_build_are_the_plugin_s_fault() {
    let project = tools();
    for (language, file, wrong, expected) in [
        ("go", "main.go", "package main\n\nfunc main() { nonsense }\n", "undefined: nonsense"),
        ("js", "plugin.js", "export const step = ;\n", "Unexpected \";\""),
        ("c", "plugin.c", "nonsense\n", "nonsense"),
    ] {
        let name = format!("acme.bad-{language}");
        project.shiro_args(["plugin", "new", &name, "-lang", language]).exits(0);
        project.write(format!("{name}/{file}"), wrong);
        build(&project, &name).exits(3).says(expected);
        assert!(!project.join(&name).join(format!("{name}.wasm")).exists());
    }
}

#[test]
fn a_core_module_becomes_a_component_and_what_is_no_step_is_refused() {
    let project = Project::new();
    let description = r#"{"name":"acme.wat","version":"1","summary":"By hand."}"#;
    let step = format!(
        r#"(module
            (memory (export "memory") 1)
            (data (i32.const 16) "\20\00\00\00\{length:02x}\00\00\00")
            (data (i32.const 32) "{document}")
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
            (func (export "shiro:step/step@0.1.0#describe") (result i32) i32.const 16)
            (func (export "shiro:step/step@0.1.0#run") (param i32 i32) (result i32) unreachable))"#,
        length = description.len(),
        document = description.replace('"', "\\\"")
    );
    fs::write(project.join("core.wasm"), wat::parse_str(step).expect("valid")).expect("write it");
    project.shiro("plugin build core.wasm").exits(0).says("acme.wat.wasm").says("asks for nothing");
    project.shiro("plugin inspect acme.wat.wasm").exits(0).says("By hand.");
    project.shiro("plugin build acme.wat.wasm").exits(2).says("not a core module");

    fs::write(project.join("empty.wasm"), wat::parse_str("(module)").expect("valid")).expect("write it");
    project.shiro("plugin build empty.wasm").exits(3).says("can't be made a component");
    project.shiro("plugin build").exits(2).says("no plugin: there is neither shiro-plugin.json nor Cargo.toml");
}

#[test]
fn every_example_builds_and_does_what_it_says() {
    let examples = [
        ("js", "changelog.group", json!({ "commits": "feat: one\nfix: two" }), "### Features\n\n- one"),
        ("python", "junit.summary", json!({ "report": "<testsuite><testcase name='a'/></testsuite>" }), "1 tests"),
        ("go", "deploy.window", json!({ "at": "2026-11-23T10:00:00Z" }), "it is Monday 10:00 UTC"),
        (
            "c",
            "text.sha256",
            json!({ "text": "abc" }),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
    ];
    let project = Project::new();
    let mut steps = Vec::new();
    for (language, step_type, config, _) in &examples {
        project.install(&example(language), step_type);
        let output = match *language {
            "js" => "{{steps.js.markdown}}",
            "c" => "{{steps.c.sha256}}",
            _ => "done",
        };
        steps.push(json!({ "id": language, "type": step_type, "config": config }));
        let say = format!("say_{language}");
        steps.push(json!({ "id": say, "type": "print", "depends_on": [language], "config": { "message": output } }));
    }
    project.write(".shiro/workflow.json", &json!({ "name": "examples", "steps": steps }).to_string());
    let outcome = project.shiro("run").exits(0);
    for (_, _, _, expected) in &examples {
        let shown = expected.lines().all(|line| outcome.stdout.contains(line));
        assert!(shown, "{expected}\n{}", outcome.all());
    }

    // It needs a GitLab: its golden cases run it.
    project.install(&example("ts"), "gitlab.note");
    for language in ["js", "ts", "python", "go", "c"] {
        let readme = fs::read_to_string(repository().join("examples/plugins").join(language).join("README.md"));
        let readme = readme.expect("read the README");
        let workflow = readme.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a workflow");
        project.write(".shiro/workflow.json", workflow);
        project.shiro("validate").exits(0);
    }
}

#[test]
fn golden_cases_hold() {
    let mut project = tools();
    share_compiled(&mut project);
    for language in LANGUAGES {
        let name = format!("acme.golden-{language}");
        new(&project, &name, language).exits(0);
        golden(&project, &template(language), &project.join(&name));
    }
    for language in ["js", "ts", "python", "c", "go"] {
        golden(&project, &example(language), &repository().join("examples/plugins").join(language));
    }
}

/// The cases of a plugin's folder, with its component.
fn golden(project: &Project, component: &Path, folder: &Path) {
    let (component, folder) = (component.to_str().expect("text"), folder.to_str().expect("text"));
    let outcome = project.shiro_args(["plugin", "test", "-component", component, folder]).exits(0);
    assert!(outcome.stdout.contains("ok   "), "{}", outcome.all());
}
