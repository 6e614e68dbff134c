//! Approvals: what is asked for, who decided, how that is known, and whether it counts. The vocabulary of gates, and one
//! pure judgement that deciding, reading a journal and auditing share. No I/O, no clock.
//!
//! ```text
//! Rule (the workflow) --+
//! Subject (what runs) --+--> Request --> decisions, each judged --> approved, rejected or expired
//! when it expires     --+
//! ```

mod author;
mod judge;
mod person;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::{Digest, StepId, StepType};

pub use author::{Account, Author, Authorship};
pub use judge::{CLOCK_TOLERANCE, Case, Refusal};
pub use person::{Approver, Evidence, EvidenceKind, Person, Principal};

/// What an approval asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// The short form, `"pause": true`: whoever starts the next `shiro run` approves what would run then. With `approval`,
    /// what is approved is what was asked for, and nothing else.
    #[serde(default, skip_serializing_if = "is_false")]
    pub pause: bool,
    /// How many distinct people have to approve: at least 1.
    pub required: u32,
    /// Who may approve; empty for whoever can start shiro.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvers: Vec<Principal>,
    /// Whoever started the run or its pipeline may approve, and whoever made the commit that it is for.
    #[serde(rename = "self")]
    pub own: bool,
    /// A name that only the environment vouches for counts as an identity.
    #[serde(default, skip_serializing_if = "is_false")]
    pub allow_unverified: bool,
    /// What it means when nobody decides in time.
    pub on_expire: OnExpire,
    /// JSON Schema of what an approver fills in: of an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<Value>,
}

impl Default for Rule {
    /// One approval, of anybody, at any time.
    fn default() -> Self {
        Self {
            pause: false,
            required: 1,
            approvers: Vec::new(),
            own: true,
            allow_unverified: false,
            on_expire: OnExpire::Fail,
            form: None,
        }
    }
}

impl Rule {
    /// The rule of `"pause": true`.
    pub fn pause() -> Self {
        Self { pause: true, ..Self::default() }
    }

    /// It can't be kept without knowing who decides.
    pub fn needs_identity(&self) -> bool {
        !self.approvers.is_empty() || self.required > 1 || !self.own
    }

    /// Both ask for the same people. What else they say may differ.
    pub fn asks_the_same_people(&self, other: &Self) -> bool {
        let people = |rule: &Self| {
            let mut approvers = rule.approvers.clone();
            approvers.sort();
            approvers.dedup();
            (rule.pause, rule.required, approvers, rule.own, rule.allow_unverified)
        };
        people(self) == people(other)
    }

    /// An approval takes a form that is filled in: a mere start gives none.
    pub fn asks_for_form(&self) -> bool {
        let required = self.form.as_ref().and_then(|form| form.get("required")?.as_array());
        required.is_some_and(|required| !required.is_empty())
    }

    /// The command that approves, with the form's fields to fill in: `shiro approve review -form ticket=...`.
    pub fn approve_command(&self, step: &StepId) -> String {
        let fields = self.form.as_ref().and_then(|form| form.get("properties")?.as_object());
        let flags: String =
            fields.into_iter().flat_map(|fields| fields.keys()).map(|name| format!(" -form {name}=...")).collect();
        format!("shiro approve {step}{flags}")
    }

    /// Whom it asks for, e.g. `2 approvals, of different people, by alice or group:sre`.
    pub fn in_words(&self) -> String {
        let mut words = match self.required {
            1 => "1 approval".to_owned(),
            required => format!("{required} approvals, of different people"),
        };
        if !self.approvers.is_empty() {
            let names: Vec<String> = self.approvers.iter().map(ToString::to_string).collect();
            words += &format!(", by {}", names.join(" or "));
        }
        if !self.own {
            words += ", not by whoever started it or made the commit";
        }
        words
    }
}

/// What it means when a request expires. In any case the run ends with exit code 6.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnExpire {
    /// The run ends as expired: `expired()` is true.
    #[default]
    Fail,
    /// As if someone had rejected it: `rejected()` is true, and `expired()` too.
    Reject,
}

/// What a human decided at a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Go on.
    Approved,
    /// Don't.
    Rejected,
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Approved => "approved",
            Self::Rejected => "rejected",
        })
    }
}

/// A question to humans, with all that is needed to judge the answers without the workflow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Used once, and random: a decision names the request that it answers.
    pub id: String,
    /// No decision counts after this, in milliseconds since 1970-01-01 UTC. `None`: it never expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
    /// Who has to answer.
    pub rule: Rule,
    /// What is to be approved.
    pub subject: Subject,
    /// The steps that must not start unless it is: all behind the gate, but for those whose `if` says what to do when it
    /// is refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guards: Vec<StepId>,
}

impl Request {
    /// What it asks for while so many approvals are missing, e.g. `2 approvals, of different people; 1 missing; until
    /// 2026-11-25T10:00:00Z`.
    pub fn in_words(&self, missing: u32) -> String {
        let mut words = self.rule.in_words();
        if missing < self.rule.required {
            words += &format!("; {missing} missing");
        }
        if let Some(expires_at) = self.expires_at {
            words += &format!("; until {}", time(expires_at));
        }
        words
    }
}

/// A time in milliseconds since 1970-01-01 UTC as people read it.
pub fn time(at: u64) -> String {
    // humantime can't write years beyond 9999.
    let at = UNIX_EPOCH + Duration::from_millis(at.min(253_402_300_799_000));
    humantime::format_rfc3339_seconds(at).to_string()
}

/// What is approved: digests of all that decides what runs behind the gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The workflow's meaning.
    pub workflow: Digest,
    /// The run's inputs, as the journal has them.
    pub inputs: Digest,
    /// The components that are not built in.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub plugins: BTreeMap<StepType, Digest>,
    /// Those that are: another version of shiro has others, which is worth a warning.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub builtins: BTreeMap<StepType, Digest>,
    /// The policies that bound what steps may do, by what they are called.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub policies: BTreeMap<String, Digest>,
    /// Whom the policies trust to say who someone is; `None` if nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<Digest>,
    /// The content of the bound files, by path.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, Digest>,
}

impl Subject {
    /// One line for each thing that differs, and counts, in `now`. Empty if what was approved is what would run.
    pub fn differences(&self, now: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.workflow != now.workflow {
            lines.push(format!("~ the workflow: {} was {}", now.workflow.short(), self.workflow.short()));
        }
        if self.inputs != now.inputs {
            lines.push(format!("~ the inputs: {} were {}", now.inputs.short(), self.inputs.short()));
        }
        compare(&mut lines, "plugin", &self.plugins, &now.plugins);
        compare(&mut lines, "policy", &self.policies, &now.policies);
        if self.trust != now.trust {
            lines.push("~ whom the policies trust to say who someone is".to_owned());
        }
        compare(&mut lines, "bound file", &self.files, &now.files);
        lines
    }
}

/// Adds a line for each name whose digest differs, is gone or is new.
pub fn compare<K: Ord + std::fmt::Display>(
    lines: &mut Vec<String>,
    what: &str,
    before: &BTreeMap<K, Digest>,
    now: &BTreeMap<K, Digest>,
) {
    for (name, digest) in before {
        match now.get(name) {
            None => lines.push(format!("- {what} `{name}` is gone")),
            Some(other) if other != digest => {
                lines.push(format!("~ {what} `{name}` is different: {} was {}", other.short(), digest.short()));
            }
            Some(_) => {}
        }
    }
    lines.extend(now.keys().filter(|name| !before.contains_key(name)).map(|name| format!("+ {what} `{name}` is new")));
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}
