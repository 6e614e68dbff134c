//! `shiro plugin fetch`: everything in the lock file, so that no network is needed later.

use std::io::Write;

use super::super::Exit;
use super::super::args::plugin::FetchArgs;
use super::super::error::{CliError, PLUGIN};
use super::super::project::package_error;
use crate::id::StepType;
use crate::package::Packages;
use crate::package::lock::{Entry, Origin};
use crate::package::reference::Reference;
use crate::package::registry::{Access, Options, Registry};

/// Fetches what is not there, or not what it should be.
pub(super) fn fetch(args: &FetchArgs, out: &mut dyn Write) -> Exit {
    let packages = super::packages(&args.lock.shiro_dir, &args.operator)?;
    let options = super::options(args.registry);
    let mut errors = Vec::new();
    for (step_type, entry) in &packages.lock().plugins {
        let fetched = match (&entry.origin, packages.component(step_type, entry)) {
            (_, Ok(_)) => {
                writeln!(out, "{step_type}: there")?;
                continue;
            }
            (Origin::File, Err(error)) => Err(package_error(error)),
            (Origin::Registry(reference), Err(_)) => from_registry(step_type, entry, reference, &packages, &options),
        };
        match fetched {
            Ok(size) => writeln!(out, "{step_type}: fetched, {size} bytes")?,
            Err(error) => errors.push(error),
        }
    }
    super::all(errors, "could not be fetched")
}

fn from_registry(
    step_type: &StepType,
    entry: &Entry,
    reference: &Reference,
    packages: &Packages,
    options: &Options,
) -> Result<usize, CliError> {
    let manifest = entry.manifest.ok_or_else(|| CliError::new(PLUGIN, format!("`{step_type}` has no manifest")))?;
    let bytes = super::wait(async {
        let mut registry = Registry::open(reference, Access::Pull, options)?;
        let artifact = registry.resolve_digest(manifest).await?;
        registry.fetch(&artifact).await
    })?;
    let name = reference.to_string();
    packages.check_bytes(step_type, &bytes, crate::id::Digest::of(&bytes), &name).map_err(package_error)?;
    packages.store().put(&bytes).map_err(package_error)?;
    Ok(bytes.len())
}
