//! Faults of Go shiro that no other test is about.

use serde_json::{Value, json};

use super::output;
use crate::data::files;
use crate::support::Project;
use crate::support::http::Server;

fn print(id: &str, message: &str) -> Value {
    json!({ "id": id, "type": "print", "config": { "message": message } })
}

#[test]
fn without_bash_scripts_run_in_sh_and_say_so() {
    let project = |config: Value| {
        let mut project = Project::with_workflow(&json!({ "name": "w", "steps": [
            { "id": "run", "type": "shell.exec", "config": config }
        ] }));
        let bin = project.join("bin");
        std::fs::create_dir(&bin).expect("create bin");
        std::os::unix::fs::symlink("/bin/sh", bin.join("sh")).expect("link sh");
        project.env("PATH", bin.display().to_string());
        project
    };
    let usual = project(json!({ "command": "echo ran > effect; exit 3", "allow_failure": true }));
    usual.shiro("run").exits(0).says("there is no bash on PATH: running with sh instead");
    assert_eq!(usual.read("effect"), "ran\n");
    assert_eq!(output(&usual, "run")["exit_code"], 3);
    let named = project(json!({ "shell": "bash", "command": "echo ran > effect" }));
    named.shiro("run").exits(1).says("bash");
    assert_eq!(named.read("effect"), "");
}

#[test]
fn a_program_on_the_path_is_no_step_type() {
    let mut project = Project::with_workflow(&json!({ "name": "w", "steps": [
        { "id": "deploy", "type": "deploy", "config": { "to": "production" } }
    ] }));
    project.write_program("shiro-deploy", "#!/bin/sh\ntouch pwned\n");
    for name in ["deploy", "shiro-deploy"] {
        project.write(std::path::Path::new(".shiro/plugins").join(name), "#!/bin/sh\ntouch pwned\n");
    }
    project
        .shiro("run")
        .exits(2)
        .says("there is no step type `deploy`")
        .says("a type of your own is the component `.shiro/plugins/deploy.wasm`");
    assert!(!project.join("pwned").exists());
}

#[test]
fn certificates_are_checked_whatever_the_environment_says() {
    let server = Server::start_tls(|_, _| crate::support::http::Answer::new(200, "ok"));
    let mut project = Project::with_workflow(&json!({ "name": "w", "steps": [
        { "id": "say", "type": "slack.notify", "config": { "webhook_url": server.url("/hook"), "message": "x" } }
    ] }));
    project.envs([
        ("SHIRO_INSECURE_TLS", "1"),
        ("GIT_SSL_NO_VERIFY", "1"),
        ("NODE_TLS_REJECT_UNAUTHORIZED", "0"),
        ("CURL_INSECURE", "1"),
    ]);
    project.shiro("run").exits(1).says("SHIRO_INSECURE_TLS is of Go shiro and does nothing").says("certificate");
    assert!(server.received().is_empty());
    project.write("ca.pem", server.certificate().expect("it speaks TLS"));
    let authority = project.join("ca.pem").display().to_string();
    project.env("SSL_CERT_FILE", authority);
    project.shiro("run").exits(0);
    assert_eq!(server.received().len(), 1);
}

#[test]
fn a_flag_s_value_as_a_word_of_its_own_runs_nothing() {
    let project = Project::with_workflow(&json!({ "name": "w", "steps": [
        { "id": "effect", "type": "shell", "config": { "command": "touch effect" } }
    ] }));
    let usual = "run -workflow .shiro/workflow.json -config .shiro/config.yaml -shiro-dir .shiro -state-store memory";
    project.write(".shiro/config.yaml", "models: {}\n");
    for (fresh, dry_run) in [("false", "true"), ("true", "true"), ("false", "false")] {
        project.shiro(&format!("{usual} -fresh {fresh} -dry-run {dry_run}")).exits(2).says("unexpected argument");
        assert!(!project.join("effect").exists());
    }
    project.shiro(&format!("{usual} -fresh=false -dry-run=true")).exits(0).says("Dry Run Complete");
    assert!(!project.join("effect").exists());
    project.shiro(&format!("{usual} -fresh=true -dry-run=false")).exits(0);
    assert!(project.join("effect").exists());
}

#[test]
fn no_workflow_s_name_leads_out() {
    for name in ["../../escaped", "/tmp/escaped", "a/b", "..", "con\\..\\escaped", "%2e%2e/x"] {
        let inner = Project::new();
        let project = Project::new();
        project.write("deep/er/.shiro/workflow.json", &json!({ "name": name, "steps": [print("a", "x")] }).to_string());
        let dir = project.join("deep/er");
        let run = inner.command(crate::support::SHIRO).arg("run").current_dir(&dir).output().expect("shiro starts");
        crate::support::Outcome::of(run).exits(0);
        for file in files(&project, ".") {
            let inside = file.strip_prefix(project.join(".")).expect("it is below").display().to_string();
            let expected = inside == "deep/er/.shiro/workflow.json" || inside.starts_with("deep/er/.shiro/state/");
            assert!(expected, "{name}: {inside}");
        }
    }
}

#[test]
fn outputs_are_shown_where_the_workflow_says_so() {
    let workflow = |settings: Value| {
        Project::with_workflow(&json!({ "name": "w", "settings": settings, "steps": [
            { "id": "made", "type": "json", "config": { "input": { "n": 41, "key": "{{env.API_TOKEN}}" }, "query": ".n += 1" } },
            { "id": "hidden", "type": "json", "config": { "input": "not-shown", "query": "." }, "quiet": true },
            { "id": "unsaved", "type": "json", "config": { "input": "not-kept", "query": "." }, "save_output": false }
        ] }))
    };
    let run = |settings: Value| {
        let mut project = workflow(settings);
        project.env("API_TOKEN", "correct-horse-battery");
        project
            .shiro("run -jobs 1")
            .exits(0)
            .does_not_say("correct-horse")
            .does_not_say("not-shown")
            .does_not_say("not-kept")
    };
    for silent in [json!({}), json!({ "save_results": false, "output_format": "json" })] {
        run(silent).does_not_say("\"n\"").does_not_say("Outputs:");
    }
    run(json!({ "save_results": true })).says("Outputs:\n  made:\n").says("\"n\": 42").says("\"key\": \"***\"");
    let shown = run(json!({ "save_results": true, "output_format": "json" })).stdout;
    let (begin, end) = (shown.find("\n{\n").expect("it begins"), shown.find("\n}\n").expect("it ends"));
    let outputs: Value = serde_json::from_str(&shown[begin..end + 2]).expect("JSON");
    assert_eq!(outputs["made"]["value"], json!({ "n": 42, "key": "***" }));
    assert_eq!(outputs.as_object().expect("an object").len(), 1, "{outputs}");
}

#[test]
fn independent_steps_run_at_the_same_time() {
    // Each waits for the other: one at a time, neither would end.
    let step = |id: &str, other: &str| {
        let wait = format!(
            "touch {id}; n=0; until test -e {other}; do n=$((n+1)); test $n -lt 3000 || exit 1; sleep 0.01; done"
        );
        json!({ "id": id, "type": "shell", "config": { "shell": "sh", "command": wait } })
    };
    let project = Project::with_workflow(&json!({ "name": "w", "steps": [step("a", "b"), step("b", "a")] }));
    project.shiro("run -jobs 2").exits(0);
}

#[test]
fn a_failed_step_is_on_record_with_its_attempts() {
    let project = Project::with_workflow(&json!({ "name": "w", "steps": [
        { "id": "bad", "type": "shell", "config": { "command": "echo why >&2; exit 3" }, "retry": { "max_attempts": 2, "delay": 0 } }
    ] }));
    project.shiro("run").exits(1);
    let status: Value = serde_json::from_str(&project.shiro("status -json w").exits(0).stdout).expect("JSON");
    let step = &status["steps"][0];
    assert_eq!(
        (&status["status"], &step["status"], &step["attempts"]),
        (&json!("failed"), &json!("failed"), &json!(2))
    );
    assert_eq!(step["failure"]["code"], "shell.exit");
    assert!(step["failure"]["message"].as_str().is_some_and(|text| text.contains("why")), "{step}");
}

#[test]
fn values_print_as_json_before_and_after_a_pause() {
    let values =
        json!({ "count": 1_234_567, "large": 12_345_678_901_i64, "half": 0.5, "list": [1, "two", null], "yes": true });
    let message = "{{steps.made.value.count}} {{steps.made.value.large}} {{steps.made.value.half}} {{steps.made.value.list}} \
                   {{steps.made.value}} {{steps.made.output.count}}";
    let project = Project::with_workflow(&json!({ "name": "w", "steps": [
        { "id": "made", "type": "json", "config": { "input": values, "query": "." } },
        { "id": "before", "type": "print", "depends_on": ["made"], "pause": true, "config": { "message": format!("before: {message}") } },
        { "id": "after", "type": "print", "depends_on": ["before"], "config": { "message": format!("after: {message}") } }
    ] }));
    let expected = format!("1234567 12345678901 0.5 [1,\"two\",null] {values} 1");
    project.shiro("run").exits(0).says(&format!("before: {expected}"));
    project.shiro("run").exits(0).says(&format!("after: {expected}"));
}

#[test]
fn a_quiet_step_hides_its_own_output_and_nothing_else() {
    let project = Project::with_workflow(&json!({ "name": "w", "steps": [
        { "id": "broken", "type": "shell", "quiet": true, "continue_on_error": true,
          "config": { "command": "echo unheard; echo the reason >&2; kill -9 $$" } },
        { "id": "next", "type": "print", "depends_on": ["broken"], "config": { "message": "heard" } }
    ] }));
    let shown = project.shiro("run").exits(0).says("next | [info] heard").says("signal 9");
    assert!(!shown.stdout.contains("broken | unheard"), "{}", shown.all());
}

#[test]
fn a_component_with_a_built_in_name_ends_no_run() {
    let uses = |step_type: &str, config: Value| {
        let project = Project::with_workflow(&json!({ "name": "w", "steps": [
            { "id": "step", "type": step_type, "config": config }
        ] }));
        for name in ["ai.generate", "data.store"] {
            project.install_guest("greet", name);
        }
        project
    };
    let other = uses("print", json!({ "message": "undisturbed" }));
    let notice = ".shiro/plugins/data.store.wasm: `data.store` is a built-in step type: this component is not used";
    other.shiro("run").exits(0).says("undisturbed").says(notice);
    other.shiro("plugin list").exits(0).says(notice);
    // Which of both is meant can't be known.
    let shadowed = uses("data.store", json!({ "key": "k", "value": 1 }));
    shadowed.shiro("run").exits(3).says("nothing can replace what is built in");
}
