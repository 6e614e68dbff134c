//! Directories and files that only this user can write: compiled code is native code, and is trusted like this program.

use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

use crate::file::{self, FileError, Links, Regular};

/// Writable by the group or by everybody.
const OTHERS_WRITE: u32 = 0o022;
/// In such a directory nobody can rename or remove what is not theirs.
const STICKY: u32 = 0o1000;

/// `shiro` in the directory that this variable names, or in this one below the home directory.
pub(super) fn user_dir(variable: &impl Fn(&str) -> Option<OsString>, name: &str, below_home: &str) -> Option<PathBuf> {
    // A relative path is to be ignored: XDG Base Directory Specification 0.8.
    let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute(name).or_else(|| Some(absolute("HOME")?.join(below_home)));
    base.map(|base| base.join("shiro"))
}

/// Makes a directory for this user alone, unless it is there. The error says why it can't be trusted.
pub(super) fn private_dir(path: &Path) -> Result<(), String> {
    let unusable = |error: io::Error| format!("{}: {error}", path.display());
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unusable)?;
    let path = fs::canonicalize(path).map_err(unusable)?;
    for dir in path.ancestors() {
        let metadata = fs::symlink_metadata(dir).map_err(unusable)?;
        let own = metadata.uid() == geteuid().as_raw();
        let leaf = dir == path;
        if !own && (leaf || metadata.uid() != 0) {
            return Err(format!("{}: belongs to another user", dir.display()));
        }
        let shared = metadata.mode() & OTHERS_WRITE != 0;
        if shared && (leaf || metadata.mode() & STICKY == 0) {
            return Err(format!("{}: others can write there; `chmod go-w {0}` ends that", dir.display()));
        }
    }
    Ok(())
}

/// Why a file can't be trusted.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotPrivate {
    /// It is no file of reasonable size.
    #[error(transparent)]
    Unusable(#[from] FileError),
    /// Others can write it.
    #[error("{}: others can write it", .0.display())]
    Shared(PathBuf),
}

/// Opens a file of at most `most` bytes if it is one that only this user can write. `None` if there is none.
pub(super) fn private_file(path: &Path, most: u64) -> Result<Option<Regular>, NotPrivate> {
    let Some(file) = file::open(path, Links::Refuse, most)? else { return Ok(None) };
    let metadata = file.file().metadata().map_err(|error| FileError { path: path.to_owned(), why: error.into() })?;
    let private = metadata.uid() == geteuid().as_raw() && metadata.mode() & OTHERS_WRITE == 0;
    if private { Ok(Some(file)) } else { Err(NotPrivate::Shared(path.to_owned())) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn directories_are_made_for_this_user_alone() {
        let temporary = tempfile::tempdir().unwrap();
        let dir = temporary.path().join("a/b");
        private_dir(&dir).unwrap();
        assert_eq!(fs::metadata(&dir).unwrap().mode() & 0o777, 0o700);
        private_dir(&dir).unwrap();
    }

    #[test]
    fn a_directory_that_others_can_write_is_not_trusted_nor_one_below_it() {
        let temporary = tempfile::tempdir().unwrap();
        let dir = temporary.path().join("open/private");
        private_dir(&dir).unwrap();
        chmod(dir.parent().unwrap(), 0o777);
        let why = private_dir(&dir).unwrap_err();
        assert!(why.contains("chmod go-w") && why.contains("open"), "{why}");
        // As /tmp is.
        chmod(dir.parent().unwrap(), 0o1777);
        private_dir(&dir).unwrap();
        chmod(&dir, 0o1777);
        assert!(private_dir(&dir).is_err());
    }

    #[test]
    fn only_files_of_this_user_are_opened() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("file");
        assert!(private_file(&path, 10).unwrap().is_none());
        fs::write(&path, "x").unwrap();
        chmod(&path, 0o600);
        assert!(private_file(&path, 10).unwrap().is_some());
        chmod(&path, 0o666);
        assert!(private_file(&path, 10).is_err());
        chmod(&path, 0o600);
        let link = temporary.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(private_file(&link, 10).is_err());
    }

    #[test]
    fn the_usual_places() {
        let with = |pairs: &'static [(&str, &str)]| {
            move |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
        };
        let place = |pairs| user_dir(&with(pairs), "XDG_CACHE_HOME", ".cache");
        assert_eq!(place(&[("HOME", "/h")]), Some("/h/.cache/shiro".into()));
        assert_eq!(place(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/c")]), Some("/c/shiro".into()));
        assert_eq!(place(&[("HOME", "/h"), ("XDG_CACHE_HOME", "c")]), Some("/h/.cache/shiro".into()));
        assert_eq!(place(&[("HOME", "h")]), None);
        assert_eq!(place(&[]), None);
    }
}
