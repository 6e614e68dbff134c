//! Flags that say where state is and how it is protected.

use std::fmt;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};
use url::Url;

use super::approval::WorkflowFlags;

/// Where a run's state is, and how it is protected.
#[derive(Clone, Debug, Default, Args)]
pub struct StateArgs {
    /// Where the state is kept: memory, filesystem, gitlab (job artifacts), gitlab-packages (the project's package registry),
    /// or object storage as s3://BUCKET/PREFIX, gs://, az:// or file:///DIRECTORY. Default: gitlab in a GitLab job, else
    /// filesystem.
    #[arg(long, value_name = "STORE", value_parser = state_store)]
    pub state_store: Option<StateStore>,

    /// The key that journals are authenticated with: file:PATH or env:NAME. Default: $SHIRO_STATE_KEY, if it is set.
    #[arg(long, value_name = "SOURCE", value_parser = key_source)]
    pub state_key: Option<KeySource>,
}

/// How new journals are encrypted, and which one is to be gone on with.
#[derive(Clone, Debug, Default, Args)]
pub struct JournalArgs {
    /// Encrypt the journal of a new run (age format) for the state key, which must be an age identity.
    #[arg(long)]
    pub state_encrypt: bool,

    /// Encrypt it for this age public key (age1...) too. May be given several times; implies -state-encrypt.
    #[arg(long, value_name = "RECIPIENT")]
    pub state_recipient: Vec<String>,

    /// Only go on with this run: its id, or all of SHIRO_STATE as an earlier process left it, which finds an older copy too.
    #[arg(long, value_name = "RUN[:SEQ:SUM]", conflicts_with = "fresh")]
    pub expect: Option<String>,
}

/// `shiro state`.
#[derive(Debug, Subcommand)]
pub enum StateVerb {
    /// Show a run's journal, checked and in clear: an event a line.
    Show(ShowArgs),
    /// Write a run's journal as a file of its own, in clear and without a key.
    Export(ExportArgs),
    /// Begin a run here with an exported journal, or with a state file of Go shiro (without the environment in it).
    Import(Box<ImportArgs>),
}

/// Flags of `shiro state show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The run: a name from `shiro status`, or a run id.
    #[arg(value_name = "RUN")]
    pub run: String,

    /// Where the state is kept.
    #[command(flatten)]
    pub state: StateArgs,

    /// For machines: each event as JSON, as it stands in a journal that is not encrypted.
    #[arg(long)]
    pub json: bool,
}

/// Flags of `shiro state export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The run: a name from `shiro status`, or a run id.
    #[arg(value_name = "RUN")]
    pub run: String,

    /// Where the state is kept.
    #[command(flatten)]
    pub state: StateArgs,

    /// Write to this new file, not to standard output.
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub out: Option<PathBuf>,
}

/// Flags of `shiro state import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// What `shiro state export` wrote, or a state file of Go shiro.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,

    /// Which workflow it is a run of.
    #[command(flatten)]
    pub workflow: WorkflowFlags,

    /// Where the state is to be kept.
    #[command(flatten)]
    pub state: StateArgs,

    /// Encrypt the journal (age format) for the state key, which must be an age identity.
    #[arg(long)]
    pub state_encrypt: bool,

    /// Put it in place of the state that is there, which is kept aside.
    #[arg(long)]
    pub fresh: bool,
}

/// `-state-store`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateStore {
    /// Nothing is kept: the run can't pause or go on.
    Memory,
    /// Files in .shiro/state/ that only this user can read.
    Filesystem,
    /// Files in $CI_PROJECT_DIR/.shiro/state/, carried by job artifacts, one run for each pipeline.
    Gitlab,
    /// The package registry of the GitLab project.
    GitlabPackages,
    /// Object storage, or a directory that machines share.
    Objects(Url),
}

impl fmt::Display for StateStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory"),
            Self::Filesystem => f.write_str("filesystem"),
            Self::Gitlab => f.write_str("gitlab"),
            Self::GitlabPackages => f.write_str("gitlab-packages"),
            Self::Objects(url) => write!(f, "{url}"),
        }
    }
}

/// `-state-key`: where the key stands, never the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// A file.
    File(PathBuf),
    /// A variable.
    Env(String),
}

fn key_source(text: &str) -> Result<KeySource, String> {
    match text.split_once(':') {
        Some(("file", path)) if !path.is_empty() => Ok(KeySource::File(PathBuf::from(path))),
        Some(("env", name)) if !name.is_empty() => Ok(KeySource::Env(name.to_owned())),
        _ => Err("expected file:PATH or env:NAME; the key itself does not belong on a command line".to_owned()),
    }
}

pub(super) fn state_store(text: &str) -> Result<StateStore, String> {
    const KNOWN: &str = "expected memory, filesystem, gitlab, gitlab-packages, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX or \
         file:///DIRECTORY";
    match text {
        "memory" => Ok(StateStore::Memory),
        "filesystem" => Ok(StateStore::Filesystem),
        "gitlab" => Ok(StateStore::Gitlab),
        "gitlab-packages" => Ok(StateStore::GitlabPackages),
        _ => {
            let url = Url::parse(text).map_err(|_| KNOWN.to_owned())?;
            let has_host = url.host_str().is_some_and(|host| !host.is_empty());
            match (url.scheme(), has_host) {
                _ if !url.username().is_empty() || url.password().is_some() || url.query().is_some() => {
                    Err("credentials and options don't belong in it: they come from the environment".to_owned())
                }
                ("s3" | "gs" | "az", true) => Ok(StateStore::Objects(url)),
                ("file", false) => Ok(StateStore::Objects(url)),
                ("file", true) => Err("a directory is written file:///DIRECTORY, with three slashes".to_owned()),
                _ => Err(KNOWN.to_owned()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores_are_names_or_urls() {
        for text in
            ["memory", "gitlab", "gitlab-packages", "s3://bucket", "gs://b/p/q", "az://c/p", "file:///shared/dir"]
        {
            let store = state_store(text).unwrap();
            assert_eq!(store.to_string(), text);
        }
        for text in ["", "s3", "s3://", "http://x/y", "file://host/dir", "s3://key:secret@bucket/p", "s3://b/p?x=y"] {
            assert!(state_store(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_key_is_never_on_the_command_line() {
        assert_eq!(key_source("env:KEY"), Ok(KeySource::Env("KEY".to_owned())));
        assert_eq!(key_source("file:/a:b"), Ok(KeySource::File("/a:b".into())));
        for text in ["", "env:", "file:", "secret", "AGE-SECRET-KEY-1"] {
            assert!(key_source(text).is_err(), "{text}");
        }
    }
}
