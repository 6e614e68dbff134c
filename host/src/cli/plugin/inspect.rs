//! `shiro plugin inspect`: what a component imports, what it asks for, and its schemas.

use std::io::Write;

use serde_json::{Value, json};

use super::super::Exit;
use super::super::args::plugin::InspectArgs;
use super::super::error::CliError;
use super::super::project::{package_error, plugin_error};
use super::pin::Found;
use super::{catalog, load_target, options, shown, warn_of};
use crate::id::StepType;
use crate::package::reference::{Reference, SCHEME};
use crate::plugin::{Catalog, LoadedType, Source};

/// Shows one component.
pub(super) fn inspect(args: &InspectArgs, out: &mut dyn Write) -> Exit {
    let catalog = catalog(&args.dirs)?;
    let loaded = match args.target.starts_with(SCHEME) {
        true => in_registry(&catalog, args)?,
        false => load_target(&catalog, &args.target)?,
    };
    warn_of(&catalog)?;
    match args.json {
        true => writeln!(out, "{:#}", document(&loaded))?,
        false => show(&loaded, out)?,
    }
    Ok(0)
}

fn in_registry(catalog: &Catalog, args: &InspectArgs) -> Result<LoadedType, CliError> {
    let reference: Reference = args.target.parse().map_err(package_error)?;
    let found = Found::in_registry(&reference, &options(args.registry))?;
    let name = reference.path().rsplit('/').next().unwrap_or_default();
    let source = Source::Package(reference.to_string());
    catalog.load_bytes(&StepType::new(name), &found.bytes, source).map_err(plugin_error)
}

fn document(loaded: &LoadedType) -> Value {
    let description = loaded.description();
    json!({
        "type": loaded.step_type(),
        "source": loaded.source().to_string(),
        "digest": loaded.digest(),
        "size": loaded.size(),
        "imports": loaded.imports(),
        "exports": loaded.exports(),
        "description": description,
    })
}

fn show(loaded: &LoadedType, out: &mut dyn Write) -> std::io::Result<()> {
    let description = loaded.description();
    let (version, summary) = (shown(&description.version), shown(&description.summary));
    writeln!(out, "{} {version}: {summary}", loaded.step_type())?;
    writeln!(out, "  source   {}", loaded.source())?;
    writeln!(out, "  digest   {}", loaded.digest())?;
    writeln!(out, "  size     {} bytes", loaded.size())?;
    let asks = &description.permissions;
    if asks.is_empty() {
        writeln!(out, "\nasks for nothing")?;
    } else {
        writeln!(out, "\nasks for")?;
        for network in &asks.network {
            writeln!(out, "  network  the host of {}", network.url)?;
        }
        for process in &asks.process {
            let inherits = if process.inherit_environment { ", with the job's environment" } else { "" };
            let program = if process.program == "*" { "any program" } else { &process.program };
            writeln!(out, "  process  {program}{inherits}")?;
        }
    }
    if !loaded.builtin() && !asks.is_empty() {
        writeln!(out, "  (not granted: step types that are not built in run without grants)")?;
    }
    for (title, lines) in
        [("exports", loaded.exports()), ("imports (each does nothing without a grant)", loaded.imports())]
    {
        writeln!(out, "\n{title}")?;
        for line in lines {
            writeln!(out, "  {line}")?;
        }
    }
    writeln!(out, "\nconfig schema\n{:#}", description.config_schema)?;
    writeln!(out, "\noutput schema\n{:#}", description.output_schema)
}
