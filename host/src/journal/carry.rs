//! Journals on their way from one store to another: a file of its own, in clear and without a key.

use std::path::{Path, PathBuf};

use super::error::JournalError;
use super::expect::Expected;
use super::format::{self, Header};
use super::key::StateKey;
use super::name::RunKey;
use super::protect::Protection;
use super::read;
use super::store::{Loaded, Version};

/// The bytes of a journal that says the same, without a key.
///
/// # Errors
///
/// It holds an event that could not be read back.
pub fn export(key: &RunKey, loaded: &Loaded) -> Result<Vec<u8>, JournalError> {
    let unreadable =
        |error: format::EncodeError| JournalError::Unreadable { path: loaded.path.clone(), what: error.to_string() };
    let protection = Protection::new(None, &[]);
    let mut bytes = Vec::new();
    let header = Header::new(key, loaded.origin.clone(), None, &[]);
    let sum = format::push_header(&mut bytes, &protection.chain, &header).map_err(unreadable)?;
    let sum = format::push_batch(&mut bytes, &protection, &sum, 1, &loaded.records).map_err(unreadable)?;
    if loaded.sealed {
        format::push_seal(&mut bytes, &protection.chain, &sum, loaded.records.len() as u64 + 1);
    }
    Ok(bytes)
}

/// Reads a journal that is in no store. One that was made with a state key needs that key; one without is taken as it is,
/// whoever wrote it.
///
/// # Errors
///
/// It does not check, or needs another key.
pub fn read_file(path: &Path, bytes: Vec<u8>, key: Option<&StateKey>) -> Result<Loaded, JournalError> {
    let read = |key| read::read(path, bytes.clone(), key, &Expected::default());
    let contents = match read(key) {
        Err(JournalError::Unauthenticated { .. }) => read(None),
        contents => contents,
    }?;
    Ok(Loaded::new(contents, PathBuf::from(path), Version::Elsewhere))
}
