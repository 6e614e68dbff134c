//! What may follow `shiro ci`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};

use super::WorkflowArgs;
use super::state::{StateStore, state_store};

/// CI files.
#[derive(Debug, Subcommand)]
pub enum CiVerb {
    /// Write the CI file for a workflow: a job that begins its run, one for each approval, and one to reject each.
    Generate(GenerateArgs),
}

/// Flags of `shiro ci generate`.
#[derive(Debug, Args)]
pub struct GenerateArgs {
    /// For which CI system.
    #[arg(value_name = "SYSTEM", value_enum)]
    pub system: CiSystem,

    /// Which workflow.
    #[command(flatten)]
    pub workflow: WorkflowArgs,

    /// Write to this file instead of standard output.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,

    /// Overwrite the file.
    #[arg(long, requires = "output")]
    pub force: bool,

    /// The environment whose protection says who may approve.
    #[arg(long, value_name = "NAME", default_value = "production")]
    pub environment: String,

    /// The container image that has shiro. Default: it is on the runner.
    #[arg(long, value_name = "IMAGE")]
    pub image: Option<String>,

    /// Where the jobs keep the state, if not in artifacts alone: gitlab-packages, or object storage as s3://BUCKET/PREFIX,
    /// gs://, az:// or file:///DIRECTORY. Then a rejection holds for the job that approves too, and a retry goes on.
    #[arg(long, value_name = "STORE", value_parser = state_store)]
    pub state_store: Option<StateStore>,

    /// GitLab: put the jobs into this stage, for a file that is included in another one.
    #[arg(long, value_name = "NAME")]
    pub stage: Option<String>,

    /// Run for each merge request (GitHub: pull request), with all its commits, in place of the default branch.
    #[arg(long)]
    pub merge_requests: bool,

    /// GitHub: a secret that the jobs get as a variable of its name; again for each. GitLab's jobs have their variables.
    #[arg(long = "secret", value_name = "NAME", value_parser = secret)]
    pub secrets: Vec<String>,
}

/// The name of a secret of GitHub, which becomes that of a variable.
fn secret(text: &str) -> Result<String, String> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if text.is_empty() || !text.chars().all(word) || text.starts_with(|c: char| c.is_ascii_digit()) {
        return Err("a name has letters, digits and `_`, and does not begin with a digit".to_owned());
    }
    Ok(text.to_owned())
}

/// A CI system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CiSystem {
    /// GitLab CI/CD.
    Gitlab,
    /// GitHub Actions.
    Github,
}
