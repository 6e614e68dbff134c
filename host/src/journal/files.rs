//! Files and directories of the state: created with the right permissions, opened only if they are what they should be, and
//! durable when asked.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::error::JournalError;

/// Who may use what is created; the umask takes away from it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Modes {
    pub(crate) directory: u32,
    pub(crate) file: u32,
}

/// A file's place on its device: what stays the same as long as it is the same file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    pub(crate) fn of(metadata: &fs::Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// Opens a regular file and nothing else: no link is followed, and no pipe or device is waited for. `None` if there is nothing.
pub(crate) fn open(
    path: &Path,
    doing: &'static str,
    options: &mut OpenOptions,
) -> Result<Option<(File, fs::Metadata)>, JournalError> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = match options.custom_flags(flags.bits() as i32).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if is_wrong_kind(&error) => return Err(not_a_file(path)),
        Err(error) => return Err(JournalError::io(doing, path)(error)),
    };
    let metadata = file.metadata().map_err(JournalError::io(doing, path))?;
    if metadata.is_file() { Ok(Some((file, metadata))) } else { Err(not_a_file(path)) }
}

pub(crate) fn not_a_file(path: &Path) -> JournalError {
    JournalError::Refused { path: path.to_owned(), what: "this is not a regular file" }
}

/// What the system says for a link, for a directory, and for a pipe or a socket without another end.
fn is_wrong_kind(error: &io::Error) -> bool {
    [Errno::LOOP, Errno::ISDIR, Errno::NXIO].iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// What stands at a path, links not followed. `None` if nothing.
pub(crate) fn metadata(path: &Path) -> Result<Option<fs::Metadata>, JournalError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(JournalError::io("look at", path)(error)),
    }
}

/// Whether a directory is there. An error if something else is.
pub(crate) fn is_directory(path: &Path) -> Result<bool, JournalError> {
    let refused = |what| Err(JournalError::Refused { path: path.to_owned(), what });
    match metadata(path)? {
        None => Ok(false),
        Some(metadata) if metadata.is_dir() => Ok(true),
        Some(metadata) if metadata.is_symlink() => refused("this is a symbolic link, which could lead anywhere"),
        Some(_) => refused("this is not a directory"),
    }
}

/// Makes a directory unless it is there, durably.
pub(crate) fn create_directory(path: &Path, mode: u32) -> Result<(), JournalError> {
    if is_directory(path)? {
        return Ok(());
    }
    match DirBuilder::new().mode(mode).create(path) {
        Ok(()) => sync_parent(path),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => is_directory(path).map(drop),
        Err(error) => Err(JournalError::io("create", path)(error)),
    }
}

/// Makes the entries of the directory that this path stands in durable.
pub(crate) fn sync_parent(path: &Path) -> Result<(), JournalError> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    match File::open(parent).and_then(|directory| directory.sync_all()) {
        // Some network and overlay file systems have no fsync for directories; their entries are as durable as they get.
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        result => result.map_err(JournalError::io("make durable", parent)),
    }
}

/// Removes a file, if it is there.
pub(crate) fn remove(path: &Path) -> Result<(), JournalError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(JournalError::io("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Renames a file over another one, atomically and durably.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), JournalError> {
    fs::rename(from, to).map_err(JournalError::io("replace", to))?;
    sync_parent(to)
}
