//! People: who decided, how that is known, and who is who.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Authorship;
use crate::id::Digest;

/// Who decided, and how that is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approver {
    /// A login; `None` where nothing says who.
    pub by: Option<String>,
    /// Known from `evidence`, not only from the environment.
    pub verified: bool,
    /// Where the name comes from, e.g. `GITLAB_USER_LOGIN` or `GitLab ID token`.
    pub source: String,
    /// Whether they made the commit that the run is for; `None` where nobody asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Authorship>,
    /// What proves it; `None` when nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Box<Evidence>>,
}

impl Approver {
    /// Known by name only.
    pub fn unverified(by: Option<String>, source: impl Into<String>) -> Self {
        Self { by, verified: false, source: source.into(), commit: None, evidence: None }
    }

    /// The proof, if there is one that was checked.
    pub fn proof(&self) -> Option<&Evidence> {
        self.evidence.as_deref().filter(|_| self.verified)
    }

    /// May be the same person: by the account's number where both have one of the same issuer, or by the login. Where
    /// it is uncertain, it is the same.
    pub fn may_be(&self, other: &Self) -> bool {
        let account = |approver: &Self| {
            let evidence = approver.proof()?;
            Some((evidence.issuer.clone(), evidence.user_id.clone()?))
        };
        account(self).is_some_and(|own| Some(own) == account(other))
            || same_login(self.by.as_deref(), other.by.as_deref())
    }

    /// May be this person.
    pub fn may_be_person(&self, person: &Person) -> bool {
        let id = self.proof().and_then(|evidence| evidence.user_id.as_deref());
        id.is_some() && id == person.id.as_deref() || same_login(self.by.as_deref(), person.login.as_deref())
    }

    /// Someone that a rule names.
    pub fn is(&self, principal: &Principal) -> bool {
        match principal {
            Principal::User(login) => same_login(self.by.as_deref(), Some(login)),
            Principal::Group(name) => self
                .proof()
                .is_some_and(|evidence| evidence.groups.iter().any(|group| group.eq_ignore_ascii_case(name))),
        }
    }
}

/// Who, and how that is known: `alice (verified, from a GitLab ID token)`. Holds what others wrote.
impl fmt::Display for Approver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = self.by.as_deref().unwrap_or("someone");
        let known = if self.verified { "verified" } else { "unverified" };
        write!(f, "{by} ({known}, from {})", self.source)
    }
}

/// Logins and groups are the same in upper and lower case, at GitLab and at GitHub.
fn same_login(one: Option<&str>, other: Option<&str>) -> bool {
    one.zip(other).is_some_and(|(one, other)| one.eq_ignore_ascii_case(other))
}

/// A checked proof of who someone is: enough of it to look it up and to check it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// What was checked.
    pub kind: EvidenceKind,
    /// Who vouches: the `iss` of a token, the address of an API.
    pub issuer: String,
    /// Whom for: the `sub` of a token, the job that an API was asked about.
    pub subject: String,
    /// The token's `jti`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_id: Option<String>,
    /// Of the token's or the answer's bytes. They are not kept themselves.
    pub digest: Digest,
    /// When the proof was made, in milliseconds since 1970-01-01 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_at: Option<u64>,
    /// How long it holds, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
    /// The id of the key that signed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The signature's algorithm, e.g. `RS256`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<String>,
    /// The account's number, which stays when the login changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The groups that the person is in, by full path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Who started the run, if the proof says so: GitHub's does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_by: Option<Person>,
    /// What else it says that matters: project, pipeline, job, environment, whether that is protected.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub claims: BTreeMap<String, Value>,
}

impl Evidence {
    /// What no second use of the same proof can be without: its digest, and its id at its issuer.
    pub fn marks(&self) -> impl Iterator<Item = String> {
        let id = self.token_id.as_ref().map(|id| format!("{} {id}", self.issuer));
        id.into_iter().chain([self.digest.to_string()])
    }
}

/// How a proof was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceKind {
    /// A signed OpenID Connect token of the CI system.
    Oidc,
    /// The CI system's API was asked about this very job.
    JobApi,
}

/// Someone that a proof speaks of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
    /// The account's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// Who may approve: a login, or `group:` and a group's full path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Principal {
    /// A login.
    User(String),
    /// Everybody in a group.
    Group(String),
}

/// What is no login and no group.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is neither a login nor `group:` and a group's path")]
pub struct ParsePrincipalError;

impl TryFrom<String> for Principal {
    type Error = ParsePrincipalError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let is_name = |name: &str| {
            !name.is_empty()
                && name.len() <= 255
                && name.bytes().all(|b| b.is_ascii_graphic() && !b"@:,\"'`<>".contains(&b))
        };
        match text.strip_prefix("group:") {
            Some(group) if is_name(group) => Ok(Self::Group(group.to_owned())),
            None if is_name(&text) && !text.contains('/') => Ok(Self::User(text)),
            _ => Err(ParsePrincipalError),
        }
    }
}

impl From<Principal> for String {
    fn from(principal: Principal) -> Self {
        principal.to_string()
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(login) => f.write_str(login),
            Self::Group(group) => write!(f, "group:{group}"),
        }
    }
}
