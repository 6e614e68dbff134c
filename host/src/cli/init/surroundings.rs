//! What the repository says about its CI system, and about what it ignores.

use std::fs;
use std::path::Path;

use crate::ci::Platform;

/// The CI system that the repository is for: by the files it has, then by where it comes from.
pub(super) fn platform(root: &Path) -> Option<Platform> {
    if root.join(".gitlab-ci.yml").exists() {
        return Some(Platform::Gitlab);
    }
    if root.join(".github").is_dir() {
        return Some(Platform::Github);
    }
    fs::read_to_string(root.join(".git/config")).ok().and_then(|config| of_remote(&config))
}

/// By the first remote whose host says what it is.
fn of_remote(config: &str) -> Option<Platform> {
    let urls = config.lines().filter_map(|line| line.trim().strip_prefix("url")?.trim_start().strip_prefix('='));
    urls.map(str::trim).find_map(|url| {
        // The host alone: a repository may be called anything.
        let host = url.split("://").last().unwrap_or(url);
        let host = host.split('/').next().unwrap_or(host);
        let host = host.rsplit('@').next().unwrap_or(host).split(':').next().unwrap_or(host);
        if host.contains("gitlab") {
            Some(Platform::Gitlab)
        } else if host.contains("github") {
            Some(Platform::Github)
        } else {
            None
        }
    })
}

/// The line of .gitignore that keeps the workflow out of commits, as Go shiro wrote it.
pub(super) fn ignored_by(root: &Path) -> Option<String> {
    let text = fs::read_to_string(root.join(".gitignore")).ok()?;
    let hides = |line: &&str| matches!(line.trim().trim_start_matches('/').trim_end_matches(['*', '/']), ".shiro");
    text.lines().find(hides).map(|line| line.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_s_host_says_what_it_is() {
        for (url, expected) in [
            ("https://gitlab.example.com/group/name.git", Some(Platform::Gitlab)),
            ("git@gitlab.com:group/name.git", Some(Platform::Gitlab)),
            ("ssh://git@gitlab.example.com:2222/group/name.git", Some(Platform::Gitlab)),
            ("https://user:secret@github.com/group/gitlab.git", Some(Platform::Github)),
            ("git@github.com:group/name.git", Some(Platform::Github)),
            ("https://example.com/github/name.git", None),
            ("/srv/git/name.git", None),
        ] {
            let config = format!("[core]\n\tbare = false\n[remote \"origin\"]\n\turl = {url}\n\tfetch = x\n");
            assert_eq!(of_remote(&config), expected, "{url}");
        }
    }

    #[test]
    fn a_line_that_hides_the_workflow_is_found() {
        let dir = tempfile::tempdir().unwrap();
        for (text, expected) in [
            ("/target\n.shiro/\n", Some(".shiro/")),
            ("/.shiro", Some("/.shiro")),
            (".shiro/*\n", Some(".shiro/*")),
            (".shiro/state/\n", None),
            ("# .shiro/\n", None),
        ] {
            fs::write(dir.path().join(".gitignore"), text).unwrap();
            assert_eq!(ignored_by(dir.path()).as_deref(), expected, "{text}");
        }
    }
}
