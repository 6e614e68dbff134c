//! The step type `git.diff`: what changed, and since when.
//!
//! ```text
//! git      the one way in which git is run: what its repository's settings could make it do is switched off
//! base     what a job's changes are compared with
//! compare  two commits, or a commit and the working tree: changed files, and their diff within a limit
//! log      commits
//! ```

mod base;
mod compare;
mod config;
mod git;
mod log;
mod output;

use shiro_step::{Failure, Permissions, Step};

use base::Range;
use config::{Config, Operation};
use git::Git;
use output::Output;

struct GitDiff;

impl Step for GitDiff {
    const NAME: &'static str = "git.diff";
    const SUMMARY: &'static str =
        "Tells what changed in the project's git repository: the diff, the files, the commits.";
    type Config = Config;
    type Output = Output;

    fn permissions() -> Permissions {
        let mut permissions = Permissions::default();
        for verb in git::VERBS {
            let args: Vec<&str> = git::PREFIX.iter().copied().chain([verb, "**"]).collect();
            permissions = permissions.program_with_args("git", &args);
            for (name, _) in git::VARIABLES {
                permissions = permissions.inheriting(name);
            }
        }
        for name in base::VARIABLES {
            permissions = permissions.variable(name);
        }
        permissions.read(shiro_forge::event::DIRECTORY)
    }

    fn run(config: Config) -> Result<Output, Failure> {
        let git = Git::new(&config);
        let range = base::choose(&git, &config, &base::Job::of_environment())?;
        match config.operation {
            Operation::Diff => compare::diff(&git, &config, range),
            Operation::GetChanges => compare::changes(&git, &config, range),
            Operation::Log => log::log(&git, &config, range),
            Operation::MergeBase => merge_base(&git, range),
        }
    }
}

shiro_step::export!(GitDiff);

fn merge_base(git: &Git, range: Range) -> Result<Output, Failure> {
    let Range { base: Some(base), target: Some(target), from, .. } = range else {
        return Err(Failure::invalid_config("`merge_base` needs two commits: set `base`"));
    };
    let sha = git.merge_base(&base, &target)?;
    Ok(Output { sha: Some(sha), ..Output::of(base, target, from) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn asks_for_git_alone_with_its_settings_switched_off() {
        let asked = serde_json::to_value(GitDiff::permissions()).unwrap();
        let programs = asked["process"].as_array().unwrap();
        assert_eq!(programs.len(), git::VERBS.len());
        for program in programs {
            let args = program["args"].as_array().unwrap();
            assert_eq!(program["program"], "git");
            assert_eq!(args[..git::PREFIX.len()], git::PREFIX.map(|arg| json!(arg)));
            assert_eq!(args.len(), git::PREFIX.len() + 2, "a verb and its arguments");
            assert_eq!(program.get("inherit_environment"), None);
        }
        assert_eq!(asked["files"], json!([{ "path": "{env.GITHUB_EVENT_PATH}/..", "access": "read" }]));
        assert_eq!((asked.get("network"), asked.get("secrets")), (None, None));
    }
}
