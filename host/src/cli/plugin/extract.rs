//! `shiro plugin extract`: a built-in component as a file.

use std::fs;
use std::io::Write;

use super::super::Exit;
use super::super::args::plugin::ExtractArgs;
use super::super::error::{CliError, PLUGIN, USAGE};
use crate::plugin::Catalog;

/// Writes the component.
pub(super) fn extract(args: &ExtractArgs, out: &mut dyn Write) -> Exit {
    let ExtractArgs { step_type, file } = args;
    let catalog = Catalog::new(Vec::new());
    let Some(wasm) = catalog.builtin_wasm(step_type) else {
        return Err(CliError::new(PLUGIN, format!("`{step_type}` is not a built-in step type"))
            .hint("`shiro plugin list` shows them"));
    };
    fs::write(file, wasm).map_err(|error| CliError::new(USAGE, format!("can't write {}: {error}", file.display())))?;
    writeln!(out, "{}: {} bytes", file.display(), wasm.len())?;
    Ok(0)
}
