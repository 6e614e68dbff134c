//! What a run gives: statuses, output, input.

use super::*;

#[tokio::test]
async fn codes_and_signals() {
    let job = Job::new();
    for code in [0, 1, 127, 255] {
        assert_eq!(job.run(sh(&format!("exit {code}"))).await.unwrap().status, Status::Exited(code));
    }
    // Not SIGHUP: what started the tests may have it ignored (nohup), and programs inherit that.
    for signal in [9, 14, 15] {
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
    let (command, grant) = (sh("echo first; read line < fifo; echo $line"), permit(true));
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
