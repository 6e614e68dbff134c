//! `shiro plugin list`: the step types there are.

use std::io::Write;

use serde_json::{Value, json};

use super::super::Exit;
use super::super::args::plugin::ListArgs;
use super::super::project::plugin_error;
use super::catalog;

/// Lists every type with where it comes from.
pub(super) fn list(args: &ListArgs, out: &mut dyn Write) -> Exit {
    let known = catalog(&args.dirs).names().map_err(plugin_error)?;
    if args.json {
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
