//! Where journals are kept.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use url::Url;

use super::append::Journal;
use super::beside::{Beside, Seals};
use super::error::JournalError;
use super::expect::{Expected, Receipt};
use super::files::{Identity, Modes};
use super::format::Header;
use super::key::{Recipient, StateKey};
use super::local::LocalStore;
use super::lock::RunLock;
use super::name::{Origin, RunKey};
use super::protect::Protection;
use super::read::{Contents, End};
use super::remote::{ObjectLog, PackagesLog, RemoteStore, WaitingFn};
use crate::event::{Event, Record};

/// Where state is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind {
    /// Nowhere: a run can't be resumed.
    Memory,
    /// In the project directory, for this user only.
    Filesystem,
    /// In the project directory, with permissions by the umask: a runner carries it to a job that may run as another user.
    Gitlab,
}

/// The journals of a project.
#[derive(Clone, Debug)]
pub struct Store {
    backend: Backend,
    /// Where a remote store keeps what is no journal.
    files: Option<LocalStore>,
    key: Option<Arc<StateKey>>,
    /// Whom new journals are encrypted for. Empty: they are not.
    recipients: Vec<Recipient>,
    expected: Expected,
}

#[derive(Clone, Debug)]
enum Backend {
    Memory,
    Local(LocalStore),
    Remote(RemoteStore),
}

/// A run's journal, read and checked.
#[derive(Debug)]
pub struct Loaded {
    /// What happened, from the start of the run. Never empty; the first is [`Event::RunStarted`].
    pub records: Vec<Record>,
    /// The last process ended cleanly and nothing is missing. Otherwise the journal passes no gate by itself.
    pub sealed: bool,
    /// What the user should know: what was dropped and why. One line each.
    pub notices: Vec<String>,
    /// The file.
    pub path: PathBuf,
    /// Where the run began.
    pub origin: Origin,
    /// It was made with the state key: nobody without that can have written it.
    pub authenticated: bool,
    began: u64,
    pub(super) protection: Protection,
    pub(super) end: End,
    version: Version,
}

/// What was read: if it is another one by the time it is written to, that is not what was loaded.
#[derive(Clone, Copy, Debug)]
pub(super) enum Version {
    /// A file of this length.
    File {
        /// Which.
        identity: Identity,
        /// In bytes.
        len: u64,
    },
    /// A log.
    Log {
        /// The number of its next segment.
        next: u64,
    },
    /// In no store.
    Elsewhere,
}

impl Loaded {
    pub(super) fn new(contents: Contents, path: PathBuf, version: Version) -> Self {
        let Contents { origin, protection, authenticated, records, sealed, notices, end, key: _ } = contents;
        let began = records.first().map_or(0, |record| record.at);
        Self { records, sealed, notices, path, origin, authenticated, began, protection, end, version }
    }

    /// When the run began, in milliseconds since 1970-01-01 UTC.
    pub fn began(&self) -> u64 {
        self.began
    }

    /// Its batches are encrypted.
    pub fn encrypted(&self) -> bool {
        self.protection.encrypts()
    }

    /// Whom it is encrypted for.
    pub fn recipients(&self) -> &[Recipient] {
        &self.protection.recipients
    }

    /// How far it goes.
    pub fn receipt(&self) -> Receipt {
        Receipt { seq: self.end.seq, sum: self.end.sum }
    }
}

/// A journal that a project has, readable or not.
#[derive(Debug)]
pub struct RunSummaryFile {
    /// What the run is called: its file without the ending.
    pub name: String,
    /// Which run it is; `None` if the file does not say.
    pub key: Option<RunKey>,
    /// The file.
    pub path: PathBuf,
    /// What is in it.
    pub loaded: Result<Loaded, JournalError>,
}

impl Store {
    /// The store of the project in this directory. Creates nothing until something is written.
    ///
    /// # Errors
    ///
    /// `.shiro` or `.shiro/state` is a link or a file, or can't be looked at.
    pub fn open(kind: StoreKind, project_dir: &Path) -> Result<Self, JournalError> {
        let local = |directory, file| LocalStore::open(project_dir, Modes { directory, file }).map(Backend::Local);
        let backend = match kind {
            StoreKind::Memory => Backend::Memory,
            StoreKind::Filesystem => local(0o700, 0o600)?,
            StoreKind::Gitlab => local(0o777, 0o666)?,
        };
        Ok(Self::over(backend))
    }

    /// The store in object storage at this URL (`s3://`, `gs://`, `az://`, `file:///`), for one CI project or none. The
    /// environment names its credentials, certificates and proxies.
    ///
    /// # Errors
    ///
    /// It can't be reached with what the environment says. Nothing is sent yet.
    pub fn open_objects(
        url: &Url,
        project: Option<&str>,
        job_env: &[(OsString, OsString)],
    ) -> Result<Self, JournalError> {
        let log = ObjectLog::open(url, project.map(project_stem).as_deref(), job_env)?;
        Ok(Self::over(Backend::Remote(RemoteStore::new(log))))
    }

    /// The store in the package registry of the GitLab project that the environment names.
    ///
    /// # Errors
    ///
    /// The environment names none. Nothing is sent yet.
    pub fn open_gitlab_packages(job_env: &[(OsString, OsString)]) -> Result<Self, JournalError> {
        Ok(Self::over(Backend::Remote(RemoteStore::new(PackagesLog::open(job_env)?))))
    }

    fn over(backend: Backend) -> Self {
        Self { backend, files: None, key: None, recipients: Vec::new(), expected: Expected::default() }
    }

    /// The same, which keeps what is no journal ([`Store::beside`]) in the files of this project, if its journals are elsewhere.
    ///
    /// # Errors
    ///
    /// As for [`Store::open`].
    pub fn with_files_in(mut self, project_dir: &Path) -> Result<Self, JournalError> {
        self.files = Some(LocalStore::open(project_dir, Modes { directory: 0o700, file: 0o600 })?);
        Ok(self)
    }

    /// The same, with journals that are authenticated with this key: others are refused. With recipients, new ones are
    /// encrypted for them and for the key itself, which must be an age identity to read them again.
    pub fn with_key(mut self, key: StateKey, recipients: Vec<Recipient>) -> Self {
        self.key = Some(Arc::new(key));
        self.recipients = recipients;
        self
    }

    /// The same, which refuses to load a journal that is not the one that is expected. (The run's key need not be in it.)
    pub fn expecting(mut self, expected: Expected) -> Self {
        self.expected = expected;
        self
    }

    /// A directory beside the journals, for what else belongs to the state. `None` where nothing outlives the process.
    pub fn beside(&self, name: &str) -> Option<Beside> {
        match &self.backend {
            Backend::Memory => None,
            Backend::Local(local) => Some(Beside::new(local.clone(), name)),
            Backend::Remote(_) => self.files.as_ref().map(|files| Beside::new(files.clone(), name)),
        }
    }

    /// How what is kept beside the journals is protected.
    pub fn seals(&self) -> Seals {
        Seals::new(self.key.clone(), self.recipients.clone())
    }

    /// All journals of the project by their file's name, without those that were kept aside. Unreadable ones have their error.
    ///
    /// # Errors
    ///
    /// The directory can't be read.
    pub fn runs(&self) -> Result<Vec<RunSummaryFile>, JournalError> {
        match &self.backend {
            Backend::Memory => Ok(Vec::new()),
            Backend::Local(local) => local.runs(self.key.as_deref()),
            Backend::Remote(remote) => remote.runs(self.key.as_deref()),
        }
    }

    /// Takes the run for this process, until the lock is dropped. To be done before the journal is read to go on with it.
    /// Where a holder elsewhere may be dead, finding out takes some seconds: `waiting` hears of that when it begins.
    ///
    /// # Errors
    ///
    /// [`JournalError::Held`] if another process has it; the directory or the lock's file can't be created.
    pub fn lock(&self, key: &RunKey, waiting: WaitingFn) -> Result<RunLock, JournalError> {
        let stem = key.stem();
        match &self.backend {
            Backend::Memory => Ok(RunLock::in_memory(stem)),
            Backend::Local(local) => local.lock(stem),
            Backend::Remote(remote) => remote.lock(stem, waiting),
        }
    }

    /// Reads a run's journal. `None` if there is none.
    ///
    /// # Errors
    ///
    /// The journal can't be read, does not check, or is another run's: never to be taken for a run that has not begun.
    pub fn load(&self, key: &RunKey) -> Result<Option<Loaded>, JournalError> {
        let expected = Expected { key: Some(key.clone()), ..self.expected.clone() };
        match &self.backend {
            Backend::Memory => Ok(None),
            Backend::Local(local) => local.load(&key.stem(), self.key.as_deref(), &expected),
            Backend::Remote(remote) => remote.load(&key.stem(), self.key.as_deref(), &expected),
        }
    }

    /// Begins a new run with these records, durably. What the run has already is kept aside until the next one begins.
    ///
    /// # Errors
    ///
    /// Something can't be written; the run has its old journal, or the whole new one.
    ///
    /// # Panics
    ///
    /// If the first record is not [`Event::RunStarted`], or if the lock is another run's.
    pub fn begin(&self, key: &RunKey, lock: &RunLock, first: &[Record]) -> Result<Journal, JournalError> {
        let [Record { event: Event::RunStarted(started), .. }, ..] = first else {
            panic!("a run begins with its start");
        };
        let stem = locked_stem(key, lock);
        let header = Header::new(key, Origin::of(started), self.key.as_deref(), &self.recipients);
        let protection = Protection::new(self.key.as_deref(), &self.recipients);
        match &self.backend {
            Backend::Memory => Ok(Journal::in_memory()),
            Backend::Local(local) => local.begin(&stem, &header, protection, first),
            Backend::Remote(remote) => remote.begin(&stem, &header, protection, first),
        }
    }

    /// Goes on with a run's journal, protected as it is. What a crash left unfinished is cut off first, durably.
    ///
    /// # Errors
    ///
    /// The file is not the one that was loaded any more, or can't be written.
    ///
    /// # Panics
    ///
    /// If the lock is another run's, or the journal was loaded from another store.
    pub fn resume(&self, key: &RunKey, lock: &RunLock, loaded: &Loaded) -> Result<Journal, JournalError> {
        let stem = locked_stem(key, lock);
        match (&self.backend, loaded.version) {
            (Backend::Memory, _) => Ok(Journal::in_memory()),
            (Backend::Local(local), Version::File { identity, len }) => local.resume(&stem, loaded, identity, len),
            (Backend::Remote(remote), Version::Log { next }) => Ok(remote.resume(&stem, loaded, next)),
            (Backend::Local(_) | Backend::Remote(_), _) => panic!("a journal is gone on with where it was loaded"),
        }
    }
}

/// The directory of a CI project: as safe as a run's name.
fn project_stem(project: &str) -> String {
    RunKey { workflow: project.to_owned(), pipeline: None }.stem()
}

fn locked_stem(key: &RunKey, lock: &RunLock) -> String {
    let stem = key.stem();
    assert_eq!(stem, lock.stem(), "the lock is this run's");
    stem
}
