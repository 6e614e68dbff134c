//! The one way in which git is run.
//!
//! What a repository holds is not to be trusted: branch names, file names, and in `.git/config` settings that make git run
//! programs. So names become commit hashes before anything else sees them, paths come after `--`, the settings of system
//! and user are not read, and those of the repository that run something, or that change what a diff looks like, are
//! overridden.

use std::time::Duration;

use shiro_step::process::{Captured, Command, Completed, Error};
use shiro_step::{Failure, log};

use crate::config::Config;

/// The verbs that are used: each is granted alone.
pub(crate) const VERBS: [&str; 4] = ["rev-parse", "diff", "log", "merge-base"];

/// What stands before each verb.
pub(crate) const PREFIX: [&str; 24] = [
    "--no-pager",
    "--no-optional-locks",
    // The repository is often another user's in a container. Git asks because of the settings that are switched off here.
    "-c",
    "safe.directory=*",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "core.attributesFile=/dev/null",
    "-c",
    "protocol.allow=never",
    "-c",
    "log.showSignature=false",
    "-c",
    "diff.noprefix=false",
    "-c",
    "diff.mnemonicPrefix=false",
    "-c",
    "diff.relative=false",
    "-c",
    "diff.suppressBlankEmpty=false",
    "-c",
    "diff.interHunkContext=0",
];

/// Variables that each run sets. They are asked for by name.
pub(crate) const VARIABLES: [(&str, &str); 7] = [
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_ATTR_NOSYSTEM", "1"),
    ("GIT_NO_LAZY_FETCH", "1"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_LITERAL_PATHSPECS", "0"),
    ("LC_ALL", "C"),
];

/// The most that is kept of what git writes: what the host keeps at most.
pub(crate) const CAPTURE: u32 = 1 << 20;

/// How long one run may take. A diff of a large repository takes seconds.
const TIMEOUT: Duration = Duration::from_secs(120);

/// The longest name of a commit.
const MAX_NAME: usize = 1024;

/// Runs git in one directory.
#[derive(Debug)]
pub(crate) struct Git {
    dir: Option<String>,
}

impl Git {
    pub(crate) fn new(config: &Config) -> Self {
        Self { dir: config.working_dir.clone().filter(|dir| !dir.is_empty()) }
    }

    /// Runs a verb. One that says no is no error.
    fn run(&self, verb: &'static str, args: &[&str], literal: bool) -> Result<Completed, Failure> {
        let mut command = Command::new("git").args(PREFIX).arg(verb).args(args.iter().copied());
        for (name, value) in VARIABLES {
            let value = if literal && name == "GIT_LITERAL_PATHSPECS" { "1" } else { value };
            command = command.env(name, value);
        }
        if let Some(dir) = &self.dir {
            command = command.working_dir(dir);
        }
        command.capture(CAPTURE).timeout(TIMEOUT).quiet().run().map_err(|error| match error {
            Error::NotFound { .. } => Failure::permanent(
                "not_found",
                "there is no git on PATH: install it in the job's image, or use one that has it",
            ),
            other => other.into(),
        })
    }

    /// What a verb writes, if it succeeds.
    pub(crate) fn output(&self, verb: &'static str, args: &[&str]) -> Result<Captured, Failure> {
        Self::checked(self.run(verb, args, false)?)
    }

    /// The same, with paths that mean themselves and are no patterns.
    pub(crate) fn output_of_files(&self, verb: &'static str, args: &[&str]) -> Result<Captured, Failure> {
        Self::checked(self.run(verb, args, true)?)
    }

    fn checked(done: Completed) -> Result<Captured, Failure> {
        match done.status.success() {
            true => Ok(done.stdout),
            false => Err(failed(&done)),
        }
    }

    /// The hash of the commit that a name stands for; none if there is no such commit.
    pub(crate) fn commit(&self, name: &str) -> Result<Option<String>, Failure> {
        if let Some(problem) = name_problem(name) {
            return Err(Failure::invalid_config(format!("`{}` can't be a commit: {problem}", visible(name))));
        }
        let commit = format!("{name}^{{commit}}");
        let done = self.run("rev-parse", &["--verify", "--quiet", "--end-of-options", &commit], false)?;
        // 128 with a reason is not about the name: it is no repository, or no git that knows these options.
        let reason = done.stderr.text();
        if !done.status.success() && !reason.trim().is_empty() && !is_about_the_name(&reason) {
            return Err(failed(&done));
        }
        let hash = done.stdout.text();
        Ok(Some(hash.trim().to_owned()).filter(|hash| done.status.success() && is_hash(hash)))
    }

    /// Whether history ends where the clone does.
    pub(crate) fn is_shallow(&self) -> Result<bool, Failure> {
        Ok(self.output("rev-parse", &["--is-shallow-repository"])?.text().trim() == "true")
    }

    /// The commit in which the histories of two commits part.
    pub(crate) fn merge_base(&self, one: &str, other: &str) -> Result<String, Failure> {
        let done = self.run("merge-base", &["--end-of-options", one, other], false)?;
        let hash = done.stdout.text().trim().to_owned();
        if done.status.success() && is_hash(&hash) {
            return Ok(hash);
        }
        if !done.stderr.text().trim().is_empty() {
            return Err(failed(&done));
        }
        let message = "the two commits have no history in common";
        Err(match self.is_shallow()? {
            true => Failure::permanent("no_merge_base", format!("{message} in this clone, which is shallow{DEEPEN}")),
            false => Failure::permanent("no_merge_base", message),
        })
    }
}

/// What to do about a clone that lacks history.
pub(crate) const DEEPEN: &str =
    ": fetch more of it (GitLab: the variable GIT_DEPTH: 0; GitHub: fetch-depth: 0 for actions/checkout)";

/// Whether a text is a commit's full hash: SHA-1 or SHA-256.
pub(crate) fn is_hash(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Git gives the name back, or says that it is none.
fn is_about_the_name(reason: &str) -> bool {
    ["ambiguous argument", "bad revision", "unknown revision", "Needed a single revision", "not a valid", "upstream"]
        .iter()
        .any(|part| reason.contains(part))
}

/// Why a text is no name of a commit. What begins with a dash would be an option.
fn name_problem(name: &str) -> Option<&'static str> {
    if name.starts_with('-') {
        Some("it begins with a dash, as options do")
    } else if name.is_empty() || name.len() > MAX_NAME {
        Some("it is empty, or too long")
    } else if name.chars().any(char::is_control) {
        Some("it has control characters in it")
    } else if name.contains("..") {
        Some("it is a range: set `base` and `target`")
    } else {
        None
    }
}

/// The failure of a run: the last that git says.
fn failed(done: &Completed) -> Failure {
    let stderr = done.stderr.text();
    let said = stderr.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let first = stderr.lines().find(|line| line.starts_with("fatal:")).unwrap_or(said);
    log::debug(visible(&stderr));
    let mut message = format!("git {}", done.status);
    if !first.is_empty() {
        message += &format!(": {}", visible(first.trim_start_matches("fatal: ")));
    }
    if stderr.contains("not allowed") || stderr.contains("lazy fetching disabled") || stderr.contains("promisor") {
        message += "; the clone is partial, and what is missing is not fetched here: clone without a filter";
    }
    Failure::permanent("git", message)
}

/// A text that came from a repository, for people: control characters are shown and not obeyed.
pub(crate) fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_git_would_take_for_something_else_are_refused() {
        for name in ["--output=/tmp/x", "-O", "", "a\nb", "a\0b", "\x1b[31m", "main..HEAD", "a...b", &"x".repeat(2000)]
        {
            assert!(name_problem(name).is_some(), "{name:?}");
        }
        for name in
            ["main", "origin/main", "v1.0^{}", "HEAD~2", "@{u}", ":/fix the --thing", "feature/ü", "$(id)", "a;b"]
        {
            assert_eq!(name_problem(name), None, "{name:?}");
        }
    }

    #[test]
    fn a_hash_is_a_whole_hash() {
        assert!(is_hash(&"a1".repeat(20)) && is_hash(&"0F".repeat(32)));
        for text in ["", "HEAD", "abc123", &"g".repeat(40), &"a".repeat(41)] {
            assert!(!is_hash(text), "{text}");
        }
    }

    #[test]
    fn what_comes_from_a_repository_is_shown_and_not_obeyed() {
        assert_eq!(visible("a\x1b[2J\nb"), "a\\u{1b}[2J\\nb");
    }
}
