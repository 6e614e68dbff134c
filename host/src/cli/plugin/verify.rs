//! `shiro plugin verify`: is everything what it was when it was pinned?

use std::io::Write;

use super::super::Exit;
use super::super::args::plugin::VerifyArgs;
use super::super::error::CliError;
use super::super::project::{package_error, plugin_error};
use crate::package::lock::Origin;
use crate::plugin::Source;

/// Loads every pinned component as a run would: digest, signature, what it asks for. Names what is not pinned.
pub(super) fn verify(args: &VerifyArgs, out: &mut dyn Write) -> Exit {
    let packages = super::packages(&args.dirs.shiro_dir, &args.operator)?;
    let (catalog, _) = super::catalog(&args.dirs, &args.operator)?;
    let mut errors: Vec<CliError> = Vec::new();
    let mut found = false;
    for known in catalog.names().map_err(plugin_error)? {
        let name = known.step_type;
        let Some(entry) = packages.pin(&name) else {
            if let Source::File(path) = &known.source {
                found = true;
                let place = path.display().to_string();
                writeln!(out, "{name}: not pinned ({place})")?;
                let accepted = packages.trust().check(&Origin::File.text(&name), None, &place);
                errors.extend(accepted.err().map(package_error));
            }
            continue;
        };
        found = true;
        let signed = entry.signature.as_ref().map(|signed| format!(", signed by {}", signed.key)).unwrap_or_default();
        match catalog.load(&name) {
            Ok(loaded) => writeln!(out, "{name}: OK, {}{signed}", loaded.digest())?,
            Err(error) => errors.push(plugin_error(error)),
        }
    }
    if !found {
        writeln!(
            out,
            "nothing to verify: {} pins nothing, and every step type is built in",
            packages.lock_path().display()
        )?;
    }
    super::all(errors, "did not verify")
}
