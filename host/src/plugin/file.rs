//! Component files: finding them, and reading them without being led astray.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::builtin;
use super::error::PluginError;
use super::limits::COMPONENT_BYTES;
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

/// The bytes of a regular file of reasonable size.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, PluginError> {
    let error = |code, what: String| PluginError::new(code, format!("{}: {what}", path.display()));
    let unreadable = |source: io::Error| error("unreadable", format!("can't be read: {source}"));
    // Looked at before it is opened, since opening a device may do things, and again afterwards, since it may have been
    // replaced; without blocking, since a pipe would.
    check(path, &fs::metadata(path).map_err(unreadable)?)?;
    let nonblocking = OFlags::NONBLOCK.bits() as i32;
    let file = OpenOptions::new().read(true).custom_flags(nonblocking).open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    check(path, &metadata)?;
    let bytes = bounded(&file, metadata.len()).map_err(unreadable)?;
    if bytes.len() as u64 > COMPONENT_BYTES {
        return Err(too_large(path));
    }
    Ok(bytes)
}

fn bounded(file: &File, expected: u64) -> io::Result<Vec<u8>> {
    // One more, to see that there is no more.
    let mut bytes = Vec::with_capacity(usize::try_from(expected.min(COMPONENT_BYTES)).map_or(0, |len| len + 1));
    file.take(COMPONENT_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn check(path: &Path, metadata: &fs::Metadata) -> Result<(), PluginError> {
    let kind = metadata.file_type();
    let what = if kind.is_file() {
        return if metadata.len() > COMPONENT_BYTES { Err(too_large(path)) } else { Ok(()) };
    } else if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    Err(PluginError::new("not-a-file", format!("{}: {what}, not a file", path.display()))
        .with_hint("a step type is a .wasm file"))
}

fn too_large(path: &Path) -> PluginError {
    PluginError::new("too-large", format!("{}: larger than {} MiB", path.display(), COMPONENT_BYTES >> 20))
        .with_hint("build it with size optimisation and without debug information")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_of_reasonable_size_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let code = |path: &Path| read(path).unwrap_err().code;
        assert_eq!(code(dir.path()), "not-a-file");
        assert_eq!(code(Path::new("/dev/zero")), "not-a-file");
        assert_eq!(code(&dir.path().join("missing.wasm")), "unreadable");

        let fifo = dir.path().join("fifo.wasm");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        assert_eq!(code(&fifo), "not-a-file");

        let sparse = dir.path().join("sparse.wasm");
        File::create(&sparse).unwrap().set_len(2 << 30).unwrap();
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
