//! Flags that say where state is and how it is protected.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Where a run's state is, and how it is protected.
#[derive(Clone, Debug, Default, Args)]
pub struct StateArgs {
    /// Where the state is kept. Default: gitlab in a GitLab job, else filesystem.
    #[arg(long, value_enum, value_name = "STORE")]
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

/// `-state-store`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StateStore {
    /// Nothing is kept: the run can't pause or go on.
    Memory,
    /// Files in .shiro/state/ that only this user can read.
    Filesystem,
    /// Files in $CI_PROJECT_DIR/.shiro/state/, carried by job artifacts, one run for each pipeline.
    Gitlab,
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
