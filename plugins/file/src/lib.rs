//! The step type `file`: reads, writes, finds and checks files of one directory.

mod directory;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shiro_step::{Failure, Permissions, Step};

use directory::{Directory, Found};

/// The most bytes that are read into an output.
const MAX_READ: u64 = 8 << 20;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Operation {
    /// Reads the file `path` as text, and with `json` as a value.
    Read,
    /// Writes `content` to the file `path`, all of it or nothing, and creates the directories above it.
    Write,
    /// Adds `content` to the end of the file `path`.
    Append,
    /// Finds the files that match `pattern`.
    Glob,
    /// Says the SHA-256 of the file `path`, or of each file that matches `pattern`. With `expected`, another one fails.
    Checksum,
    /// Says whether there is a file `path`.
    Exists,
    /// Removes the file `path`; one that is not there is no mistake.
    Remove,
}

/// In the keys that may be left out, an empty string counts as left out.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// What to do.
    operation: Operation,
    /// The directory that it happens in, relative to the project's. The step has no other.
    #[schemars(extend("minLength" = 1))]
    dir: String,
    /// A file's path in `dir`.
    path: Option<String>,
    /// Which files, for `glob` and `checksum`: `*.txt`, `**/*.rs`, `{a,b}/?.json`. `*` matches no `/`, `**` any directories.
    pattern: Option<String>,
    /// What to write. Text is written as it is, any other value as JSON.
    content: Option<Value>,
    /// Read the file as JSON.
    #[serde(default)]
    json: bool,
    /// The SHA-256 that the file has to have, in hexadecimal.
    #[schemars(extend("pattern" = "^([0-9a-fA-F]{64})?$"))]
    expected: Option<String>,
}

/// A file that was found.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
struct FileInfo {
    /// Its path in `dir`.
    path: String,
    /// Its length in bytes.
    bytes: u64,
    /// Its SHA-256 in hexadecimal, for `checksum`.
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
}

#[derive(Debug, Default, Serialize, JsonSchema)]
struct Output {
    /// There is such a file: now, or for `remove`, before.
    exists: bool,
    /// How many bytes it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    /// Its text, for `read`.
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    /// Its value, for `read` with `json`.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Value>,
    /// Its SHA-256 in hexadecimal, for `checksum` of a `path`.
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    /// The files that match, sorted by their paths, for `glob` and `checksum` of a `pattern`.
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<Vec<FileInfo>>,
    /// How many that are.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<usize>,
}

struct File;

impl Step for File {
    const NAME: &'static str = "file";
    const SUMMARY: &'static str = "Reads, writes, finds and checks files of a directory.";
    type Config = Config;
    type Output = Output;

    fn permissions() -> Permissions {
        Permissions::default().read_write("{config.dir}")
    }

    fn run(config: Config) -> Result<Output, Failure> {
        let directory = Directory::open(&config.dir)?;
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        let (path, pattern) = (filled(config.path), filled(config.pattern));
        let needs = |what: Option<String>, key: &str| {
            let name = serde_json::to_value(config.operation).unwrap_or_default();
            what.ok_or_else(|| Failure::invalid_config(format!("`{key}` is missing: {name} needs it")))
        };
        match config.operation {
            Operation::Read => read(&directory, &needs(path, "path")?, config.json),
            Operation::Write | Operation::Append => {
                let content = match config.content {
                    None => return needs(None, "content").map(|_| Output::default()),
                    Some(Value::String(text)) => text,
                    Some(value) => value.to_string(),
                };
                let path = needs(path, "path")?;
                let bytes = match config.operation {
                    Operation::Append => directory.append(&path, content.as_bytes())?,
                    _ => directory.write(&path, content.as_bytes())?,
                };
                Ok(Output { exists: true, bytes: Some(bytes), ..Output::default() })
            }
            Operation::Glob => {
                let files = directory.find(&needs(pattern, "pattern")?)?;
                Ok(listed(
                    files.into_iter().map(|Found { path, bytes }| FileInfo { path, bytes, sha256: None }).collect(),
                ))
            }
            Operation::Checksum => checksum(&directory, path, pattern, filled(config.expected)),
            Operation::Exists => {
                let bytes = directory.length(&needs(path, "path")?)?;
                Ok(Output { exists: bytes.is_some(), bytes, ..Output::default() })
            }
            Operation::Remove => Ok(Output { exists: directory.remove(&needs(path, "path")?)?, ..Output::default() }),
        }
    }
}

fn read(directory: &Directory, path: &str, json: bool) -> Result<Output, Failure> {
    let content = directory.read(path, MAX_READ)?;
    let bytes = Some(content.len() as u64);
    if !json {
        return Ok(Output { exists: true, bytes, content: Some(content), ..Output::default() });
    }
    let value = serde_json::from_str(&content)
        .map_err(|error| Failure::permanent("not_json", format!("{path} is not JSON: {error}")))?;
    Ok(Output { exists: true, bytes, value: Some(value), ..Output::default() })
}

fn checksum(
    directory: &Directory,
    path: Option<String>,
    pattern: Option<String>,
    expected: Option<String>,
) -> Result<Output, Failure> {
    match (path, pattern) {
        (Some(path), None) => {
            let (sha256, bytes) = directory.sha256(&path)?;
            if let Some(expected) = expected.filter(|expected| !expected.eq_ignore_ascii_case(&sha256)) {
                let message = format!("{path} is not what it should be: its SHA-256 is {sha256}, not {expected}");
                return Err(Failure::permanent("checksum", message));
            }
            Ok(Output { exists: true, bytes: Some(bytes), sha256: Some(sha256), ..Output::default() })
        }
        (None, Some(_)) if expected.is_some() => {
            Err(Failure::invalid_config("`expected` is for one file: give `path` instead of `pattern`"))
        }
        (None, Some(pattern)) => {
            let hashed = directory.find(&pattern)?.into_iter().map(|Found { path, .. }| {
                let (sha256, bytes) = directory.sha256(&path)?;
                Ok(FileInfo { path, bytes, sha256: Some(sha256) })
            });
            Ok(listed(hashed.collect::<Result<_, Failure>>()?))
        }
        _ => Err(Failure::invalid_config("checksum needs `path`, for one file, or `pattern`, for several")),
    }
}

fn listed(files: Vec<FileInfo>) -> Output {
    Output { exists: !files.is_empty(), count: Some(files.len()), files: Some(files), ..Output::default() }
}

shiro_step::export!(File);

#[cfg(test)]
mod tests;
