//! `shiro plugin inspect`: what a component imports, what it asks for, and its schemas.

use std::io::Write;

use serde_json::{Value, json};

use super::super::Exit;
use super::super::args::plugin::InspectArgs;
use super::super::ci::Environment;
use super::super::error::CliError;
use super::super::project::{package_error, plugin_error};
use super::pin::Found;
use super::{catalog, load_target, options, shown, warn_of};
use crate::capability::Permissions;
use crate::id::StepType;
use crate::package::reference::{Reference, SCHEME};
use crate::plugin::{Catalog, LoadedType, Source, grants_for_any_config};
use crate::policy::Decision;

/// Shows one component.
pub(super) fn inspect(args: &InspectArgs, out: &mut dyn Write) -> Exit {
    let (catalog, policies) = catalog(&args.dirs, &args.operator)?;
    let loaded = match args.target.starts_with(SCHEME) {
        true => in_registry(&catalog, args)?,
        false => load_target(&catalog, &args.target)?,
    };
    warn_of(&catalog)?;
    let variables = Environment::of_process().for_permissions();
    let decision = grants_for_any_config(&loaded, &policies, &variables);
    match args.json {
        true => writeln!(out, "{:#}", document(&loaded, &decision))?,
        false => show(&loaded, &decision, out)?,
    }
    Ok(0)
}

fn in_registry(catalog: &Catalog, args: &InspectArgs) -> Result<LoadedType, CliError> {
    let reference: Reference = args.target.parse().map_err(package_error)?;
    let found = Found::in_registry(&reference, &options(args.registry))?;
    let source = || Source::Package(reference.to_string());
    let loaded = catalog.load_bytes(&StepType::new("component"), &found.bytes, source()).map_err(plugin_error)?;
    // What policies grant goes by the name that `plugin add` would pin it under.
    let own = StepType::new(loaded.description().name.as_str());
    catalog.load_bytes(&own, &found.bytes, source()).map_err(plugin_error)
}

fn document(loaded: &LoadedType, decision: &Decision) -> Value {
    let description = loaded.description();
    json!({
        "type": loaded.step_type(),
        "source": loaded.source().to_string(),
        "digest": loaded.digest(),
        "size": loaded.size(),
        "imports": loaded.imports(),
        "exports": loaded.exports(),
        "description": description,
        "granted": decision.granted,
        "refused": decision.refused,
    })
}

fn show(loaded: &LoadedType, decision: &Decision, out: &mut dyn Write) -> std::io::Result<()> {
    let description = loaded.description();
    let (version, summary) = (shown(&description.version), shown(&description.summary));
    writeln!(out, "{} {version}: {summary}", loaded.step_type())?;
    writeln!(out, "  source   {}", loaded.source())?;
    writeln!(out, "  digest   {}", loaded.digest())?;
    writeln!(out, "  size     {} bytes", loaded.size())?;
    show_permissions(&description.permissions, decision, out)?;
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

fn show_permissions(asks: &Permissions, decision: &Decision, out: &mut dyn Write) -> std::io::Result<()> {
    let lines = asks.lines();
    if lines.is_empty() {
        return writeln!(out, "\nasks for nothing");
    }
    writeln!(out, "\nasks for")?;
    for (kind, what) in lines {
        writeln!(out, "  {kind} {what}")?;
    }
    for (title, lines) in [("is granted", &decision.granted), ("is not granted", &decision.refused)] {
        if !lines.is_empty() {
            writeln!(out, "\n{title}")?;
        }
        for line in lines {
            writeln!(out, "  {line}")?;
        }
    }
    Ok(())
}
