//! `shiro run -learn`: the policy that it writes is enough, and nothing in it is too much: without any one of its grants
//! the run is denied, with the very line that adds it back.

use std::fs;

use serde_json::{Value, json};

use crate::support::http::{Answer, Server};
use crate::support::{Outcome, Project};

const POLICY: &str = ".shiro/policy.json";

/// A project with one step of this guest, as `my.step`.
fn project(guest: &str, config: &Value) -> Project {
    let mut project = Project::with_workflow(&json!({ "name": "learn", "steps": [
        { "id": "it", "type": "my.step", "config": config }
    ] }));
    project.install_guest(guest, "my.step");
    project.sharing_compiled();
    for dir in ["data", "out", "spare"] {
        project.write(format!("{dir}/in.txt"), "what was read\n");
    }
    project.env("CI_COMMIT_REF_NAME", "main");
    project
}

/// Learns the policy that this project's run needs, and puts it in force.
#[track_caller]
fn learn(project: &Project) -> Value {
    project.shiro("run -fresh -learn").exits(0).says("policy.learned.json");
    fs::rename(project.join(".shiro/policy.learned.json"), project.join(POLICY)).expect("rename");
    project.shiro("run -fresh").exits(0);
    serde_json::from_str(&project.read(POLICY)).expect("JSON")
}

/// Every grant of a policy: its type, its kind, and its place in the list.
fn grants(policy: &Value) -> Vec<(String, String, usize)> {
    let types = policy["types"].as_object().expect("types");
    let mut grants = Vec::new();
    for (step_type, kinds) in types {
        for (kind, list) in kinds.as_object().expect("kinds").iter().filter(|(kind, _)| *kind != "limits") {
            let each = 0..list.as_array().expect("a list").len();
            grants.extend(each.map(|index| (step_type.clone(), kind.clone(), index)));
        }
    }
    grants
}

/// Does what the hints of a denial say. Gives the lines that were to be pasted.
#[track_caller]
fn paste(policy: &mut Value, denied: &Outcome) -> Vec<String> {
    let text = denied.all();
    let mut lines = text.lines();
    let mut pasted = Vec::new();
    while let Some(line) = lines.next() {
        let Some((_, place)) = line.split_once("add this to ") else { continue };
        let names: Vec<&str> = place.split('`').skip(1).step_by(2).collect();
        assert!(place.ends_with(&format!("in {POLICY}:")), "{text}");
        let added = lines.next().unwrap_or_else(|| panic!("a line to paste\n{text}")).trim_start_matches([' ', '|']);
        let json = |text: String| -> Value {
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {added}\n{text}"))
        };
        match names[..] {
            ["types"] => merge(&mut policy["types"], json(format!("{{{added}}}"))),
            [step_type] => merge(&mut policy["types"][step_type], json(format!("{{{added}}}"))),
            [kind, step_type] => {
                let Value::Array(items) = json(format!("[{added}]")) else { unreachable!() };
                policy["types"][step_type][kind].as_array_mut().expect("it is there").extend(items);
            }
            _ => panic!("a place that is none: {place}\n{text}"),
        }
        pasted.push(added.to_owned());
    }
    assert!(!pasted.is_empty(), "nothing to paste\n{text}");
    pasted
}

/// Members that are pasted into an object are not there yet.
#[track_caller]
fn merge(object: &mut Value, members: Value) {
    for (name, value) in members.as_object().expect("members") {
        assert!(object[name].is_null(), "{name} is there already: {object}");
        object[name] = value.clone();
    }
}

/// The same grants in one order, and what is granted of one host together.
fn sorted(mut policy: Value) -> Value {
    for kinds in policy["types"].as_object_mut().expect("types").values_mut() {
        for list in kinds.as_object_mut().expect("kinds").values_mut().filter_map(Value::as_array_mut) {
            let mut merged: Vec<Value> = Vec::new();
            for item in list.drain(..) {
                match merged.iter_mut().find(|other| !item["url"].is_null() && other["url"] == item["url"]) {
                    Some(other) => {
                        let methods = item["methods"].as_array().expect("methods");
                        other["methods"].as_array_mut().expect("methods").extend(methods.iter().cloned());
                    }
                    None => merged.push(item),
                }
            }
            for methods in merged.iter_mut().filter_map(|item| item.get_mut("methods")?.as_array_mut()) {
                methods.sort_by_key(Value::to_string);
            }
            merged.sort_by_key(Value::to_string);
            *list = merged;
        }
    }
    policy
}

/// Without any one grant: exit 4, and what is then said adds just that again.
#[track_caller]
fn each_is_needed(project: &Project, policy: &Value) {
    for (step_type, kind, index) in grants(policy) {
        let mut fewer = policy.clone();
        let kinds = fewer["types"][&step_type].as_object_mut().expect("kinds");
        let list = kinds[&kind].as_array_mut().expect("a list");
        let removed = list.remove(index);
        if list.is_empty() {
            kinds.remove(&kind);
        }
        let mut lines = Vec::new();
        // A host's methods are one grant, and are refused one by one.
        let most = 1 + removed["methods"].as_array().map_or(0, Vec::len);
        loop {
            project.write(POLICY, &fewer.to_string());
            let outcome = project.shiro("run -fresh");
            if outcome.code == Some(0) {
                break;
            }
            let outcome = outcome.exits(4).says("hint: to allow it, add this to ");
            lines.extend(paste(&mut fewer, &outcome));
            assert!(lines.len() < most.max(2), "{removed}: {lines:#?}\n{}", outcome.all());
        }
        assert!(!lines.is_empty(), "it does without {kind} {removed}: that was too much");
        assert_eq!(sorted(fewer), sorted(policy.clone()), "{removed}: {lines:#?}");
    }
    project.write(POLICY, &policy.to_string());
    project.shiro("run -fresh").exits(0);
}

#[test]
fn every_grant_of_requests_programs_variables_and_directories_is_needed() {
    let server = Server::start(|_, _| Answer::new(200, "ok"));
    let mut project = project(
        "grabby",
        &json!({
            "url": server.url(""),
            "do": [
                { "get": "/one" }, { "post": "/two" },
                { "run": ["echo", "hi"] }, { "run": ["printf", "%s", "a b"] }, { "run_in": ["data", ["pwd"]] },
                { "variable": "PLAIN_A" }, { "variable": "EXACT" }, { "length": "DEPLOY_KEY" },
                { "read": "data/in.txt" }, { "write": "out/new.txt" }
            ]
        }),
    );
    project
        .env("PLAIN_A", "one")
        .env("PLAIN_B", "two")
        .env("EXACT", "three")
        .env("DEPLOY_KEY", "correct-horse-battery");
    let policy = learn(&project);
    let kinds: Vec<&String> = policy["types"]["my.step"].as_object().expect("kinds").keys().collect();
    assert_eq!(kinds, ["network", "process", "environment", "secrets", "files"], "{policy:#}");
    each_is_needed(&project, &policy);
}

#[test]
fn every_grant_of_shared_data_is_needed() {
    let project = project(
        "keeper",
        &json!({ "do": [
            { "set": ["project", "deploy/version", 1] }, { "get": ["project", "deploy/version"] },
            { "list": ["project", "deploy/"] }, { "get": ["run", "k"] }, { "exists": ["branch", "k"] },
            { "delete": ["pipeline", "k"] }, { "expires_at": ["run", "e"] }, { "list": ["run", "all/"] },
            { "get": ["run", "all/1"] }, { "set_for": ["run", "short", 1, 60_000] }
        ] }),
    );
    let policy = learn(&project);
    assert_eq!(policy["types"]["my.step"]["store"].as_array().map(Vec::len), Some(8), "{policy:#}");
    each_is_needed(&project, &policy);
}

/// What a stored value holds of a secret is a grant of its own.
#[test]
fn a_secret_in_shared_data_is_needed() {
    let mut project = project("keeper", &json!({ "do": [{ "get": ["project", "k"] }] }));
    project.env("DEPLOY_TOKEN", "correct-horse-battery");
    project.shiro_args(["data", "set", "-scope", "project", "k", "a correct-horse-battery b"]).exits(0);
    let policy = learn(&project);
    assert_eq!(policy["types"]["my.step"]["secrets"], json!(["DEPLOY_TOKEN"]), "{policy:#}");
    each_is_needed(&project, &policy);
}

#[test]
fn a_directory_is_learned_only_if_it_is_used_and_only_as_it_is_used() {
    let files = |act: Value| {
        let mut project = project("grabby", &json!({ "do": [act], "dir": "spare" }));
        project.env("PLAIN_A", "one");
        learn(&project)["types"]["my.step"]["files"].clone()
    };
    let read = |path: &str| json!([{ "path": path, "access": "read" }]);
    let write = |path: &str| json!([{ "path": path, "access": "read-write" }]);
    assert_eq!(files(json!({ "read": "data/in.txt" })), read("data"));
    assert_eq!(files(json!({ "read": "out/in.txt" })), read("out"), "it asks for more");
    assert_eq!(files(json!({ "write": "out/new.txt" })), write("out"));
    assert_eq!(files(json!({ "write": "spare/in.txt" })), write("spare"));
    assert_eq!(files(json!({ "variable": "PLAIN_A" })), Value::Null);
}

/// What else stands in the repository's policy stays: a learned one takes its place.
#[test]
fn what_a_learned_policy_replaces_is_kept_as_far_as_it_is_no_grant() {
    let project = project("grabby", &json!({ "do": [{ "read": "data/in.txt" }] }));
    let before = json!({
        "version": 1,
        "types": {
            "my.step": { "network": [{ "url": "https://example.com" }], "limits": { "memory_mib": 300 } },
            "other.step": { "network": [{ "url": "https://example.com" }], "limits": { "memory_mib": 100 } },
            "gone.step": { "network": [{ "url": "https://example.com" }] },
            "shell": {}
        },
        "identity": { "issuers": [{ "url": "https://gitlab.example.com", "provider": "gitlab" }] },
        "state": { "authenticated": false },
        "x-owner": "the platform team"
    });
    project.write(POLICY, &before.to_string());
    let learned = learn(&project);
    let mut expected = before.clone();
    expected["types"] = json!({
        "my.step": { "files": [{ "path": "data", "access": "read" }], "limits": { "memory_mib": 300 } },
        "other.step": { "limits": { "memory_mib": 100 } },
        "shell": {}
    });
    assert_eq!(learned, expected);
}

/// A run that goes on learns of the steps that are left; what the others need is in the policy that they ran under.
#[test]
fn a_run_that_goes_on_keeps_what_the_steps_before_were_granted() {
    let step = |id: &str, path: &str, after: Value| json!({ "id": id, "type": "my.step", "depends_on": after, "config": { "do": [{ "read": path }] } });
    let mut project = Project::with_workflow(&json!({ "name": "learn", "steps": [
        step("first", "data/in.txt", json!([])), step("second", "out/in.txt", json!(["first"]))
    ] }));
    project.install_guest("grabby", "my.step");
    project.sharing_compiled();
    project.write("data/in.txt", "");
    project.write("out/in.txt", "");
    let data = json!({ "path": "data", "access": "read" });
    project.write(POLICY, &json!({ "version": 1, "types": { "my.step": { "files": [data] } } }).to_string());
    project.shiro("run").exits(4);
    project
        .shiro("run -learn")
        .exits(0)
        .says("not all steps of `my.step` ran: it keeps what .shiro/policy.json grants it");
    fs::rename(project.join(".shiro/policy.learned.json"), project.join(POLICY)).expect("rename");
    project.shiro("run -fresh").exits(0);
    assert!(project.read(POLICY).contains("out"));
}
