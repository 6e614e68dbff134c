//! Component files: their names, finding them, opening them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::builtin;
use super::error::PluginError;
use super::limits::COMPONENT_BYTES;
use crate::file::{self, FileError, Links, Regular, Why};
use crate::id::is_type_name;

/// Checks that a new step type can have this name.
pub fn check_new_name(name: &str) -> Result<(), PluginError> {
    if builtin::find(name).is_some() {
        return Err(PluginError::new("shadows-built-in", format!("`{name}` is a built-in step type"))
            .with_hint("choose another name: it can't replace what is built in"));
    }
    // The file's name is one, and the description's schema has a stricter rule.
    let dotted = name.split(['.', '-', '_']).all(|part| !part.is_empty());
    if !is_type_name(name) || !dotted || !name.starts_with(|first: char| first.is_ascii_lowercase()) || name.len() > 100
    {
        return Err(PluginError::new("bad-name", format!("`{name}` can't be the name of a step type")).with_hint(
            "lower-case letters and digits, in parts with a dot, dash or underscore between them, e.g. `acme.check`",
        ));
    }
    Ok(())
}

/// The `.wasm` files of a directory by type, sorted. A directory that doesn't exist has none.
pub(super) fn list(dir: &Path) -> Result<Vec<(String, PathBuf)>, PluginError> {
    let unreadable = |error: io::Error| {
        PluginError::new("unreadable", format!("{}: the directory can't be read: {error}", dir.display()))
            .with_hint("check its permissions")
    };
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "wasm") {
            files.push((path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), path));
        }
    }
    files.sort();
    Ok(files)
}

/// Opens a component file: a regular one, of reasonable size. Links are followed: what it holds is checked.
pub(super) fn open(path: &Path) -> Result<Regular, PluginError> {
    match file::open(path, Links::Follow, COMPONENT_BYTES) {
        Ok(Some(file)) => Ok(file),
        Ok(None) => Err(PluginError::new("unreadable", format!("{}: there is no such file", path.display()))),
        Err(error) => Err(error.into()),
    }
}

impl From<FileError> for PluginError {
    fn from(error: FileError) -> Self {
        let (code, hint) = match error.why {
            Why::NotAFile(_) => ("not-a-file", Some("a step type is a .wasm file")),
            Why::TooLarge(_) => ("too-large", Some("build it with size optimisation and without debug information")),
            Why::Io(_) => ("unreadable", None),
        };
        let plain = Self::new(code, error.to_string());
        hint.map_or(plain.clone(), |hint| plain.with_hint(hint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_are_opened() {
        let dir = tempfile::tempdir().unwrap();
        let code = |path: &Path| open(path).unwrap_err().code;
        assert_eq!(code(dir.path()), "not-a-file");
        assert_eq!(code(Path::new("/dev/zero")), "not-a-file");
        assert_eq!(code(&dir.path().join("missing.wasm")), "unreadable");
        let sparse = dir.path().join("sparse.wasm");
        fs::File::create(&sparse).unwrap().set_len(2 << 30).unwrap();
        assert_eq!(code(&sparse), "too-large");
    }

    #[test]
    fn a_directory_lists_only_components() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.wasm", "a.wasm", "a.cwasm", "README.md"] {
            fs::write(dir.path().join(name), b"").unwrap();
        }
        let names: Vec<String> = list(dir.path()).unwrap().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["a", "b"]);
        assert!(list(&dir.path().join("missing")).unwrap().is_empty());
    }
}
