//! `shiro plugin remove`: a step type that was added.

use std::io::Write;

use super::super::Exit;
use super::super::args::plugin::RemoveArgs;
use super::super::project::package_error;
use crate::id::StepType;
use crate::package::lock::Origin;
use crate::package::{Packages, Trust};

/// Takes it out of the lock file, and its component away unless somebody changed it.
pub(super) fn remove(args: &RemoveArgs, out: &mut dyn Write) -> Exit {
    let mut packages = Packages::open(&args.lock.shiro_dir, Trust::default()).map_err(package_error)?;
    let step_type = StepType::new(args.step_type.as_str());
    let Some(entry) = packages.pin(&step_type).cloned() else {
        return Err(super::not_pinned(&step_type, &packages));
    };
    packages.change_lock(|lock| drop(lock.plugins.remove(&step_type))).map_err(package_error)?;
    writeln!(out, "{step_type}: removed from {}", packages.lock_path().display())?;
    match entry.origin {
        Origin::Registry(_) => packages.tidy(entry.component).map_err(package_error)?,
        Origin::File => {
            let file = packages.plugin_file(&step_type);
            if packages.remove_file(&file, entry.component).map_err(package_error)? {
                writeln!(out, "  {} is removed too", file.display())?;
            } else if file.exists() {
                writeln!(out, "  {} is kept: it is not what was pinned", file.display())?;
            }
        }
    }
    Ok(0)
}
