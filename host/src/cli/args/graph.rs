//! Flags of `shiro graph`.

use clap::{Args, ValueEnum};

use super::WorkflowArgs;

/// Flags of `shiro graph`.
#[derive(Debug, Args)]
pub struct GraphArgs {
    /// Which workflow.
    #[command(flatten)]
    pub workflow: WorkflowArgs,

    /// What to write: for Markdown in GitLab and GitHub, or for Graphviz.
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = GraphFormat::Mermaid)]
    pub format: GraphFormat,
}

/// A language for pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GraphFormat {
    /// Mermaid's flowchart.
    Mermaid,
    /// Graphviz's DOT.
    Dot,
}
