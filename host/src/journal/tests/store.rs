//! The order of what is done to files, who may read them, and what is refused.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use super::*;

#[test]
fn a_run_is_paused_resumed_and_paused_again() {
    let project = Project::new();
    assert!(project.store.load(&project.key).unwrap().is_none());
    let mut journal = project.begin(&[started(), step_started("a")]);
    journal.append(&[step_succeeded("a", json!(0.1)), step_started("b")]).unwrap();
    journal.append(&[]).unwrap();
    assert!(!project.load().sealed);
    journal.seal().unwrap();
    let loaded = project.load();
    assert!(loaded.sealed);
    assert_eq!(loaded.records.len(), 4);
    assert_eq!(loaded.path, project.journal());

    let mut journal = project.resume();
    assert!(project.load().sealed, "nothing was done yet");
    journal.append(&[resumed("0.1.0")]).unwrap();
    assert!(!project.load().sealed);
    journal.seal().unwrap();
    let loaded = project.load();
    assert!(loaded.sealed);
    assert_eq!(loaded.records.last(), Some(&resumed("0.1.0")));
    assert_eq!(names(&project.state()), [".gitignore", "deploy.jsonl", "deploy.lock"]);
}

#[test]
fn what_a_crash_left_is_cut_off_before_the_next_append() {
    let project = Project::new();
    let mut journal = project.begin(&[started()]);
    journal.append(&[step_started("a"), step_succeeded("a", json!("done"))]).unwrap();
    let whole = fs::read(project.journal()).unwrap();
    let first_of_batch = whole.split_inclusive(|byte| *byte == b'\n').take(3).map(<[u8]>::len).sum::<usize>();
    for cut in first_of_batch..whole.len() {
        fs::write(project.journal(), &whole[..cut]).unwrap();
        assert_eq!(project.load().records, [started(), step_started("a")]);
        assert_eq!(project.load().notices.len(), 1);
        let mut journal = project.resume();
        journal.append(&[resumed("0.1.0")]).unwrap();
        journal.seal().unwrap();
        let loaded = project.load();
        assert!(loaded.sealed && loaded.notices.is_empty());
        assert_eq!(loaded.records, [started(), step_started("a"), resumed("0.1.0")]);
    }
}

#[test]
fn a_run_in_memory_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(StoreKind::Memory, directory.path()).unwrap();
    let lock = store.lock(&key("deploy"), quietly()).unwrap();
    let mut journal = store.begin(&key("deploy"), &lock, &[started()]).unwrap();
    journal.append(&[step_started("a")]).unwrap();
    journal.seal().unwrap();
    assert!(store.load(&key("deploy")).unwrap().is_none());
    assert!(store.runs().unwrap().is_empty());
    assert_eq!(names(directory.path()), [""; 0]);
}

#[test]
fn only_this_user_may_read_the_state_and_git_leaves_it_out() {
    let project = Project::new();
    project.begin(&[started()]).seal().unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&project.state()), 0o700);
    for name in names(&project.state()) {
        assert_eq!(mode(&project.state().join(&name)), 0o600, "{name}");
    }
    assert_eq!(fs::read_to_string(project.state().join(".gitignore")).unwrap(), "*\n");
}

#[test]
fn in_gitlab_the_umask_rules() {
    let directory = tempfile::tempdir().unwrap();
    let plain = directory.path().join("plain");
    fs::create_dir(&plain).unwrap();
    fs::write(plain.join("file"), "").unwrap();
    let store = Store::open(StoreKind::Gitlab, directory.path()).unwrap();
    let lock = store.lock(&key("deploy"), quietly()).unwrap();
    store.begin(&key("deploy"), &lock, &[started()]).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let state = directory.path().join(".shiro/state");
    assert_eq!(mode(&state), mode(&plain));
    for name in ["deploy.jsonl", "deploy.lock"] {
        assert_eq!(mode(&state.join(name)), mode(&plain.join("file")), "{name}");
    }
}

#[test]
fn links_and_files_in_place_of_directories_are_refused() {
    let elsewhere = tempfile::tempdir().unwrap();
    fs::create_dir(elsewhere.path().join("state")).unwrap();
    type Make = fn(&Path, &Path);
    let cases: [Make; 4] = [
        |project, elsewhere| symlink(elsewhere, project.join(".shiro")).unwrap(),
        |project, _| fs::write(project.join(".shiro"), "").unwrap(),
        |project, elsewhere| {
            fs::create_dir(project.join(".shiro")).unwrap();
            symlink(elsewhere, project.join(".shiro/state")).unwrap();
        },
        |project, _| {
            fs::create_dir(project.join(".shiro")).unwrap();
            fs::write(project.join(".shiro/state"), "").unwrap();
        },
    ];
    for make in cases {
        let project = Project::new();
        make(project.directory.path(), elsewhere.path());
        // Both for a store that was opened before and for one that is opened now.
        for error in [
            Store::open(StoreKind::Filesystem, project.directory.path()).map(drop).unwrap_err(),
            project.store.lock(&project.key, quietly()).map(drop).unwrap_err(),
        ] {
            assert!(matches!(error, JournalError::Refused { .. }), "{error:?}");
            assert_eq!(error.exit_code(), 7);
            assert!(error.hint().contains("rm '"), "{}", error.hint());
        }
    }
    assert_eq!(names(elsewhere.path()), ["state"]);
}

#[test]
fn links_pipes_and_directories_in_place_of_files_are_refused() {
    let elsewhere = tempfile::tempdir().unwrap();
    let outside = elsewhere.path().join("outside");
    type Make = fn(&Path, &Path);
    let cases: [Make; 3] = [
        |path, outside| symlink(outside, path).unwrap(),
        |path, _| fs::create_dir(path).unwrap(),
        |path, _| rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap(),
    ];
    for make in cases {
        for name in ["deploy.jsonl", "deploy.lock"] {
            let project = Project::new();
            let lock = project.lock();
            fs::write(&outside, "precious").unwrap();
            let path = project.state().join(name);
            let _ = fs::remove_file(&path);
            make(&path, &outside);
            let errors = if name == "deploy.lock" {
                vec![project.store.lock(&project.key, quietly()).map(drop).unwrap_err()]
            } else {
                vec![
                    project.store.load(&project.key).map(drop).unwrap_err(),
                    project.store.begin(&project.key, &lock, &[started()]).map(drop).unwrap_err(),
                ]
            };
            for error in errors {
                assert!(matches!(error, JournalError::Refused { .. }), "{name}: {error:?}");
            }
            assert_eq!(fs::read_to_string(&outside).unwrap(), "precious");
        }
    }
}

#[test]
fn a_new_run_keeps_the_old_journal_aside() {
    let project = Project::new();
    project.begin(&[started(), step_started("first")]).seal().unwrap();
    let first = fs::read(project.journal()).unwrap();
    project.begin(&[started(), step_started("second")]).seal().unwrap();
    let previous = project.state().join("deploy.previous.jsonl");
    assert_eq!(fs::read(&previous).unwrap(), first);
    // One that can't be read is kept just the same.
    fs::write(project.journal(), "damaged").unwrap();
    project.begin(&[started(), step_started("third")]).seal().unwrap();
    assert_eq!(fs::read(&previous).unwrap(), b"damaged");
    assert_eq!(project.load().records[1], step_started("third"));
    assert_eq!(project.store.runs().unwrap().len(), 1);
    assert_eq!(names(&project.state()), [".gitignore", "deploy.jsonl", "deploy.lock", "deploy.previous.jsonl"]);
}

#[test]
fn a_new_run_that_can_t_be_written_leaves_the_old_one() {
    let project = Project::new();
    project.begin(&[started(), step_started("old")]).seal().unwrap();
    // Each of these stops `begin` at another point: at the new file, at keeping the old one, and at giving that its name.
    for obstacle in ["deploy.jsonl.new", "deploy.previous.jsonl.new", "deploy.previous.jsonl"] {
        let lock = project.lock();
        fs::create_dir(project.state().join(obstacle)).unwrap();
        let error = project.store.begin(&project.key, &lock, &[started()]).map(drop).unwrap_err();
        assert_eq!(error.exit_code(), 7, "{obstacle}");
        fs::remove_dir(project.state().join(obstacle)).unwrap();
        let loaded = project.load();
        assert!(loaded.sealed);
        assert_eq!(loaded.records[1], step_started("old"), "{obstacle}");
    }
    // What was left on the way is gone with the next lock.
    project.lock();
    assert_eq!(names(&project.state()), [".gitignore", "deploy.jsonl", "deploy.lock"]);
}

#[test]
fn a_journal_under_another_name_is_not_that_run_s() {
    let project = Project::new();
    project.begin(&[started()]).seal().unwrap();
    let other = RunKey { workflow: "deploy".to_owned(), pipeline: Some("12".to_owned()) };
    fs::rename(project.journal(), project.state().join("deploy-pipeline-12.jsonl")).unwrap();
    let error = project.store.load(&other).unwrap_err();
    assert_eq!(error.exit_code(), 6);
    assert!(error.to_string().ends_with("this is the journal of workflow \"deploy\""), "{error}");
    assert!(error.hint().ends_with("state/deploy.jsonl'"), "{}", error.hint());
}

#[test]
fn all_runs_are_listed_and_the_damaged_ones_say_why() {
    let project = Project::new();
    assert!(project.store.runs().unwrap().is_empty());
    for workflow in ["deploy", "Über/Prod"] {
        let key = RunKey { workflow: workflow.to_owned(), pipeline: Some("7".to_owned()) };
        let lock = project.store.lock(&key, quietly()).unwrap();
        project.store.begin(&key, &lock, &[started()]).unwrap().seal().unwrap();
    }
    fs::write(project.state().join("broken.jsonl"), "x").unwrap();
    fs::copy(project.state().join("deploy-pipeline-7.jsonl"), project.state().join("copy.jsonl")).unwrap();
    fs::write(project.state().join("notes.txt"), "x").unwrap();
    let runs = project.store.runs().unwrap();
    let seen: Vec<_> = runs
        .iter()
        .map(|run| {
            let key = run.key.as_ref().map(|key| key.workflow.as_str());
            (
                run.path.file_name().unwrap().to_str().unwrap().chars().take(4).collect::<String>(),
                key,
                run.loaded.is_ok(),
            )
        })
        .collect();
    let seen: Vec<_> = seen.iter().map(|(name, key, ok)| (name.as_str(), *key, *ok)).collect();
    assert_eq!(
        seen,
        [
            ("_-be", Some("Über/Prod"), true),
            ("brok", None, false),
            ("copy", Some("deploy"), false),
            ("depl", Some("deploy"), true),
        ]
    );
}

#[test]
fn a_journal_that_changed_since_it_was_read_is_not_appended_to() {
    let project = Project::new();
    project.begin(&[started()]).seal().unwrap();
    let loaded = project.load();
    let mut journal = project.resume();
    journal.append(&[resumed("0.1.0")]).unwrap();
    let error = project.store.resume(&project.key, &project.lock(), &loaded).map(drop).unwrap_err();
    assert!(matches!(error, JournalError::Disturbed { what: "written to", .. }), "{error:?}");
    project.begin(&[started()]).seal().unwrap();
    let error = project.store.resume(&project.key, &project.lock(), &loaded).map(drop).unwrap_err();
    assert!(matches!(error, JournalError::Disturbed { what: "replaced", .. }), "{error:?}");
}

#[test]
fn a_step_that_touches_the_journal_stops_the_run() {
    type Disturb = fn(&Path);
    let cases: [(&str, Disturb); 4] = [
        ("removed", |path| fs::remove_file(path).unwrap()),
        ("replaced", |path| {
            fs::copy(path, path.with_extension("copy")).unwrap();
            fs::rename(path.with_extension("copy"), path).unwrap();
        }),
        ("written to", |path| fs::write(path, "").unwrap()),
        ("removed", |path| fs::remove_dir_all(path.parent().unwrap()).unwrap()),
    ];
    for (expected, disturb) in cases {
        let project = Project::new();
        let mut journal = project.begin(&[started()]);
        disturb(&project.journal());
        let error = journal.append(&[step_started("a")]).unwrap_err();
        assert!(matches!(error, JournalError::Disturbed { what, .. } if what == expected), "{error:?}");
        assert_eq!(error.exit_code(), 7);
        let error = journal.append(&[step_started("b")]).unwrap_err();
        assert!(matches!(error, JournalError::Stopped { .. }), "{error:?}");
        assert!(matches!(journal.seal(), Err(JournalError::Stopped { .. })));
    }
}

#[test]
fn an_event_that_could_not_be_read_back_is_not_written() {
    let project = Project::new();
    let mut journal = project.begin(&[started()]);
    let before = fs::read(project.journal()).unwrap();
    let nested = (0..200).fold(json!(null), |inner, _| json!([inner]));
    let error = journal.append(&[step_started("a"), step_succeeded("a", nested)]).unwrap_err();
    assert_eq!(error.exit_code(), 7);
    assert_eq!(fs::read(project.journal()).unwrap(), before);
    assert!(matches!(journal.append(&[step_started("b")]), Err(JournalError::Stopped { .. })));
}

/// Nobody can create a directory there, root neither.
#[cfg(target_os = "linux")]
#[test]
fn a_directory_that_can_t_be_written_is_exit_7_with_a_hint() {
    let store = Store::open(StoreKind::Filesystem, Path::new("/sys")).unwrap();
    assert!(store.load(&key("deploy")).unwrap().is_none());
    assert!(store.runs().unwrap().is_empty());
    let error = store.lock(&key("deploy"), quietly()).map(drop).unwrap_err();
    assert!(error.to_string().starts_with("cannot create /sys/.shiro: "), "{error}");
    assert_eq!(error.exit_code(), 7);
    assert!(error.hint().starts_with("make /sys readable and writable for this user"), "{}", error.hint());
}

#[test]
fn a_journal_is_not_rewritten_as_it_grows() {
    let project = Project::new();
    let mut journal = project.begin(&[started()]);
    let inode = fs::metadata(project.journal()).unwrap().ino();
    let mut before = fs::read(project.journal()).unwrap();
    for index in 0..20 {
        journal.append(&[step_started(&index.to_string())]).unwrap();
        let after = fs::read(project.journal()).unwrap();
        assert!(after.starts_with(&before) && after.len() > before.len());
        before = after;
    }
    assert_eq!(fs::metadata(project.journal()).unwrap().ino(), inode);
}
