//! Permissions for the workflow's shared data: which keys of which scope, to read or to write.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Access, names};

/// How far a piece of shared data reaches: everything that runs in one scope sees the same data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// One run.
    Run,
    /// All runs of one CI pipeline; outside of CI, all that use this state.
    Pipeline,
    /// All runs for one branch, or for one tag.
    Branch,
    /// All runs that use this state.
    Project,
}

impl Scope {
    /// All scopes, the narrowest first.
    pub const ALL: [Self; 4] = [Self::Run, Self::Pipeline, Self::Branch, Self::Project];

    /// Its name in workflows and policies.
    pub fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Pipeline => "pipeline",
            Self::Branch => "branch",
            Self::Project => "project",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A text that names no scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no scope: it is run, pipeline, branch or project", .0.escape_debug())]
pub struct UnknownScope(String);

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        Self::ALL.into_iter().find(|scope| scope.name() == text).ok_or_else(|| UnknownScope(text.to_owned()))
    }
}

/// Keys of the workflow's shared data, in one scope or in all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StorePermission {
    /// `run`, `pipeline`, `branch` or `project`; `*` is each of them.
    pub scope: String,
    /// The keys: one by its name, or all that begin alike with a `*` after the beginning, e.g. `deploy/*`.
    pub keys: String,
    /// What may be done with them.
    #[serde(default)]
    pub access: Access,
}

/// As a scope: each of them.
const ANY: &str = "*";

impl StorePermission {
    /// The least that allows this with one key, or with all keys that match a pattern.
    pub fn of(scope: Scope, keys: impl Into<String>, access: Access) -> Self {
        Self { scope: scope.name().to_owned(), keys: keys.into(), access }
    }

    /// Everything that `other` covers, this one covers.
    pub fn covers(&self, other: &Self) -> bool {
        (self.scope == ANY || self.scope == other.scope)
            && self.access >= other.access
            && names::covers_one(std::slice::from_ref(&self.keys), &other.keys)
    }

    /// Some key is one of both.
    pub fn overlaps(&self, other: &Self) -> bool {
        let scopes = self.scope == ANY || other.scope == ANY || self.scope == other.scope;
        scopes && names::overlap(std::slice::from_ref(&self.keys), &other.keys)
    }

    /// What is wrong with it, if something is.
    pub(super) fn problem(&self) -> Option<(&'static str, String)> {
        if self.scope != ANY
            && let Err(error) = self.scope.parse::<Scope>()
        {
            return Some(("scope", format!("{error}, or `*` for each of them")));
        }
        let name = self.keys.strip_suffix('*').unwrap_or(&self.keys);
        let wrong = self.keys.is_empty() || name.contains('*') || name.contains(char::is_control);
        wrong.then(|| {
            let keys = self.keys.escape_debug();
            ("keys", format!("`{keys}` is neither a key nor the beginning of one and `*`, e.g. `deploy/*`"))
        })
    }
}

impl fmt::Display for StorePermission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.keys.as_str() {
            "*" => f.write_str("any key")?,
            keys => write!(f, "{keys}")?,
        }
        match self.scope.as_str() {
            ANY => f.write_str(" in any scope")?,
            scope => write!(f, " in the scope {scope}")?,
        }
        write!(f, " ({})", self.access)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(scope: &str, keys: &str, access: Access) -> StorePermission {
        StorePermission { scope: scope.into(), keys: keys.into(), access }
    }

    #[test]
    fn wider_ones_cover_narrower_ones() {
        let deploy = keys("project", "deploy/*", Access::ReadWrite);
        for (other, covered) in [
            (keys("project", "deploy/version", Access::ReadWrite), true),
            (keys("project", "deploy/*", Access::Read), true),
            (keys("project", "deploy/eu/*", Access::Read), true),
            (keys("project", "deploy", Access::Read), false),
            (keys("project", "*", Access::Read), false),
            (keys("branch", "deploy/version", Access::Read), false),
            (keys("*", "deploy/version", Access::Read), false),
        ] {
            assert_eq!(deploy.covers(&other), covered, "{other}");
        }
        assert!(!keys("run", "a", Access::Read).covers(&keys("run", "a", Access::ReadWrite)));
        assert!(keys("*", "*", Access::Read).covers(&keys("branch", "x", Access::Read)));
    }

    #[test]
    fn they_overlap_where_a_key_is_one_of_both() {
        let deploy = keys("project", "deploy/*", Access::Read);
        assert!(deploy.overlaps(&keys("*", "*", Access::ReadWrite)));
        assert!(deploy.overlaps(&keys("project", "deploy/version", Access::Read)));
        assert!(!deploy.overlaps(&keys("run", "deploy/version", Access::Read)));
        assert!(!deploy.overlaps(&keys("project", "version", Access::Read)));
    }

    #[test]
    fn problems_name_their_field() {
        let field = |scope: &str, name: &str| keys(scope, name, Access::Read).problem().map(|(field, _)| field);
        assert_eq!(field("project", "deploy/*"), None);
        assert_eq!(field("*", "*"), None);
        for scope in ["", "Project", "pipelines", "**"] {
            assert_eq!(field(scope, "a"), Some("scope"), "{scope:?}");
        }
        for name in ["", "a*b", "**", "a\nb"] {
            assert_eq!(field("run", name), Some("keys"), "{name:?}");
        }
    }

    #[test]
    fn access_is_read_unless_said() {
        let read: StorePermission = serde_json::from_str(r#"{"scope":"run","keys":"a"}"#).unwrap();
        assert_eq!(read, keys("run", "a", Access::Read));
        assert!(serde_json::from_str::<StorePermission>(r#"{"scope":"run","key":"a"}"#).is_err());
        assert_eq!(read.to_string(), "a in the scope run (read)");
    }
}
