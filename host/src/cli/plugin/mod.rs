//! `shiro plugin`: one file for each verb.

mod console;
mod extract;
mod inspect;
mod list;
mod run;
mod test;

use std::io::{self, Write};
use std::path::Path;

use super::Exit;
use super::args::plugin::{PluginDirs, PluginVerb};
use super::error::CliError;
use super::project::{self, plugin_error};
use crate::id::StepType;
use crate::plugin::{Catalog, LoadedType};

/// Runs one of the `plugin` verbs.
pub(super) fn plugin(verb: &PluginVerb, out: &mut dyn Write) -> Exit {
    match verb {
        PluginVerb::List(args) => list::list(args, out),
        PluginVerb::Inspect(args) => inspect::inspect(args, out),
        PluginVerb::Run(args) => run::run(args, out),
        PluginVerb::Test(args) => test::test(args, out),
        PluginVerb::Extract(args) => extract::extract(args, out),
    }
}

fn catalog(dirs: &PluginDirs) -> Catalog {
    project::catalog(&dirs.shiro_dir, &dirs.plugin_dir, dirs.no_cache)
}

/// The component that a FILE or TYPE names: a path has a slash, or ends in `.wasm`.
fn load_target(catalog: &Catalog, target: &str) -> Result<LoadedType, CliError> {
    let path = Path::new(target);
    let is_file = target.contains('/') || path.extension().is_some_and(|extension| extension == "wasm");
    let loaded = match is_file {
        true => catalog.load_file(path),
        false => catalog.load(&StepType::new(target)),
    };
    loaded.map_err(plugin_error)
}

/// Shows what the user should know of how components were loaded.
fn warn_of(catalog: &Catalog) -> io::Result<()> {
    catalog.take_notices().iter().try_for_each(|notice| writeln!(io::stderr(), "warning: {notice}"))
}
