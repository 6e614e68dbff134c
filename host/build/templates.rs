//! The files that `shiro plugin new` writes and `shiro plugin build` needs, as a table of what is embedded.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// The folders, relative to the repository, and the names that their files get in the table.
const FOLDERS: [(&str, &str); 7] = [
    ("plugins/templates", "templates"),
    ("plugins/sdk-rust", "sdk/rust"),
    ("plugins/sdk-js", "sdk/js"),
    ("plugins/sdk-python", "sdk/python"),
    ("plugins/sdk-c", "sdk/c"),
    ("plugins/sdk-go", "sdk/go"),
    ("wit", "wit"),
];

/// What is embedded: other files in these folders are left behind by tools.
const EXTENSIONS: [&str; 16] =
    ["c", "go", "h", "in", "js", "json", "lock", "md", "mod", "py", "rs", "toml", "ts", "txt", "wit", ""];

/// The text of a Rust table: name and content of each file, sorted by name.
pub(super) fn table(repository: &Path) -> Result<String, String> {
    let mut files = Vec::new();
    for (folder, name) in FOLDERS {
        collect(&repository.join(folder), name, &mut files)?;
    }
    files.sort();
    let mut table = format!("static FILES: [(&str, &[u8]); {}] = [\n", files.len());
    for (name, path) in files {
        let path = path.to_str().ok_or_else(|| format!("{}: a path that is not text", path.display()))?;
        // Writing to a String can't fail.
        let _ = writeln!(table, "    ({name:?}, include_bytes!({path:?})),");
    }
    table.push_str("];\n");
    Ok(table)
}

fn collect(folder: &Path, name: &str, files: &mut Vec<(String, PathBuf)>) -> Result<(), String> {
    let error = |error: io::Error| format!("{}: {error}", folder.display());
    for entry in fs::read_dir(folder).map_err(error)? {
        let path = entry.map_err(error)?.path();
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let name = format!("{name}/{file}");
        // The Rust SDK's link to `wit` is left out: `wit` is there by itself.
        if path.is_symlink() || file.starts_with('.') || matches!(&*file, "__pycache__" | "node_modules" | "target") {
            continue;
        }
        if path.is_dir() {
            collect(&path, &name, files)?;
        } else if EXTENSIONS.contains(&&*path.extension().unwrap_or_default().to_string_lossy()) {
            files.push((name, path));
        }
    }
    Ok(())
}
