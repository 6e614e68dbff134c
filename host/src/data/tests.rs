use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::id::StepId;
use crate::journal::{Store, StoreKind};

const START: u64 = 1_767_225_600_000;
const SECRET: &str = "correct-horse-battery";

/// Data in a directory of its own, at a time that stands until it is moved.
struct Bench {
    dir: TempDir,
    now: Arc<AtomicU64>,
    data: Data,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let now = Arc::new(AtomicU64::new(START));
        let data = data(dir.path(), StoreKind::Filesystem, &now);
        Self { dir, now, data }
    }

    fn wait(&self, milliseconds: u64) {
        self.now.fetch_add(milliseconds, Ordering::Relaxed);
    }

    fn set(&self, room: &Room, key: &str, value: Value) -> Result<Entry, DataError> {
        self.data.set(room, key, value, None, Author::default())
    }

    fn set_for(&self, room: &Room, key: &str, milliseconds: u64) {
        let ttl = Some(Duration::from_millis(milliseconds));
        self.data.set(room, key, json!(1), ttl, Author::default()).unwrap();
    }

    fn value(&self, room: &Room, key: &str) -> Option<Value> {
        self.data.get(room, key).unwrap().map(|entry| entry.value)
    }

    fn keys(&self, room: &Room, prefix: &str) -> Vec<String> {
        self.data.entries(room, prefix).unwrap().into_iter().map(|entry| entry.key).collect()
    }

    fn file(&self, room: &Room, key: &str) -> PathBuf {
        self.dir.path().join(".shiro/state/data").join(room.name()).join(entry_name(key) + ".json")
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut rest = vec![self.dir.path().to_owned()];
        while let Some(dir) = rest.pop() {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { rest.push(path) } else { found.push(path) }
            }
        }
        found
    }
}

fn data(dir: &Path, kind: StoreKind, now: &Arc<AtomicU64>) -> Data {
    let secrets = Arc::new(Secrets::new());
    secrets.add("env:DEPLOY_KEY", SECRET);
    secrets.add("config:step:/token", "hunter2-hunter2");
    let place = Place { pipeline: "7".to_owned(), branch: Ok("main".to_owned()) };
    let now = Arc::clone(now);
    Data::new(Box::new(Files::new(Store::open(kind, dir).unwrap().beside("data").unwrap())), place, secrets)
        .with_clock(Box::new(move || now.load(Ordering::Relaxed)))
}

fn project() -> Room {
    Room { scope: Scope::Project, id: String::new() }
}

#[test]
fn what_is_stored_is_there_for_the_next_process_of_its_scope() {
    let bench = Bench::new();
    let run = RunId::new("r1");
    for scope in Scope::ALL {
        let room = bench.data.room(scope, Some(&run)).unwrap();
        assert_eq!(bench.value(&room, "k"), None);
        let by = Author { run: Some(run.clone()), workflow: Some("w".into()), step: Some(StepId::new("s")) };
        bench.data.set(&room, "k", json!(scope.name()), None, by).unwrap();
    }
    let again = data(bench.dir.path(), StoreKind::Filesystem, &bench.now);
    for scope in Scope::ALL {
        let entry = again.get(&again.room(scope, Some(&run)).unwrap(), "k").unwrap().unwrap();
        assert_eq!(entry.value, json!(scope.name()));
        assert_eq!(entry.by.step, Some(StepId::new("s")));
    }
    let other_run = again.room(Scope::Run, Some(&RunId::new("r2"))).unwrap();
    assert_eq!(again.get(&other_run, "k").unwrap(), None);
    assert_eq!(again.room(Scope::Run, None).unwrap_err().kind, Kind::Invalid);
}

#[test]
fn without_a_branch_there_is_no_data_of_one() {
    let place = Place { pipeline: "7".to_owned(), branch: Err("HEAD is detached".to_owned()) };
    let data = Data::new(Box::<Memory>::default(), place, Arc::new(Secrets::new()));
    let error = data.room(Scope::Branch, None).unwrap_err();
    assert!(error.message.contains("HEAD is detached"), "{error}");
    assert!(data.room(Scope::Project, None).is_ok());
}

#[test]
fn keys_are_listed_by_prefix_and_deleted() {
    let bench = Bench::new();
    for key in ["deploy/b", "deploy/a", "deployed", "other"] {
        bench.set(&project(), key, json!(key)).unwrap();
    }
    assert_eq!(bench.keys(&project(), ""), ["deploy/a", "deploy/b", "deployed", "other"]);
    assert_eq!(bench.keys(&project(), "deploy/"), ["deploy/a", "deploy/b"]);
    assert!(bench.data.delete(&project(), "deploy/a").unwrap());
    assert!(!bench.data.delete(&project(), "deploy/a").unwrap());
    assert_eq!(bench.keys(&project(), "deploy/"), ["deploy/b"]);
    for key in ["deploy/b", "deployed", "other"] {
        bench.data.delete(&project(), key).unwrap();
    }
    assert!(!bench.file(&project(), "other").parent().unwrap().exists(), "an empty room is gone");
}

#[test]
fn time_is_over_when_it_is_and_what_is_over_is_removed() {
    let bench = Bench::new();
    bench.set_for(&project(), "short", 1_000);
    bench.set_for(&project(), "long", 10_000);
    bench.set(&project(), "forever", json!({ "_ttl": "1ms", "_expires_at": "1970-01-01T00:00:00Z" })).unwrap();
    assert_eq!(bench.data.expires_at(&project(), "short").unwrap(), Some(START + 1_000));
    assert_eq!(bench.data.expires_at(&project(), "forever").unwrap(), None);
    bench.wait(1_000);
    assert_eq!(bench.value(&project(), "short"), None);
    assert_eq!(
        bench.data.expires_at(&project(), "short").unwrap(),
        Some(START + 1_000),
        "it is known that it was there"
    );
    assert_eq!(bench.keys(&project(), ""), ["forever", "long"]);
    assert!(!bench.data.delete(&project(), "short").unwrap(), "there is none any more");
    bench.set_for(&project(), "short", 1_000);
    bench.wait(9_000);
    assert_eq!(bench.data.purge().unwrap(), 2);
    assert!(!bench.file(&project(), "short").exists() && !bench.file(&project(), "long").exists());
    assert_eq!(bench.keys(&project(), ""), ["forever"]);
    let nothing = bench.data.set(&project(), "k", json!(1), Some(Duration::ZERO), Author::default());
    assert_eq!(nothing.unwrap_err().kind, Kind::Invalid);
}

#[test]
fn what_can_not_be_read_is_never_nothing() {
    let bench = Bench::new();
    bench.set(&project(), "k", json!("value")).unwrap();
    let file = bench.file(&project(), "k");
    let whole = fs::read(&file).unwrap();
    let is_unreadable = |why: &str| {
        for error in [
            bench.data.get(&project(), "k").unwrap_err(),
            bench.data.delete(&project(), "k").unwrap_err(),
            bench.data.entries(&project(), "").unwrap_err(),
            bench.data.expires_at(&project(), "k").unwrap_err(),
        ] {
            assert_eq!((error.kind, error.exit_code()), (Kind::Unreadable, 6), "{why}: {error}");
            assert!(error.message.contains(".shiro/state/data/project"), "{error}");
        }
    };
    fs::write(&file, &whole[..whole.len() - 1]).unwrap();
    is_unreadable("cut");
    fs::write(&file, "").unwrap();
    is_unreadable("empty");
    fs::write(&file, vec![b'x'; 5 << 20]).unwrap();
    is_unreadable("huge");
    assert_eq!(bench.data.purge().unwrap(), 0, "it is not removed either");
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    is_unreadable("a directory");
    fs::remove_dir(&file).unwrap();
    fs::write(bench.dir.path().join("elsewhere"), &whole).unwrap();
    symlink(bench.dir.path().join("elsewhere"), &file).unwrap();
    is_unreadable("a link");
    fs::remove_file(&file).unwrap();
    // Another key's entry under this one's name.
    bench.set(&project(), "other", json!(1)).unwrap();
    fs::rename(bench.file(&project(), "other"), &file).unwrap();
    assert!(bench.data.get(&project(), "k").unwrap_err().message.contains("another key's"));
    fs::write(&file, &whole).unwrap();
    assert_eq!(bench.value(&project(), "k"), Some(json!("value")));
}

#[test]
fn a_write_that_fails_leaves_what_was_there() {
    let bench = Bench::new();
    bench.set(&project(), "k", json!("old")).unwrap();
    let room = bench.file(&project(), "k").parent().unwrap().to_owned();
    let before = fs::metadata(&room).unwrap().permissions();
    fs::set_permissions(&room, fs::Permissions::from_mode(0o500)).unwrap();
    // Root may write all the same.
    if fs::write(room.join("probe"), "").is_err() {
        let error = bench.set(&project(), "k", json!("new")).unwrap_err();
        assert_eq!((error.kind, error.exit_code()), (Kind::Failed, 7), "{error}");
    }
    fs::set_permissions(&room, before).unwrap();
    assert!(bench.value(&project(), "k").is_some());
    // A file where the room should be.
    let bench = Bench::new();
    bench.set(&project(), "k", json!(1)).unwrap();
    let branch = bench.data.room(Scope::Branch, None).unwrap();
    fs::write(bench.dir.path().join(".shiro/state/data").join(branch.name()), "").unwrap();
    assert_eq!(bench.set(&branch, "k", json!(1)).unwrap_err().kind, Kind::Unreadable);
}

#[test]
fn what_a_crash_left_is_in_nobodys_way() {
    let bench = Bench::new();
    bench.set(&project(), "k", json!("old")).unwrap();
    let left = bench.file(&project(), "k").with_extension("json.new");
    fs::write(&left, "shiro-data 1 sha2").unwrap();
    assert_eq!(bench.value(&project(), "k"), Some(json!("old")));
    assert_eq!(bench.keys(&project(), ""), ["k"]);
    bench.set(&project(), "k", json!("new")).unwrap();
    assert_eq!(bench.value(&project(), "k"), Some(json!("new")));
    assert!(!left.exists());
}

#[test]
fn no_secret_is_at_rest() {
    let bench = Bench::new();
    let value = json!({ "url": format!("https://x:{SECRET}@a.example/"), "plain": 1 });
    let entry = bench.set(&project(), "k", value.clone()).unwrap();
    assert_eq!(bench.data.secrets_of(&entry).unwrap(), ["DEPLOY_KEY"]);
    assert_eq!(bench.data.open(&entry).unwrap(), value);
    let elsewhere = Data::in_memory(Arc::new(Secrets::new()));
    let error = elsewhere.open(&entry).unwrap_err();
    assert_eq!(error.kind, Kind::Unreadable);
    assert!(error.message.contains("DEPLOY_KEY"), "{error}");

    let error = bench.set(&project(), "token", json!("hunter2-hunter2")).unwrap_err();
    assert_eq!(error.kind, Kind::Invalid);
    assert!(!error.message.contains("hunter2"), "{error}");
    assert_eq!(bench.set(&project(), SECRET, json!(1)).unwrap_err().kind, Kind::Invalid);
    // What looks like a reference and came from a step is none.
    let forged = json!({ "$shiro.secret": [{ "name": "env:DEPLOY_KEY" }] });
    let entry = bench.set(&project(), "forged", forged.clone()).unwrap();
    assert_eq!(bench.data.secrets_of(&entry).unwrap(), Vec::<String>::new());
    assert_eq!(bench.data.open(&entry).unwrap(), forged);
    for file in bench.files() {
        let text = fs::read_to_string(&file).unwrap();
        assert!(!text.contains("correct-horse") && !text.contains("hunter2"), "{}", file.display());
    }
}

#[test]
fn there_is_a_limit_to_a_value_and_to_a_room() {
    let bench = Bench::new();
    let fits = "x".repeat(VALUE_BYTES - 2);
    bench.set(&project(), "k", json!(fits)).unwrap();
    let error = bench.set(&project(), "k", json!(fits + "x")).unwrap_err();
    assert_eq!((error.kind, error.exit_code()), (Kind::Limit, 5), "{error}");

    let full = Data::in_memory(Arc::new(Secrets::new()));
    let set = |key: &str, ttl| full.set(&project(), key, json!(1), ttl, Author::default());
    let now = Arc::new(AtomicU64::new(START));
    let clock = Arc::clone(&now);
    let full_at = |index: usize| format!("k{index}");
    set("over", Some(Duration::from_millis(1))).unwrap();
    for index in 1..ENTRIES {
        // Straight into the backend: each `set` looks how much there is.
        let entry = Entry {
            scope: Scope::Project,
            of: String::new(),
            key: full_at(index),
            stored_at: START,
            expires_at: None,
            by: Author::default(),
            value: json!(1),
        };
        full.backend.write("project", &entry_name(&entry.key), &entry.encode(&Seals::default()).unwrap()).unwrap();
    }
    let full = full.with_clock(Box::new(move || clock.load(Ordering::Relaxed)));
    now.store(u64::MAX, Ordering::Relaxed);
    let set = |key: &str| full.set(&project(), key, json!(1), None, Author::default());
    set("one-more").expect("what is over makes room");
    let error = set("too-many").unwrap_err();
    assert_eq!(error.kind, Kind::Limit, "{error}");
    set("k1").expect("what is there is replaced");
}

#[test]
fn writers_of_one_key_leave_one_of_their_values() {
    let bench = Bench::new();
    let now = Arc::clone(&bench.now);
    let dir = bench.dir.path();
    thread::scope(|scope| {
        for writer in 0..4 {
            let data = data(dir, StoreKind::Filesystem, &now);
            scope.spawn(move || {
                for round in 0..25 {
                    let value = json!({ "writer": writer, "fill": "x".repeat(round * 100) });
                    data.set(&project(), "k", value, None, Author::default()).unwrap();
                    let seen = data.get(&project(), "k").unwrap().expect("it is never not there").value;
                    assert!(seen["writer"].as_u64().is_some_and(|writer| writer < 4));
                    data.set(&project(), &format!("own-{writer}-{round}"), json!(1), None, Author::default()).unwrap();
                }
            });
        }
    });
    assert_eq!(bench.keys(&project(), "own-").len(), 100);
}

#[test]
fn only_who_should_can_read_it() {
    for (kind, file) in [(StoreKind::Filesystem, 0o600), (StoreKind::Gitlab, 0o644)] {
        let dir = tempfile::tempdir().unwrap();
        let data = data(dir.path(), kind, &Arc::new(AtomicU64::new(START)));
        data.set(&project(), "k", json!(1), None, Author::default()).unwrap();
        let path = dir.path().join(".shiro/state/data/project").join(entry_name("k") + ".json");
        let mode = fs::metadata(path).unwrap().permissions().mode() & 0o777;
        // The umask may take away more.
        assert_eq!(mode & !file, 0, "{mode:o}");
        assert!(dir.path().join(".shiro/state/.gitignore").exists());
    }
}

#[test]
fn the_data_of_runs_that_are_gone_goes_too() {
    let bench = Bench::new();
    let runs = ["kept", "gone"].map(RunId::new);
    for run in &runs {
        let room = bench.data.room(Scope::Run, Some(run)).unwrap();
        bench.set(&room, "k", json!(1)).unwrap();
    }
    bench.set(&project(), "k", json!(1)).unwrap();
    let rooms = bench.data.run_rooms().unwrap();
    assert_eq!(rooms.len(), 2);
    bench.data.forget_rooms(&rooms, &BTreeSet::from([runs[0].clone()])).unwrap();
    let value = |run| bench.value(&bench.data.room(Scope::Run, Some(run)).unwrap(), "k");
    assert_eq!((value(&runs[0]), value(&runs[1])), (Some(json!(1)), None));
    assert_eq!(bench.value(&project(), "k"), Some(json!(1)));
}

#[test]
fn with_a_state_key_others_can_neither_read_nor_write() {
    let bench = Bench::new();
    let key = || "0123456789abcdef0123456789abcdef".parse().unwrap();
    let keyed = || {
        let store = Store::open(StoreKind::Filesystem, bench.dir.path()).unwrap().with_key(key(), Vec::new());
        data(bench.dir.path(), StoreKind::Filesystem, &bench.now).protected(store.seals())
    };
    keyed().set(&project(), "k", json!("mine"), None, Author::default()).unwrap();
    assert_eq!(keyed().get(&project(), "k").unwrap().unwrap().value, json!("mine"));
    let without = bench.data.get(&project(), "k").unwrap_err();
    assert!(without.kind == Kind::Unreadable && without.message.contains("a state key"), "{without}");
    // Whoever has no key can replace the file, but not so that it is read.
    fs::remove_file(bench.file(&project(), "k")).unwrap();
    bench.set(&project(), "k", json!("forged")).unwrap();
    let forged = keyed().get(&project(), "k").unwrap_err();
    assert!(forged.kind == Kind::Unreadable && forged.message.contains("not stored with the state key"), "{forged}");
}

#[test]
fn looking_creates_nothing() {
    let bench = Bench::new();
    assert_eq!(bench.value(&project(), "k"), None);
    assert!(!bench.data.delete(&project(), "k").unwrap());
    assert_eq!(bench.data.purge().unwrap(), 0);
    assert!(bench.files().is_empty());
}
