//! Reading what may have been tampered with, and replacing a file whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;

use super::error::PackageError;

/// The bytes of a regular file of at most `most` bytes; `None` if there is nothing. No link is followed, and no pipe or
/// device is waited for.
pub(super) fn read(path: &Path, most: u64) -> Result<Option<Vec<u8>>, PackageError> {
    let refused = |what: String| PackageError::refused("unreadable", format!("{}: {what}", path.display()));
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = match OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            return Err(refused("a symbolic link, not a file".to_owned()));
        }
        Err(error) => return Err(refused(format!("can't be read: {error}"))),
    };
    let io = |error: io::Error| refused(format!("can't be read: {error}"));
    if !file.metadata().map_err(io)?.is_file() {
        return Err(refused("not a regular file".to_owned()));
    }
    let mut bytes = Vec::new();
    (&file).take(most + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > most {
        return Err(refused(format!("larger than {most} bytes")));
    }
    Ok(Some(bytes))
}

/// The same for a file that a user names, or whose content is checked by other means: links are followed.
pub(super) fn read_named(path: &Path, most: u64) -> Result<Option<Vec<u8>>, PackageError> {
    match path.canonicalize() {
        Ok(real) => read(&real, most),
        Err(_) => read(path, most),
    }
}

/// Puts these bytes at this path, and the directories above it: after a crash the old file stands there or the new one.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), PackageError> {
    let dir = parent(path);
    let io = |error: io::Error| {
        PackageError::refused("unwritable", format!("{}: can't be written: {error}", path.display()))
            .hint("check the directory's permissions and that the disk is not full")
    };
    fs::create_dir_all(dir).map_err(io)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = dir.join(format!(".{name}.{:016x}.tmp", fastrand::u64(..)));
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        sync(dir)
    };
    write().map_err(|error| {
        // It may never have been made.
        let _ = fs::remove_file(&temporary);
        io(error)
    })
}

/// Removes a file, if it is there. Says whether it was.
pub(super) fn remove(path: &Path) -> Result<bool, PackageError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => {
            Err(PackageError::refused("unwritable", format!("{}: can't be removed: {error}", path.display())))
        }
    }
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}

fn sync(dir: &Path) -> io::Result<()> {
    match File::open(dir)?.sync_all() {
        // Some network and overlay file systems have no fsync for directories.
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_nothing_is_left_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/file");
        assert_eq!(read(&path, 10).unwrap(), None);
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(read(&path, 10).unwrap().unwrap(), b"two");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        assert!(remove(&path).unwrap());
        assert!(!remove(&path).unwrap());
    }

    #[test]
    fn only_regular_files_of_reasonable_size_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
        assert!(read(&link, 1 << 20).unwrap_err().message.contains("symbolic link"));
        assert!(read(dir.path(), 10).unwrap_err().message.contains("not a regular file"));
        assert!(read(Path::new("/dev/zero"), 10).unwrap_err().message.contains("not a regular file"));
        assert!(read_named(&link, 1 << 20).unwrap().is_some());
        assert_eq!(read_named(&dir.path().join("missing"), 10).unwrap(), None);
        let large = dir.path().join("large");
        fs::write(&large, [0; 11]).unwrap();
        assert!(read(&large, 10).unwrap_err().message.contains("larger than 10 bytes"));
    }

    #[test]
    fn a_directory_that_can_not_be_written_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, b"").unwrap();
        let error = replace(&file.join("below"), b"x").unwrap_err();
        assert_eq!(error.code, "unwritable");
    }
}
