//! What may follow `shiro plugin`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum, ValueHint};

/// Looking at step types, and managing those that are not built in.
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
    /// Make a folder to write a step type in, with everything to build and test it.
    New(NewArgs),
    /// Build a plugin's folder, or make a component of a core module, and check that it is a step type.
    Build(BuildArgs),
    /// Add a step type from a registry or a file, and pin it in shiro.lock.
    Add(AddArgs),
    /// Look for newer components of what is pinned, show what changes, and pin them.
    Update(UpdateArgs),
    /// Remove a step type that was added.
    Remove(RemoveArgs),
    /// Fetch every pinned component that is not there yet, for use without a network.
    Fetch(FetchArgs),
    /// Check every pinned component against shiro.lock, its signature and the policies. Needs no network.
    Verify(VerifyArgs),
    /// Publish a component to a registry.
    Publish(PublishArgs),
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

    /// Whose word holds besides the repository's.
    #[command(flatten)]
    pub operator: OperatorArgs,
}

/// Flags of `shiro plugin inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// A step type, a component's file, or oci://HOST/PATH:TAG.
    #[arg(value_name = "FILE|TYPE|OCI", value_hint = ValueHint::FilePath)]
    pub target: String,

    /// Whose word holds besides the repository's.
    #[command(flatten)]
    pub operator: OperatorArgs,

    /// Where to look.
    #[command(flatten)]
    pub dirs: PluginDirs,

    /// How to reach a registry.
    #[command(flatten)]
    pub registry: RegistryArgs,

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

    /// Whose word holds besides the repository's.
    #[command(flatten)]
    pub operator: OperatorArgs,

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

/// Flags of `shiro plugin new`.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// The step type's name, which is also the folder's, e.g. acme.check.
    #[arg(value_name = "NAME")]
    pub name: String,

    /// What to write it in.
    #[arg(long, value_enum, value_name = "LANG")]
    pub lang: LanguageArg,

    /// What runs a step in JavaScript or TypeScript. Default: quickjs.
    #[arg(long, value_enum, value_name = "ENGINE")]
    pub engine: Option<EngineArg>,
}

/// `-lang`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LanguageArg {
    /// Rust.
    Rust,
    /// JavaScript.
    Js,
    /// TypeScript.
    Ts,
    /// Python.
    Python,
    /// C.
    C,
    /// Go.
    Go,
}

/// `-engine`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EngineArg {
    /// 2 MB, quick to start; the language only.
    Quickjs,
    /// 17 MB; with fetch, URL, timers and async functions.
    Starlingmonkey,
}

/// Flags of `shiro plugin build`.
#[derive(Debug, Args)]
pub struct BuildArgs {
    /// The plugin's folder, or a core module that follows the canonical ABI.
    #[arg(value_name = "DIR|FILE", default_value = ".", value_hint = ValueHint::AnyPath)]
    pub target: PathBuf,

    /// Where the component goes. Default: NAME.wasm in the folder.
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
}

/// Where step components are looked for.
#[derive(Clone, Debug, Args)]
pub struct PluginDirs {
    /// The directory with workflow.json, policy.json, shiro.lock and plugins/.
    #[arg(long, value_name = "DIR", default_value = ".shiro", value_hint = ValueHint::DirPath)]
    pub shiro_dir: PathBuf,

    /// Look for step components (TYPE.wasm) here too. May be given several times.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub plugin_dir: Vec<PathBuf>,

    /// Compile step components that are not built in anew, and keep nothing compiled.
    #[arg(long)]
    pub no_cache: bool,
}

/// Whose word holds besides the repository's.
#[derive(Clone, Debug, Args)]
pub struct OperatorArgs {
    /// An operator's policy: bounds what steps may do and says whose signatures components need, together with
    /// /etc/shiro/policy.json and $SHIRO_POLICY.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub policy: Option<PathBuf>,
}

/// How registries are reached.
#[derive(Clone, Copy, Debug, Args)]
pub struct RegistryArgs {
    /// Speak HTTP without TLS to the registry. On loopback that is what is spoken anyway.
    #[arg(long)]
    pub plain_http: bool,
}

/// Where the lock file is.
#[derive(Clone, Debug, Args)]
pub struct LockArgs {
    /// The directory with shiro.lock, plugins/ and store/.
    #[arg(long, value_name = "DIR", default_value = ".shiro", value_hint = ValueHint::DirPath)]
    pub shiro_dir: PathBuf,
}

/// What may be pinned.
#[derive(Clone, Copy, Debug, Args)]
pub struct ConsentArgs {
    /// Pin it although it asks for more than before, or is signed by somebody else.
    #[arg(long)]
    pub yes: bool,

    /// Show what would change, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// Flags of `shiro plugin add`.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// oci://HOST/PATH:TAG, or a component's file.
    #[arg(value_name = "OCI|FILE", value_hint = ValueHint::FilePath)]
    pub source: String,

    /// The step type's name in workflows. Default: what the component calls itself.
    #[arg(long = "as", value_name = "TYPE")]
    pub step_type: Option<String>,

    /// Require a signature by this minisign public key: the key (RW...) or the file that it stands in.
    #[arg(long, value_name = "KEY", value_hint = ValueHint::FilePath)]
    pub key: Option<String>,

    /// What may be pinned.
    #[command(flatten)]
    pub consent: ConsentArgs,

    /// How to reach the registry.
    #[command(flatten)]
    pub registry: RegistryArgs,

    /// Where to add it.
    #[command(flatten)]
    pub lock: LockArgs,

    /// Whose word holds besides the repository's.
    #[command(flatten)]
    pub operator: OperatorArgs,
}

/// Flags of `shiro plugin update`.
#[derive(Debug, Args)]
pub struct UpdateArgs {
    /// The step type. Default: all that are pinned.
    #[arg(value_name = "TYPE")]
    pub step_type: Option<String>,

    /// What may be pinned.
    #[command(flatten)]
    pub consent: ConsentArgs,

    /// How to reach registries.
    #[command(flatten)]
    pub registry: RegistryArgs,

    /// What to update.
    #[command(flatten)]
    pub lock: LockArgs,

    /// Whose word holds besides the repository's.
    #[command(flatten)]
    pub operator: OperatorArgs,
}

/// Flags of `shiro plugin remove`.
#[derive(Debug, Args)]
pub struct RemoveArgs {
    /// The step type.
    #[arg(value_name = "TYPE")]
    pub step_type: String,

    /// Where to remove it.
    #[command(flatten)]
    pub lock: LockArgs,
}

/// Flags of `shiro plugin fetch`.
#[derive(Debug, Args)]
pub struct FetchArgs {
    /// How to reach registries.
    #[command(flatten)]
    pub registry: RegistryArgs,

    /// What to fetch.
    #[command(flatten)]
    pub lock: LockArgs,

    /// Whose word holds besides the repository's.
    #[command(flatten)]
    pub operator: OperatorArgs,
}

/// Flags of `shiro plugin verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Where to look.
    #[command(flatten)]
    pub dirs: PluginDirs,

    /// Whose word holds besides the repository's.
    #[command(flatten)]
    pub operator: OperatorArgs,
}

/// Flags of `shiro plugin publish`.
#[derive(Debug, Args)]
pub struct PublishArgs {
    /// The component's file. If FILE.minisig lies beside it, it is published with that signature.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,

    /// Where to: oci://HOST/PATH:TAG.
    #[arg(value_name = "OCI")]
    pub reference: String,

    /// Publish it although the tag stands for another component, or for a signed one.
    #[arg(long)]
    pub replace: bool,

    /// Publish only if FILE.minisig is a signature by this minisign public key (RW..., or the file that it stands in).
    #[arg(long, value_name = "KEY", value_hint = ValueHint::FilePath)]
    pub key: Option<String>,

    /// How to reach the registry.
    #[command(flatten)]
    pub registry: RegistryArgs,
}
