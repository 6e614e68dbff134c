//! Python: componentize-py, which puts CPython and the modules into a component.

use std::path::Path;

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
    for folder in ["sdk", "deps"] {
        if dir.join(folder).is_dir() {
            command.args(["-p", folder]);
        }
    }
    tools::run(command.arg("-o").arg(&component))?;
    read(&component)
}
