//! What the command line may say.

pub mod approval;
pub mod ci;
pub mod data;
pub mod go;
pub mod graph;
pub mod init;
pub mod plugin;
pub mod state;
pub mod types;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};

use self::approval::{ApproveArgs, AuditArgs, RejectArgs, ReworkArgs};
use self::ci::CiVerb;
use self::data::{DataVerb, DeleteArgs, GetArgs, ListArgs, SetArgs};
use self::graph::GraphArgs;
use self::init::InitArgs;
use self::plugin::{PluginDirs, PluginVerb};
use self::state::{JournalArgs, StateArgs, StateVerb};
use self::types::{SchemaArgs, TypesArgs};
use crate::workflow::duration;

/// Runs a workflow of sandboxed steps inside a CI job, and waits for a human where one must approve.
#[derive(Debug, Parser)]
#[command(
    name = "shiro",
    version,
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = false,
    after_help = "Flags may be written with one dash or two: `shiro run -state-store gitlab -fresh`.\n\
                  Exit codes: 0 succeeded or paused, 1 a step failed, 2 usage or workflow, 3 plugin, 4 denied, 5 limit or \
                  timeout, 6 state or approval, 7 state could not be written, 8 run held by another process, 70 bug, \
                  130 and 143 interrupted."
)]
pub struct Cli {
    /// When to use colours.
    #[arg(long, global = true, value_enum, default_value_t = ColorChoice::Auto, value_name = "WHEN")]
    pub color: ColorChoice,

    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// In a terminal and in CI logs that show them, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run a workflow, or go on with a run that paused or failed.
    Run(Box<RunArgs>),
    /// Check a workflow and its steps' configs without running anything.
    Validate(ValidateArgs),
    /// Show the runs whose state is here, or one in detail.
    Status(StatusArgs),
    /// Approve what a paused run asks for. The next `shiro run` goes on with it.
    Approve(Box<ApproveArgs>),
    /// Say no to what a paused run asks for. The next `shiro run` ends it.
    Reject(Box<RejectArgs>),
    /// Go back to a step: the next `shiro run` does it, and all that comes after it, again.
    Rework(Box<ReworkArgs>),
    /// Show who decided what, and on which evidence; `audit verify` checks it.
    Audit(AuditArgs),
    /// Look at a run's journal, take it elsewhere, bring one here.
    #[command(subcommand)]
    State(StateVerb),
    /// Show a workflow's graph, for Mermaid or Graphviz.
    Graph(GraphArgs),
    /// Write a workflow to start from, and its CI file.
    Init(InitArgs),
    /// Write the CI file that runs a workflow.
    #[command(subcommand)]
    Ci(CiVerb),
    /// List the step types, or document one: its config, its output, what it asks for.
    Types(TypesArgs),
    /// Print the JSON Schema of a workflow with every step type's config, for editors.
    Schema(SchemaArgs),
    /// Store, show, delete and list the workflow's shared data.
    #[command(subcommand)]
    Data(DataVerb),
    /// Store a value of the shared data: short for `shiro data set`.
    #[command(hide = true)]
    Set(SetArgs),
    /// Show a value of the shared data: short for `shiro data get`.
    #[command(hide = true)]
    Get(GetArgs),
    /// Delete a value of the shared data: short for `shiro data delete`.
    #[command(hide = true)]
    Delete(DeleteArgs),
    /// List the keys of the shared data: short for `shiro data list`.
    #[command(hide = true)]
    List(ListArgs),
    /// Look at step types, add and pin others, publish your own.
    #[command(subcommand)]
    Plugin(PluginVerb),
    /// Show the version of shiro and of what it is built on.
    Version,
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Ends what a killed shiro leaves behind. Started by shiro itself.
    #[command(name = "__watch", hide = true)]
    Watch,
    /// Compiles a component within limits. Started by shiro itself.
    #[command(name = "__compile", hide = true)]
    Compile,
}

/// Where a workflow and its plugins are.
#[derive(Clone, Debug, Args)]
pub struct WorkflowArgs {
    /// The workflow's file. Default: workflow.json in the shiro directory, else ./workflow.json.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "workflow")]
    pub file: Option<PathBuf>,

    /// The workflow's file, as a flag.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub workflow: Option<PathBuf>,

    /// Where step components are.
    #[command(flatten)]
    pub dirs: PluginDirs,

    /// An operator's policy: bounds what steps may do, together with /etc/shiro/policy.json and $SHIRO_POLICY.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub policy: Option<PathBuf>,

    /// The project's settings, for step types that take some. Default: config.yaml in the shiro directory.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,

    /// Give an input a value. May be given several times.
    #[arg(long, value_name = "NAME=VALUE", value_parser = name_value)]
    pub input: Vec<(String, String)>,

    /// Read inputs from a JSON file (an object). May be given several times; -input wins.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub input_file: Vec<PathBuf>,
}

/// Flags of `shiro run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Which workflow.
    #[command(flatten)]
    pub workflow: WorkflowArgs,

    /// Where the run's state is kept.
    #[command(flatten)]
    pub state: StateArgs,

    /// How its journal is protected.
    #[command(flatten)]
    pub journal: JournalArgs,

    /// Start a new run, whatever state there is.
    #[arg(long, conflicts_with = "resume")]
    pub fresh: bool,

    /// Only go on with a run: without state this is an error, never a new run.
    #[arg(long)]
    pub resume: bool,

    /// Show what would run, with each step's component and grants, and run nothing.
    #[arg(long)]
    pub dry_run: bool,

    /// Let steps do what they ask for, and write the smallest policy that allows it to policy.learned.json in the shiro
    /// directory, for review.
    #[arg(long, conflicts_with = "dry_run")]
    pub learn: bool,

    /// At most N steps at once. Default: settings.jobs, else the number of CPUs, at least 4.
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,

    /// After a failure, still run the steps that do not depend on it.
    #[arg(long)]
    pub keep_going: bool,

    /// Go on although the workflow, its inputs or its plugins changed since the run was paused. What was to be approved is
    /// asked for again.
    #[arg(long, conflicts_with = "fresh")]
    pub accept_changes: bool,

    /// Go on although this job was started before, and what it completed then is not in the artifact at hand.
    #[arg(long, conflicts_with = "fresh")]
    pub accept_retry: bool,

    /// Go on with what was decided; this start itself approves nothing.
    #[arg(long, conflicts_with = "fresh")]
    pub no_approve: bool,

    /// Run this interrupted step, or item (STEP[INDEX]) of one, again. May be given several times.
    #[arg(long, value_name = "STEP", conflicts_with = "fresh")]
    pub rerun: Vec<String>,

    /// Take this interrupted step, or item (STEP[INDEX]) of one, as done; or do not wait for the time that this step waits for.
    /// May be given several times.
    #[arg(long, value_name = "STEP", conflicts_with = "fresh")]
    pub skip: Vec<String>,

    /// When nothing is left to do but to wait for a time, stay and wait if it is no longer than this; else pause.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration::parse)]
    pub hold: Duration,

    /// The exit code of a run that pauses.
    #[arg(long, value_name = "CODE", default_value_t = 0)]
    pub pause_exit_code: u8,

    /// Do not show the steps' output; failures, warnings and the pause are still shown.
    #[arg(long, short)]
    pub quiet: bool,

    /// Show the steps' debug messages too.
    #[arg(long)]
    pub debug: bool,
}

/// Flags of `shiro validate`.
#[derive(Debug, Args)]
pub struct ValidateArgs {
    /// Which workflow.
    #[command(flatten)]
    pub workflow: WorkflowArgs,

    /// Check this .gitlab-ci.yml or GitHub workflow too: can the run pause, be approved, and go on?
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub ci: Option<PathBuf>,
}

/// Flags of `shiro status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// The run: a name from the list, or a run id.
    #[arg(value_name = "RUN")]
    pub run: Option<String>,

    /// Where the state is kept.
    #[command(flatten)]
    pub state: StateArgs,

    /// For machines: JSON on standard output.
    #[arg(long)]
    pub json: bool,
}

fn name_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE, e.g. -input environment=staging".to_owned()),
    }
}

/// Gives long flags written with one dash (`-state-store`) their second one, as the documented usage has it, and writes
/// [what Go shiro takes](go::translate) as clap takes it. A dash and one letter stays as it is, and so does everything
/// after `--`.
pub fn normalise(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut flags = true;
    let args = args
        .into_iter()
        .enumerate()
        .map(|(index, arg)| {
            let Some(text) = arg.to_str() else { return arg };
            if text == "--" {
                flags = false;
            }
            if index > 0 && flags && is_single_dash_long(text) { OsString::from(format!("-{text}")) } else { arg }
        })
        .collect();
    go::translate(args)
}

fn is_single_dash_long(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next() == Some(b'-')
        && bytes.next().is_some_and(|b| b.is_ascii_lowercase())
        && bytes.next().is_some_and(|b| b.is_ascii_lowercase() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::state::StateStore;
    use super::*;

    fn normalised(args: &[&str]) -> Vec<String> {
        normalise(args.iter().map(OsString::from)).into_iter().map(|arg| arg.into_string().unwrap()).collect()
    }

    #[test]
    fn one_dash_is_as_good_as_two() {
        assert_eq!(
            normalised(&["shiro", "run", "-state-store", "gitlab", "-fresh", "-jobs=2", "-j", "2", "-h"]),
            ["shiro", "run", "--state-store", "gitlab", "--fresh", "--jobs=2", "-j", "2", "-h"]
        );
    }

    #[test]
    fn values_and_what_follows_two_dashes_stay() {
        assert_eq!(
            normalised(&["shiro", "-", "-1", "--fresh", "--", "-fresh"]),
            ["shiro", "-", "-1", "--fresh", "--", "-fresh"]
        );
    }

    #[test]
    fn the_documented_usage_parses_with_flags_on_either_side() {
        for args in [
            ["shiro", "run", "-state-store", "gitlab", "-fresh", "w.json"],
            ["shiro", "run", "w.json", "-fresh", "--state-store", "gitlab"],
        ] {
            let cli = Cli::try_parse_from(normalise(args.iter().map(OsString::from))).unwrap();
            let Verb::Run(run) = cli.verb else { panic!("not a run") };
            assert!(run.fresh);
            assert_eq!(run.state.state_store, Some(StateStore::Gitlab));
            assert_eq!(run.workflow.file.as_deref(), Some(std::path::Path::new("w.json")));
        }
    }

    #[test]
    fn an_unknown_verb_is_an_error_with_a_suggestion() {
        let error = Cli::try_parse_from(["shiro", "vaildate"]).unwrap_err().to_string();
        assert!(error.contains("validate"), "{error}");
    }

    #[test]
    fn the_command_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
