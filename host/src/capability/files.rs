//! File permissions: which directories.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::reference::has_references;

/// A directory with everything in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilePermission {
    /// The directory: relative to the project's directory, or absolute. The step sees it under this very name.
    pub path: String,
    /// What may be done there.
    #[serde(default)]
    pub access: Access,
}

/// What may be done in a directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Reading.
    #[default]
    Read,
    /// Reading, writing, making and deleting.
    ReadWrite,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::ReadWrite => "read-write",
        })
    }
}

impl fmt::Display for FilePermission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.path, self.access)
    }
}

/// What no grant ever reaches into.
const NEVER_NAMES: [&str; 2] = [".git", ".shiro"];
const NEVER_ROOTS: [&str; 3] = ["/proc", "/sys", "/dev"];

impl FilePermission {
    /// Everything that `other` covers, this one covers.
    pub fn covers(&self, other: &Self) -> bool {
        self.access >= other.access && is_below(&clean(&other.path), &clean(&self.path))
    }

    /// What both cover: the inner directory, with the lesser access.
    pub fn meet(&self, other: &Self) -> Option<Self> {
        let (own, others) = (clean(&self.path), clean(&other.path));
        let access = self.access.min(other.access);
        if is_below(&own, &others) {
            Some(Self { path: self.path.clone(), access })
        } else if is_below(&others, &own) {
            Some(Self { path: other.path.clone(), access })
        } else {
            None
        }
    }

    /// What is wrong with it, if something is.
    pub(super) fn problem(&self) -> Option<(&'static str, String)> {
        if has_references(&self.path) {
            return None;
        }
        never(&self.path).map(|problem| ("path", problem.to_owned()))
    }
}

/// Why a directory is never granted, whatever a policy says. By its name alone: where it leads is looked at when it is
/// granted.
pub fn never(path: &str) -> Option<&'static str> {
    if path.is_empty() || path.contains('\0') {
        return Some("it is a directory, relative to the project's or absolute");
    }
    if path.split('/').any(|part| part == "..") {
        return Some("it has no `..`: name the directory itself");
    }
    let path = clean(path);
    if path == "/" {
        return Some("the whole file system is never granted: name the directory that is needed");
    }
    if path.is_empty() {
        return Some(
            "the project's directory holds `.git` and `.shiro`, which are never granted: name the directory in it that \
             is needed",
        );
    }
    if path.split('/').any(|part| NEVER_NAMES.contains(&part)) {
        return Some("`.git` and `.shiro` are never granted: what changes them decides what runs next");
    }
    let system = NEVER_ROOTS.iter().any(|root| is_below(&path, root));
    system.then_some("`/proc`, `/sys` and `/dev` are never granted: they are the machine, not files")
}

/// A path without `.` and doubled slashes; the project's directory is empty.
pub(super) fn clean(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let root = if path.starts_with('/') { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}

/// Whether one clean path is the other, or lies in it.
pub(super) fn is_below(path: &str, dir: &str) -> bool {
    match dir {
        "" => !path.starts_with('/'),
        "/" => true,
        dir => path.strip_prefix(dir).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str) -> FilePermission {
        FilePermission { path: path.into(), access: Access::Read }
    }

    fn write(path: &str) -> FilePermission {
        FilePermission { path: path.into(), access: Access::ReadWrite }
    }

    #[test]
    fn a_directory_covers_what_lies_in_it() {
        assert!(read("dist").covers(&read("./dist/js/")));
        assert!(!read("dist").covers(&read("dist2")));
        assert!(!read("dist/js").covers(&read("dist")));
        assert!(!read("dist").covers(&write("dist")));
        assert!(write("dist").covers(&read("dist")));
        assert!(!read("dist").covers(&read("/dist")));
    }

    #[test]
    fn two_directories_meet_in_the_inner_one() {
        assert_eq!(read("dist").meet(&write("dist/js")), Some(read("dist/js")));
        assert_eq!(write("dist/js").meet(&write("dist")), Some(write("dist/js")));
        assert_eq!(read("dist").meet(&read("src")), None);
    }

    #[test]
    fn some_directories_are_never_granted() {
        for path in
            ["", "/", ".", "./", "//", "..", "a/../..", ".git", ".shiro/state", "a/.git/hooks", "/proc/self", "/sys"]
        {
            assert!(never(path).is_some(), "{path:?}");
        }
        for path in ["dist", "./dist", "/srv/data", ".github", "procs"] {
            assert_eq!(never(path), None, "{path:?}");
        }
    }

    #[test]
    fn access_is_read_unless_said() {
        assert_eq!(serde_json::from_str::<FilePermission>(r#"{"path":"a"}"#).unwrap(), read("a"));
        assert_eq!(serde_json::to_string(&write("a")).unwrap(), r#"{"path":"a","access":"read-write"}"#);
    }
}
