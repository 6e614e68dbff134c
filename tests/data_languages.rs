//! Shared data in every language: the same calls, the same results, the same denial.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::thread;

use serde_json::{Value, json};

use crate::support::guests::guest;
use crate::support::languages::{build, tools};
use crate::support::{Project, repository};

/// The languages, by the names that `-lang` has.
const LANGUAGES: [&str; 6] = ["rust", "js", "ts", "python", "c", "go"];

fn type_name(language: &str) -> String {
    format!("example.store-{language}")
}

/// The component of each language: made by `shiro plugin new`, with the step of `tests/store-steps` in place of the
/// template's. Rust's is one of the guests.
fn components() -> &'static [(&'static str, PathBuf)] {
    static BUILT: OnceLock<Vec<(&str, PathBuf)>> = OnceLock::new();
    BUILT.get_or_init(|| {
        thread::scope(|scope| {
            let builds = LANGUAGES.map(|language| scope.spawn(move || (language, component(language))));
            builds.into_iter().map(|build| build.join().expect("the step builds")).collect()
        })
    })
}

fn component(language: &str) -> PathBuf {
    let source = match language {
        "rust" => return guest("shared-data"),
        "go" => "main.go",
        "js" => "plugin.js",
        "ts" => "plugin.ts",
        "python" => "plugin.py",
        "c" => "plugin.c",
        other => panic!("no step in {other}"),
    };
    let project = tools();
    project.shiro_args(["plugin", "new", "example.store", "-lang", language]).exits(0);
    let step = repository().join("tests/store-steps").join(source);
    fs::copy(step, project.join("example.store").join(source)).expect("put the step in its place");
    build(&project, "example.store").exits(0);
    let kept = guest("shared-data").with_file_name(format!("{}.kept.wasm", type_name(language)));
    fs::copy(project.join("example.store/example.store.wasm"), &kept).expect("keep the component");
    kept
}

/// A workflow with a step of each language, each with a key of its own.
fn project() -> Project {
    let steps: Vec<Value> = LANGUAGES
        .iter()
        .map(|language| {
            let config = json!({ "scope": "project", "key": format!("k-{language}") });
            json!({ "id": language, "type": type_name(language), "config": config, "continue_on_error": true })
        })
        .collect();
    let project = Project::with_workflow(&json!({ "name": "shared", "steps": steps }));
    for (language, component) in components() {
        project.install(component, &type_name(language));
    }
    project
}

#[test]
fn every_language_uses_shared_data_alike() {
    let project = project();
    let types: serde_json::Map<String, Value> = LANGUAGES
        .iter()
        .map(|language| {
            (type_name(language), json!({ "store": [{ "scope": "project", "keys": "k-*", "access": "read-write" }] }))
        })
        .collect();
    project.write(".shiro/policy.json", &json!({ "version": 1, "types": types }).to_string());
    let outcome = project.shiro("run").exits(0).does_not_say("Failures:");
    for (language, _) in components() {
        let key = format!("k-{language}");
        let expected = json!({
            "before": null, "value": { "by": "step", "list": [1, "é"] }, "exists": true,
            "keys": [key, format!("{key}/short")], "expires": true, "stays": true, "deleted": true, "again": false
        });
        let journal = project.journals().into_values().next().expect("a journal");
        let output = journal
            .lines()
            .filter_map(|line| Some(line[line.find('{')?..].to_owned()))
            .filter_map(|line| serde_json::Deserializer::from_str(&line).into_iter::<Value>().next()?.ok())
            .find_map(|record| find_output(&record, language))
            .unwrap_or_else(|| panic!("{language}\n{journal}\n{}", outcome.all()));
        assert_eq!(output, expected, "{language}");
        let stored = project.shiro_args(["data", "get", "-scope", "project", &key]).exits(0).stdout;
        assert_eq!(stored, "{\"by\":\"step\",\"list\":[1,\"é\"]}\n", "{language}");
    }
}

/// The output of a step, if this record of the journal has it.
fn find_output(record: &Value, step: &str) -> Option<Value> {
    match record {
        Value::Object(members) if members.get("event") == Some(&json!("step_succeeded")) => {
            (members.get("step") == Some(&json!(step))).then(|| members["output"].clone())
        }
        Value::Object(members) => members.values().find_map(|member| find_output(member, step)),
        Value::Array(items) => items.iter().find_map(|item| find_output(item, step)),
        _ => None,
    }
}

#[test]
fn every_language_is_refused_with_the_same_message() {
    let project = project();
    let outcome = project.shiro("run").exits(0);
    for language in LANGUAGES {
        let start = format!("  {language}: ");
        let recap = outcome.stdout.split("Failures:\n").nth(1).unwrap_or_else(|| panic!("no recap\n{}", outcome.all()));
        let failure = &recap[recap.find(&start).unwrap_or_else(|| panic!("{language}\n{}", outcome.all()))..];
        let failure = failure.lines().take(4).collect::<Vec<_>>().join("\n");
        assert!(failure.contains("permission denied, tolerated (example.denied"), "{failure}");
        let said = format!("not allowed to read the key `k-{language}` of the shared data in the scope project");
        assert!(failure.contains(&said), "{failure}");
    }
}

#[test]
fn every_language_can_say_that_a_step_may_run_again() {
    let project = project();
    for language in LANGUAGES {
        let shown = project.shiro_args(["plugin", "inspect", "--json", &type_name(language)]).exits(0).stdout;
        let shown: Value = serde_json::from_str(&shown).expect("JSON");
        assert_eq!(shown["description"]["idempotent"], json!(true), "{language}");
        let asked = json!([{ "scope": "*", "keys": "*", "access": "read-write" }]);
        assert_eq!(shown["description"]["permissions"]["store"], asked, "{language}");
    }
}
