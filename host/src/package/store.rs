//! Components that were fetched, by the digest of their bytes: `.shiro/store/<64 hex digits>.wasm`.
//!
//! The place is in the project, since that is all that a CI system's cache can keep, and what a repository can carry for
//! machines without a network. Nothing in it is believed: whatever is read is hashed first.

use std::fs;
use std::path::{Path, PathBuf};

use super::COMPONENT_BYTES;
use super::error::PackageError;
use super::files;
use crate::id::Digest;

/// A directory of components by digest. It need not exist.
#[derive(Clone, Debug)]
pub struct Store {
    dir: PathBuf,
}

impl Store {
    /// The store in this directory.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// Where the component with this digest is, or would be.
    pub fn path(&self, digest: Digest) -> PathBuf {
        let text = digest.to_string();
        self.dir.join(format!("{}.wasm", text.trim_start_matches("sha256:")))
    }

    /// The component with this digest, and no other bytes; `None` if it is not there.
    pub fn get(&self, digest: Digest) -> Result<Option<Vec<u8>>, PackageError> {
        let path = self.path(digest);
        let again = "shiro plugin fetch";
        let Some(bytes) = files::read(&path, COMPONENT_BYTES).map_err(|error| error.hint(again))? else {
            return Ok(None);
        };
        let found = Digest::of(&bytes);
        if found == digest {
            return Ok(Some(bytes));
        }
        Err(PackageError::refused(
            "tampered",
            format!("{}: its content is not what its name says: it has {found}", path.display()),
        )
        .hint(again))
    }

    /// Keeps a component. Says whether anything was written: what is there already and sound is left alone.
    pub fn put(&self, bytes: &[u8]) -> Result<bool, PackageError> {
        let digest = Digest::of(bytes);
        if matches!(self.get(digest), Ok(Some(_))) {
            return Ok(false);
        }
        files::replace(&self.path(digest), bytes).map(|()| true)
    }

    /// Removes a component, if it is there. Says whether it was.
    pub fn remove(&self, digest: Digest) -> Result<bool, PackageError> {
        let removed = files::remove(&self.path(digest))?;
        // Only an empty directory can be removed, and an empty one is of no use.
        let _ = fs::remove_dir(&self.dir);
        Ok(removed)
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_found_by_its_digest() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path().join("store"));
        let digest = Digest::of(b"component");
        assert_eq!(store.get(digest).unwrap(), None);
        assert!(store.put(b"component").unwrap());
        assert!(!store.put(b"component").unwrap());
        assert_eq!(store.get(digest).unwrap().unwrap(), b"component");
        assert!(store.remove(digest).unwrap());
        assert!(!store.dir().exists());
    }

    #[test]
    fn what_was_tampered_with_is_refused_and_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path());
        let digest = Digest::of(b"component");
        store.put(b"component").unwrap();
        fs::write(store.path(digest), b"componenT").unwrap();
        let error = store.get(digest).unwrap_err();
        assert_eq!(error.code, "tampered");
        assert_eq!(error.hint.as_deref(), Some("shiro plugin fetch"));
        assert!(store.put(b"component").unwrap());
        assert!(store.get(digest).is_ok());
        fs::remove_file(store.path(digest)).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", store.path(digest)).unwrap();
        assert!(store.get(digest).is_err());
        assert!(store.put(b"component").unwrap(), "a link is replaced, not written through");
        assert!(fs::symlink_metadata(store.path(digest)).unwrap().is_file());
    }
}
