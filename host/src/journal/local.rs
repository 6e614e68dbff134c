//! Journals as files of a directory, and the order of what is done to them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::append::{Appender, Journal, Sink};
use super::error::JournalError;
use super::expect::Expected;
use super::files::{self, Identity, Modes};
use super::format::Header;
use super::key::StateKey;
use super::lock::RunLock;
use super::name::RunKey;
use super::protect::Protection;
use super::read::{self, End};
use super::store::{Loaded, RunSummaryFile, Version};
use crate::event::Record;

const JOURNAL: &str = ".jsonl";
const PREVIOUS: &str = ".previous.jsonl";
const NEW: &str = ".jsonl.new";
const LINK: &str = ".previous.jsonl.new";
const LOCK: &str = ".lock";

/// The journals of a project, in `.shiro/state`.
#[derive(Clone, Debug)]
pub(super) struct LocalStore {
    modes: Modes,
    /// `.shiro`.
    parent: PathBuf,
    /// `.shiro/state`.
    directory: PathBuf,
}

impl LocalStore {
    /// The store of the project in this directory. Creates nothing until something is written.
    pub(super) fn open(project_dir: &Path, modes: Modes) -> Result<Self, JournalError> {
        let parent = project_dir.join(".shiro");
        let store = Self { modes, directory: parent.join("state"), parent };
        if files::is_directory(&store.parent)? {
            files::is_directory(&store.directory)?;
        }
        Ok(store)
    }

    /// All journals by their file's name, without those that were kept aside.
    pub(super) fn runs(&self, key: Option<&StateKey>) -> Result<Vec<RunSummaryFile>, JournalError> {
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
        Ok(names.iter().filter_map(|name| summarize(self.directory.join(name), key)).collect())
    }

    /// Takes the run for this process.
    pub(super) fn lock(&self, stem: String) -> Result<RunLock, JournalError> {
        self.create_directory()?;
        let path = self.path(&stem, LOCK);
        let lock = RunLock::acquire(stem, &path, self.modes.file)?;
        // What a crash left before it had become the journal.
        files::remove(&self.path(lock.stem(), NEW))?;
        files::remove(&self.path(lock.stem(), LINK))?;
        Ok(lock)
    }

    /// Reads a run's journal. `None` if there is none.
    pub(super) fn load(
        &self,
        stem: &str,
        key: Option<&StateKey>,
        expected: &Expected,
    ) -> Result<Option<Loaded>, JournalError> {
        Ok(load_file(self.path(stem, JOURNAL), key, expected)?.map(|(_, loaded)| loaded))
    }

    /// Begins a new run; a journal that the run has already is kept aside as `<name>.previous.jsonl`, instead of the one
    /// before it; until the new one is durable, it stays where it is.
    pub(super) fn begin(
        &self,
        stem: &str,
        header: &Header,
        protection: Protection,
        first: &[Record],
    ) -> Result<Journal, JournalError> {
        let path = self.path(stem, JOURNAL);
        let new = self.path(stem, NEW);
        let appender = self.write_new(&new, &path, header, protection, first)?;
        match files::metadata(&path)? {
            None => {}
            Some(metadata) if metadata.is_file() => {
                keep_aside(&path, &self.path(stem, LINK), &self.path(stem, PREVIOUS))?;
            }
            Some(_) => return Err(files::not_a_file(&path)),
        }
        files::rename(&new, &path)?;
        Ok(appender.renamed(&path).into())
    }

    /// Goes on with a run's journal. What a crash left unfinished is cut off first, durably.
    pub(super) fn resume(
        &self,
        stem: &str,
        loaded: &Loaded,
        identity: Identity,
        len: u64,
    ) -> Result<Journal, JournalError> {
        let path = self.path(stem, JOURNAL);
        let disturbed = |what| JournalError::Disturbed { path: path.clone(), what };
        let (file, metadata) = files::open(&path, "open", OpenOptions::new().read(true).append(true))?
            .ok_or_else(|| disturbed("removed"))?;
        if Identity::of(&metadata) != identity {
            return Err(disturbed("replaced"));
        }
        if metadata.len() != len {
            return Err(disturbed("written to"));
        }
        if len > loaded.end.offset {
            file.set_len(loaded.end.offset).map_err(JournalError::io("cut off the unfinished end of", &path))?;
        }
        // Lines of a process that died before its fsync were read, and are about to be relied on.
        file.sync_all().map_err(JournalError::io("make durable", &path))?;
        files::sync_parent(&path)?;
        let sink = FileSink::new(file, path.clone())?;
        Ok(Appender::new(Box::new(sink), path, loaded.protection.clone(), loaded.end).into())
    }

    /// Fills the file that is to become the journal at `path`, durably but for its name.
    fn write_new(
        &self,
        new: &Path,
        path: &Path,
        header: &Header,
        protection: Protection,
        first: &[Record],
    ) -> Result<Appender, JournalError> {
        files::remove(new)?;
        let mut options = OpenOptions::new();
        options.append(true).create_new(true).mode(self.modes.file);
        let file = options.open(new).map_err(JournalError::io("create", new))?;
        let sink = FileSink { named: false, ..FileSink::new(file, path.to_owned())? };
        Appender::create(Box::new(sink), new.to_owned(), protection, header, first).inspect_err(|_| {
            let _ = fs::remove_file(new);
        })
    }

    pub(super) fn create_directory(&self) -> Result<(), JournalError> {
        files::create_directory(&self.parent, 0o777)?;
        files::create_directory(&self.directory, self.modes.directory)?;
        let ignore = self.directory.join(".gitignore");
        match OpenOptions::new().write(true).create_new(true).mode(self.modes.file).open(&ignore) {
            Ok(mut file) => file.write_all(b"*\n").map_err(JournalError::io("write", &ignore)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(JournalError::io("create", &ignore)(error)),
        }
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn modes(&self) -> Modes {
        self.modes
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
fn summarize(path: PathBuf, key: Option<&StateKey>) -> Option<RunSummaryFile> {
    let (key, loaded) = match load_file(path.clone(), key, &Expected::default()) {
        Ok(None) => return None,
        Ok(Some((key, loaded))) if path.file_name().is_some_and(|name| *name == *(key.stem() + JOURNAL)) => {
            (Some(key), Ok(loaded))
        }
        Ok(Some((key, _))) => (Some(key.clone()), Err(JournalError::Misplaced { path: path.clone(), found: key })),
        Err(error) => (None, Err(error)),
    };
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Some(RunSummaryFile { name, key, path, loaded })
}

fn load_file(
    path: PathBuf,
    key: Option<&StateKey>,
    expected: &Expected,
) -> Result<Option<(RunKey, Loaded)>, JournalError> {
    let Some((mut file, metadata)) = files::open(&path, "open", OpenOptions::new().read(true))? else {
        return Ok(None);
    };
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    file.read_to_end(&mut bytes).map_err(JournalError::io("read", &path))?;
    let version = Version::File { identity: Identity::of(&metadata), len: bytes.len() as u64 };
    let contents = read::read(&path, bytes, key, expected)?;
    Ok(Some((contents.key.clone(), Loaded::new(contents, path, version))))
}

/// The file, open to append.
#[derive(Debug)]
struct FileSink {
    file: File,
    path: PathBuf,
    identity: Identity,
    /// It has its name already.
    named: bool,
}

impl FileSink {
    fn new(file: File, path: PathBuf) -> Result<Self, JournalError> {
        let metadata = file.metadata().map_err(JournalError::io("look at", &path))?;
        Ok(Self { file, path, identity: Identity::of(&metadata), named: true })
    }

    /// Leaves only whole lines of what was written. The reader would drop the rest too, so this may fail.
    fn cut_unfinished_line(&mut self, batch: &[u8], written: usize, end: &End) {
        let whole = batch[..written].iter().rposition(|byte| *byte == b'\n').map_or(0, |index| index + 1);
        if whole < written {
            let _ = self.file.set_len(end.offset + whole as u64);
        }
        let _ = self.file.sync_data();
    }

    /// A write to a file that a step has removed succeeds all the same, and everything in it is lost with the process.
    fn check_undisturbed(&self, len: u64) -> Result<(), JournalError> {
        let disturbed = |what| Err(JournalError::Disturbed { path: self.path.clone(), what });
        match fs::symlink_metadata(&self.path) {
            Ok(metadata) if Identity::of(&metadata) != self.identity => disturbed("replaced"),
            Ok(metadata) if metadata.len() != len => disturbed("written to"),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => disturbed("removed"),
            Err(error) => Err(JournalError::io("look at", &self.path)(error)),
        }
    }
}

impl Sink for FileSink {
    /// One write, one fdatasync.
    fn append(&mut self, batch: &[u8], end: &End) -> Result<(), JournalError> {
        let (written, result) = write_all(&mut self.file, batch);
        if let Err(error) = result {
            self.cut_unfinished_line(batch, written, end);
            return Err(JournalError::io("append to", &self.path)(error));
        }
        // Not tried again when it fails: the kernel may have dropped what it could not write, and would then say yes.
        self.file.sync_data().map_err(JournalError::io("make durable", &self.path))?;
        if self.named {
            return self.check_undisturbed(end.offset + batch.len() as u64);
        }
        self.named = true;
        Ok(())
    }
}

/// Writes all of it, and says how much was written when that fails.
fn write_all(file: &mut File, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while written < bytes.len() {
        match file.write(&bytes[written..]) {
            Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (written, Err(error)),
        }
    }
    (written, Ok(()))
}
