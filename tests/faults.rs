//! Every system call that touches the state, one after the other: killed at it, and refused by it. And a disk that is full.
//!
//! strace does both, on calls that name the state's files and on no others.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Outcome, Project, SHIRO};

/// System calls that touch files, with what they are called elsewhere.
const CALLS: [(&str, &str); 10] = [
    ("open", "openat"),
    ("write", "write"),
    ("fdatasync", "fdatasync"),
    ("fsync", "fsync"),
    ("truncate", "ftruncate"),
    ("lock", "flock"),
    ("mkdir", "?mkdir,?mkdirat"),
    ("rename", "?rename,?renameat,?renameat2"),
    ("link", "?link,?linkat"),
    ("unlink", "?unlink,?unlinkat"),
];

/// Two steps, a gate, and one behind it. Each leaves a line in a file that is not the journal.
fn project() -> Project {
    let step = |id: &str, after: Option<&str>| {
        json!({
            "id": id, "type": "shell", "depends_on": after.into_iter().collect::<Vec<_>>(),
            "config": { "shell": "sh", "command": format!("echo {id} >> effects") }
        })
    };
    Project::with_workflow(&json!({
        "name": "w",
        "steps": [
            step("a", None),
            step("b", Some("a")),
            { "id": "ask", "type": "print", "depends_on": ["b"], "pause": true, "config": { "message": "?" } },
            step("c", Some("ask")),
        ]
    }))
}

/// Runs `shiro run` and does something to the `when`th of these calls on the state. `None` if there are not so many.
fn inject(project: &Project, args: &[&str], calls: &str, what: &str, when: usize) -> Option<Outcome> {
    let log = project.join("strace.log");
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o"]).arg(&log).args(["-e", &format!("trace={calls}")]);
    command.args(["-e", &format!("inject={calls}:{what}:when={when}")]);
    let state = project.join(".shiro/state");
    command.arg("-P").arg(project.join(".shiro")).arg("-P").arg(&state);
    for name in [".gitignore", "w.lock", "w.jsonl", "w.jsonl.new", "w.previous.jsonl", "w.previous.jsonl.new"] {
        command.arg("-P").arg(state.join(name));
    }
    let shiro = project.command(SHIRO);
    command.arg(SHIRO).arg("run").args(args).current_dir(project.path()).env_clear();
    command.envs(shiro.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let outcome = Outcome::of(command.output().expect("strace starts"));
    let log = fs::read_to_string(log).expect("strace's log");
    let injected = outcome.code.is_none() || log.contains("(INJECTED)");
    assert!(injected || outcome.code == Some(0), "{}\n{log}", outcome.all());
    injected.then_some(outcome)
}

/// How often each step's effect happened.
fn effects(project: &Project) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for line in project.read("effects").lines() {
        *counts.entry(line.to_owned()).or_default() += 1;
    }
    counts
}

/// The status of each step; empty if there is no journal yet.
fn statuses(project: &Project) -> BTreeMap<String, String> {
    if !project.join(".shiro/state/w.jsonl").exists() {
        return BTreeMap::new();
    }
    let status = project.shiro("status -json w").exits(0);
    let status: Value = serde_json::from_str(&status.stdout).expect("JSON");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    status["steps"].as_array().expect("steps").iter().map(|step| (text(&step["id"]), text(&step["status"]))).collect()
}

/// The state can be read; nothing ran that it does not know of; and what it knows as completed never runs again.
fn assert_goes_on(project: &Project, where_: &str) {
    let (before, done) = (effects(project), statuses(project));
    for (step, times) in &before {
        let status = done.get(step).map_or("pending", String::as_str);
        assert_ne!(status, "pending", "{where_}: {step} ran {times} times, and nothing says that it had begun");
    }
    let completed: Vec<&String> =
        done.iter().filter(|(_, status)| *status == "succeeded").map(|(step, _)| step).collect();
    for step in completed.iter().filter(|step| step.as_str() != "ask") {
        assert!(before.contains_key(step.as_str()), "{where_}: {step} is recorded as done, and is not");
    }
    let mut args = "run".to_owned();
    for _ in 0..6 {
        let outcome = project.shiro(&args);
        args = "run".to_owned();
        match outcome.code {
            Some(0) if outcome.stdout.contains("w: succeeded after") || outcome.stdout.contains("finished already") => {
                let after = effects(project);
                assert_eq!(after.len(), 3, "{where_}: every step ran\n{}", outcome.all());
                for step in completed.iter().filter(|step| step.as_str() != "ask") {
                    assert_eq!(after[step.as_str()], before[step.as_str()], "{where_}: {step} ran again");
                }
                return;
            }
            Some(0) => {}
            Some(6) => {
                let named = ["a", "b", "c"].iter().find(|step| outcome.stderr.contains(&format!("-rerun {step}")));
                let named = named.unwrap_or_else(|| panic!("{where_}: exit 6 says what to do\n{}", outcome.all()));
                args = format!("run -rerun {named}");
            }
            _ => panic!("{where_}:\n{}", outcome.all()),
        }
    }
    panic!("{where_}: the run comes to no end");
}

/// A run that begins, one that goes on behind the gate, and one that begins anew over an old journal.
fn phases() -> [(&'static str, Vec<&'static str>, Vec<&'static str>); 3] {
    [("begin", vec![], vec![]), ("resume", vec!["run"], vec![]), ("fresh", vec!["run", "run"], vec!["-fresh"])]
}

fn prepared(before: &[&str]) -> Project {
    let project = project();
    for args in before {
        project.shiro(args).exits(0);
    }
    if before.len() == 2 {
        // The new run counts for itself.
        fs::remove_file(project.join("effects")).expect("effects");
    }
    project
}

/// Whether a fresh run had not become the journal yet: then the old one stands, finished.
fn is_old(project: &Project, before: &[&str]) -> bool {
    before.len() == 2 && project.shiro("status w").exits(0).stdout.contains("w: succeeded")
}

#[test]
fn killed_at_every_system_call_that_touches_the_state_nothing_is_lost_or_repeated() {
    let mut kills = BTreeMap::new();
    for (phase, before, args) in phases() {
        for (name, calls) in CALLS {
            for when in 1.. {
                let project = prepared(&before);
                let Some(outcome) = inject(&project, &args, calls, "signal=KILL", when) else { break };
                let where_ = format!("{phase}: killed at {name} {when}");
                assert_eq!(outcome.code, None, "{where_}\n{}", outcome.all());
                *kills.entry(name).or_insert(0) += 1;
                if is_old(&project, &before) {
                    assert_eq!(
                        effects(&project).len(),
                        0,
                        "{where_}: nothing started before the new journal was there"
                    );
                    continue;
                }
                assert_goes_on(&project, &where_);
            }
        }
    }
    // That strace saw what it was to see.
    for name in ["open", "write", "fdatasync", "fsync", "rename", "link", "unlink", "mkdir", "lock"] {
        assert!(kills.contains_key(name), "no {name} was seen: {kills:?}");
    }
}

#[test]
fn whatever_refuses_to_write_the_state_the_run_stops_with_7_and_the_old_state_is_whole() {
    let errors: [(&str, &[&str]); 5] = [
        ("ENOSPC", &["open", "write", "fdatasync", "fsync", "mkdir", "rename", "link"]),
        ("EIO", &["open", "write", "fdatasync", "fsync", "mkdir", "rename", "unlink"]),
        ("EROFS", &["open", "mkdir", "rename", "unlink"]),
        ("EDQUOT", &["open", "write", "fdatasync", "mkdir"]),
        ("EMFILE", &["open"]),
    ];
    for (phase, before, args) in phases() {
        for (error, names) in errors {
            for (name, calls) in CALLS.iter().filter(|(name, _)| names.contains(name)) {
                for when in 1.. {
                    let project = prepared(&before);
                    let Some(outcome) = inject(&project, &args, calls, &format!("error={error}"), when) else { break };
                    let where_ = format!("{phase}: {error} from {name} {when}");
                    // Where there are no hard links, a copy is kept aside.
                    if *name == "link" && outcome.code == Some(0) {
                        continue;
                    }
                    assert_eq!(outcome.code, Some(7), "{where_}\n{}", outcome.all());
                    assert!(outcome.stderr.contains("hint: "), "{where_}\n{}", outcome.all());
                    if is_old(&project, &before) {
                        assert_eq!(effects(&project).len(), 0, "{where_}: nothing started");
                        continue;
                    }
                    assert_goes_on(&project, &where_);
                }
            }
        }
    }
}

/// Fills a small disk with the outputs of steps, and goes on when it has become larger.
const FULL_DISK: &str = r#"
run() {
    name=$1
    shift
    code=0
    "$SHIRO" run "$@" > "$name.log" 2>&1 || code=$?
    echo "$name $code" >> codes
}
mkdir -p .shiro/state
mount -t tmpfs -o size=96k tmpfs .shiro/state
run first
cp effects effects.full
mount -o remount,size=4m .shiro/state
run second
step=$(sed -n 's/.*shiro run -rerun \(s[0-9]*\).*/\1/p' second.log | head -n 1)
run third -rerun "$step"
echo "$step" > interrupted
"#;

#[test]
fn a_full_disk_stops_the_run_with_7_and_it_goes_on_when_there_is_room() {
    const STEPS: usize = 8;
    let steps: Vec<Value> = (0..STEPS)
        .map(|index| {
            let before: Vec<String> = index.checked_sub(1).map(|before| format!("s{before}")).into_iter().collect();
            json!({
                "id": format!("s{index}"), "type": "shell", "depends_on": before,
                "config": { "shell": "sh", "command": format!("echo s{index} >> effects; head -c 20000 /dev/zero | tr '\\0' x") }
            })
        })
        .collect();
    let mut project = Project::with_workflow(&json!({ "name": "w", "steps": steps }));
    project.env("SHIRO", Path::new(SHIRO).display().to_string());
    let Some(outcome) = project.unshared("-U -r -m", FULL_DISK) else { return };
    outcome.exits(0);
    let (codes, log) = (project.read("codes"), project.read("first.log"));
    assert_eq!(codes, "first 7\nsecond 6\nthird 0\n", "{log}\n{}", project.read("third.log"));
    assert!(log.contains("nothing further was started") && log.contains("free some space"), "{log}");
    let full: Vec<String> = project.read("effects.full").lines().map(str::to_owned).collect();
    assert!((2..STEPS).contains(&full.len()), "{full:?}");
    // The one whose end found no room ran again, since it was told to; no other did.
    let interrupted = project.read("interrupted").trim().to_owned();
    assert_eq!(full.last(), Some(&interrupted));
    let mut expected: Vec<String> = full;
    expected.extend((expected.len() - 1..STEPS).map(|index| format!("s{index}")));
    assert_eq!(project.read("effects").lines().collect::<Vec<_>>(), expected);
}
