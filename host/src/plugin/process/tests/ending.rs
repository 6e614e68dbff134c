//! What only `/proc` can prove.

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
        let result = attempt.run(command, &permit(true), &[], &job.sink).await;
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
    let grant = permit(true);
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
        let completed = attempt.run(stubborn(&job, script), &permit(true), &[], &job.sink).await.unwrap();
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
    for _ in 0..20 {
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
    let command = Command { timeout: Some(Duration::from_millis(300)), ..stubborn(&job, &format!("{left}; sleep 1@")) };
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
            let completed = attempt.run(sh(&script), &permit(true), &[], &sink).await.unwrap();
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
