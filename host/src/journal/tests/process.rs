//! Several processes: kill -9 while appending, limits of the system, and who holds a run.
//!
//! The other process is this test binary again, told by a variable to be the test `child` in earnest.

use std::env;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};

use super::*;

const ROLE: &str = "SHIRO_TEST_JOURNAL_ROLE";
const PROJECT: &str = "SHIRO_TEST_JOURNAL_PROJECT";

#[test]
fn child() {
    let Ok(role) = env::var(ROLE) else { return };
    let directory = PathBuf::from(env::var_os(PROJECT).unwrap());
    let store = Store::open(StoreKind::Filesystem, &directory).unwrap();
    let lock = store.lock(&key("deploy"), quietly()).unwrap();
    match role.as_str() {
        "append" => append_until_it_fails(&store, &lock),
        "hold" => {
            say("held");
            io::stdin().read_to_end(&mut Vec::new()).unwrap();
        }
        other => panic!("no such role: {other}"),
    }
}

/// Goes on with the run and tells each record that is confirmed.
fn append_until_it_fails(store: &Store, lock: &RunLock) {
    let key = key("deploy");
    let loaded = store.load(&key).unwrap().unwrap();
    let mut count = loaded.records.len();
    let mut journal = store.resume(&key, lock, &loaded).unwrap();
    loop {
        let batch: Vec<_> = (count..count + 1 + count % 4)
            .map(|index| step_succeeded(&index.to_string(), json!("x".repeat(index * 37 % 3000))))
            .collect();
        count += batch.len();
        match journal.append(&batch) {
            Ok(()) => say(&format!("confirmed {count}")),
            Err(error) => {
                assert!(matches!(journal.append(&batch), Err(JournalError::Stopped { .. })));
                say(&format!("exit {}: {error}; {}", error.exit_code(), error.hint()));
                return;
            }
        }
    }
}

/// Past the test harness, which captures what is printed.
fn say(line: &str) {
    writeln!(io::stdout(), "\n@{line}").unwrap();
}

/// Another process in this role, behind the command line if there is one, and what it says.
fn spawn(project: &Project, role: &str, wrapper: &[&str]) -> (Child, impl Iterator<Item = String> + use<>) {
    let this = env::current_exe().unwrap();
    let mut command = match wrapper {
        [] => Command::new(&this),
        [program, arguments @ ..] => {
            let mut command = Command::new(program);
            command.args(arguments).arg(&this);
            command
        }
    };
    let name = format!("{}::child", module_path!().split_once("::").unwrap().1);
    command.args([&name, "--exact", "--nocapture"]).env(ROLE, role).env(PROJECT, project.directory.path());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = said(child.stdout.take().unwrap());
    (child, lines)
}

fn said(stdout: ChildStdout) -> impl Iterator<Item = String> {
    BufReader::new(stdout).lines().map_while(Result::ok).filter_map(|line| Some(line.strip_prefix('@')?.to_owned()))
}

fn confirmed(line: &str) -> usize {
    line.strip_prefix("confirmed ").unwrap_or_else(|| panic!("unexpected: {line}")).parse().unwrap()
}

/// The events are those that the child writes, in its order, without a gap.
fn assert_in_order(loaded: &Loaded) {
    for (index, record) in loaded.records.iter().enumerate().skip(1) {
        let Event::StepSucceeded { step, .. } = &record.event else { panic!("{record:?}") };
        assert_eq!(step.as_str(), index.to_string());
    }
}

#[test]
fn nothing_confirmed_is_lost_to_kill_9() {
    let project = Project::new();
    drop(project.begin(&[started()]));
    for round in 0..25 {
        let (mut child, mut lines) = spawn(&project, "append", &[]);
        let mut last = 0;
        for _ in 0..1 + round * 7 % 13 {
            last = confirmed(&lines.next().unwrap());
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // The rest of what it said before it died.
        last = lines.map(|line| confirmed(&line)).last().unwrap_or(last);
        let loaded = project.load();
        assert!(loaded.records.len() >= last, "round {round}: {} of {last}", loaded.records.len());
        assert!(!loaded.sealed);
        assert_in_order(&loaded);
    }
}

#[test]
fn a_file_that_can_t_grow_stops_the_run_with_7_and_keeps_what_was_recorded() {
    let project = Project::new();
    drop(project.begin(&[started()]));
    // Blocks of 512 bytes; without the signal, the write says why it fails.
    let limited = ["sh", "-c", "trap '' XFSZ; ulimit -f 40; exec \"$0\" \"$@\""];
    let (mut child, lines) = spawn(&project, "append", &limited);
    let lines: Vec<_> = lines.collect();
    assert!(child.wait().unwrap().success());
    let (end, before) = lines.split_last().unwrap();
    assert!(end.starts_with("exit 7: cannot append to "), "{end}");
    assert!(end.contains("; raise the file size limit"), "{end}");
    let loaded = project.load();
    assert!(loaded.records.len() >= confirmed(before.last().unwrap()));
    assert_in_order(&loaded);
    // The line that did not fit is gone: the file ends with a whole one.
    assert_eq!(fs::read(project.journal()).unwrap().last(), Some(&b'\n'));
    project.resume().append(&[resumed("0.1.0")]).unwrap();
}

#[test]
fn another_process_is_told_who_holds_the_run_until_it_dies() {
    let project = Project::new();
    let (mut child, mut lines) = spawn(&project, "hold", &[]);
    assert_eq!(lines.next().as_deref(), Some("held"));
    let error = project.store.lock(&project.key, quietly()).map(drop).unwrap_err();
    assert_eq!(error.exit_code(), 8);
    assert!(
        error.to_string().starts_with(&format!("another process holds this run: process {}", child.id())),
        "{error}"
    );
    assert!(error.hint().contains(&format!("kill {}", child.id())), "{}", error.hint());
    // Another run is free.
    project.store.lock(&key("other"), quietly()).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    project.lock();
}
