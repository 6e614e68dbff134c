//! Whether an artifact carries a run's state.

use super::glob;

/// Where the state is, below the project's directory: `docs/state-and-approvals.md`.
pub(super) const STATE: &str = ".shiro/state";

/// One of these is what a pattern must match to carry a journal: a directory that holds it, or the file.
const CARRIERS: [&str; 4] = [".shiro", STATE, ".shiro/state/deploy.jsonl", ".shiro/state/deploy-pipeline-1.jsonl"];

/// What is carried where this path or pattern, relative to the project's directory, is uploaded.
pub(super) fn carries_state(path: &str) -> bool {
    let path = relative(path);
    path.is_empty() || path == "." || CARRIERS.iter().any(|carrier| glob::matches(path, carrier))
}

/// Without the ways of saying "the project's directory".
fn relative(path: &str) -> &str {
    let mut path = path.trim();
    for root in ["$CI_PROJECT_DIR", "${CI_PROJECT_DIR}", "${{ github.workspace }}", "$GITHUB_WORKSPACE", "."] {
        match path.strip_prefix(root) {
            Some("") => return "",
            Some(rest) if rest.starts_with('/') => path = rest,
            _ => {}
        }
    }
    path.trim_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_above_or_the_journals_themselves_will_do() {
        for (path, expected) in [
            (".shiro/state/", true),
            ("./.shiro/state", true),
            ("$CI_PROJECT_DIR/.shiro/state/", true),
            ("${{ github.workspace }}/.shiro", true),
            (".shiro/", true),
            (".shiro/state/*.jsonl", true),
            (".shiro/**/*", true),
            ("**/*", true),
            (".", true),
            ("${CI_PROJECT_DIR}", true),
            ("*", true),
            (".shiro/workflow.json", false),
            (".shiro/*.json", false),
            (".shirox/", false),
            ("state/", false),
            (".shiro/state/status.env", false),
        ] {
            assert_eq!(carries_state(path), expected, "{path}");
        }
    }
}
