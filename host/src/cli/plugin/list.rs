//! `shiro plugin list`: the step types there are.

use std::io::Write;

use serde_json::{Value, json};

use super::super::Exit;
use super::super::args::plugin::ListArgs;
use super::super::project::plugin_error;
use crate::id::Digest;
use crate::package::Packages;
use crate::plugin::{Catalog, KnownType, Source};

/// Lists every type with where it comes from and what pins it.
pub(super) fn list(args: &ListArgs, out: &mut dyn Write) -> Exit {
    let packages = super::packages(&args.dirs.shiro_dir, &args.operator)?;
    let (catalog, _) = super::catalog(&args.dirs, &args.operator)?;
    let rows: Vec<Row> =
        catalog.names().map_err(plugin_error)?.iter().map(|known| Row::new(known, &catalog, &packages)).collect();
    super::warn_of(&catalog)?;
    if args.json {
        let types: Vec<Value> = rows.iter().map(Row::json).collect();
        writeln!(out, "{:#}", json!({ "types": types }))?;
        return Ok(0);
    }
    let width = |column: fn(&Row) -> &str| rows.iter().map(|row| column(row).len()).max().unwrap_or(0);
    let (names, sources) = (width(|row| &row.name), width(|row| &row.source));
    for row in &rows {
        let digest = row.digest.map(|digest| digest.short()).unwrap_or_default();
        let line = format!("{:names$}  {:sources$}  {digest:12}  {}", row.name, row.source, row.state);
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(0)
}

struct Row {
    name: String,
    source: String,
    /// Of what is there, or of what should be. None for a file that can't be read.
    digest: Option<Digest>,
    state: &'static str,
}

impl Row {
    fn new(known: &KnownType, catalog: &Catalog, packages: &Packages) -> Self {
        let KnownType { step_type, source } = known;
        let row = |digest, state| Self { name: step_type.to_string(), source: source.to_string(), digest, state };
        let found = match source {
            Source::BuiltIn => return row(catalog.builtin_wasm(step_type.as_str()).map(Digest::of), ""),
            Source::File(path) => catalog.read_file(path).ok().map(|bytes| Digest::of(&bytes)),
            Source::Package(_) => None,
        };
        let Some(entry) = packages.pin(step_type) else {
            return row(found, if found.is_some() { "not pinned" } else { "unreadable" });
        };
        let state = match found {
            Some(digest) if digest == entry.component => "pinned",
            Some(_) => "pinned, and not what is there",
            None => match packages.component(step_type, entry) {
                Ok(_) => "pinned",
                Err(error) if error.code == "not-fetched" => "pinned, not fetched",
                Err(error) if error.code == "not-signed" => "pinned, not signed as required",
                Err(_) => "pinned, and not what is there",
            },
        };
        row(Some(entry.component), state)
    }

    fn json(&self) -> Value {
        json!({ "type": self.name, "source": self.source, "digest": self.digest,
                "pinned": self.state.starts_with("pinned"), "state": self.state })
    }
}
