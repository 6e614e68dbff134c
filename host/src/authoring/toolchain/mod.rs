//! What each language's tools are called with. Each gives a component, or a core module.

pub(super) mod c;
pub(super) mod go;
pub(super) mod python;
pub(super) mod rust;
pub(super) mod script;

use std::fs;
use std::io;
use std::path::Path;

use super::error::AuthoringError;

/// What a tool has written.
fn read(path: &Path) -> Result<Vec<u8>, AuthoringError> {
    fs::read(path)
        .map_err(|error| AuthoringError::plugin(format!("the tool chain left no {}: {error}", path.display())))
}

/// A file for a tool could not be written.
fn unwritable(error: io::Error) -> AuthoringError {
    AuthoringError::usage(format!("can't write to the temporary folder: {error}"))
}
