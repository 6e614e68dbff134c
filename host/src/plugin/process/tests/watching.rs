//! With a watcher: this test program again, which runs one of the ignored tests below.

use super::*;

#[test]
#[ignore = "the watcher of other tests"]
fn be_the_watcher() {
    // Not where somebody runs all ignored tests: it would take this process for its own.
    if std::env::args().any(|argument| argument == "--exact") {
        std::process::exit(watch_main().into());
    }
}

/// The host of `a_killed_host_takes_all_with_it`: runs what stands in SCRIPT.
#[tokio::test]
#[ignore = "the host of another test"]
async fn be_the_host() {
    let Ok(script) = std::env::var("SCRIPT") else { return };
    let job = Job::with(&[], Some(this_program(module_path!(), "be_the_watcher")));
    let _ = job.run(sh(&script)).await;
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
