//! Journals in object storage: its local backend, and one in memory that is as slow, dead or careless as a test needs.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use futures_util::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path as ObjectPath;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult,
};
use serde_json::json;
use url::Url;

use super::super::tests::{key, resumed, started, step_started, step_succeeded};
use super::super::{Journal, Loaded, Store};
use super::lease::{Pace, WaitingFn, quietly};
use super::*;
use crate::event::Record;

/// A second of everybody's time is enough to tell the living from the dead.
const PACE: Pace = Pace { beat: Duration::from_millis(100), dead: Duration::from_millis(1500) };

/// The runs of a directory that machines share.
struct Shared {
    directory: tempfile::TempDir,
}

impl Shared {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    /// The store as a machine sees it.
    fn store(&self) -> Store {
        let url = Url::from_directory_path(self.directory.path()).unwrap();
        Store::open_objects(&url, Some("group/name"), &[]).unwrap()
    }

    /// What is in it, without the leases.
    fn segments(&self) -> Vec<std::path::PathBuf> {
        let mut pending = vec![self.directory.path().to_owned()];
        let mut found = Vec::new();
        while let Some(directory) = pending.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => pending.push(path),
                    false if path.extension().is_some_and(|extension| extension == "jsonl") => found.push(path),
                    false => {}
                }
            }
        }
        found.sort();
        found
    }
}

fn begin(store: &Store, first: &[Record]) -> Journal {
    store.begin(&key("deploy"), &store.lock(&key("deploy"), quietly()).unwrap(), first).unwrap()
}

fn load(store: &Store) -> Loaded {
    store.load(&key("deploy")).unwrap().expect("a journal")
}

#[test]
fn a_run_is_paused_on_one_machine_and_goes_on_on_another() {
    let shared = Shared::new();
    let (one, two) = (shared.store(), shared.store());
    assert!(one.load(&key("deploy")).unwrap().is_none());
    assert!(one.runs().unwrap().is_empty());
    let mut journal = begin(&one, &[started(), step_started("a")]);
    journal.append(&[step_succeeded("a", json!("output")), step_started("b")]).unwrap();
    assert!(!load(&two).sealed);
    let receipt = journal.seal().unwrap().unwrap();

    let loaded = load(&two);
    assert!(loaded.sealed);
    assert_eq!((loaded.records.len(), loaded.receipt()), (4, receipt));
    let lock = two.lock(&key("deploy"), quietly()).unwrap();
    let mut journal = two.resume(&key("deploy"), &lock, &loaded).unwrap();
    journal.append(&[resumed("0.1.0")]).unwrap();
    journal.seal().unwrap();
    drop(lock);
    assert_eq!(load(&one).records.last(), Some(&resumed("0.1.0")));
    assert_eq!(shared.segments().len(), 5);

    // A new run goes on in the same log, and is the one that counts.
    begin(&one, &[started(), step_started("fresh")]).seal().unwrap();
    assert_eq!(load(&two).records, [started(), step_started("fresh")]);
    let runs = two.runs().unwrap();
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].key.as_ref(), Some(&key("deploy")));
    // Another project has runs of its own.
    let url = Url::from_directory_path(shared.directory.path()).unwrap();
    assert!(Store::open_objects(&url, Some("group/other"), &[]).unwrap().load(&key("deploy")).unwrap().is_none());
}

#[test]
fn of_two_that_go_on_at_once_exactly_one_writes() {
    let shared = Shared::new();
    begin(&shared.store(), &[started()]).seal().unwrap();
    for round in 0..10 {
        let results: Vec<_> = thread::scope(|scope| {
            let processes: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        // Without the lease, as if each had taken the others for dead.
                        let store = shared.store();
                        let loaded = load(&store);
                        let lock = RunLock::remote("deploy".to_owned(), None);
                        let mut journal = store.resume(&key("deploy"), &lock, &loaded).unwrap();
                        journal.append(&[resumed("0.1.0")]).and_then(|()| journal.seal()).map(drop)
                    })
                })
                .collect();
            processes.into_iter().map(|process| process.join().unwrap()).collect()
        });
        let won = results.iter().filter(|result| result.is_ok()).count();
        assert!(won >= 1, "round {round}: {results:?}");
        for error in results.into_iter().filter_map(Result::err) {
            assert!(matches!(error, JournalError::Fenced { .. }), "{error:?}");
            assert_eq!(error.exit_code(), 8);
        }
        let loaded = load(&shared.store());
        assert!(loaded.sealed);
    }
}

#[test]
fn who_was_taken_for_dead_writes_nothing_more() {
    let shared = Shared::new();
    let mut stale = begin(&shared.store(), &[started()]);
    stale.append(&[step_started("a")]).unwrap();
    let store = shared.store();
    let loaded = load(&store);
    let lock = RunLock::remote("deploy".to_owned(), None);
    let mut journal = store.resume(&key("deploy"), &lock, &loaded).unwrap();
    journal.append(&[resumed("0.1.0")]).unwrap();
    let error = stale.append(&[step_succeeded("a", json!(1)), step_started("b")]).unwrap_err();
    assert!(matches!(error, JournalError::Fenced { .. }), "{error}");
    assert!(matches!(stale.append(&[step_started("c")]), Err(JournalError::Stopped { .. })));
    journal.seal().unwrap();
    assert_eq!(load(&store).records, [started(), step_started("a"), resumed("0.1.0")]);
}

#[test]
fn a_long_log_is_read_in_order() {
    let log = ObjectLog::over(Arc::new(InMemory::new()), PACE);
    let store = RemoteStore::new(log);
    let chunked: Vec<Vec<u8>> = (0..3 * CHUNK + 7).map(|index| format!("{index}\n").into_bytes()).collect();
    let mut index = 0;
    let mut claim = |bytes: &[u8]| {
        index += 1;
        assert!(store.log.claim("deploy", index, bytes.to_vec()).unwrap());
    };
    claim(b"of an earlier run\n");
    claim(br#"{"journal":"shiro"}"#);
    chunked.iter().for_each(|bytes| claim(bytes));
    let segments = store.log.segments("deploy").unwrap();
    let expected = [br#"{"journal":"shiro"}"#.as_slice(), &chunked.concat()].concat();
    assert_eq!(store.current_run("deploy", &segments).unwrap(), expected);
    assert_eq!(store.current_run("deploy", &segments[..2 + CHUNK]).unwrap().len(), {
        br#"{"journal":"shiro"}"#.len() + chunked[..CHUNK].concat().len()
    });
    for missing in [1, 2, 40, CHUNK, 2 * CHUNK + 3, segments.len() - 2] {
        let mut segments = segments.clone();
        segments.remove(missing);
        let error = store.current_run("deploy", &segments).unwrap_err();
        assert!(error.to_string().contains("was it deleted?"), "{missing}: {error}");
        assert_eq!(error.exit_code(), 6);
    }
}

#[test]
fn the_segments_of_a_run_are_as_they_were_written_or_it_is_said() {
    let shared = Shared::new();
    let store = shared.store();
    begin(&store, &[started(), step_started("a")]).seal().unwrap();
    let seal = shared.segments().pop().unwrap();
    let whole = fs::read(&seal).unwrap();
    for bytes in [&whole[..whole.len() / 2], b"", b"{}\n"] {
        fs::write(&seal, bytes).unwrap();
        let loaded = store.load(&key("deploy"));
        assert!(loaded.as_ref().map_or_else(|error| error.exit_code() == 6, |loaded| !loaded.as_ref().unwrap().sealed));
    }
    fs::remove_file(&shared.segments()[0]).unwrap();
    let error = store.load(&key("deploy")).unwrap_err();
    assert!(error.to_string().contains("its first segment is missing"), "{error}");
}

#[test]
fn the_second_is_told_who_holds_the_run_and_a_dead_holder_is_waited_for() {
    let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let log = || ObjectLog::over(Arc::clone(&objects), PACE);
    let lease = log().hold("deploy", quietly()).unwrap().expect("a lease");
    let error = log().hold("deploy", quietly()).unwrap_err();
    let JournalError::Held { holder: Some(holder), .. } = &error else { panic!("{error:?}") };
    assert_eq!((holder.pid, error.exit_code()), (std::process::id(), 8));
    // Another run is free.
    log().hold("other", quietly()).unwrap().expect("a lease");
    drop(lease);
    let lease = log().hold("deploy", quietly()).unwrap().expect("it was given back");
    lease.abandon();
    let started = Instant::now();
    let (told, heard) = std::sync::mpsc::channel();
    let waiting: WaitingFn = Arc::new(move |holder, most| told.send((holder.pid, most)).unwrap());
    log().hold("deploy", waiting).unwrap().expect("its holder is dead");
    // Whoever waits is told once, at the beginning.
    assert_eq!(heard.try_iter().collect::<Vec<_>>(), [(std::process::id(), PACE.dead)]);
    assert!(started.elapsed() >= PACE.dead, "{:?}", started.elapsed());
}

#[test]
fn of_many_that_take_a_free_lease_one_has_it() {
    let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let results: Vec<_> = thread::scope(|scope| {
        let takers: Vec<_> = (0..6)
            .map(|_| {
                let objects = Arc::clone(&objects);
                scope.spawn(move || ObjectLog::over(objects, PACE).hold("deploy", quietly()))
            })
            .collect();
        takers.into_iter().map(|taker| taker.join().unwrap()).collect()
    });
    let held: Vec<_> = results.iter().filter(|result| result.is_ok()).collect();
    assert_eq!(held.len(), 1, "{results:?}");
}

#[test]
fn storage_without_conditional_writes_is_refused() {
    let error = ObjectLog::over(Arc::new(Careless(InMemory::new())), PACE).hold("deploy", quietly()).unwrap_err();
    assert!(error.to_string().contains("overwrites an object"), "{error}");
    assert_eq!(error.exit_code(), 7);
}

/// Heeds no condition, as some do that speak S3's protocol.
#[derive(Debug)]
struct Careless(InMemory);

impl std::fmt::Display for Careless {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("careless")
    }
}

#[async_trait::async_trait]
impl ObjectStore for Careless {
    async fn put_opts(
        &self,
        location: &ObjectPath,
        payload: PutPayload,
        mut options: PutOptions,
    ) -> object_store::Result<PutResult> {
        options.mode = PutMode::Overwrite;
        self.0.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &ObjectPath,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.0.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &ObjectPath, options: GetOptions) -> object_store::Result<GetResult> {
        self.0.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, object_store::Result<ObjectPath>>,
    ) -> BoxStream<'static, object_store::Result<ObjectPath>> {
        self.0.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&ObjectPath>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.0.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&ObjectPath>) -> object_store::Result<ListResult> {
        self.0.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &ObjectPath, to: &ObjectPath, options: CopyOptions) -> object_store::Result<()> {
        self.0.copy_opts(from, to, options).await
    }
}
