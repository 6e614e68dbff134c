//! Python: componentize-py, which puts CPython and the modules into a component.

use std::path::Path;
use std::{fs, io};

use super::super::component::WORLD;
use super::super::error::AuthoringError;
use super::super::{files, tools};
use super::{read, unwritable};

pub(crate) fn build(dir: &Path, scratch: &Path) -> Result<Vec<u8>, AuthoringError> {
    let tool = tools::find("componentize-py", dir, &[".venv/bin"]).ok_or_else(|| {
        let hint = "in the plugin's folder: `python3 -m venv .venv && .venv/bin/pip install componentize-py==0.25.1`";
        tools::missing("componentize-py", hint)
    })?;
    let (wit, component) = (scratch.join("wit"), scratch.join("plugin.wasm"));
    files::write_wit(&wit, str::to_owned).map_err(unwritable)?;
    let mut command = tools::command(&tool, dir);
    command.arg("-d").arg(&wit).args(["-w", WORLD, "componentize", "shiro_step_main", "-p", "."]);
    // Of a copy: Python leaves what it compiled beside the sources, and the SDK may be someone else's folder.
    for folder in ["sdk", "deps"].map(|folder| (dir.join(folder), scratch.join(folder))) {
        if folder.0.is_dir() {
            copy(&folder.0, &folder.1).map_err(unwritable)?;
            command.arg("-p").arg(&folder.1);
        }
    }
    tools::run(command.arg("-o").arg(&component))?;
    read(&component)
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if !path.is_dir() {
            fs::copy(path, target)?;
        } else if entry.file_name() != "__pycache__" {
            copy(&path, &target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_copied_without_what_python_left() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::create_dir_all(from.join("package/__pycache__")).unwrap();
        fs::write(from.join("package/one.py"), "1").unwrap();
        fs::write(from.join("package/__pycache__/one.pyc"), "2").unwrap();
        copy(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(to.join("package/one.py")).unwrap(), "1");
        assert!(!to.join("package/__pycache__").exists());
    }
}
