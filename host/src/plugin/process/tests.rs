//! With real processes. Nothing here waits for a fixed time: what has to happen is polled for, with a deadline.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;

use super::*;
use crate::event::{Level, Stream};

#[cfg(target_os = "linux")]
const NONE: [i32; 0] = [];

/// How long anything that has to happen may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Default)]
struct Heard {
    stdout: Mutex<Vec<u8>>,
    stderr: Mutex<Vec<u8>>,
    warnings: Mutex<Vec<String>>,
}

impl StepSink for Heard {
    fn output(&self, stream: Stream, bytes: &[u8]) {
        let kept = if stream == Stream::Stdout { &self.stdout } else { &self.stderr };
        kept.lock().unwrap().extend_from_slice(bytes);
    }

    fn log(&self, _: Level, _: &str) {}

    fn warn(&self, message: &str) {
        self.warnings.lock().unwrap().push(message.to_owned());
    }
}

impl Heard {
    fn text(&self) -> String {
        String::from_utf8(self.stdout.lock().unwrap().clone()).unwrap()
    }
}

/// A job in an empty project, whose processes can be recognized: by a variable, and by text in a command line.
struct Job {
    dir: TempDir,
    token: String,
    host: Arc<ProcessHost>,
    heard: Arc<Heard>,
    sink: Arc<dyn StepSink>,
}

impl Job {
    fn new() -> Self {
        Self::with(&[], None)
    }

    fn with(extra: &[(&str, &str)], watcher: Option<Vec<OsString>>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let token = format!("{}", uuid::Uuid::now_v7().as_u128() % 1_000_000_000_000);
        let mut env = vec![("PATH".into(), std::env::var_os("PATH").unwrap())];
        env.push(("TOKEN".into(), (&token).into()));
        env.extend(extra.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))));
        let host = ProcessHost::with_watcher(dir.path().to_owned(), env, watcher);
        let heard = Arc::new(Heard::default());
        Self { dir, token, host, sink: heard.clone(), heard }
    }

    async fn run(&self, command: Command) -> Result<Completed, ProcessError> {
        self.run_with(command, true, &[]).await
    }

    async fn run_with(
        &self,
        command: Command,
        inherit: bool,
        bindings: &[(&str, &str)],
    ) -> Result<Completed, ProcessError> {
        let attempt = self.host.attempt();
        let bindings: Vec<_> = bindings.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let result = attempt.run(command, &grant(inherit), &bindings, &self.sink).await;
        attempt.end(Duration::ZERO).await;
        result
    }

    async fn output(&self, script: &str) -> String {
        let completed = self.run(sh(script)).await.unwrap();
        assert_eq!(completed.status, Status::Exited(0), "{}", lossy(&completed.stderr.head));
        lossy(&completed.stdout.head)
    }

    /// The job's processes that are alive: those with its token in the environment or on the command line.
    #[cfg(target_os = "linux")]
    fn survivors(&self) -> Vec<i32> {
        alive_with(&self.token)
    }
}

#[cfg(target_os = "linux")]
fn alive_with(token: &str) -> Vec<i32> {
    let holds = |file: String| {
        let bytes = fs::read(file).unwrap_or_default();
        bytes.windows(token.len()).any(|part| part == token.as_bytes())
    };
    let mut found = procfs::all();
    found.retain(|process| !process.zombie && process.pid != procfs::own_pid());
    found.retain(|process| ["environ", "cmdline"].iter().any(|what| holds(format!("/proc/{}/{what}", process.pid))));
    found.iter().map(|process| process.pid).collect()
}

/// The command line that runs this test program with one of its ignored tests alone.
#[cfg(target_os = "linux")]
fn this_program(module: &str, test: &str) -> Vec<OsString> {
    let name = format!("{}::{test}", module.split_once("::").unwrap().1);
    let program = std::env::current_exe().unwrap();
    let args = ["--exact", &name, "--ignored", "--nocapture"].map(OsString::from);
    std::iter::once(program.into()).chain(args).collect()
}

fn grant(inherit_environment: bool) -> ProcessPermission {
    ProcessPermission { program: "*".into(), inherit_environment }
}

fn sh(script: &str) -> Command {
    Command {
        program: "sh".into(),
        args: vec!["-c".into(), script.into()],
        capture_bytes: 1 << 16,
        ..Command::default()
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn invalid_text(result: Result<Completed, ProcessError>) -> String {
    match result {
        Err(ProcessError::Invalid(text)) => text,
        other => panic!("{other:?}"),
    }
}

fn not_started_text(result: Result<Completed, ProcessError>) -> String {
    match result {
        Err(ProcessError::NotStarted(text)) => text,
        other => panic!("{other:?}"),
    }
}

mod results {
    use super::*;

    #[tokio::test]
    async fn codes_and_signals() {
        let job = Job::new();
        for code in [0, 1, 127, 255] {
            assert_eq!(job.run(sh(&format!("exit {code}"))).await.unwrap().status, Status::Exited(code));
        }
        for signal in [1, 9, 15] {
            let completed = job.run(sh(&format!("kill -{signal} $$"))).await.unwrap();
            assert_eq!(completed.status, Status::Signaled(signal));
        }
    }

    #[tokio::test]
    async fn both_streams_live_and_kept() {
        let job = Job::new();
        let completed = job.run(sh("echo out; echo err >&2")).await.unwrap();
        assert_eq!(completed.stdout, Captured { head: b"out\n".into(), tail: vec![], total: 4 });
        assert_eq!(completed.stderr, Captured { head: b"err\n".into(), tail: vec![], total: 4 });
        assert_eq!(job.heard.text(), "out\n");
        assert_eq!(*job.heard.stderr.lock().unwrap(), b"err\n");
    }

    #[tokio::test]
    async fn output_is_heard_while_the_program_runs() {
        let job = Job::new();
        let attempt = job.host.attempt();
        let (command, grant) = (sh("echo first; read line < fifo; echo $line"), grant(true));
        assert!(std::process::Command::new("mkfifo").arg(job.dir.path().join("fifo")).status().unwrap().success());
        let run = attempt.run(command, &grant, &[], &job.sink);
        let write = async {
            until("the first line is heard", || job.heard.text() == "first\n").await;
            let fifo = job.dir.path().join("fifo");
            tokio::task::spawn_blocking(|| fs::write(fifo, "second\n").unwrap()).await.unwrap();
        };
        let (completed, ()) = tokio::join!(run, write);
        assert_eq!(lossy(&completed.unwrap().stdout.head), "first\nsecond\n");
    }

    #[tokio::test]
    async fn of_a_large_output_the_first_and_last_half() {
        let job = Job::new();
        let command = Command { capture_bytes: 10, ..sh("printf abcde; head -c 3000000 /dev/zero; printf vwxyz") };
        let completed = job.run(command).await.unwrap();
        assert_eq!(completed.stdout, Captured { head: b"abcde".into(), tail: b"vwxyz".into(), total: 3_000_010 });
        assert_eq!(job.heard.stdout.lock().unwrap().len(), 3_000_010);
    }

    #[tokio::test]
    async fn nothing_is_kept_where_nothing_is_wanted() {
        let command = Command { capture_bytes: 0, ..sh("echo out") };
        assert_eq!(Job::new().run(command).await.unwrap().stdout, Captured { total: 4, ..Captured::default() });
    }

    #[tokio::test]
    async fn more_is_kept_of_nothing_than_the_limit() {
        let command = Command { capture_bytes: usize::MAX, ..sh("head -c 3000000 /dev/zero") };
        let stdout = Job::new().run(command).await.unwrap().stdout;
        assert_eq!((stdout.head.len() + stdout.tail.len(), stdout.total), (MAX_CAPTURE_BYTES, 3_000_000));
    }

    #[tokio::test]
    async fn input_and_output_larger_than_any_pipe_do_not_block_each_other() {
        let stdin = vec![b'x'; 5_000_000];
        let command = Command { stdin: Some(stdin.clone()), ..sh("tee /dev/stderr") };
        let job = Job::new();
        let completed = job.run(command).await.unwrap();
        assert_eq!((completed.stdout.total, completed.stderr.total), (5_000_000, 5_000_000));
        assert!(*job.heard.stdout.lock().unwrap() == stdin);
    }

    #[tokio::test]
    async fn input_that_nobody_reads_is_no_error() {
        let stdin = Some(vec![0; 5_000_000]);
        for script in ["exit 3", "head -c 1 >/dev/null; exit 3", "exec <&-; exit 3"] {
            let completed = Job::new().run(Command { stdin: stdin.clone(), ..sh(script) }).await.unwrap();
            assert_eq!(completed.status, Status::Exited(3), "{script}");
        }
    }

    #[tokio::test]
    async fn without_input_there_is_an_end_to_read() {
        let job = Job::new();
        for stdin in [None, Some(vec![])] {
            let completed = job.run(Command { stdin, ..sh("cat; echo done") }).await.unwrap();
            assert_eq!(lossy(&completed.stdout.head), "done\n");
        }
    }
}

mod finding {
    use super::*;

    #[tokio::test]
    async fn a_program_that_is_not_there() {
        let job = Job::new();
        for program in ["no-such-program", "./no-such-program", "/no/such/program", "echo hello"] {
            match job.run(Command { program: program.into(), ..Command::default() }).await {
                Err(ProcessError::NotFound { program: named, hint }) => {
                    assert_eq!(named, program);
                    assert!(!hint.is_empty());
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[tokio::test]
    async fn files_that_can_not_be_started() {
        let job = Job::new();
        let put = |name: &str, content: &str, mode: u32| {
            let file = job.dir.path().join(name);
            fs::write(&file, content).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        };
        put("plain", "#!/bin/sh\n", 0o644);
        put("no-interpreter", "#!/no/such/interpreter -x\n", 0o755);
        put("windows", "#!/bin/sh\r\necho\r\n", 0o755);
        put("no-program", "echo hello\n", 0o755);
        for (program, expected) in [
            ("./plain", "chmod +x"),
            ("./no-interpreter", "/no/such/interpreter"),
            ("./windows", "carriage return"),
            ("./no-program", "#!/bin/sh"),
            ("/", "directory"),
        ] {
            let text = not_started_text(job.run(Command { program: program.into(), ..Command::default() }).await);
            assert!(text.contains(expected), "{program}: {text}");
        }
    }

    #[tokio::test]
    async fn a_path_is_relative_to_the_working_directory_which_is_relative_to_the_project() {
        let job = Job::new();
        let sub = job.dir.path().join("sub");
        fs::create_dir(&sub).unwrap();
        fs::write(sub.join("where"), "#!/bin/sh\npwd\n").unwrap();
        fs::set_permissions(sub.join("where"), fs::Permissions::from_mode(0o755)).unwrap();
        let command = Command {
            program: "./where".into(),
            working_dir: Some("sub".into()),
            capture_bytes: 1000,
            ..Command::default()
        };
        let completed = job.run(command).await.unwrap();
        assert_eq!(lossy(&completed.stdout.head).trim_end(), sub.to_str().unwrap());
        assert_eq!(job.output("pwd").await.trim_end(), job.dir.path().to_str().unwrap());
    }

    #[tokio::test]
    async fn a_working_directory_that_is_none() {
        let job = Job::new();
        fs::write(job.dir.path().join("file"), "").unwrap();
        for dir in ["nowhere", "file", "/no/where", "file/below"] {
            let text = invalid_text(job.run(Command { working_dir: Some(dir.into()), ..sh("true") }).await);
            assert!(text.contains(dir) && text.contains("working_dir"), "{text}");
        }
    }

    #[tokio::test]
    async fn texts_that_no_program_can_be_given() {
        let job = Job::new();
        let pair = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
        let long = "x".repeat(128 * 1024);
        let commands = [
            (Command { program: String::new(), ..sh("") }, "empty"),
            (Command { program: "s\0h".into(), ..sh("") }, "NUL"),
            (sh("\0"), "NUL"),
            (sh(&long), "stdin"),
            (Command { args: vec!["x".repeat(100 * 1024); 80], ..sh("") }, "stdin"),
            (Command { env: pair("A", "\0"), ..sh("") }, "NUL"),
            (Command { env: pair("A", &long), ..sh("") }, "stdin"),
            (Command { env: pair("A=B", ""), ..sh("") }, "name"),
            (Command { env: pair("", ""), ..sh("") }, "name"),
            (Command { working_dir: Some("\0".into()), ..sh("") }, "NUL"),
        ];
        for (command, expected) in commands {
            let text = invalid_text(job.run(command).await);
            assert!(text.contains(expected) && text.len() < 1000, "{text}");
        }
        let text = invalid_text(job.run_with(sh("true"), true, &[("T", &long)]).await);
        assert!(text.contains("`T`"), "{text}");
    }
}

mod environment {
    use super::*;

    fn parse(env: &str) -> HashMap<String, String> {
        env.lines().filter_map(|line| line.split_once('=')).map(|(a, b)| (a.into(), b.into())).collect()
    }

    fn print_env(env: &[(&str, &str)]) -> Command {
        let env = env.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        Command { program: "env".into(), env, capture_bytes: 1 << 16, ..Command::default() }
    }

    #[tokio::test]
    async fn inherited_without_the_settings_of_shiro() {
        let job = Job::with(&[("SHIRO_STATE", "x"), ("LD_LIBRARY_PATH", "/nowhere"), ("LANG", "C")], None);
        let command = print_env(&[("LANG", "de"), ("GIT_DIR", "/g"), ("TWICE", "1"), ("TWICE", "2")]);
        let completed = job.run_with(command, true, &[("BOUND", "$(id)")]).await.unwrap();
        let env = parse(&lossy(&completed.stdout.head));
        assert_eq!(env.get("SHIRO_STATE"), None);
        let expected =
            [("LANG", "de"), ("GIT_DIR", "/g"), ("LD_LIBRARY_PATH", "/nowhere"), ("TWICE", "2"), ("BOUND", "$(id)")];
        for (name, value) in expected {
            assert_eq!(env.get(name).map(String::as_str), Some(value), "{name}");
        }
    }

    #[tokio::test]
    async fn nobody_replaces_a_binding_or_the_mark() {
        let job = Job::new();
        let command = print_env(&[("BOUND", "mine"), (mark::VARIABLE, "mine")]);
        let completed = job.run_with(command, true, &[("BOUND", "theirs")]).await.unwrap();
        let env = parse(&lossy(&completed.stdout.head));
        assert_eq!(env["BOUND"], "theirs");
        assert!(env[mark::VARIABLE].starts_with(mark::of_this_process()));
    }

    #[tokio::test]
    async fn a_clean_one_has_nothing_that_makes_a_program_run_another() {
        let job = Job::with(&[("SECRET", "x")], None);
        let injected = [
            "LD_PRELOAD",
            "BASH_ENV",
            "ENV",
            "PYTHONSTARTUP",
            "NODE_OPTIONS",
            "GIT_SSH_COMMAND",
            "PATH",
            "IFS",
            "SHIRO_X",
        ];
        let mut variables: Vec<_> = injected.iter().map(|name| (*name, "/evil")).collect();
        variables.push(("FINE", "yes"));
        let completed = job.run_with(print_env(&variables), false, &[("BOUND", "b")]).await.unwrap();
        let mut env = parse(&lossy(&completed.stdout.head));
        assert!(!env.remove("PATH").unwrap().contains("evil"));
        assert!(env.remove(mark::VARIABLE).is_some());
        assert_eq!(env, HashMap::from([("FINE", "yes"), ("BOUND", "b")].map(|(a, b)| (a.into(), b.into()))));
        assert_eq!(job.heard.warnings.lock().unwrap().len(), injected.len());
    }

    #[tokio::test]
    async fn a_clean_one_can_not_shadow_a_program() {
        let job = Job::new();
        let file = job.dir.path().join("env");
        fs::write(&file, "#!/bin/sh\necho evil\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        let path = job.dir.path().to_str().unwrap();
        let clean = job.run_with(print_env(&[("PATH", path)]), false, &[]).await.unwrap();
        assert!(!lossy(&clean.stdout.head).contains("evil"));
        let inherited = job.run_with(print_env(&[("PATH", path)]), true, &[]).await.unwrap();
        assert_eq!(lossy(&inherited.stdout.head), "evil\n");
    }
}

/// What only `/proc` can prove.
#[cfg(target_os = "linux")]
mod ending {
    use super::*;

    /// Programs that try to outlive their step, each with what it writes when it is ready. `@` stands for a text by which
    /// its processes are found.
    const STUBBORN: &[&str] = &[
        "sleep 1@ & setsid sleep 1@ & (sleep 1@ &) ; echo ready; sleep 1@",
        "trap '' TERM; echo ready; sleep 1@; sleep 1@; sleep 1@",
        "(setsid sh -c 'trap \"\" TERM HUP INT; (setsid sh -c \"echo ready; sleep 1@; sleep 1@\" &) ' &) ; sleep 1@",
        "nohup sh -c 'echo ready; exec sleep 1@' 2>/dev/null & sleep 1@",
        "setsid sh -c 'echo ready; kill -STOP $$' & sleep 1@",
        "echo ready; kill -STOP $$",
        "(setsid sh -c 'while :; do (exec 2>/dev/null; setsid sleep 0.0@ &); done' &) ; echo ready; sleep 1@",
    ];

    fn stubborn(job: &Job, script: &str) -> Command {
        sh(&script.replace('@', &job.token))
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_timeout_ends_everything() {
        for script in STUBBORN {
            let job = Job::new();
            let command = Command { timeout: Some(Duration::from_millis(300)), ..stubborn(&job, script) };
            let attempt = job.host.attempt();
            let result = attempt.run(command, &grant(true), &[], &job.sink).await;
            assert!(matches!(&result, Err(ProcessError::TimedOut(_))), "{script}: {result:?}");
            assert_eq!(job.survivors(), NONE, "{script}");
            attempt.end(GRACE).await;
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_dropped_future_leaves_what_end_ends() {
        for script in STUBBORN {
            let job = Job::new();
            let attempt = job.host.attempt();
            run_until_ready(&job, &attempt, stubborn(&job, script)).await;
            assert_ne!(job.survivors(), NONE, "{script}");
            let started = Instant::now();
            attempt.end(Duration::from_millis(100)).await;
            assert_eq!(job.survivors(), NONE, "{script}");
            assert!(started.elapsed() < Duration::from_secs(10), "{script}: {:?}", started.elapsed());
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_dropped_attempt_kills() {
        for script in STUBBORN {
            let job = Job::new();
            let attempt = job.host.attempt();
            run_until_ready(&job, &attempt, stubborn(&job, script)).await;
            drop(attempt);
            assert_eq!(job.survivors(), NONE, "{script}");
        }
    }

    /// Runs until the program says `ready`, then drops the future.
    async fn run_until_ready(job: &Job, attempt: &AttemptProcesses, command: Command) {
        let grant = grant(true);
        let run = attempt.run(command, &grant, &[], &job.sink);
        tokio::select! {
            result = run => panic!("{result:?}"),
            () = until("it says that it is ready", || job.heard.text().contains("ready")) => {}
        }
    }

    #[tokio::test]
    async fn what_runs_in_the_background_ends_with_the_program() {
        for script in [
            "sleep 1@ & echo done",
            "sleep 1@ >/dev/null 2>&1 & echo done",
            "setsid sleep 1@ & echo done",
            "(setsid sleep 1@ >/dev/null 2>&1 &) ; echo done",
            "trap '' TERM; (exec 3>&1; sleep 1@) & echo done",
        ] {
            let job = Job::new();
            let attempt = job.host.attempt();
            let completed = attempt.run(stubborn(&job, script), &grant(true), &[], &job.sink).await.unwrap();
            assert_eq!(completed.status, Status::Exited(0));
            assert_eq!(lossy(&completed.stdout.head), "done\n", "{script}");
            assert_eq!(job.survivors(), NONE, "{script}");
            attempt.end(GRACE).await;
        }
    }

    #[tokio::test]
    async fn a_background_process_may_finish_its_cleaning_up() {
        let script =
            "sh -c 'trap \"echo cleaned; exit\" TERM; echo trapped >fifo; while :; do sleep 0.01; done' & cat fifo";
        let job = Job::new();
        assert!(std::process::Command::new("mkfifo").arg(job.dir.path().join("fifo")).status().unwrap().success());
        assert_eq!(job.output(script).await, "trapped\ncleaned\n");
        assert_eq!(job.heard.warnings.lock().unwrap().len(), 0);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "runs in a process of its own"]
    async fn alone_the_end_of_one_step_leaves_the_others_be() {
        let (long, short) = (Job::new(), Job::new());
        let attempt = long.host.attempt();
        // One with the mark, and one that has lost all signs of where it comes from.
        let script = "(setsid sleep 1@ &) ; (env -i setsid sleep 1@ &) ; echo ready; exec sleep 1@";
        run_until_ready(&long, &attempt, stubborn(&long, script)).await;
        until("all three run", || long.survivors().len() == 3).await;
        for _ in 0..5 {
            short.output(&stubborn(&short, "setsid sleep 1@ & true").args[1]).await;
            assert_eq!(short.survivors(), NONE);
            assert_eq!(long.survivors().len(), 3);
        }
        attempt.end(GRACE).await;
        assert_eq!(long.survivors(), NONE);
    }

    /// While other tests run, a process without signs could be theirs.
    #[test]
    fn what_has_lost_all_signs_of_its_step_ends_with_it_too() {
        for test in ["alone_without_signs", "alone_the_end_of_one_step_leaves_the_others_be"] {
            let command = this_program(module_path!(), test);
            let output = std::process::Command::new(&command[0]).args(&command[1..]).output().unwrap();
            let text = lossy(&output.stdout) + &lossy(&output.stderr);
            assert!(output.status.success() && text.contains("1 passed"), "{text}");
        }
    }

    #[tokio::test]
    #[ignore = "runs in a process of its own"]
    async fn alone_without_signs() {
        let left = "(env -i setsid sh -c 'trap \"\" HUP; sleep 1@ & echo ready; wait' &)";
        let job = Job::new();
        let attempt = job.host.attempt();
        run_until_ready(&job, &attempt, stubborn(&job, &format!("{left}; sleep 1@"))).await;
        attempt.end(GRACE).await;
        assert_eq!(job.survivors(), NONE);

        let job = Job::new();
        assert_eq!(job.output(&stubborn(&job, &format!("{left} | head -n 1")).args[1]).await, "ready\n");
        assert_eq!(job.survivors(), NONE);

        let job = Job::new();
        let command =
            Command { timeout: Some(Duration::from_millis(300)), ..stubborn(&job, &format!("{left}; sleep 1@")) };
        assert!(matches!(job.run(command).await, Err(ProcessError::TimedOut(_))));
        assert_eq!(job.survivors(), NONE);
    }

    #[tokio::test]
    async fn statuses_of_orphans_are_taken() {
        for end in ["exit 1", "sleep 1000"] {
            let script = format!("mkfifo fifo; (setsid sh -c 'echo $$ >fifo; {end}' &) ; cat fifo");
            let orphan = Job::new().output(&script).await.trim_end().parse().unwrap();
            assert_eq!(procfs::Process::read(orphan), None, "{end}");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn many_at_once_get_their_own_statuses() {
        let job = Job::new();
        let runs = (0..60).map(|index| {
            let (host, sink) = (Arc::clone(&job.host), Arc::clone(&job.sink));
            tokio::spawn(async move {
                let attempt = host.attempt();
                let script = format!("(setsid true &) ; echo {index}; exit {index}");
                let completed = attempt.run(sh(&script), &grant(true), &[], &sink).await.unwrap();
                attempt.end(GRACE).await;
                (index, completed)
            })
        });
        for run in runs.collect::<Vec<_>>() {
            let (index, completed) = run.await.unwrap();
            assert_eq!(completed.status, Status::Exited(index));
            assert_eq!(lossy(&completed.stdout.head), format!("{index}\n"));
        }
        assert_eq!(job.survivors(), NONE);
    }

    #[tokio::test]
    async fn a_timed_out_program_shows_what_it_wrote() {
        let command = Command {
            timeout: Some(Duration::from_millis(200)),
            ..sh("trap 'echo cleaned; exit 3' TERM; echo begun; while :; do sleep 0.01; done")
        };
        match Job::new().run(command).await {
            Err(ProcessError::TimedOut(completed)) => {
                assert_eq!(lossy(&completed.stdout.head), "begun\ncleaned\n");
                assert_eq!(completed.status, Status::Exited(3));
                assert!(completed.duration >= Duration::from_millis(200));
            }
            other => panic!("{other:?}"),
        }
    }
}

/// With a watcher: this test program again, which runs one of the ignored tests below.
#[cfg(target_os = "linux")]
mod watching {
    use super::*;

    #[test]
    #[ignore = "the watcher of other tests"]
    fn be_the_watcher() {
        std::process::exit(watch_main().into());
    }

    /// The host of `a_killed_host_takes_all_with_it`: runs what stands in SCRIPT.
    #[tokio::test]
    #[ignore = "the host of another test"]
    async fn be_the_host() {
        let job = Job::with(&[], Some(this_program(module_path!(), "be_the_watcher")));
        let _ = job.run(sh(&std::env::var("SCRIPT").unwrap())).await;
    }

    #[tokio::test]
    async fn a_killed_host_takes_all_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let token = format!("{}", uuid::Uuid::now_v7().as_u128() % 1_000_000_000_000);
        let ready = dir.path().join("ready");
        let script = format!(
            "trap '' TERM HUP; sleep 1{token} & setsid sleep 1{token} & (env -i sh -c 'sleep 1{token}; :' &) ; \
             (setsid sh -c 'sleep 1{token}; :' &) ; touch {}; sleep 1{token}; :",
            ready.display()
        );
        let command = this_program(module_path!(), "be_the_host");
        // A job waits for the end of its output, which the watcher must not hold.
        let mut host = std::process::Command::new(&command[0])
            .args(&command[1..])
            .env("SCRIPT", script)
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        until("the host runs the script", || ready.exists() && alive_with(&token).len() >= 7).await;
        let watchers = || alive_with("be_the_watcher");
        assert_ne!(watchers(), NONE);
        host.kill().unwrap();
        host.wait().unwrap();
        until("all are gone", || alive_with(&token).is_empty()).await;
        let mut output = host.stdout.take().unwrap();
        std::io::Read::read_to_end(&mut output, &mut Vec::new()).unwrap();
        until("the watcher is gone", || watchers().is_empty()).await;
    }

    #[tokio::test]
    async fn a_host_that_ends_takes_its_watcher_with_it() {
        let job = Job::with(&[], Some(this_program(module_path!(), "be_the_watcher")));
        assert_eq!(job.output("echo hello").await, "hello\n");
        let watcher = job.host.ready(&job.sink).unwrap().pid();
        let runs = || procfs::Process::read(watcher).is_some_and(|process| !process.zombie);
        assert!(runs());
        // Neither the job's files nor its directory stay in use.
        let dir = format!("/proc/{watcher}");
        until("it holds only its pipe", || {
            let files = fs::read_dir(format!("{dir}/fd")).unwrap().count();
            files >= 3 && fs::read_link(format!("{dir}/fd/1")).unwrap() == Path::new("/dev/null")
        })
        .await;
        assert_eq!(fs::read_link(format!("{dir}/cwd")).unwrap(), Path::new("/"));
        drop(job);
        until("the watcher is gone", || !runs()).await;
    }

    #[tokio::test]
    async fn a_watcher_that_can_not_start_is_warned_of_once() {
        let job = Job::with(&[], Some(vec!["/no/such/watcher".into()]));
        assert_eq!(job.output("echo hello").await, "hello\n");
        assert_eq!(job.output("echo hello").await, "hello\n");
        assert_eq!(job.heard.warnings.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_watcher_that_is_gone_or_never_listens_stops_nobody() {
        for watcher in ["true", "sleep 1000"] {
            let job = Job::with(&[], Some(watcher.split(' ').map(OsString::from).collect()));
            job.output("echo hello").await;
            let shared = job.host.ready(&job.sink).unwrap();
            for _ in 0..20_000 {
                shared.watch(rustix::process::getpid());
                shared.forget(rustix::process::getpid());
            }
            assert_eq!(job.output("echo hello").await, "hello\n");
            let pid = rustix::process::Pid::from_raw(shared.pid()).unwrap();
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}
