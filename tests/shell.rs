//! The `shell` step: what scripts get, how they end, and that nothing of them is left.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::Project;

fn project(config: Value) -> Project {
    Project::with_workflow(&json!({ "name": "shell", "steps": [{ "id": "run", "type": "shell", "config": config }] }))
}

/// Processes that carry this text in their command line.
pub(crate) fn processes_with(mark: &str) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| std::fs::read(entry.ok()?.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(mark))
        .collect()
}

#[test]
fn a_command_that_fails_fails_the_run_and_shows_why() {
    project(json!({ "command": "echo before; echo 'no such host' >&2; exit 7" }))
        .shiro("run")
        .exits(1)
        .says("before")
        .says("exited with code 7")
        .says("no such host");
}

#[test]
fn allow_failure_is_the_way_to_look_at_the_exit_code() {
    let project = Project::with_workflow(&json!({ "name": "shell", "steps": [
        { "id": "try", "type": "shell.exec", "config": { "command": "exit 3", "allow_failure": true } },
        { "id": "say", "type": "print", "depends_on": ["try"],
          "config": { "message": "{{steps.try.exit_code}} {{steps.try.success}}" } }
    ] }));
    project.shiro("run").exits(0).says("3 false");
}

#[test]
fn scripts_stop_at_the_first_failure_also_in_a_pipe() {
    let project = project(json!({ "shell": "bash", "script": ["false | true", "touch went-on"] }));
    project.shiro("run").exits(1);
    assert!(!project.join("went-on").exists());
}

#[test]
fn values_never_become_code() {
    let mut project = project(json!({ "script": [
        "printf '%s\\n' {{env.BRANCH}} > bare",
        "printf '%s\\n' \"on {{env.BRANCH}}\" > double",
        "printf '%s\\n' 'on {{env.BRANCH}}' > single",
        "cat > here <<END",
        "on {{env.BRANCH}}",
        "END"
    ] }));
    let hostile = "$(touch pwned) `touch pwned` '; touch pwned; \" && touch pwned #\\";
    project.env("BRANCH", hostile);
    project.shiro("run").exits(0);
    assert!(!project.join("pwned").exists());
    assert_eq!(project.read("bare"), format!("{hostile}\n"));
    for file in ["double", "single", "here"] {
        assert_eq!(project.read(file), format!("on {hostile}\n"), "{file}");
    }
}

#[test]
fn where_there_is_no_safe_reference_validation_says_how() {
    project(json!({ "command": "echo `date {{env.HOME}}`" })).shiro("validate").exits(2).says("env");
    project(json!({ "shell": "python3", "command": "print('{{env.HOME}}')" })).shiro("validate").exits(2).says("env");
}

#[test]
fn a_shell_that_is_named_must_exist() {
    project(json!({ "shell": "no-such-shell", "command": "true" })).shiro("run").exits(1).says("no-such-shell");
}

#[test]
fn other_languages_and_plain_programs_run_too() {
    project(json!({ "shell": "python3", "command": "print(6 * 7)" })).shiro("run").exits(0).says("42");
    let project = project(json!({ "command": "printf", "args": ["%s|", "a b", "{{env.BRANCH}}"] }));
    let mut project = project;
    project.env("BRANCH", "$(id)");
    project.shiro("run").exits(0).says("a b|$(id)|");
}

#[test]
fn environment_stdin_and_directory_are_the_steps_own() {
    let mut project = project(json!({
        "command": "cat; pwd; echo \"$GREETING $INHERITED ${SHIRO_SECRET-none}\"",
        "working_dir": "sub", "env": { "GREETING": "hello" }, "stdin": "from stdin\n"
    }));
    std::fs::create_dir(project.join("sub")).expect("create");
    project.env("INHERITED", "world").env("SHIRO_SECRET", "internal");
    project.shiro("run").exits(0).says("from stdin").says("/sub").says("hello world none");
}

#[test]
fn nothing_is_left_of_a_step_that_timed_out() {
    // Ignores SIGTERM, double-forks, leaves its session, and keeps stdout open: each with a mark of this test.
    let mark = format!("86{}", std::process::id());
    let command = format!(
        "trap '' TERM; (setsid sleep {mark} &) ; sleep {mark} & nohup sleep {mark} >/dev/null 2>&1 & while :; do sleep {mark}; done"
    );
    let project = Project::with_workflow(&json!({ "name": "timeout", "steps": [
        { "id": "hang", "type": "shell", "timeout": "1s", "config": { "shell": "bash", "command": command } }
    ] }));
    let started = Instant::now();
    project.shiro("run").exits(5).says("hang").says("timed out");
    assert!(started.elapsed() < Duration::from_secs(30));
    assert_eq!(processes_with(&mark), Vec::<String>::new());
}

#[test]
fn what_a_step_leaves_in_the_background_ends_with_it() {
    let mark = format!("87{}", std::process::id());
    let project = project(json!({ "command": format!("sleep {mark} & setsid sleep {mark} & echo started") }));
    project.shiro("run").exits(0).says("started");
    assert_eq!(processes_with(&mark), Vec::<String>::new());
}

#[test]
fn a_gigabyte_of_output_leaves_memory_flat() {
    let project = project(
        json!({ "shell": "sh", "command": "yes 0123456789012345678901234567890123456789 | head -c 1073741824" }),
    );
    let outcome = project
        .command("sh")
        .arg("-c")
        .arg(format!("ulimit -d 400000; exec {} run -quiet", crate::support::SHIRO))
        .output();
    crate::support::Outcome::of(outcome.expect("sh starts")).exits(0);
    let journal: String = project.journals().into_values().collect();
    assert!(journal.contains("1073741824"), "the whole output was counted");
    assert!(journal.len() < 4 << 20, "and only a part of it kept: {} bytes", journal.len());
}

#[test]
fn a_signal_stops_the_children_and_keeps_the_state() {
    let mark = format!("88{}", std::process::id());
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let project = Project::with_workflow(&json!({ "name": "signal", "steps": [
            { "id": "first", "type": "shell", "config": { "command": "echo once >> effects" } },
            { "id": "second", "type": "shell", "idempotent": true, "depends_on": ["first"],
              "config": { "command": format!("test -e go || {{ touch waiting; exec sleep {mark}; }}") } }
        ] }));
        let child = project
            .command(crate::support::SHIRO)
            .arg("run")
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .expect("shiro starts");
        let deadline = Instant::now() + Duration::from_secs(20);
        while !project.join("waiting").exists() {
            assert!(Instant::now() < deadline, "the second step starts");
            std::thread::sleep(Duration::from_millis(5));
        }
        let kill = project.command("kill").args([format!("-{signal}"), child.id().to_string()]).status();
        assert!(kill.expect("kill starts").success());
        crate::support::Outcome::of(child.wait_with_output().expect("output")).exits(code);
        assert_eq!(processes_with(&mark), Vec::<String>::new());
        project.write("go", "");
        project.shiro("run").exits(0);
        assert_eq!(project.read("effects"), "once\n", "what was done is not done again");
    }
}
