//! `shiro plugin`: one file for each verb.

mod extract;
mod inspect;
mod list;

use std::io::Write;

use super::Exit;
use super::args::plugin::{PluginDirs, PluginVerb};
use super::project::plugin_dirs;
use crate::plugin::Catalog;

/// Runs one of the `plugin` verbs.
pub(super) fn plugin(verb: &PluginVerb, out: &mut dyn Write) -> Exit {
    match verb {
        PluginVerb::List(args) => list::list(args, out),
        PluginVerb::Inspect(args) => inspect::inspect(args, out),
        PluginVerb::Extract(args) => extract::extract(args, out),
    }
}

fn catalog(dirs: &PluginDirs) -> Catalog {
    Catalog::new(plugin_dirs(&dirs.shiro_dir, &dirs.plugin_dir))
}
