//! The project's settings file: `config.yaml` in the shiro directory.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use super::args::WorkflowArgs;
use super::error::{CliError, USAGE};
use crate::file::{self, Links};
use crate::workflow::settings::Settings;
use crate::yaml;

/// A larger file is refused.
const MAX_BYTES: u64 = 256 << 10;

/// Reads the settings; none if there is no file and none was named.
pub(super) fn load(args: &WorkflowArgs) -> Result<Settings, CliError> {
    let usual = args.dirs.shiro_dir.join("config.yaml");
    let candidates = match &args.config {
        Some(named) => vec![named.clone()],
        // Where Go shiro looks as well.
        None => vec![usual.clone(), PathBuf::from(".shiro/config.yaml"), PathBuf::from("configs/models.yaml")],
    };
    for path in &candidates {
        let found = file::read(path, Links::Follow, MAX_BYTES);
        if let Some(bytes) = found.map_err(|error| CliError::new(USAGE, error.to_string()))? {
            return parse(&path.display().to_string(), &bytes);
        }
    }
    match &args.config {
        Some(named) => Err(CliError::new(USAGE, format!("{}: there is no such file", named.display()))),
        None => Ok(Settings { file: usual.display().to_string(), ..Settings::default() }),
    }
}

fn parse(name: &str, bytes: &[u8]) -> Result<Settings, CliError> {
    let mut documents = yaml::load(&Arc::from(name), bytes).map_err(|problem| {
        let mut error = CliError::new(USAGE, format!("{}: {}", problem.place, problem.message));
        error.hints.extend(problem.hint);
        error
    })?;
    if let Some((second, first, key)) = documents.iter().flat_map(|document| &document.duplicates).next() {
        return Err(CliError::new(USAGE, format!("{second}: `{key}` is there twice: first at {first}")));
    }
    match documents.pop().map_or(Value::Null, |document| document.root.to_json()) {
        Value::Null => Ok(Settings { file: name.to_owned(), ..Settings::default() }),
        Value::Object(sections) => Ok(Settings { file: name.to_owned(), sections }),
        _ => Err(CliError::new(USAGE, format!("{name}: settings are a mapping of sections, such as `models:`"))),
    }
}
