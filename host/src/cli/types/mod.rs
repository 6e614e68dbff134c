//! `shiro types`: what step types there are, and what each takes, gives and asks for, as its description says.

mod keys;
mod show;

use std::io::Write;

use serde_json::{Value, json};

use self::show::Document;
use super::Exit;
use super::args::types::TypesArgs;
use super::plugin;
use super::project::plugin_error;
use crate::id::StepType;
use crate::plugin::{Catalog, LoadedType, aliases, builtin_name};
use crate::secret::visible::visible;
use crate::workflow::subworkflow;

/// Lists the types, or documents one.
pub(super) fn types(args: &TypesArgs, out: &mut dyn Write) -> Exit {
    let (catalog, _) = plugin::catalog(&args.dirs, &args.operator)?;
    let Some(name) = &args.name else { return list(&catalog, args, out) };
    let loaded = match name.as_str() {
        subworkflow::TYPE => None,
        name => Some(catalog.load(&StepType::new(name)).map_err(plugin_error)?),
    };
    let document = match &loaded {
        Some(loaded) => document(loaded),
        None => Document { name: subworkflow::TYPE, aliases: &[], description: subworkflow::description() },
    };
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

/// A line of the list.
struct Row {
    name: String,
    /// The type whose other name this is.
    alias_of: Option<&'static str>,
    /// What it does, or why it can't be loaded.
    summary: Result<String, String>,
}

/// Every type with its summary. One that can't be loaded is listed with why.
fn list(catalog: &Catalog, args: &TypesArgs, out: &mut dyn Write) -> Exit {
    let names = catalog.names().map_err(plugin_error)?;
    let mut rows = Vec::new();
    for (step_type, loaded) in catalog.load_all(names.into_iter().map(|known| known.step_type)) {
        let alias_of = builtin_name(step_type.as_str())
            .filter(|own| *own != step_type.as_str() && loaded.as_ref().is_ok_and(|loaded| loaded.builtin()));
        let summary = match loaded {
            Ok(loaded) => Ok(visible(&loaded.description().summary).into_owned()),
            Err(error) => Err(visible(&error.message).into_owned()),
        };
        rows.push(Row { name: step_type.to_string(), alias_of, summary });
    }
    // The engine's own.
    rows.retain(|row| row.name != subworkflow::TYPE);
    let summary = Ok(subworkflow::description().summary.clone());
    rows.push(Row { name: subworkflow::TYPE.to_owned(), alias_of: None, summary });
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    match (args.json, args.markdown) {
        (true, _) => writeln!(out, "{:#}", json!({ "types": rows.iter().map(Row::json).collect::<Vec<_>>() }))?,
        (false, true) => markdown_list(&rows, out)?,
        (false, false) => text_list(&rows, out)?,
    }
    Ok(0)
}

impl Row {
    fn json(&self) -> Value {
        match (&self.summary, self.alias_of) {
            (Ok(summary), None) => json!({ "type": self.name, "summary": summary }),
            (Ok(summary), Some(own)) => json!({ "type": self.name, "summary": summary, "alias_of": own }),
            (Err(error), _) => json!({ "type": self.name, "error": error }),
        }
    }
}

fn text_list(rows: &[Row], out: &mut dyn Write) -> std::io::Result<()> {
    let width = rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
    for Row { name, alias_of, summary } in rows {
        match (summary, alias_of) {
            (Ok(_), Some(own)) => writeln!(out, "{name:width$}  Another name of {own}.")?,
            (Ok(summary), None) => writeln!(out, "{name:width$}  {summary}")?,
            (Err(error), _) => writeln!(out, "{name:width$}  can't be loaded: {error}")?,
        }
    }
    Ok(())
}

/// A table with a link to each type's page; other names of a type have none.
fn markdown_list(rows: &[Row], out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(out, "| type | what it does |\n|---|---|")?;
    for Row { name, summary, .. } in rows.iter().filter(|row| row.alias_of.is_none()) {
        if let Ok(summary) = summary {
            writeln!(out, "| [`{name}`]({name}.md) | {} |", show::cell_of(summary))?;
        }
    }
    Ok(())
}
