//! The files of a repository: the one place of this module that reads any.

use std::fmt;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use super::glob;
use crate::yaml::MAX_BYTES;

/// No more entries are looked at for a pattern.
const MAX_ENTRIES: usize = 20_000;

/// What a CI file may include.
pub trait Files {
    /// A file's content, by its path from the repository's root.
    fn read(&self, path: &str) -> Result<Vec<u8>, Unreadable>;
    /// The files whose paths fit a pattern, sorted.
    fn matching(&self, pattern: &str) -> Vec<String>;
}

/// Why a file is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// There is none.
    Missing,
    /// It is not in the repository.
    Outside,
    /// The system says why.
    Other(String),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no such file in the repository"),
            Self::Outside => f.write_str("it leads out of the repository"),
            Self::Other(why) => f.write_str(why),
        }
    }
}

/// A directory, and nothing outside of it.
#[derive(Clone, Debug)]
pub struct Repository {
    root: PathBuf,
}

impl Repository {
    /// The repository that a file is in: the nearest directory above it that has a `.git`, else the file's own, without
    /// `.github/workflows`.
    pub fn around(file: &Path) -> std::io::Result<Self> {
        let file = file.canonicalize()?;
        let own = file.parent().unwrap_or(Path::new("/"));
        let root = own.ancestors().find(|dir| dir.join(".git").exists()).unwrap_or_else(|| {
            let outside = own.ancestors().find(|dir| dir.file_name().is_some_and(|name| name == ".github"));
            outside.and_then(Path::parent).unwrap_or(own)
        });
        Ok(Self { root: root.to_owned() })
    }

    /// The root.
    pub fn root(&self) -> &Path {
        &self.root
    }
}

impl Files for Repository {
    fn read(&self, path: &str) -> Result<Vec<u8>, Unreadable> {
        let relative = Path::new(path.trim_start_matches('/'));
        if !relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
            return Err(Unreadable::Outside);
        }
        let other = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => Unreadable::Missing,
            _ => Unreadable::Other(error.to_string()),
        };
        // A link may lead anywhere.
        let found = self.root.join(relative).canonicalize().map_err(other)?;
        if !found.starts_with(&self.root) {
            return Err(Unreadable::Outside);
        }
        if !fs::metadata(&found).map_err(other)?.is_file() {
            return Err(Unreadable::Other("it is no file".to_owned()));
        }
        let mut bytes = Vec::new();
        // One more than is allowed, so that it is seen to be too large.
        File::open(found).and_then(|file| file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)).map_err(other)?;
        Ok(bytes)
    }

    fn matching(&self, pattern: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut pending = vec![(self.root.clone(), String::new())];
        let mut looked_at = 0;
        while let Some((dir, prefix)) = pending.pop() {
            let Ok(entries) = fs::read_dir(dir) else { continue };
            for entry in entries.flatten() {
                looked_at += 1;
                if looked_at > MAX_ENTRIES {
                    break;
                }
                let Ok(name) = entry.file_name().into_string() else { continue };
                let Ok(kind) = entry.file_type() else { continue };
                let path = format!("{prefix}{name}");
                if kind.is_dir() && name != ".git" {
                    pending.push((entry.path(), format!("{path}/")));
                } else if !kind.is_dir() && glob::matches(pattern, &path) {
                    found.push(path);
                }
            }
        }
        found.sort();
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outside_of_the_repository_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("repository");
        fs::create_dir_all(root.join(".git")).unwrap();
        fs::create_dir_all(root.join("ci/jobs")).unwrap();
        fs::write(dir.path().join("secret.yml"), "secret: 1").unwrap();
        fs::write(root.join("ci/jobs/a.yml"), "a: 1").unwrap();
        fs::write(root.join(".gitlab-ci.yml"), "{}").unwrap();
        std::os::unix::fs::symlink("../../secret.yml", root.join("ci/link.yml")).unwrap();
        std::os::unix::fs::symlink("jobs/a.yml", root.join("ci/inside.yml")).unwrap();
        let files = Repository::around(&root.join("ci/jobs/a.yml")).unwrap();
        assert_eq!(files.root(), root.canonicalize().unwrap());
        assert_eq!(files.read("/ci/jobs/a.yml").unwrap(), b"a: 1");
        assert_eq!(files.read("ci/inside.yml").unwrap(), b"a: 1");
        for path in ["../secret.yml", "ci/../../secret.yml", "ci/link.yml", "/ci/link.yml"] {
            assert_eq!(files.read(path), Err(Unreadable::Outside), "{path}");
        }
        assert_eq!(files.read("nowhere.yml"), Err(Unreadable::Missing));
        assert_eq!(files.read("ci/jobs/a.yml/b"), Err(Unreadable::Missing));
        assert!(matches!(files.read("ci"), Err(Unreadable::Other(_))));
        assert_eq!(files.matching("ci/**/*.yml"), ["ci/inside.yml", "ci/jobs/a.yml", "ci/link.yml"]);
    }

    #[test]
    fn without_git_a_workflow_of_github_is_two_directories_below_the_root() {
        let dir = tempfile::tempdir().unwrap();
        let workflows = dir.path().join(".github/workflows");
        fs::create_dir_all(&workflows).unwrap();
        fs::write(workflows.join("ci.yml"), "{}").unwrap();
        let files = Repository::around(&workflows.join("ci.yml")).unwrap();
        assert_eq!(files.root(), dir.path().canonicalize().unwrap());
    }
}
