//! Real git repositories in projects.

use std::path::Path;

use super::{Outcome, Project};

/// No hash of a commit: what CI systems say of a branch that is new.
pub(crate) const ZERO: &str = "0000000000000000000000000000000000000000";

impl Project {
    /// A project that is a repository with one commit on `main`: the file `a.txt`.
    pub(crate) fn repository() -> Self {
        let project = Self::new();
        project.git(&["init", "--quiet", "--initial-branch=main"]);
        project.commit("a.txt", "one\ntwo\nthree\n", "first");
        project
    }

    /// Runs git as a person would, with no settings but its own, and gives what it says. It has to succeed.
    #[track_caller]
    pub(crate) fn git(&self, args: &[&str]) -> String {
        let identity = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com", "-c", "commit.gpgsign=false"];
        let output = self
            .command("git")
            .args(identity)
            .args(args)
            .envs([("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_CONFIG_GLOBAL", "/dev/null"), ("HOME", "/nonexistent")])
            .output()
            .expect("git starts");
        let outcome = Outcome::of(output).exits(0);
        outcome.stdout.trim().to_owned()
    }

    /// Writes a file and commits it and all else that is new. Gives the commit's hash.
    #[track_caller]
    pub(crate) fn commit(&self, path: impl AsRef<Path>, content: &str, message: &str) -> String {
        self.write(path, content);
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", message]);
        self.git(&["rev-parse", "HEAD"])
    }
}
