//! `shiro types`: what step types there are, and what each takes, gives and asks for, as its description says.

mod keys;
mod show;

use std::io::Write;

use serde_json::{Value, json};

use self::show::Document;
use super::Exit;
use super::args::types::TypesArgs;
use super::project::{catalog, plugin_error};
use crate::id::StepType;
use crate::plugin::{Catalog, LoadedType, aliases, builtin_name};
use crate::secret::visible::visible;

/// Lists the types, or documents one.
pub(super) fn types(args: &TypesArgs, out: &mut dyn Write) -> Exit {
    let catalog = catalog(&args.dirs)?;
    let Some(name) = &args.name else { return list(&catalog, args, out) };
    let loaded = catalog.load(&StepType::new(name.as_str())).map_err(plugin_error)?;
    let document = document(&loaded);
    match (args.json, args.markdown) {
        (true, _) => writeln!(out, "{:#}", json!({ "type": document.name, "description": document.description }))?,
        (false, true) => write!(out, "{}", document.markdown())?,
        (false, false) => write!(out, "{}", document.text())?,
    }
    Ok(0)
}

/// A built-in type is documented under its own name.
fn document(loaded: &LoadedType) -> Document<'_> {
    let name = loaded.step_type().as_str();
    let own = builtin_name(name).filter(|_| loaded.builtin());
    Document {
        name: own.unwrap_or(name),
        aliases: own.map(aliases).unwrap_or_default(),
        description: loaded.description(),
    }
}

/// Every type with its summary. One that can't be loaded is listed with why.
fn list(catalog: &Catalog, args: &TypesArgs, out: &mut dyn Write) -> Exit {
    let names = catalog.names().map_err(plugin_error)?;
    let loaded = catalog.load_all(names.into_iter().map(|known| known.step_type));
    let mut rows: Vec<(String, Result<String, String>)> = Vec::new();
    for (step_type, loaded) in loaded {
        let own = builtin_name(step_type.as_str()).filter(|own| *own != step_type.as_str());
        let summary = match (own, loaded) {
            (Some(own), Ok(_)) => Ok(format!("Another name of {own}.")),
            (None, Ok(loaded)) => Ok(visible(&loaded.description().summary).into_owned()),
            (_, Err(error)) => Err(visible(&error.message).into_owned()),
        };
        rows.push((step_type.to_string(), summary));
    }
    if args.json {
        let types: Vec<Value> = rows
            .iter()
            .map(|(name, summary)| match summary {
                Ok(summary) => json!({ "type": name, "summary": summary }),
                Err(error) => json!({ "type": name, "error": error }),
            })
            .collect();
        writeln!(out, "{:#}", json!({ "types": types }))?;
        return Ok(0);
    }
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, summary) in &rows {
        match summary {
            Ok(summary) if args.markdown => {
                writeln!(out, "| [`{name}`]({name}.md) | {} |", summary.replace('|', "\\|"))?
            }
            Ok(summary) => writeln!(out, "{name:width$}  {summary}")?,
            Err(_) if args.markdown => {}
            Err(error) => writeln!(out, "{name:width$}  can't be loaded: {error}")?,
        }
    }
    Ok(0)
}
