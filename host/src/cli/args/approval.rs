//! Flags of the verbs by which humans decide: `approve`, `reject`, `rework`, `audit`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::state::StateArgs;
use super::{StatusArgs, WorkflowArgs, name_value};

/// The run that is meant.
#[derive(Clone, Debug, Args)]
pub struct DecisionArgs {
    /// The workflow's file. Default: workflow.json in the shiro directory, else ./workflow.json.
    #[command(flatten)]
    pub workflow: WorkflowFlags,

    /// Where the run's state is, and how it is protected.
    #[command(flatten)]
    pub state: StateArgs,

    /// Only decide on this run: its id, or all of SHIRO_STATE as an earlier process left it, which finds an older copy too.
    #[arg(long, value_name = "RUN[:SEQ:SUM]")]
    pub expect: Option<String>,
}

/// Which workflow, where positional arguments are steps.
#[derive(Clone, Debug, Args)]
pub struct WorkflowFlags {
    /// The workflow's file. Default: workflow.json in the shiro directory, else ./workflow.json.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub workflow: Option<PathBuf>,

    /// Where step components are.
    #[command(flatten)]
    pub dirs: super::plugin::PluginDirs,

    /// An operator's policy, as for `shiro run`: what is approved holds for it too.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub policy: Option<PathBuf>,

    /// The project's settings, as for `shiro run`.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub config: Option<PathBuf>,
}

impl WorkflowFlags {
    /// The same as `shiro run` has it.
    pub fn for_run(&self) -> WorkflowArgs {
        WorkflowArgs {
            file: None,
            workflow: self.workflow.clone(),
            dirs: self.dirs.clone(),
            policy: self.policy.clone(),
            config: self.config.clone(),
            input: Vec::new(),
            input_file: Vec::new(),
        }
    }
}

/// Flags of `shiro approve`.
#[derive(Debug, Args)]
pub struct ApproveArgs {
    /// The steps whose approval is given.
    #[arg(value_name = "STEP", required = true)]
    pub steps: Vec<String>,

    /// Why, for the record and for later steps.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,

    /// Approve only this request, as `shiro status` or the pause showed it: not one that was made in its place since.
    #[arg(long, value_name = "ID")]
    pub request: Option<String>,

    /// Fill in a field of the approval's form. May be given several times.
    #[arg(long, value_name = "NAME=VALUE", value_parser = name_value)]
    pub form: Vec<(String, String)>,

    /// Which run.
    #[command(flatten)]
    pub run: DecisionArgs,
}

/// Flags of `shiro reject`.
#[derive(Debug, Args)]
pub struct RejectArgs {
    /// The step whose approval is refused.
    #[arg(value_name = "STEP")]
    pub step: String,

    /// Why, for the record and for later steps.
    #[arg(long, value_name = "TEXT")]
    pub reason: String,

    /// Which run.
    #[command(flatten)]
    pub run: DecisionArgs,
}

/// Flags of `shiro rework`.
#[derive(Debug, Args)]
pub struct ReworkArgs {
    /// The step to go back to.
    #[arg(value_name = "STEP")]
    pub step: String,

    /// What is to be different: steps have it as {{rework.note}}.
    #[arg(long, value_name = "TEXT")]
    pub note: String,

    /// Which run.
    #[command(flatten)]
    pub run: DecisionArgs,
}

/// Flags of `shiro audit`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct AuditArgs {
    /// What to do with the record.
    #[command(subcommand)]
    pub verb: Option<AuditVerb>,

    /// Which record.
    #[command(flatten)]
    pub show: StatusArgs,
}

/// What to do with the record.
#[derive(Debug, Subcommand)]
pub enum AuditVerb {
    /// Check, without a network, that the record is whole and that every gate that was passed had the decisions it needed.
    Verify(StatusArgs),
}
