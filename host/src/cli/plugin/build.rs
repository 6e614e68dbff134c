//! `shiro plugin build`: sources to a component, and the check that it is a step type.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::super::Exit;
use super::super::args::plugin::BuildArgs;
use super::super::error::{CliError, USAGE};
use super::super::project::plugin_error;
use super::authoring_error;
use crate::authoring;
use crate::file::{Keep, replace};
use crate::id::StepType;
use crate::plugin::{Catalog, Compiler, LoadedType, Source, check_new_name};

/// Builds, checks, and writes `NAME.wasm`.
pub(super) fn build(args: &BuildArgs, out: &mut dyn Write) -> Exit {
    let component = authoring::build(&args.target).map_err(authoring_error)?;
    let loaded = check(&component)?;
    let name = &loaded.description().name;
    check_new_name(name).map_err(|error| plugin_error(error.with_hint("the name stands in the plugin's sources")))?;
    let file = args.output.clone().unwrap_or_else(|| folder(&args.target).join(format!("{name}.wasm")));
    replace(&file, &[&component], Keep::Openly)
        .map_err(|error| CliError::new(USAGE, format!("can't write {}: {error}", file.display())))?;
    let asks = if loaded.description().permissions.is_empty() { "asks for nothing" } else { "asks for permissions" };
    writeln!(out, "{}: {} bytes, {}, {asks}", file.display(), component.len(), loaded.digest())?;
    Ok(0)
}

/// Loads it and asks it what it is, as a run would.
fn check(component: &[u8]) -> Result<LoadedType, CliError> {
    let catalog = Catalog::new(Vec::new()).compiled_by(Compiler::in_child());
    let source = Source::File("the component".into());
    catalog.load_bytes(&StepType::new("component"), component, source).map_err(plugin_error)
}

/// Where the component goes: the plugin's folder, or that of the core module.
fn folder(target: &Path) -> PathBuf {
    match target.is_file() {
        true => target.parent().unwrap_or(Path::new("")).to_owned(),
        false if target == Path::new(".") => PathBuf::new(),
        false => target.to_owned(),
    }
}
