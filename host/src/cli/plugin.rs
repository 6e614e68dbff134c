//! `shiro plugin`: looking at step types.

use std::fs;
use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};

use super::Exit;
use super::args::{PluginDirs, PluginVerb};
use super::error::{CliError, PLUGIN, USAGE};
use super::project::{plugin_dirs, plugin_error};
use crate::id::StepType;
use crate::plugin::{Catalog, LoadedType};

/// Runs one of the `plugin` verbs.
pub(super) fn plugin(verb: &PluginVerb, out: &mut dyn Write) -> Exit {
    match verb {
        PluginVerb::List { dirs, json } => list(dirs, *json, out),
        PluginVerb::Inspect { target, dirs, json } => inspect(target, dirs, *json, out),
        PluginVerb::Extract { step_type, file } => extract(step_type, file, out),
    }
}

fn catalog(dirs: &PluginDirs) -> Catalog {
    Catalog::new(plugin_dirs(&dirs.shiro_dir, &dirs.plugin_dir))
}

fn list(dirs: &PluginDirs, json: bool, out: &mut dyn Write) -> Exit {
    let known = catalog(dirs).names().map_err(plugin_error)?;
    if json {
        let types: Vec<Value> =
            known.iter().map(|known| json!({ "type": known.step_type, "source": known.source.to_string() })).collect();
        writeln!(out, "{:#}", json!({ "types": types }))?;
        return Ok(0);
    }
    let width = known.iter().map(|known| known.step_type.as_str().len()).max().unwrap_or(0);
    for known in &known {
        writeln!(out, "{:width$}  {}", known.step_type, known.source)?;
    }
    Ok(0)
}

fn inspect(target: &str, dirs: &PluginDirs, json: bool, out: &mut dyn Write) -> Exit {
    let catalog = catalog(dirs);
    let path = Path::new(target);
    let is_file = target.contains('/') || path.extension().is_some_and(|extension| extension == "wasm");
    let loaded = match is_file {
        true => catalog.load_file(path),
        false => catalog.load(&StepType::new(target)),
    };
    let loaded = loaded.map_err(plugin_error)?;
    match json {
        true => writeln!(out, "{:#}", document(&loaded))?,
        false => show(&loaded, out)?,
    }
    Ok(0)
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
    writeln!(out, "{} {}: {}", loaded.step_type(), description.version, description.summary)?;
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

fn extract(step_type: &str, file: &Path, out: &mut dyn Write) -> Exit {
    let catalog = Catalog::new(Vec::new());
    let Some(wasm) = catalog.builtin_wasm(step_type) else {
        return Err(CliError::new(PLUGIN, format!("`{step_type}` is not a built-in step type"))
            .hint("`shiro plugin list` shows them"));
    };
    fs::write(file, wasm).map_err(|error| CliError::new(USAGE, format!("can't write {}: {error}", file.display())))?;
    writeln!(out, "{}: {} bytes", file.display(), wasm.len())?;
    Ok(0)
}
