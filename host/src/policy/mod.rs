//! What steps may do: the documents that grant it, and what they come to.
//!
//! ```text
//! .shiro/policy.json   the repository's policy: grants            |
//! built_in.json        what built-in types are granted            |--> layers --decide--> grants, and lines for people
//! -policy, /etc/...    operators' policies: bound what is granted |      ^
//! step "permissions"   narrows one step                           |      '-- the type's own request
//! ```
//!
//! What is done is what every layer allows. Nothing here does I/O but [`Policy::read`].

mod advice;
mod decide;
mod identity;
mod learned;
mod parse;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value};

pub use advice::Advice;
pub use decide::{Decision, Subject};
pub use learned::Learned;

use crate::capability::{Origin, Permissions};
use crate::diagnostic::Diagnostic;
use crate::id::Digest;
use crate::identity::{Settings, Trusted};
use crate::package::{Rule, Trust};
use crate::workflow::Source;

/// Where a repository's policy is, in its shiro directory.
pub const FILE: &str = "policy.json";
/// Where the policy of a machine's operator is.
pub const SYSTEM_FILE: &str = "/etc/shiro/policy.json";
/// The variable that names a further policy, which bounds.
pub const VARIABLE: &str = "SHIRO_POLICY";
/// In an operator's policy, every type that it does not name.
const EVERY_OTHER: &str = "*";

/// What a policy is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It grants: types that it does not name get nothing.
    Repository,
    /// It bounds: types that it does not name, by name or as `*`, are not its business.
    Operator,
}

/// One document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Its file, as it is shown.
    pub name: String,
    types: BTreeMap<String, Permissions>,
    /// Whose signatures components need.
    signatures: Vec<Rule>,
    /// Of what the document means: spaces and the order of keys don't count.
    digest: Digest,
    /// Of what it says of identity.
    identity_digest: Option<Digest>,
    /// State has to be authenticated, and encrypted.
    state: StateNeeds,
    /// Whom it trusts to say who someone is.
    identity: Option<Settings>,
    /// All that it says besides of types, as it stands there: a policy that takes its place says the same.
    besides: Map<String, Value>,
}

/// What a policy requires of a run's state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct StateNeeds {
    authenticated: bool,
    encrypted: bool,
}

/// What policies require of a run's state: for each requirement the name of a policy that has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateRules {
    /// Journals are authenticated with a state key.
    pub authenticated: Option<String>,
    /// Journals are encrypted.
    pub encrypted: Option<String>,
}

impl Policy {
    /// Reads a file. `None` if there is none. The diagnostics have their places.
    pub fn read(path: &Path, role: Role) -> Result<Option<Self>, (Source, Vec<Diagnostic>)> {
        match Source::read(path) {
            Ok(source) => Self::parse(&source, role).map(Some).map_err(|problems| (source, problems)),
            Err(_) if !path.exists() && path.symlink_metadata().is_err() => Ok(None),
            Err(problem) => Err((Source::from_text(path.display().to_string(), ""), vec![*problem])),
        }
    }

    /// Reads a document.
    pub fn parse(source: &Source, role: Role) -> Result<Self, Vec<Diagnostic>> {
        parse::parse(source, role)
    }

    /// The names of the types that it names, `*` among them.
    pub fn types(&self) -> impl Iterator<Item = &str> {
        self.types.keys().map(String::as_str)
    }

    /// What it says of a type: by its name, or as one of all others.
    pub fn of(&self, step_type: &str) -> Option<&Permissions> {
        self.types.get(step_type).or_else(|| self.types.get(EVERY_OTHER))
    }
}

/// All that holds for a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policies {
    /// The repository's.
    pub repository: Option<Policy>,
    /// Its file, there or not, as it is shown.
    pub repository_file: String,
    /// Operators': each bounds.
    pub operators: Vec<Policy>,
    /// Types that are not built in, and those that the repository's policy names, get what they ask for as far as operators
    /// let them: to learn what they use.
    pub learning: bool,
}

impl Policies {
    /// What they require of a run's state: whatever one of them does.
    pub fn state(&self) -> StateRules {
        let all = || self.operators.iter().chain(&self.repository);
        let first = |requires: fn(&StateNeeds) -> bool| {
            all().find(|policy| requires(&policy.state)).map(|policy| policy.name.clone())
        };
        StateRules { authenticated: first(|needs| needs.authenticated), encrypted: first(|needs| needs.encrypted) }
    }

    /// The digest of each document, by what people call it: an approval holds for these.
    pub fn digests(&self) -> BTreeMap<String, Digest> {
        let mut digests = BTreeMap::new();
        digests.extend(self.repository.as_ref().map(|policy| ("the repository's".to_owned(), policy.digest)));
        for policy in &self.operators {
            // The directory may differ from runner to runner.
            let file = policy.name.rsplit('/').next().unwrap_or_default();
            let mut name = format!("an operator's, {file}");
            while digests.contains_key(&name) {
                name.push('+');
            }
            digests.insert(name, policy.digest);
        }
        if self.learning {
            digests.insert("-learn".to_owned(), Digest::of(b"learn"));
        }
        digests
    }

    /// Whose signatures components need: what the repository requires, and what each operator does.
    pub fn trust(&self) -> Trust {
        let policies = self.repository.iter().chain(&self.operators);
        Trust::new(policies.flat_map(|policy| policy.signatures.iter().cloned()))
    }

    /// The digest of all that they say of whom they trust; `None` if they say nothing.
    pub fn identity_digest(&self) -> Option<Digest> {
        let all = self.repository.iter().chain(&self.operators);
        let said: Vec<String> = all.filter_map(|policy| Some(policy.identity_digest?.to_string())).collect();
        (!said.is_empty()).then(|| Digest::of(said.join("\n").as_bytes()))
    }

    /// Whom they trust to say who someone is.
    pub fn trusted(&self) -> Trusted {
        let repository = self.repository.as_ref().and_then(|policy| policy.identity.as_ref());
        let operators =
            self.operators.iter().filter_map(|policy| Some((policy.name.as_str(), policy.identity.as_ref()?)));
        Trusted::new(&self.repository_file, repository, &operators.collect::<Vec<_>>())
    }

    /// Who says what of a step, after its type's request.
    fn layers<'a>(&'a self, subject: &Subject<'a>) -> Vec<(Origin, &'a Permissions)> {
        static NOTHING: OnceLock<Permissions> = OnceLock::new();
        let mut layers = Vec::new();
        if subject.builtin {
            let granted = built_in().of(subject.step_type).unwrap_or(NOTHING.get_or_init(Permissions::default));
            layers.push((Origin::BuiltIn, granted));
        }
        match self.repository.as_ref().and_then(|policy| policy.of(subject.step_type)) {
            Some(granted) => layers.push((Origin::Repository, granted)),
            None if subject.builtin => {}
            None => layers.push((Origin::Repository, NOTHING.get_or_init(Permissions::default))),
        }
        let operators = self.operators.iter();
        layers.extend(
            operators.filter_map(|policy| Some((Origin::Operator(policy.name.clone()), policy.of(subject.step_type)?))),
        );
        layers.extend(subject.step.iter().map(|permissions| (Origin::Step, &**permissions)));
        layers
    }
}

/// The policy for built-in types.
fn built_in() -> &'static Policy {
    static POLICY: OnceLock<Policy> = OnceLock::new();
    POLICY.get_or_init(|| {
        let source = Source::from_text("built_in.json", include_str!("built_in.json"));
        // A test reads it: it can't be wrong here.
        Policy::parse(&source, Role::Repository).unwrap_or_else(|_| Policy {
            name: String::new(),
            types: BTreeMap::new(),
            state: StateNeeds::default(),
            digest: Digest::of(b""),
            identity_digest: None,
            signatures: Vec::new(),
            identity: None,
            besides: Map::new(),
        })
    })
}

/// Policies that are shared by all steps of a run.
pub type SharedPolicies = Arc<Policies>;
