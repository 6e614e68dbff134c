//! `shiro plugin add`: a step type from a registry or a file.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::super::Exit;
use super::super::args::plugin::AddArgs;
use super::super::error::{CliError, PLUGIN};
use super::super::project::{package_error, plugin_error};
use super::pin::{Candidate, Found};
use crate::package::Packages;
use crate::package::lock::Origin;
use crate::package::reference::{Reference, SCHEME};
use crate::package::signature::{self, PublicKey};
use crate::plugin::Catalog;

/// Adds it and pins it. What is there already under that name changes only as `update` would change it.
pub(super) fn add(args: &AddArgs, out: &mut dyn Write) -> Exit {
    let key = args.key.as_deref().map(PublicKey::given).transpose().map_err(package_error)?;
    let mut packages = super::packages(&args.lock.shiro_dir, &args.operator)?;
    let found = match args.source.starts_with(SCHEME) {
        true => {
            let reference: Reference = args.source.parse().map_err(package_error)?;
            Found::in_registry(&reference, &super::options(args.registry))?
        }
        false => in_file(Path::new(&args.source))?,
    };
    let candidate = Candidate::new(found, args.step_type.as_deref(), key.as_ref(), &packages)?;
    check_way(&candidate, &packages)?;
    candidate.pin(&mut packages, args.consent, out)?;
    Ok(0)
}

fn in_file(path: &Path) -> Result<Found, CliError> {
    let bytes = Catalog::new(Vec::new()).read_file(path).map_err(plugin_error)?;
    let minisign = signature::beside(path).map_err(package_error)?;
    Ok(Found { origin: Origin::File, file: Some(path.to_owned()), manifest: None, bytes, minisign })
}

/// A component in plugins/ that is not what is added, and that nothing pins, is somebody's work.
fn check_way(candidate: &Candidate, packages: &Packages) -> Result<(), CliError> {
    let file: PathBuf = packages.plugin_file(&candidate.step_type);
    if packages.pin(&candidate.step_type).is_some() || file.symlink_metadata().is_err() {
        return Ok(());
    }
    let same = std::fs::read(&file).is_ok_and(|bytes| bytes == candidate.bytes);
    if same && candidate.entry.origin == Origin::File {
        return Ok(());
    }
    let message = format!("{} is in the way: it is the component of `{}` already", file.display(), candidate.step_type);
    Err(CliError::new(PLUGIN, message).hint("remove the file, or give the new one another name: -as TYPE"))
}
