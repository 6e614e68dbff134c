//! What policies grant, bound and refuse: each capability granted and not granted, with the line that would allow it.

use serde_json::{Value, json};

use crate::support::http::{Answer, Server};
use crate::support::{Outcome, Project};

/// A workflow of one step of the guest `grabby`, installed as `my.step`.
fn project(config: Value) -> Project {
    project_with(config, json!({}))
}

fn project_with(config: Value, more: Value) -> Project {
    let mut step = json!({ "id": "it", "type": "my.step", "config": config });
    for (key, value) in more.as_object().expect("an object") {
        step[key] = value.clone();
    }
    let mut project = Project::with_workflow(&json!({ "name": "policy", "steps": [step] }));
    project.install_guest("grabby", "my.step");
    project.write("data/in.txt", "what was read\n");
    project.write("out/old.txt", "old\n");
    project.env("PLAIN_A", "plain value").env("EXACT", "exact value").env("DEPLOY_KEY", "correct-horse-battery");
    project
}

/// Writes `.shiro/policy.json` with these permissions for `my.step`.
fn grant(project: &Project, permissions: &Value) {
    let policy = json!({ "version": 1, "types": { "my.step": permissions } });
    project.write(".shiro/policy.json", &policy.to_string());
}

/// Fails without a grant with exit 4 and `line`, and succeeds with it.
#[track_caller]
fn needs(act: &Value, permissions: &Value, tried: &str, line: &str) -> Outcome {
    let project = project(json!({ "do": [act] }));
    project.shiro("run -fresh").exits(4).says("it").says(tried).says(line).says(".shiro/policy.json");
    grant(&project, permissions);
    project.shiro("run -fresh").exits(0)
}

#[test]
fn variables_are_granted_by_name() {
    let act = json!({ "variable": "PLAIN_A" });
    needs(&act, &json!({ "environment": ["PLAIN_*"] }), "see the variables `PLAIN_*`", r#""PLAIN_*"]"#);
    let project = project(json!({ "do": [{ "variable": "HOME" }] }));
    grant(&project, &json!({ "environment": ["*"], "secrets": ["DEPLOY_KEY"] }));
    project.shiro("run").exits(1).says("there is no variable HOME");
}

#[test]
fn secrets_are_granted_by_name_and_masked() {
    let act = json!({ "length": "DEPLOY_KEY" });
    needs(&act, &json!({ "secrets": ["DEPLOY_KEY"] }), "see the secret `DEPLOY_KEY`", r#""secrets": ["DEPLOY_KEY"]"#);
    let project = project(json!({ "do": [{ "variable": "DEPLOY_KEY" }] }));
    grant(&project, &json!({ "environment": ["*"] }));
    project.shiro("run -fresh").exits(4).says("secret");
    grant(&project, &json!({ "secrets": ["DEPLOY_KEY"] }));
    project.shiro("run -fresh").exits(0).does_not_say("correct-horse");
    assert!(project.journals().values().all(|journal| !journal.contains("correct-horse")));
}

#[test]
fn directories_are_read_or_written_by_grant() {
    needs(
        &json!({ "read": "data/in.txt" }),
        &json!({ "files": [{ "path": "data" }] }),
        "use the directory data (read)",
        r#"{ "path": "data", "access": "read" }"#,
    );
    needs(
        &json!({ "write": "out/new.txt" }),
        &json!({ "files": [{ "path": "out", "access": "read-write" }] }),
        "use the directory out (read-write)",
        r#"{ "path": "out", "access": "read-write" }"#,
    );
    let project = project(json!({ "do": [{ "write": "out/new.txt" }] }));
    grant(&project, &json!({ "files": [{ "path": "out", "access": "read" }] }));
    project.shiro("run").exits(4).says("read-write");
    assert!(!project.join("out/new.txt").exists());
}

#[test]
fn a_granted_directory_is_a_closed_room() {
    let secret = project(json!({ "do": [{ "read": "data/escape" }] }));
    std::os::unix::fs::symlink("/etc/passwd", secret.join("data/escape")).expect("a link");
    grant(&secret, &json!({ "files": [{ "path": "data" }] }));
    secret.shiro("run -fresh").does_not_say("root:");
    std::fs::remove_file(secret.join("data/escape")).expect("remove");
    std::os::unix::fs::symlink("../.shiro/workflow.json", secret.join("data/escape")).expect("a link");
    secret.shiro("run -fresh").does_not_say("my.step\"");
    for acts in [
        json!([{ "read": "data/../.shiro/workflow.json" }]),
        json!([{ "link": ["/etc", "out/etc"] }, { "read": "out/etc/passwd" }]),
        json!([{ "link": ["../.shiro", "out/up"] }, { "read": "out/up/workflow.json" }]),
    ] {
        let project = project(json!({ "do": acts }));
        grant(&project, &json!({ "files": [{ "path": "data" }, { "path": "out", "access": "read-write" }] }));
        let outcome = project.shiro("run").does_not_say("root:").does_not_say("\"steps\"");
        assert_ne!(outcome.code, Some(0), "{}", outcome.all());
    }
}

#[test]
fn some_directories_are_never_granted() {
    for (dir, why) in [
        (".", "never granted"),
        ("/", "never granted"),
        (".git", "never granted"),
        (".shiro/state", "never granted"),
        ("/proc/self", "never granted"),
    ] {
        let project = project(json!({ "do": [{ "read": format!("{dir}/x") }], "dir": dir }));
        std::fs::create_dir_all(project.join(".git")).expect("create");
        grant(&project, &json!({ "files": [{ "path": "{config.dir}", "access": "read-write" }] }));
        project.shiro("run").exits(4).says(why);
        grant(&project, &json!({ "files": [{ "path": dir }] }));
        project.shiro("run").exits(2).says(why).says("policy.json:1:");
    }
}

#[test]
fn what_is_written_has_a_budget() {
    let project = project(json!({ "do": [{ "fill": ["out/big", 3] }] }));
    let files = json!([{ "path": "out", "access": "read-write" }]);
    grant(&project, &json!({ "files": files, "limits": { "files_mib": 2 } }));
    project.shiro("run -fresh").exits(5).says("more than 2 MiB to files").says("files_mib");
    assert!(std::fs::metadata(project.join("out/big")).map_or(0, |file| file.len()) <= 2 << 20);
    grant(&project, &json!({ "files": files, "limits": { "files_mib": 4 } }));
    project.shiro("run -fresh").exits(0);
}

#[test]
fn requests_are_granted_by_method_and_path() {
    let server = Server::start(|_, _| Answer::new(200, "ok"));
    let run = |act: Value, network: Value| {
        let project = project(json!({ "do": [act], "url": server.url("") }));
        grant(&project, &json!({ "network": [network] }));
        project.shiro("run")
    };
    let url = server.url("");
    run(json!({ "get": "/v1/x" }), json!({ "url": url, "methods": ["GET"], "path_prefix": "/v1" })).exits(0);
    run(json!({ "get": "/v1/x" }), json!({ "url": "{config.url}" })).exits(0);
    let seen = server.received().len();
    run(json!({ "post": "/v1/x" }), json!({ "url": url, "methods": ["GET"] }))
        .exits(4)
        .says("POST request")
        .says(r#""methods": ["POST"]"#);
    for path in ["/v2", "/v1/../v2", "/v1/%2e%2e/v2", "/v10", "/v1/..%2fv2"] {
        run(json!({ "get": path }), json!({ "url": url, "path_prefix": "/v1" })).exits(4).says("path");
    }
    run(json!({ "get": "/" }), json!({ "url": "https://*.example.com" })).exits(4);
    assert_eq!(server.received().len(), seen, "nothing that was refused has arrived");
    let project = project(json!({ "do": [{ "get": "/" }], "url": url }));
    project.shiro("run").exits(4).says(&url).says("\"version\": 1");
}

#[test]
fn programs_are_granted_with_their_arguments() {
    let echo = json!({ "run": ["echo", "hello", "there"] });
    needs(
        &echo,
        &json!({ "process": [{ "program": "echo", "args": ["hello", "**"] }] }),
        "run the program `echo` with `hello` `there`",
        r#"{ "program": "echo", "args": ["hello", "there"], "environment": ["*"] }"#,
    );
    let project = project(json!({ "do": [echo] }));
    for args in [json!(["hello"]), json!(["bye", "**"]), json!([])] {
        grant(&project, &json!({ "process": [{ "program": "echo", "args": args }] }));
        project.shiro("run -fresh").exits(4);
    }
    grant(&project, &json!({ "process": [{ "program": "printf" }] }));
    project.shiro("run -fresh").exits(4);
}

#[test]
fn a_program_runs_where_its_grant_says_and_with_nothing_it_does_not_say() {
    let program = |permissions: Value, act: Value| {
        let mut project = project(json!({ "do": [act] }));
        project.env("LD_PRELOAD", "/nonexistent.so").env("PYTHONPATH", "/x").env("GIT_DIR", "/y").env("BASH_ENV", "/z");
        grant(&project, &json!({ "process": [permissions] }));
        project.shiro("run")
    };
    program(json!({ "program": "pwd" }), json!({ "run_in": ["data", ["pwd"]] })).exits(0);
    program(json!({ "program": "pwd" }), json!({ "run_in": ["/etc", ["pwd"]] }))
        .exits(4)
        .says("in the directory /etc")
        .says(r#""working_dir": "/etc""#);
    program(json!({ "program": "pwd", "working_dir": "/etc" }), json!({ "run_in": ["/etc", ["pwd"]] })).exits(0);
    program(json!({ "program": "env" }), json!({ "run": ["env"] }))
        .exits(0)
        .does_not_say("PLAIN_A")
        .does_not_say("LD_PRELOAD=")
        .does_not_say("DEPLOY_KEY");
    program(json!({ "program": "env", "environment": ["*"] }), json!({ "run": ["env"] }))
        .exits(0)
        .says("PLAIN_A=plain value")
        .does_not_say("PYTHONPATH=")
        .does_not_say("GIT_DIR=")
        .does_not_say("BASH_ENV=")
        .does_not_say("DEPLOY_KEY=");
}

#[test]
fn a_program_that_anybody_could_have_put_there_does_not_run() {
    let mut project = project(json!({ "do": [{ "run": ["planted"] }] }));
    project.write_program("planted", "#!/bin/sh\necho planted ran\n");
    grant(&project, &json!({ "process": [{ "program": "planted" }] }));
    project
        .shiro("run -fresh")
        .exits(4)
        .says("in the project, where other steps write")
        .says(r#"{ "program": "./bin/planted", "args": [], "environment": ["*"] }"#)
        .does_not_say("planted ran");
    grant(&project, &json!({ "process": [{ "program": "./bin/planted" }] }));
    project.shiro("run -fresh").exits(0).says("planted ran");
}

#[test]
fn limits_are_set_per_type() {
    let project = Project::with_workflow(&json!({ "name": "limits", "steps": [
        { "id": "it", "type": "my.step", "config": {} }
    ] }));
    project.install_guest("spin", "my.step");
    grant(&project, &json!({ "limits": { "cpu_seconds": 1 } }));
    project.shiro("run -fresh").exits(5).says("computed for more than 1s").says("cpu_seconds");
    grant(&project, &json!({ "limits": { "wall_seconds": 1 } }));
    project.shiro("run -fresh").exits(5).says("timed out after 1s");
    let greedy = Project::with_workflow(&json!({ "name": "limits", "steps": [
        { "id": "it", "type": "my.step", "config": {} }
    ] }));
    greedy.install_guest("greedy", "my.step");
    grant(&greedy, &json!({ "limits": { "memory_mib": 8 } }));
    greedy.shiro("run").exits(5).says("more than 8 MiB of memory").says("memory_mib");
}

#[test]
fn a_step_can_only_narrow() {
    let act = json!({ "do": [{ "variable": "PLAIN_A" }] });
    let narrowed = project_with(act.clone(), json!({ "permissions": {} }));
    grant(&narrowed, &json!({ "environment": ["PLAIN_*"] }));
    narrowed.shiro("run").exits(4).says("the step's own `permissions`").says(r#""environment": ["PLAIN_*"]"#);
    let wide = project_with(act, json!({ "permissions": { "environment": ["*"] } }));
    wide.shiro("run").exits(4).says(".shiro/policy.json");
    let wrong = project_with(json!({ "do": [] }), json!({ "permissions": { "enviroment": ["*"] } }));
    wrong.shiro("run").exits(2).says("did you mean `environment`?");
}

#[test]
fn operators_bound_what_the_repository_grants() {
    let mut project = project(json!({ "do": [{ "variable": "PLAIN_A" }] }));
    grant(&project, &json!({ "environment": ["PLAIN_*"] }));
    project.write("op.json", r#"{ "version": 1, "types": { "*": { "environment": ["OTHER"] } } }"#);
    project.shiro("run -fresh -policy op.json").exits(4).says("op.json does not allow it").says("`*` in op.json");
    project.write("op.json", r#"{ "version": 1, "types": { "*": { "environment": ["PLAIN_A"] } } }"#);
    project.shiro("run -fresh -policy op.json").exits(0);
    project.write("none.json", r#"{ "version": 1, "types": { "my.step": {} } }"#);
    project.env("SHIRO_POLICY", "none.json");
    project.shiro("run -fresh -policy op.json").exits(4).says("none.json does not allow it");
    project.env("SHIRO_POLICY", "nowhere.json");
    project.shiro("run -fresh").exits(2).says("nowhere.json").says("SHIRO_POLICY");
}

#[test]
fn built_in_types_can_lose_what_they_have() {
    let shell_named = |name: &str| {
        Project::with_workflow(&json!({ "name": "shell", "steps": [
            { "id": "it", "type": name, "config": { "command": "echo it ran | tee ran" } }
        ] }))
    };
    for name in ["shell", "shell.exec"] {
        let project = shell_named(name);
        project.shiro("run -fresh").exits(0);
        assert_eq!(project.read("ran"), "it ran\n");
        std::fs::remove_file(project.join("ran")).expect("remove");
        project.write("op.json", r#"{ "version": 1, "types": { "shell": {} } }"#);
        project.shiro("run -fresh -policy op.json").exits(4).says("Its operator may add this to `shell` in op.json");
        assert!(!project.join("ran").exists(), "{name}");
        project.write("op.json", r#"{ "version": 1, "types": { "shell.exec": {} } }"#);
        project.shiro("run -fresh -policy op.json").exits(2).says("another name of `shell`");
    }
    let project = shell_named("shell");
    project.write(
        ".shiro/policy.json",
        r#"{ "version": 1, "types": { "shell": { "process": [{ "program": "git" }] } } }"#,
    );
    project.shiro("run -fresh").exits(4).says(".shiro/policy.json");
}

#[test]
fn a_policy_that_cannot_be_understood_stops_everything() {
    let project = project(json!({ "do": [] }));
    project.write(".shiro/policy.json", "{\n  \"version\": 1,\n  \"types\": { \"x\": { \"netwerk\": [] } }\n}\n");
    for verb in ["run", "validate", "run -dry-run", "plugin inspect my.step"] {
        project.shiro(verb).exits(2).says("policy.json:3:21").says("did you mean `network`?");
    }
    project.write(".shiro/policy.json", "{");
    project.shiro("run").exits(2).says("policy.json:1:");
}

#[test]
fn what_is_granted_is_shown_before_it_runs() {
    let server = Server::start(|_, _| Answer::new(200, "ok"));
    let project = project(json!({ "do": [], "url": server.url("/path?token=hidden") }));
    grant(&project, &json!({ "environment": ["PLAIN_A"], "network": [{ "url": "{config.url}" }] }));
    project
        .shiro("run -dry-run")
        .exits(0)
        .says(&format!("Granted: network requests to {}", server.url("")))
        .says("Granted: environment PLAIN_*: in part, as far as .shiro/policy.json allows it")
        .says("Refused: secrets DEPLOY_KEY: .shiro/policy.json does not grant it")
        .says("Refused: limits memory_mib 512");
    let inspected = project.shiro("plugin inspect my.step").exits(0);
    inspected.says("is granted").says("the host of `url`, known when the step runs").says("is not granted");
    project.write("op.json", r#"{ "version": 1, "types": { "*": {} } }"#);
    project
        .shiro("plugin inspect my.step -policy op.json")
        .exits(0)
        .says("environment EXACT: .shiro/policy.json does not grant it")
        .says("network requests to the host of `url`, known when the step runs: op.json does not grant it");
}

/// Everything that `grabby` can do at once, for learning.
fn busy(server: &Server) -> Project {
    project(json!({
        "url": server.url(""),
        "do": [
            { "get": "/one" }, { "post": "/two" }, { "run": ["echo", "hi"] }, { "variable": "PLAIN_A" },
            { "length": "DEPLOY_KEY" }, { "read": "data/in.txt" }, { "write": "out/new.txt" }
        ]
    }))
}

#[test]
fn what_was_learned_is_just_enough() {
    let server = Server::start(|_, _| Answer::new(200, "ok"));
    let project = busy(&server);
    project.shiro("run -fresh").exits(4);
    project.shiro("run -fresh -learn").exits(0).says("policy.learned.json").says("review it");
    let learned = project.read(".shiro/policy.learned.json");
    let policy: Value = serde_json::from_str(&learned).expect("JSON");
    let granted = &policy["types"]["my.step"];
    assert_eq!(granted["network"], json!([{ "url": server.url(""), "methods": ["GET", "POST"] }]), "{learned}");
    assert_eq!(granted["secrets"], json!(["DEPLOY_KEY"]));
    assert!(!learned.contains("correct-horse"));
    project.shiro("run -fresh -learn").exits(2).says("there already");
    std::fs::rename(project.join(".shiro/policy.learned.json"), project.join(".shiro/policy.json")).expect("rename");
    project.shiro("run -fresh").exits(0);
    for (kind, line) in [
        ("network", server.url("")),
        ("process", r#"{ "program": "echo", "args": ["hi"]"#.to_owned()),
        ("environment", r#""PLAIN_*""#.to_owned()),
        ("secrets", r#""secrets": ["DEPLOY_KEY"]"#.to_owned()),
        ("files", r#"{ "path": "data", "access": "read" }"#.to_owned()),
    ] {
        let mut fewer = granted.clone();
        fewer.as_object_mut().expect("an object").remove(kind).expect("it was learned");
        grant(&project, &fewer);
        project.shiro("run -fresh").exits(4).says(&line).says("to allow it, add this to `my.step`");
    }
}

#[test]
fn learning_goes_no_further_than_it_may() {
    let server = Server::start(|_, _| Answer::new(200, "ok"));
    let project = busy(&server);
    project.write("op.json", r#"{ "version": 1, "types": { "*": { "environment": ["*"] } } }"#);
    project.shiro("run -fresh -learn -policy op.json").exits(4).says("op.json does not allow it");
    assert!(server.received().is_empty());
    let metadata = |url: &str| crate::policy::project(json!({ "do": [{ "get": "/" }], "url": url }));
    metadata("http://169.254.169.254").shiro("run -learn").exits(4).says("metadata");
    let state = crate::policy::project(json!({ "do": [{ "read": ".shiro/workflow.json" }], "dir": ".shiro" }));
    state.shiro("run -learn").exits(4).says("never granted");
    project.shiro("run -learn -dry-run").exits(2);
}
