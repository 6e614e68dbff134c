//! `shiro plugin`: one file for each verb.

mod add;
mod build;
mod case_store;
mod console;
mod extract;
mod fetch;
mod inspect;
mod list;
mod new;
mod pin;
mod publish;
mod remove;
mod run;
mod test;
mod update;
mod verify;

use std::io::{self, Write};
use std::path::Path;

use super::Exit;
use super::args::plugin::{OperatorArgs, PluginDirs, PluginVerb, RegistryArgs};
use super::error::{BUG, CliError, PLUGIN, USAGE};
use super::policy;
use super::project::{self, package_error, plugin_error};
use crate::authoring::{AuthoringError, Fault};
use crate::id::StepType;
use crate::package::registry::Options;
use crate::package::{PackageError, Packages};
use crate::plugin::{Catalog, LoadedType};
use crate::policy::Policies;
use crate::secret::visible::visible;

/// Runs one of the `plugin` verbs.
pub(super) fn plugin(verb: &PluginVerb, out: &mut dyn Write) -> Exit {
    match verb {
        PluginVerb::List(args) => list::list(args, out),
        PluginVerb::Inspect(args) => inspect::inspect(args, out),
        PluginVerb::Run(args) => run::run(args, out),
        PluginVerb::Test(args) => test::test(args, out),
        PluginVerb::Extract(args) => extract::extract(args, out),
        PluginVerb::New(args) => new::new(args, out),
        PluginVerb::Build(args) => build::build(args, out),
        PluginVerb::Add(args) => add::add(args, out),
        PluginVerb::Update(args) => update::update(args, out),
        PluginVerb::Remove(args) => remove::remove(args, out),
        PluginVerb::Fetch(args) => fetch::fetch(args, out),
        PluginVerb::Verify(args) => verify::verify(args, out),
        PluginVerb::Publish(args) => publish::publish(args, out),
    }
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

/// A project's packages, under the policies that hold there.
fn packages(shiro_dir: &Path, operator: &OperatorArgs) -> Result<Packages, CliError> {
    let policies = policy::load(shiro_dir, operator.policy.as_deref())?;
    Packages::open(shiro_dir, policies.trust()).map_err(package_error)
}

/// A project's step types, under the policies that hold there.
pub(super) fn catalog(dirs: &PluginDirs, operator: &OperatorArgs) -> Result<(Catalog, Policies), CliError> {
    let policies = policy::load(&dirs.shiro_dir, operator.policy.as_deref())?;
    Ok((project::catalog(dirs, &policies)?, policies))
}

/// How registries are reached, from this process.
fn options(args: RegistryArgs) -> Options {
    Options { plain_http: args.plain_http, job_env: std::env::vars_os().collect() }
}

/// Waits for what a registry answers.
fn wait<T>(future: impl Future<Output = Result<T, PackageError>>) -> Result<T, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CliError::new(BUG, format!("no tokio runtime: {error}")))?;
    let result = runtime.block_on(future);
    // A credential helper that hangs is not waited for.
    runtime.shutdown_background();
    result.map_err(package_error)
}

fn not_pinned(step_type: &StepType, packages: &Packages) -> CliError {
    let pinned: Vec<&str> = packages.lock().plugins.keys().map(StepType::as_str).collect();
    let pinned = if pinned.is_empty() { "nothing".to_owned() } else { pinned.join(", ") };
    CliError::new(PLUGIN, format!("`{step_type}` is not in {}", packages.lock_path().display()))
        .hint(format!("pinned there: {pinned}"))
}

/// What a component says, on one line and without anything that can't be seen.
fn shown(text: &str) -> String {
    visible(text).replace(['\n', '\t'], " ")
}

/// Several types' errors as one: each has been seen, and the first decides the exit code.
fn all(errors: Vec<CliError>, what: &str) -> Exit {
    let Some(first) = errors.first() else { return Ok(0) };
    let (exit_code, count) = (first.exit_code, errors.len());
    let details = errors.iter().map(|error| format!("{error}\n")).collect();
    Err(CliError {
        details,
        ..CliError::new(exit_code, format!("{count} step type{} {what}", if count == 1 { "" } else { "s" }))
    })
}

/// What went wrong with writing or building a plugin, as the command line's error.
fn authoring_error(error: AuthoringError) -> CliError {
    let exit_code = match error.fault {
        Fault::Usage => USAGE,
        Fault::Plugin => PLUGIN,
    };
    let mut cli_error = CliError::new(exit_code, error.message);
    cli_error.hints.extend(error.hint);
    cli_error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_component_says_forges_no_lines() {
        assert_eq!(shown("1.0.0\n  pinned\u{1b}[2J\r\u{202e}x"), "1.0.0   pinnedx");
        assert_eq!(shown("1.0.0"), "1.0.0");
    }
}
