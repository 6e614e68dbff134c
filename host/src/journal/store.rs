//! Where journals are, and the order of what is done to them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::append::{Appender, Journal};
use super::error::JournalError;
use super::files::{self, Identity, Modes};
use super::lock::RunLock;
use super::name::RunKey;
use super::read::{self, End};
use crate::event::{Event, Record};

const JOURNAL: &str = ".jsonl";
const PREVIOUS: &str = ".previous.jsonl";
const NEW: &str = ".jsonl.new";
const LINK: &str = ".previous.jsonl.new";
const LOCK: &str = ".lock";

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
    kind: StoreKind,
    /// `.shiro`.
    parent: PathBuf,
    /// `.shiro/state`.
    directory: PathBuf,
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
    end: End,
    /// What was read: another file, or a file of another length, is not what was loaded.
    identity: Identity,
    len: u64,
}

/// A journal that a project has, readable or not.
#[derive(Debug)]
pub struct RunSummaryFile {
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
        let parent = project_dir.join(".shiro");
        let store = Self { kind, directory: parent.join("state"), parent };
        if kind != StoreKind::Memory && files::is_directory(&store.parent)? {
            files::is_directory(&store.directory)?;
        }
        Ok(store)
    }

    /// All journals of the project by their file's name, without those that were kept aside. Unreadable ones have their error.
    ///
    /// # Errors
    ///
    /// The directory can't be read.
    pub fn runs(&self) -> Result<Vec<RunSummaryFile>, JournalError> {
        if self.kind == StoreKind::Memory {
            return Ok(Vec::new());
        }
        let io_error = || JournalError::io("list", &self.directory);
        let entries = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(io_error())?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(io_error())?.file_name();
            // No other name is one of ours.
            if let Some(name) = name.to_str().filter(|name| name.ends_with(JOURNAL) && !name.ends_with(PREVIOUS)) {
                names.push(name.to_owned());
            }
        }
        names.sort_unstable();
        Ok(names.iter().filter_map(|name| summarize(self.directory.join(name))).collect())
    }

    /// Takes the run for this process, until the lock is dropped. To be done before the journal is read to go on with it.
    ///
    /// # Errors
    ///
    /// [`JournalError::Held`] if another process has it; the directory or the lock's file can't be created.
    pub fn lock(&self, key: &RunKey) -> Result<RunLock, JournalError> {
        let stem = key.stem();
        if self.kind == StoreKind::Memory {
            return Ok(RunLock::in_memory(stem));
        }
        self.create_directory()?;
        let path = self.path(&stem, LOCK);
        let lock = RunLock::acquire(stem, &path, self.modes().file)?;
        // What a crash left before it had become the journal.
        files::remove(&self.path(lock.stem(), NEW))?;
        files::remove(&self.path(lock.stem(), LINK))?;
        Ok(lock)
    }

    /// Reads a run's journal. `None` if there is none.
    ///
    /// # Errors
    ///
    /// The journal can't be read, does not check, or is another run's: never to be taken for a run that has not begun.
    pub fn load(&self, key: &RunKey) -> Result<Option<Loaded>, JournalError> {
        if self.kind == StoreKind::Memory {
            return Ok(None);
        }
        let stem = key.stem();
        let Some((found, loaded)) = load_file(self.path(&stem, JOURNAL))? else { return Ok(None) };
        if found == *key { Ok(Some(loaded)) } else { Err(JournalError::Misplaced { path: loaded.path, found }) }
    }

    /// Begins a new run with these records, durably. A journal that the run has already is kept aside as
    /// `<name>.previous.jsonl`, instead of the one before it; until the new one is durable, it stays where it is.
    ///
    /// # Errors
    ///
    /// Something can't be written; the run has its old journal, or the whole new one.
    ///
    /// # Panics
    ///
    /// If the first record is not [`Event::RunStarted`], or if the lock is another run's.
    pub fn begin(&self, key: &RunKey, lock: &RunLock, first: &[Record]) -> Result<Journal, JournalError> {
        assert!(matches!(first, [Record { event: Event::RunStarted(_), .. }, ..]), "a run begins with its start");
        let stem = self.locked_stem(key, lock);
        if self.kind == StoreKind::Memory {
            return Ok(Journal::in_memory());
        }
        let path = self.path(&stem, JOURNAL);
        let new = self.path(&stem, NEW);
        let appender = self.write_new(&new, key, first)?;
        match files::metadata(&path)? {
            None => {}
            Some(metadata) if metadata.is_file() => {
                keep_aside(&path, &self.path(&stem, LINK), &self.path(&stem, PREVIOUS))?;
            }
            Some(_) => return Err(files::not_a_file(&path)),
        }
        files::rename(&new, &path)?;
        Ok(appender.renamed(&path).into())
    }

    /// Goes on with a run's journal. What a crash left unfinished is cut off first, durably.
    ///
    /// # Errors
    ///
    /// The file is not the one that was loaded any more, or can't be written.
    ///
    /// # Panics
    ///
    /// If the lock is another run's.
    pub fn resume(&self, key: &RunKey, lock: &RunLock, loaded: &Loaded) -> Result<Journal, JournalError> {
        let stem = self.locked_stem(key, lock);
        if self.kind == StoreKind::Memory {
            return Ok(Journal::in_memory());
        }
        let path = self.path(&stem, JOURNAL);
        let disturbed = |what| JournalError::Disturbed { path: path.clone(), what };
        let (file, metadata) = files::open(&path, "open", OpenOptions::new().read(true).append(true))?
            .ok_or_else(|| disturbed("removed"))?;
        if Identity::of(&metadata) != loaded.identity {
            return Err(disturbed("replaced"));
        }
        if metadata.len() != loaded.len {
            return Err(disturbed("written to"));
        }
        if loaded.len > loaded.end.offset {
            file.set_len(loaded.end.offset).map_err(JournalError::io("cut off the unfinished end of", &path))?;
        }
        // Lines of a process that died before its fsync were read, and are about to be relied on.
        file.sync_all().map_err(JournalError::io("make durable", &path))?;
        files::sync_parent(&path)?;
        Ok(Appender::new(file, path, loaded.end)?.into())
    }

    fn write_new(&self, new: &Path, key: &RunKey, first: &[Record]) -> Result<Appender, JournalError> {
        files::remove(new)?;
        let mut options = OpenOptions::new();
        options.append(true).create_new(true).mode(self.modes().file);
        let file = options.open(new).map_err(JournalError::io("create", new))?;
        Appender::create(file, new.to_owned(), key, first).inspect_err(|_| {
            let _ = fs::remove_file(new);
        })
    }

    fn create_directory(&self) -> Result<(), JournalError> {
        files::create_directory(&self.parent, 0o777)?;
        files::create_directory(&self.directory, self.modes().directory)?;
        let ignore = self.directory.join(".gitignore");
        match OpenOptions::new().write(true).create_new(true).mode(self.modes().file).open(&ignore) {
            Ok(mut file) => file.write_all(b"*\n").map_err(JournalError::io("write", &ignore)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(JournalError::io("create", &ignore)(error)),
        }
    }

    fn modes(&self) -> Modes {
        match self.kind {
            StoreKind::Gitlab => Modes { directory: 0o777, file: 0o666 },
            StoreKind::Memory | StoreKind::Filesystem => Modes { directory: 0o700, file: 0o600 },
        }
    }

    fn locked_stem(&self, key: &RunKey, lock: &RunLock) -> String {
        let stem = key.stem();
        assert_eq!(stem, lock.stem(), "the lock is this run's");
        stem
    }

    fn path(&self, stem: &str, ending: &str) -> PathBuf {
        self.directory.join(format!("{stem}{ending}"))
    }
}

/// Gives the journal a second name, in one step as for the one that has that name now.
fn keep_aside(journal: &Path, link: &Path, previous: &Path) -> Result<(), JournalError> {
    files::remove(link)?;
    // Not every file system has hard links.
    fs::hard_link(journal, link)
        .or_else(|_| fs::copy(journal, link).map(drop))
        .and_then(|()| File::open(link)?.sync_all())
        .map_err(JournalError::io("keep aside", journal))?;
    files::rename(link, previous)
}

/// `None` if the file is gone by now.
fn summarize(path: PathBuf) -> Option<RunSummaryFile> {
    let (key, loaded) = match load_file(path.clone()) {
        Ok(None) => return None,
        Ok(Some((key, loaded))) if path.file_name().is_some_and(|name| *name == *(key.stem() + JOURNAL)) => {
            (Some(key), Ok(loaded))
        }
        Ok(Some((key, _))) => (Some(key.clone()), Err(JournalError::Misplaced { path: path.clone(), found: key })),
        Err(error) => (None, Err(error)),
    };
    Some(RunSummaryFile { key, path, loaded })
}

fn load_file(path: PathBuf) -> Result<Option<(RunKey, Loaded)>, JournalError> {
    let Some((mut file, metadata)) = files::open(&path, "open", OpenOptions::new().read(true))? else {
        return Ok(None);
    };
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    file.read_to_end(&mut bytes).map_err(JournalError::io("read", &path))?;
    let len = bytes.len() as u64;
    let read::Contents { key, records, sealed, notices, end } = read::read(&path, bytes)?;
    let identity = Identity::of(&metadata);
    Ok(Some((key, Loaded { records, sealed, notices, path, end, identity, len })))
}
