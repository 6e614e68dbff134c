//! What `shiro data` may say.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::state::StateArgs;
use crate::capability::Scope;

/// Verbs of `shiro data`.
#[derive(Debug, Subcommand)]
pub enum DataVerb {
    /// Store a value.
    Set(SetArgs),
    /// Show the value of a key.
    Get(GetArgs),
    /// Delete a value, if there is one.
    Delete(DeleteArgs),
    /// List the keys that have a value.
    List(ListArgs),
}

/// Where the data is.
#[derive(Clone, Debug, Args)]
pub struct PlaceArgs {
    /// How far the data reaches: run, pipeline, branch or project.
    #[arg(long, value_name = "SCOPE", default_value = "pipeline")]
    pub scope: Scope,

    /// The first part of the key: `-namespace deploy version` is the key `deploy/version`.
    #[arg(long, value_name = "NAME", default_value = "")]
    pub namespace: String,

    /// With -scope run, which one: a name that `shiro status` lists, or a run id. Default: the only one there is.
    #[arg(long, value_name = "RUN")]
    pub run: Option<String>,

    /// Where the state is, and how it is protected.
    #[command(flatten)]
    pub state: StateArgs,

    /// Of Go shiro, where it changes nothing either: the data is with the state. That is said.
    #[arg(long, hide = true, value_name = "DIR")]
    pub shiro_dir: Option<PathBuf>,
}

/// Flags of `shiro data set`.
#[derive(Debug, Args)]
pub struct SetArgs {
    /// The key.
    #[arg(value_name = "KEY")]
    pub key: String,

    /// The value, as text; `-` reads it from standard input.
    #[arg(value_name = "VALUE", allow_negative_numbers = true)]
    pub value: String,

    /// The value is JSON.
    #[arg(long)]
    pub json: bool,

    /// For how long it is there, e.g. 24h, 1h30m. Default: for ever.
    #[arg(long, value_name = "TIME", value_parser = crate::workflow::duration::parse)]
    pub ttl: Option<Duration>,

    /// Where.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Flags of `shiro data get`.
#[derive(Debug, Args)]
pub struct GetArgs {
    /// The key.
    #[arg(value_name = "KEY")]
    pub key: String,

    /// What to show where there is no value. Without it that is exit code 1.
    #[arg(long, value_name = "TEXT")]
    pub default: Option<String>,

    /// For machines: a JSON object with the value and what is known of it.
    #[arg(long)]
    pub json: bool,

    /// Where.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Flags of `shiro data delete`.
#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// The key.
    #[arg(value_name = "KEY")]
    pub key: String,

    /// For machines: a JSON object.
    #[arg(long)]
    pub json: bool,

    /// Where.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Flags of `shiro data list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only keys that begin so.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub prefix: String,

    /// For machines: a JSON object.
    #[arg(long)]
    pub json: bool,

    /// Where.
    #[command(flatten)]
    pub place: PlaceArgs,
}
