//! Entries as files: `.shiro/state/data/<room>/<name>.json`, beside the journals and with their permissions, so that what
//! carries the state of a run carries its data.
//!
//! A file is written under another name, made durable, and renamed, so a crash leaves the old one or the new one. Writers hold
//! a lock that ends with the process.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::backend::{Backend, Guard};
use super::error::{DataError, Kind};
use crate::journal::{Beside, JournalError, files};

const LOCK: &str = "lock";
const ENTRY: &str = ".json";
const NEW: &str = ".json.new";
/// How long others may write. Each write takes two fsyncs.
const PATIENCE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(10);
/// No entry is larger: a value, its key and what is known of it.
const ENTRY_BYTES: u64 = 4 << 20;

/// Files beside a project's journals.
#[derive(Debug)]
pub struct Files {
    beside: Beside,
}

impl Files {
    /// The entries in this directory beside the journals. Creates nothing until something is written.
    pub fn new(beside: Beside) -> Self {
        Self { beside }
    }

    fn directory(&self) -> &Path {
        self.beside.directory()
    }

    fn entry(&self, room: &str, name: &str) -> PathBuf {
        self.directory().join(room).join(format!("{name}{ENTRY}"))
    }

    /// The names of what is in a directory; none if it is not there.
    fn names_in(&self, directory: &Path) -> Result<Vec<(String, fs::Metadata)>, DataError> {
        let error = |error| DataError::reading(JournalError::io("list", directory)(error));
        if !files::is_directory(directory).map_err(DataError::reading)? {
            return Ok(Vec::new());
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(directory).map_err(error)? {
            let entry = entry.map_err(error)?;
            // No other name is one of ours. One that is gone by now is none.
            let Ok(name) = entry.file_name().into_string() else { continue };
            match entry.metadata() {
                Ok(metadata) => names.push((name, metadata)),
                Err(gone) if gone.kind() == io::ErrorKind::NotFound => {}
                Err(other) => return Err(error(other)),
            }
        }
        names.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(names)
    }

    /// Writes the bytes under another name, and renames that.
    fn replace(&self, directory: &Path, name: &str, bytes: &[u8]) -> Result<(), JournalError> {
        let (new, path) = (directory.join(format!("{name}{NEW}")), directory.join(format!("{name}{ENTRY}")));
        if files::metadata(&path)?.is_some_and(|metadata| !metadata.is_file()) {
            return Err(files::not_a_file(&path));
        }
        // What a crash left.
        files::remove(&new)?;
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(self.beside.modes().file)
            .open(&new)
            .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
            .map_err(JournalError::io("write", &new));
        let renamed = written.and_then(|()| files::rename(&new, &path));
        renamed.inspect_err(|_| {
            let _ = fs::remove_file(&new);
        })
    }
}

impl Backend for Files {
    fn lock(&self) -> Result<Guard, DataError> {
        self.beside.create().map_err(DataError::writing)?;
        let path = self.directory().join(LOCK);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).mode(self.beside.modes().file);
        let file = files::open(&path, "lock", &mut options)
            .and_then(|file| file.ok_or_else(|| JournalError::io("lock", &path)(io::ErrorKind::NotFound.into())))
            .map_err(DataError::writing)?;
        let started = Instant::now();
        loop {
            match flock(&file.0, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Box::new(file.0)),
                Err(Errno::INTR) => {}
                Err(Errno::WOULDBLOCK) if started.elapsed() < PATIENCE => thread::sleep(POLL),
                Err(Errno::WOULDBLOCK) => {
                    let what = format!("{}: another process keeps the shared data to itself", path.display());
                    return Err(DataError::new(Kind::Held, what).with_hint("wait until it is done, and try again"));
                }
                Err(errno) => return Err(DataError::writing(JournalError::io("lock", &path)(errno.into()))),
            }
        }
    }

    fn rooms(&self) -> Result<Vec<String>, DataError> {
        let names = self.names_in(self.directory())?;
        Ok(names.into_iter().filter(|(_, metadata)| metadata.is_dir()).map(|(name, _)| name).collect())
    }

    fn names(&self, room: &str) -> Result<Vec<(String, u64)>, DataError> {
        let names = self.names_in(&self.directory().join(room))?;
        let own =
            |(name, metadata): (String, fs::Metadata)| Some((name.strip_suffix(ENTRY)?.to_owned(), metadata.len()));
        Ok(names.into_iter().filter_map(own).collect())
    }

    fn read(&self, room: &str, name: &str) -> Result<Option<Vec<u8>>, DataError> {
        // Not through a link: it could lead anywhere.
        if !files::is_directory(&self.directory().join(room)).map_err(DataError::reading)? {
            return Ok(None);
        }
        let path = self.entry(room, name);
        let opened = files::open(&path, "read", OpenOptions::new().read(true)).map_err(DataError::reading)?;
        let Some((file, _)) = opened else { return Ok(None) };
        let mut bytes = Vec::new();
        let read = file.take(ENTRY_BYTES + 1).read_to_end(&mut bytes);
        read.map_err(|error| DataError::reading(JournalError::io("read", &path)(error)))?;
        if bytes.len() as u64 > ENTRY_BYTES {
            let what = format!("{}: it is larger than anything that shiro stores", path.display());
            return Err(
                DataError::new(Kind::Unreadable, what).with_hint("remove the file: then nothing is stored there")
            );
        }
        Ok(Some(bytes))
    }

    fn write(&self, room: &str, name: &str, bytes: &[u8]) -> Result<(), DataError> {
        let directory = self.directory().join(room);
        files::create_directory(&directory, self.beside.modes().directory).map_err(DataError::writing)?;
        self.replace(&directory, name, bytes).map_err(DataError::writing)
    }

    fn remove(&self, room: &str, name: &str) -> Result<bool, DataError> {
        let path = self.entry(room, name);
        if files::metadata(&path).map_err(DataError::writing)?.is_none() {
            return Ok(false);
        }
        files::remove(&path).and_then(|()| files::sync_parent(&path)).map_err(DataError::writing)?;
        // Only if it is empty; that it is gone need not be durable.
        let _ = fs::remove_dir(self.directory().join(room));
        Ok(true)
    }

    fn place(&self, room: &str, name: &str) -> String {
        self.entry(room, name).display().to_string()
    }
}
