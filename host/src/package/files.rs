//! Files of packages: [`crate::file`], with what is wrong as a [`PackageError`].

use std::fs;
use std::io;
use std::path::Path;

use super::error::PackageError;
use crate::file::{self, FileError, Keep, Links, Regular};

/// The bytes of a regular file of at most `most` bytes; `None` if there is nothing. No link is followed, and no pipe or
/// device is waited for.
pub(super) fn read(path: &Path, most: u64) -> Result<Option<Vec<u8>>, PackageError> {
    file::read(path, Links::Refuse, most).map_err(PackageError::from)
}

/// The same for a file that a user names, or whose content is checked by other means: links are followed.
pub(super) fn read_named(path: &Path, most: u64) -> Result<Option<Vec<u8>>, PackageError> {
    file::read(path, Links::Follow, most).map_err(PackageError::from)
}

/// Opens such a file, to be read later.
pub(super) fn open(path: &Path, links: Links, most: u64) -> Result<Option<Regular>, PackageError> {
    file::open(path, links, most).map_err(PackageError::from)
}

/// Puts these bytes at this path, and the directories above it: after a crash the old file stands there or the new one.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), PackageError> {
    let made = path.parent().map_or(Ok(()), fs::create_dir_all);
    made.and_then(|()| file::replace(path, &[bytes], Keep::Openly)).map_err(|error| {
        PackageError::refused("unwritable", format!("{}: can't be written: {error}", path.display()))
            .hint("check the directory's permissions and that the disk is not full")
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

impl From<FileError> for PackageError {
    fn from(error: FileError) -> Self {
        Self::refused("unreadable", error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/file");
        assert_eq!(read(&path, 10).unwrap(), None);
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(read(&path, 10).unwrap().unwrap(), b"two");
        assert!(remove(&path).unwrap());
        assert!(!remove(&path).unwrap());
    }

    #[test]
    fn what_can_not_be_used_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, [0; 11]).unwrap();
        assert_eq!(read(&file, 10).unwrap_err().code, "unreadable");
        assert_eq!(replace(&file.join("below"), b"x").unwrap_err().code, "unwritable");
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(read(&link, 20).unwrap_err().message.contains("symbolic link"));
        assert!(read_named(&link, 20).unwrap().is_some());
    }
}
