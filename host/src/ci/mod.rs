//! CI files: what a `.gitlab-ci.yml` or a GitHub workflow must have so that a run pauses in one job and goes on in another.
//! Checks of files that are there, and files that pass them.
//!
//! ```text
//! text --yaml--> Node (with places) --gitlab|github--> jobs --rules--> Report
//! Plan --gates--> Gates --generate--> text
//! ```
//!
//! Nothing here reads a file but [`Repository`], and nothing reads a clock.

mod artifact;
mod check;
mod dead_link;
mod duration;
mod finding;
mod gates;
mod generate;
mod github;
mod gitlab;
mod glob;
mod invocation;
mod players;
mod repository;
mod rules;
mod shell;
#[cfg(test)]
mod testing;

use std::fmt;

pub use check::{Subject, check};
pub use dead_link::dead_links;
pub use finding::{Finding, Place, Report, Severity};
pub use gates::{Gate, Gates, Round, Wait};
pub use generate::{Options, Trigger, generate};
pub use invocation::Flags;
pub use repository::{Files, Repository, Unreadable};

/// A CI system that has files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// GitLab CI/CD.
    Gitlab,
    /// GitHub Actions.
    Github,
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gitlab => "GitLab CI",
            Self::Github => "GitHub Actions",
        })
    }
}
