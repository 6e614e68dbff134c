//! What `shiro types` and `shiro schema` may say.

use clap::Args;

use super::plugin::{OperatorArgs, PluginDirs};

/// Flags of `shiro types`.
#[derive(Debug, Args)]
pub struct TypesArgs {
    /// The type to document. Without it, all of them are listed.
    #[arg(value_name = "TYPE")]
    pub name: Option<String>,

    /// As Markdown.
    #[arg(long)]
    pub markdown: bool,

    /// For machines: JSON, with the schemas.
    #[arg(long, conflicts_with = "markdown")]
    pub json: bool,

    /// Where step components are.
    #[command(flatten)]
    pub dirs: PluginDirs,

    /// Whose word holds besides the repository's.
    #[command(flatten)]
    pub operator: OperatorArgs,
}

/// Flags of `shiro schema`.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// Where step components are.
    #[command(flatten)]
    pub dirs: PluginDirs,

    /// Whose word holds besides the repository's.
    #[command(flatten)]
    pub operator: OperatorArgs,
}
