//! Finding a program, its directory, and what can be passed to it.

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
    let long = "x".repeat(2 << 20);
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
