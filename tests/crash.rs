//! kill -9 at random moments: nothing that was recorded is lost, nothing completed runs twice.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Outcome, Project, SHIRO};

const STEPS: usize = 30;
const ITEMS: usize = 8;

/// Thirty steps in five layers, every third one idempotent, and one that is run for eight items. Each leaves a line in a
/// file that is not the journal.
fn workflow() -> Value {
    let mut steps: Vec<Value> = (0..STEPS)
        .map(|index| {
            let layer = index / 6;
            let depends_on: Vec<String> = if layer == 0 {
                vec![]
            } else {
                (0..2).map(|n| format!("s{}", (layer - 1) * 6 + (index + n) % 6)).collect()
            };
            json!({
                "id": format!("s{index}"), "type": "shell", "depends_on": depends_on, "idempotent": index % 3 == 0,
                "config": { "shell": "sh", "command": format!("echo s{index} >> \"$EFFECTS\"") }
            })
        })
        .collect();
    let items: Vec<usize> = (0..ITEMS).collect();
    steps.push(json!({
        "id": "items", "type": "shell", "depends_on": ["s6"], "foreach": items, "max_parallel": 3,
        "config": { "shell": "sh", "command": "echo 'items['{{item}}']' >> \"$EFFECTS\"" }
    }));
    json!({ "name": "thirty", "steps": steps })
}

fn project() -> Project {
    let mut project = Project::with_workflow(&workflow());
    let effects = project.join("effects").display().to_string();
    project.env("EFFECTS", effects);
    project
}

/// How often each step's effect happened.
fn effects(project: &Project) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for line in project.read("effects").lines() {
        *counts.entry(line.to_owned()).or_default() += 1;
    }
    counts
}

/// The status of each step and item, by `shiro status`.
fn statuses(project: &Project) -> BTreeMap<String, String> {
    let status = project.shiro("status -json thirty").exits(0);
    let status: Value = serde_json::from_str(&status.stdout).expect("JSON");
    let steps = status["steps"].as_array().expect("steps").iter().filter(|step| step["id"] != "items");
    let with_items = status["steps"].as_array().expect("steps").iter().find(|step| step["id"] == "items");
    let items = with_items.and_then(|step| step["items"].as_array()).into_iter().flatten();
    steps
        .chain(items)
        .map(|step| {
            (step["id"].as_str().expect("an id").to_owned(), step["status"].as_str().expect("a status").to_owned())
        })
        .collect()
}

/// Starts shiro and kills it after a while. Says how it ended, if it was faster.
fn run_and_kill(project: &Project, args: &[String], after: Duration) -> Option<Outcome> {
    let mut child = project
        .command(SHIRO)
        .arg("run")
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("shiro starts");
    let deadline = Instant::now() + after;
    loop {
        if child.try_wait().expect("wait").is_some() {
            return Some(Outcome::of(child.wait_with_output().expect("output")));
        }
        if Instant::now() >= deadline {
            child.kill().expect("kill");
            child.wait().expect("reap");
            return None;
        }
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// What `-rerun` flags the message of exit 6 names.
fn reruns(outcome: &Outcome) -> Vec<String> {
    let mut words = outcome.stderr.split_whitespace().peekable();
    let mut flags = Vec::new();
    while let Some(word) = words.next() {
        if word == "-rerun"
            && let Some(step) = words.peek()
        {
            let step = step.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != ']');
            let named =
                step.starts_with(|c: char| c.is_ascii_alphabetic()) && step.contains(|c: char| c.is_ascii_digit());
            if named && !flags.contains(&step.to_owned()) {
                flags.push(step.to_owned());
            }
        }
    }
    flags
}

#[test]
fn two_hundred_kills_lose_nothing_and_repeat_nothing() {
    let kills = std::env::var("SHIRO_TORTURE_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(200);
    let started = Instant::now();
    project().shiro("run").exits(0);
    let whole_run = started.elapsed();
    // Fixed, so that a failure can be looked at again; the moments differ all the same, with the machine's speed.
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut killed = 0;
    while killed < kills {
        let project = project();
        let mut completed: BTreeMap<String, usize> = BTreeMap::new();
        let mut args: Vec<String> = Vec::new();
        loop {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let after = whole_run.mul_f64((random >> 33) as f64 / f64::from(1u32 << 31));
            let ended = run_and_kill(&project, &args, after);
            args.clear();
            let now = effects(&project);
            for (step, times) in &completed {
                assert_eq!(now.get(step), Some(times), "{step} had completed and ran again");
            }
            match ended {
                None => killed += 1,
                Some(outcome) if outcome.code == Some(6) => {
                    let steps = reruns(&outcome);
                    assert!(!steps.is_empty(), "exit 6 names what to do\n{}", outcome.all());
                    args = steps.iter().flat_map(|step| ["-rerun".to_owned(), step.clone()]).collect();
                }
                Some(outcome) => {
                    let outcome = outcome.exits(0);
                    assert!(effects(&project).len() == STEPS + ITEMS, "every step ran\n{}", outcome.all());
                    break;
                }
            }
            if !project.journals().is_empty() {
                let now = effects(&project);
                for (step, status) in statuses(&project) {
                    if status == "succeeded" {
                        let times = *now.get(&step).unwrap_or_else(|| panic!("{step} is recorded as done, and is not"));
                        completed.entry(step).or_insert(times);
                    }
                }
            }
        }
    }
}

#[test]
fn a_step_that_died_with_shiro_is_named_and_runs_again_only_when_told() {
    let mut project = Project::with_workflow(&json!({
        "name": "died", "steps": [{ "id": "deploy", "type": "shell",
            "config": { "shell": "sh", "command": "echo run >> \"$EFFECTS\"; test -e done || sleep 100" } }]
    }));
    let effects = project.join("effects").display().to_string();
    project.env("EFFECTS", effects);
    let mut child =
        project.command(SHIRO).arg("run").stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("start");
    let deadline = Instant::now() + Duration::from_secs(20);
    while project.read("effects").is_empty() {
        assert!(Instant::now() < deadline, "the step starts");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().expect("kill");
    child.wait().expect("reap");

    project.shiro("run").exits(6).says("deploy").says("-rerun deploy").says("-skip deploy");
    assert_eq!(project.read("effects"), "run\n");
    project.write("done", "");
    project.shiro("run -rerun deploy").exits(0);
    assert_eq!(project.read("effects"), "run\nrun\n");
}
