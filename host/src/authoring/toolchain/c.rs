//! C: zig's C compiler, which brings a C library, or clang with wasi-libc.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::error::AuthoringError;
use super::super::tools;
use super::read;

/// Enough for what a step does, and memory that it doesn't pay for is left for its data.
const STACK: &str = "-Wl,-z,stack-size=1048576";

pub(crate) fn build(dir: &Path, scratch: &Path) -> Result<Vec<u8>, AuthoringError> {
    let mut sources = sources(dir)?;
    sources.extend(sources_of(&dir.join("sdk")));
    let core = scratch.join("core.wasm");
    tools::run(
        compiler(dir)?
            .args(["--target=wasm32-wasi", "-std=c11", "-Os", "-Wall", "-mexec-model=reactor", STACK])
            .args(&sources)
            .arg("-o")
            .arg(&core),
    )?;
    read(&core)
}

fn sources(dir: &Path) -> Result<Vec<PathBuf>, AuthoringError> {
    let found = sources_of(dir);
    if found.is_empty() {
        return Err(AuthoringError::usage(format!("{}: there is no .c file", dir.display())));
    }
    Ok(found)
}

/// The `.c` files of a folder, sorted. A folder that can't be read has none: the SDK may be elsewhere.
fn sources_of(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "c")).collect();
    found.sort();
    found
}

fn compiler(dir: &Path) -> Result<Command, AuthoringError> {
    for zig in ["zig", "python-zig"] {
        if let Some(zig) = tools::find(zig, dir, &[".venv/bin"]) {
            let mut command = tools::command(&zig, dir);
            command.arg("cc");
            return Ok(command);
        }
    }
    let clang = tools::find("clang", dir, &[]).ok_or_else(|| {
        let hint = "install zig: `python3 -m venv .venv && .venv/bin/pip install ziglang==0.17.1` in the plugin's folder, \
                    or https://ziglang.org/download; clang with wasi-libc works as well";
        tools::missing("a C compiler for WebAssembly", hint)
    })?;
    Ok(tools::command(&clang, dir))
}
