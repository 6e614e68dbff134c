//! `shiro plugin update`: what changes, and then that.

use std::io::Write;

use super::super::Exit;
use super::super::args::plugin::UpdateArgs;
use super::super::error::CliError;
use super::super::project::{package_error, plugin_error};
use super::pin::{Candidate, Found};
use crate::id::{Digest, StepType};
use crate::package::Packages;
use crate::package::lock::{Entry, Origin};
use crate::package::registry::{Access, Options, Registry};
use crate::package::signature;
use crate::plugin::Catalog;

/// Looks for newer components, one type after the other; what can't be updated keeps no other from it.
pub(super) fn update(args: &UpdateArgs, out: &mut dyn Write) -> Exit {
    let mut packages = super::packages(&args.lock.shiro_dir, &args.operator)?;
    let wanted: Vec<StepType> = match &args.step_type {
        Some(name) => vec![StepType::new(name.as_str())],
        None => packages.lock().plugins.keys().cloned().collect(),
    };
    let options = super::options(args.registry);
    let mut errors = Vec::new();
    for step_type in wanted {
        let Some(entry) = packages.pin(&step_type).cloned() else {
            return Err(super::not_pinned(&step_type, &packages));
        };
        match candidate(&step_type, &entry, &packages, &options) {
            Ok(Some(candidate)) => match candidate.pin(&mut packages, args.consent, out) {
                Ok(_) => {}
                Err(error) => errors.push(error),
            },
            Ok(None) => writeln!(out, "{step_type}: nothing newer at {}", entry.origin.text(&step_type))?,
            Err(error) => errors.push(error),
        }
    }
    super::all(errors, "not updated")
}

/// What would be pinned now; `None` if that is what is pinned.
fn candidate(
    step_type: &StepType,
    entry: &Entry,
    packages: &Packages,
    options: &Options,
) -> Result<Option<Candidate>, CliError> {
    let found = match &entry.origin {
        Origin::Registry(reference) => {
            let now = super::wait(async { Registry::open(reference, Access::Pull, options)?.resolve().await })?;
            if Some(now.manifest) == entry.manifest {
                return Ok(None);
            }
            Found::in_registry(reference, options)?
        }
        Origin::File => {
            let file = packages.plugin_file(step_type);
            let bytes = Catalog::new(Vec::new()).read_file(&file).map_err(plugin_error)?;
            if Digest::of(&bytes) == entry.component {
                return Ok(None);
            }
            let minisign = signature::beside(&file).map_err(package_error)?;
            Found { origin: Origin::File, file: Some(file), manifest: None, bytes, minisign }
        }
    };
    let key = entry.signature.as_ref().map(|signed| &signed.key);
    Candidate::new(found, Some(step_type.as_str()), key, packages).map(Some)
}
