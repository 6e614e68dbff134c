//! What may follow `shiro plugin`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

/// Looking at step types.
#[derive(Debug, Subcommand)]
pub enum PluginVerb {
    /// List the step types there are, and where each comes from.
    List(ListArgs),
    /// Show what a component imports, what it asks for, and its schemas.
    Inspect(InspectArgs),
    /// Write a built-in step type's component to a file.
    Extract(ExtractArgs),
}

/// Flags of `shiro plugin list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Where to look.
    #[command(flatten)]
    pub dirs: PluginDirs,

    /// For machines: JSON on standard output.
    #[arg(long)]
    pub json: bool,
}

/// Flags of `shiro plugin inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// A step type, or a component's file.
    #[arg(value_name = "FILE|TYPE", value_hint = ValueHint::FilePath)]
    pub target: String,

    /// Where to look.
    #[command(flatten)]
    pub dirs: PluginDirs,

    /// For machines: JSON on standard output.
    #[arg(long)]
    pub json: bool,
}

/// Flags of `shiro plugin extract`.
#[derive(Debug, Args)]
pub struct ExtractArgs {
    /// The step type.
    #[arg(value_name = "TYPE")]
    pub step_type: String,

    /// The file.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
}

/// Where step components are looked for.
#[derive(Clone, Debug, Args)]
pub struct PluginDirs {
    /// The directory with plugins/.
    #[arg(long, value_name = "DIR", default_value = ".shiro", value_hint = ValueHint::DirPath)]
    pub shiro_dir: PathBuf,
    /// Look here too. May be given several times.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub plugin_dir: Vec<PathBuf>,
}
