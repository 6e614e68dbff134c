//! What a job's changes are compared with.

use std::env;

use serde_json::Value;
use shiro_forge::event;
use shiro_step::Failure;

use crate::config::{Config, Operation};
use crate::git::{DEEPEN, Git, is_hash};

/// The variables that say it.
pub(crate) const VARIABLES: [&str; 13] = [
    "CI",
    "CI_COMMIT_BEFORE_SHA",
    "CI_DEFAULT_BRANCH",
    "CI_MERGE_REQUEST_DIFF_BASE_SHA",
    "CI_MERGE_REQUEST_IID",
    "CI_MERGE_REQUEST_TARGET_BRANCH_NAME",
    "CI_MERGE_REQUEST_TARGET_BRANCH_SHA",
    "GITHUB_ACTIONS",
    "GITHUB_BASE_REF",
    "GITHUB_EVENT_NAME",
    "GITHUB_EVENT_PATH",
    "GITHUB_REF",
    "GITLAB_CI",
];

/// The tree without files: what a first commit is compared with. By the length of the repository's hashes.
const EMPTY_TREE: [&str; 2] =
    ["4b825dc642cb6eb9a060e54bf8d69288fbee4904", "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321"];

/// What the CI system says of the job.
#[derive(Debug, Default)]
pub(crate) struct Job {
    variables: Vec<(String, String)>,
    /// What started it, on GitHub.
    event: Value,
}

/// What is compared: hashes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Range {
    /// None for `log` of all commits.
    pub(crate) base: Option<String>,
    /// None for the working tree.
    pub(crate) target: Option<String>,
    /// How the base was chosen, for people.
    pub(crate) from: String,
}

/// A commit that may be the base.
#[derive(Debug, PartialEq, Eq)]
struct Candidate {
    name: String,
    from: String,
    /// What counts is where the target left it.
    merge_base: bool,
}

impl Job {
    pub(crate) fn of_environment() -> Self {
        let variables = VARIABLES.iter().filter_map(|&name| {
            let value = env::var(name).ok().filter(|value| !value.trim().is_empty())?;
            Some((name.to_owned(), value))
        });
        let job = Self { variables: variables.collect(), event: Value::Null };
        let event = if job.on_github() { event::read() } else { Value::Null };
        Self { event, ..job }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.variables.iter().find(|(own, _)| own == name).map(|(_, value)| value.trim())
    }

    fn on_github(&self) -> bool {
        self.get("GITHUB_ACTIONS") == Some("true")
    }

    fn is_ci(&self) -> bool {
        ["CI", "GITLAB_CI", "GITHUB_ACTIONS"].iter().any(|name| self.get(name).is_some_and(|value| value != "false"))
    }

    /// It is about a merge request or pull request: nothing but its target is a base.
    fn is_merge_request(&self) -> bool {
        self.get("CI_MERGE_REQUEST_IID").is_some() || self.get("GITHUB_BASE_REF").is_some()
    }

    /// Commits that may be the base, best first.
    fn candidates(&self) -> Vec<Candidate> {
        let mut found = Vec::new();
        let mut add = |name: Option<String>, from: &str, merge_base: bool| {
            found.extend(name.map(|name| Candidate { name, from: from.to_owned(), merge_base }));
        };
        let hash = |text: Option<&str>| {
            text.filter(|text| is_hash(text) && text.bytes().any(|byte| byte != b'0')).map(str::to_owned)
        };
        let remote = |branch: Option<&str>| branch.map(|branch| format!("refs/remotes/origin/{branch}"));
        let event = |pointer: &str| self.event.pointer(pointer).and_then(Value::as_str);
        if self.is_merge_request() {
            // Where the pipeline is for the merged result, HEAD holds the target as it is now.
            add(hash(self.get("CI_MERGE_REQUEST_TARGET_BRANCH_SHA")), "the merge request's target", true);
            add(hash(self.get("CI_MERGE_REQUEST_DIFF_BASE_SHA")), "the merge request's base", true);
            add(remote(self.get("CI_MERGE_REQUEST_TARGET_BRANCH_NAME")), "the merge request's target", true);
            add(remote(self.get("GITHUB_BASE_REF")), "the pull request's target", true);
            add(hash(event("/pull_request/base/sha")), "the pull request's base", true);
            let merged =
                self.get("GITHUB_REF").is_some_and(|name| name.starts_with("refs/pull/") && name.ends_with("/merge"));
            add(merged.then(|| "HEAD^1".to_owned()), "the pull request's target", true);
            return found;
        }
        add(hash(self.get("CI_COMMIT_BEFORE_SHA")), "the commit before the push", false);
        let push = self.get("GITHUB_EVENT_NAME") == Some("push");
        add(hash(event("/before")).filter(|_| push), "the commit before the push", false);
        let default = self.get("CI_DEFAULT_BRANCH").or_else(|| event("/repository/default_branch"));
        add(remote(default), "the default branch", true);
        add(Some("HEAD^1".to_owned()), "the commit before", false);
        found
    }
}

/// Chooses what is compared.
pub(crate) fn choose(git: &Git, config: &Config, job: &Job) -> Result<Range, Failure> {
    let target = git.commit(config.target())?.ok_or_else(|| missing("target", config.target()))?;
    let given = config.base();
    // Go shiro compares the working tree where no base is given; in CI, that has no changes.
    let working_tree = config.working_tree || (given.is_none() && !job.is_ci() && compares_files(config.operation));
    if let Some(name) = given {
        let base = git.commit(name)?.ok_or_else(|| missing("base", name))?;
        return range(git, config, Found { base, from: "base".to_owned(), part: false }, target, working_tree);
    }
    if working_tree {
        return Ok(Range { base: Some(target), target: None, from: "target".to_owned() });
    }
    if !job.is_ci() {
        return Ok(Range { base: None, target: Some(target), from: String::new() });
    }
    let found = first(git, config, job, &target)?;
    range(git, config, found, target, false)
}

fn compares_files(operation: Operation) -> bool {
    matches!(operation, Operation::Diff | Operation::GetChanges)
}

struct Found {
    base: String,
    from: String,
    /// It is compared where the histories part, unless the config says otherwise.
    part: bool,
}

/// The first candidate that there is, and from which something changed.
fn first(git: &Git, config: &Config, job: &Job, target: &str) -> Result<Found, Failure> {
    for Candidate { name, from, merge_base } in job.candidates() {
        // The commit before is the one before the target.
        let name = if name == "HEAD^1" { format!("{}^1", config.target()) } else { name };
        match git.commit(&name)? {
            Some(base) if base != target => return Ok(Found { base, from, part: merge_base }),
            _ => {}
        }
    }
    if job.is_merge_request() {
        return Err(Failure::permanent(
            "no_base",
            format!(
                "the merge request's target is not in this clone, or there is no change from it{DEEPEN}, or set `base`"
            ),
        ));
    }
    if git.is_shallow()? {
        return Err(Failure::permanent(
            "no_base",
            format!("the clone is shallow, and has no commit to compare with{DEEPEN}, or set `base`"),
        ));
    }
    let tree = EMPTY_TREE[usize::from(target.len() == 64)];
    Ok(Found { base: tree.to_owned(), from: "nothing: it is the first commit".to_owned(), part: false })
}

fn range(git: &Git, config: &Config, found: Found, target: String, working_tree: bool) -> Result<Range, Failure> {
    let Found { mut base, mut from, part } = found;
    let wanted = config.merge_base.unwrap_or(part);
    if wanted && config.operation != Operation::MergeBase && !EMPTY_TREE.contains(&base.as_str()) {
        base = git.merge_base(&base, &target)?;
        from = format!("where the histories part, of {from}");
    }
    Ok(Range { base: Some(base), target: (!working_tree).then_some(target), from })
}

fn missing(key: &str, name: &str) -> Failure {
    Failure::permanent(
        "no_such_commit",
        format!(
            "there is no commit `{}` here (`{key}`): the name is wrong, or the clone does not have it{DEEPEN}; a branch that \
             was not checked out is `origin/NAME`",
            crate::git::visible(name)
        ),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
    const ZERO: &str = "0000000000000000000000000000000000000000";

    fn names(variables: &[(&str, &str)], event: Value) -> Vec<String> {
        let variables = variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        Job { variables, event }.candidates().into_iter().map(|candidate| candidate.name).collect()
    }

    #[test]
    fn a_merge_request_is_compared_with_its_target_and_nothing_else() {
        let branch =
            [("CI_MERGE_REQUEST_IID", "7"), ("CI_MERGE_REQUEST_DIFF_BASE_SHA", A), ("CI_COMMIT_BEFORE_SHA", ZERO)];
        assert_eq!(names(&branch, Value::Null), [A]);
        let merged = [
            ("CI_MERGE_REQUEST_IID", "7"),
            ("CI_MERGE_REQUEST_DIFF_BASE_SHA", A),
            ("CI_MERGE_REQUEST_TARGET_BRANCH_SHA", B),
            ("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "main"),
        ];
        assert_eq!(names(&merged, Value::Null), [B, A, "refs/remotes/origin/main"]);
    }

    #[test]
    fn a_pull_request_is_compared_with_its_target() {
        let pull = [("GITHUB_BASE_REF", "main"), ("GITHUB_REF", "refs/pull/3/merge")];
        let event = json!({ "pull_request": { "base": { "sha": A } }, "before": B });
        assert_eq!(names(&pull, event), ["refs/remotes/origin/main", A, "HEAD^1"]);
    }

    #[test]
    fn a_push_is_compared_with_what_was_there_before() {
        let gitlab = [("CI_COMMIT_BEFORE_SHA", A), ("CI_DEFAULT_BRANCH", "main")];
        assert_eq!(names(&gitlab, Value::Null), [A, "refs/remotes/origin/main", "HEAD^1"]);
        let new = [("CI_COMMIT_BEFORE_SHA", ZERO), ("CI_DEFAULT_BRANCH", "main")];
        assert_eq!(names(&new, Value::Null), ["refs/remotes/origin/main", "HEAD^1"]);
        let event = json!({ "before": B, "repository": { "default_branch": "trunk" } });
        assert_eq!(names(&[("GITHUB_EVENT_NAME", "push")], event.clone()), [B, "refs/remotes/origin/trunk", "HEAD^1"]);
        assert_eq!(names(&[("GITHUB_EVENT_NAME", "schedule")], event), ["refs/remotes/origin/trunk", "HEAD^1"]);
    }

    #[test]
    fn what_is_no_hash_is_none() {
        let odd = [("CI_MERGE_REQUEST_IID", "7"), ("CI_MERGE_REQUEST_DIFF_BASE_SHA", "--output=x")];
        assert!(names(&odd, json!({ "pull_request": { "base": { "sha": 7 } } })).is_empty());
    }

    #[test]
    fn a_job_of_another_system_is_one_too() {
        let job = |name: &str, value: &str| Job { variables: vec![(name.into(), value.into())], event: Value::Null };
        assert!(job("CI", "1").is_ci() && job("GITLAB_CI", "true").is_ci());
        assert!(!job("CI", "false").is_ci() && !Job::default().is_ci());
    }
}
