//! What may follow `shiro plugin`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueHint};

/// Looking at step types.
#[derive(Debug, Subcommand)]
pub enum PluginVerb {
    /// List the step types there are, and where each comes from.
    List(ListArgs),
    /// Show what a component imports, what it asks for, and its schemas.
    Inspect(InspectArgs),
    /// Run one component alone: config in, output out.
    Run(RunArgs),
    /// Run a component's golden cases: config in, output or failure out, host calls answered from a recording.
    Test(TestArgs),
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

/// Flags of `shiro plugin run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// A step type, or a component's file.
    #[arg(value_name = "FILE|TYPE", value_hint = ValueHint::FilePath)]
    pub target: String,

    /// The config, a JSON object. Default: {}.
    #[arg(long, value_name = "JSON", conflicts_with = "config_file")]
    pub config: Option<String>,

    /// Read the config from a file, or from standard input (-).
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config_file: Option<PathBuf>,

    /// End it after this time, e.g. 30s or 5m.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub timeout: Option<Duration>,

    /// Where to look.
    #[command(flatten)]
    pub dirs: PluginDirs,
}

/// Flags of `shiro plugin test`.
#[derive(Debug, Args)]
pub struct TestArgs {
    /// The plugin's directory; its cases are tests/*.json.
    #[arg(value_name = "DIR", default_value = ".", value_hint = ValueHint::DirPath)]
    pub dir: PathBuf,

    /// The component. Default: the only .wasm file in the directory.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub component: Option<PathBuf>,

    /// Compile the component anew, and keep nothing compiled.
    #[arg(long)]
    pub no_cache: bool,
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

    /// Compile step components that are not built in anew, and keep nothing compiled.
    #[arg(long)]
    pub no_cache: bool,
}
