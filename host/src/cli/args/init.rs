//! Flags of `shiro init`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

/// Flags of `shiro init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// What to start from.
    #[arg(long, value_enum, value_name = "TEMPLATE", default_value_t = TemplateArg::Approval)]
    pub template: TemplateArg,

    /// For which CI system to write a file. Default: as the repository looks, else GitLab.
    #[arg(long, value_enum, value_name = "SYSTEM")]
    pub ci: Option<InitCi>,

    /// Overwrite what is there.
    #[arg(long)]
    pub force: bool,

    /// The folder for the workflow.
    #[arg(long, value_name = "DIR", default_value = ".shiro", value_hint = ValueHint::DirPath)]
    pub shiro_dir: PathBuf,

    /// Of Go shiro: refused, with the reason.
    #[arg(short, hide = true)]
    pub interactive: bool,

    /// Of Go shiro: refused, with the reason.
    #[arg(short, hide = true, value_name = "KEY=VALUE")]
    pub define: Vec<String>,
}

/// A template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TemplateArg {
    /// Prepare, ask for approval, deploy, tell.
    Approval,
    /// Let a language model comment on what a merge request changes.
    CodeReview,
    /// Find the next version and what is new, ask for approval, tag and push.
    Release,
    /// One step.
    Blank,
}

/// A CI system, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum InitCi {
    /// GitLab CI/CD: .gitlab-ci.yml.
    Gitlab,
    /// GitHub Actions: a file in .github/workflows/.
    Github,
    /// No file.
    None,
}
