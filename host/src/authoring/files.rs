//! The templates, the SDKs and the WIT: part of this binary, so that nothing has to be fetched.

use std::fs;
use std::io;
use std::path::Path;

include!(concat!(env!("OUT_DIR"), "/templates.rs"));

/// The files of an embedded folder: their paths in it, with slashes, and what they hold. Sorted by path.
pub(super) fn folder(name: &str) -> impl Iterator<Item = (&'static str, &'static [u8])> {
    let prefix = format!("{name}/");
    FILES.iter().filter_map(move |(path, content)| Some((path.strip_prefix(&prefix)?, *content)))
}

/// Writes a file, and the folders above it.
pub(super) fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(path, content)
}

/// Writes the interface that plugins are built against, as it is or changed.
pub(super) fn write_wit(dir: &Path, change: impl Fn(&str) -> String) -> io::Result<()> {
    for (path, content) in folder("wit").filter(|(path, _)| path.ends_with(".wit")) {
        write(&dir.join(path), change(&String::from_utf8_lossy(content)).as_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_a_plugin_needs_is_embedded() {
        for name in ["sdk/rust", "sdk/js", "sdk/python", "sdk/c", "sdk/go", "wit", "templates/common"] {
            assert!(folder(name).next().is_some(), "{name}");
        }
        assert!(folder("wit").any(|(path, _)| path == "deps/http.wit"));
        assert!(folder("sdk").all(|(path, _)| !path.contains("__pycache__")));
    }
}
