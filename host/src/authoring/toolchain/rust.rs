//! Rust: cargo, whose target wasm32-wasip2 makes components.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;

use super::super::error::AuthoringError;
use super::super::tools;
use super::read;

const TARGET: &str = "wasm32-wasip2";

pub(crate) fn build(dir: &Path) -> Result<Vec<u8>, AuthoringError> {
    let cargo =
        tools::find("cargo", dir, &[]).ok_or_else(|| tools::missing("Rust", "install it: https://rustup.rs"))?;
    require_target(dir)?;
    let output = tools::run(
        tools::command(&cargo, dir)
            .args(["build", "--release", "--target", TARGET, "--message-format=json-render-diagnostics"])
            // A build takes long enough for its progress to be worth seeing.
            .stderr(Stdio::inherit()),
    )
    .map_err(|error| AuthoringError { message: first_line(&error.message), ..error })?;
    let built = String::from_utf8_lossy(&output.stdout).lines().filter_map(component).next_back();
    let built = built.ok_or_else(|| {
        AuthoringError::plugin("cargo built no component")
            .with_hint("Cargo.toml needs: [lib]\ncrate-type = [\"cdylib\"]")
    })?;
    read(&built)
}

/// cargo's standard output is for machines; what went wrong was shown already.
fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().trim_end_matches(':').to_owned()
}

fn require_target(dir: &Path) -> Result<(), AuthoringError> {
    let Some(rustc) = tools::find("rustc", dir, &[]) else { return Ok(()) };
    let output = tools::run(tools::command(&rustc, dir).args(["--print", "target-libdir", "--target", TARGET]))?;
    if Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir() {
        return Ok(());
    }
    Err(tools::missing(&format!("Rust's target {TARGET}"), format!("rustup target add {TARGET}")))
}

/// The component that a line of cargo's output tells of: of libraries, the last is the folder's own.
fn component(line: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(line).ok()?;
    let artifact = message["reason"] == "compiler-artifact";
    let library = message["target"]["kind"].as_array()?.iter().any(|kind| kind == "cdylib");
    let mut files = message["filenames"].as_array()?.iter().filter_map(Value::as_str);
    files.find(|file| artifact && library && file.ends_with(".wasm")).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_component_in_cargo_s_messages() {
        let line = r#"{"reason":"compiler-artifact","target":{"kind":["cdylib"]},"filenames":["/t/a.d","/t/a.wasm"]}"#;
        assert_eq!(component(line), Some(PathBuf::from("/t/a.wasm")));
        assert_eq!(component(&line.replace("cdylib", "lib")), None);
        assert_eq!(component(r#"{"reason":"build-finished","success":true}"#), None);
        assert_eq!(component("text"), None);
    }
}
