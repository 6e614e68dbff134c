//! Kinds of permission, and the pure questions "is this allowed?" and "is this wider than that?". What enforces the
//! answers lives in `plugin`, who grants what in `policy`.

mod files;
mod grants;
mod limits;
pub mod names;
mod network;
mod process;
pub mod reference;
mod resolve;
mod store;

use serde::{Deserialize, Serialize};

pub use files::{Access, FilePermission, never};
pub use grants::{Destination, Grants, Layer, Named, Origin, PrivateRanges, ProcessGrant};
pub use limits::{Limits, NAMES as LIMITS};
pub use network::{NetworkPermission, UrlPattern};
pub use process::ProcessPermission;
pub use reference::{Values, Variables};
pub use resolve::{Open, Unclear};
pub use store::{Scope, StorePermission, UnknownScope};

/// What a step type asks for, in its description; what a policy grants, in the same words. Strings may refer to the step's
/// config as `{config.key.sub}` and to the job's variables as `{env.NAME}`: what is meant is then exactly what stands there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Permissions {
    /// HTTP requests it sends.
    #[serde(skip_serializing_if = "is_empty_list")]
    pub network: Vec<NetworkPermission>,
    /// Programs it runs.
    #[serde(skip_serializing_if = "is_empty_list")]
    pub process: Vec<ProcessPermission>,
    /// Variables of the job that it sees: a name, or the beginning of one and `*`. Secret ones are never among them.
    #[serde(skip_serializing_if = "is_empty_list")]
    pub environment: Vec<String>,
    /// Secret variables of the job that it sees, each by its name.
    #[serde(skip_serializing_if = "is_empty_list")]
    pub secrets: Vec<String>,
    /// Directories it reads or writes.
    #[serde(skip_serializing_if = "is_empty_list")]
    pub files: Vec<FilePermission>,
    /// Keys of the workflow's shared data that it reads or writes.
    #[serde(skip_serializing_if = "is_empty_list")]
    pub store: Vec<StorePermission>,
    /// Limits it would like raised, or that a policy sets.
    #[serde(skip_serializing_if = "Limits::is_empty")]
    pub limits: Limits,
}

impl Permissions {
    /// It asks for nothing, so an attempt has no effect outside its own output. (More memory or time is no effect.)
    pub fn is_empty(&self) -> bool {
        *self == Self { limits: self.limits, ..Self::default() }
    }

    /// It reads shared data at most: an attempt sees what others did, and does nothing that they see.
    pub fn only_looks(&self) -> bool {
        let without_store = Self { store: Vec::new(), ..self.clone() };
        without_store.is_empty() && self.store.iter().all(|one| !one.access.writes())
    }

    /// In what these permissions go beyond `old`: one line for each, for people. None means that whoever agreed to `old`
    /// has agreed to these.
    pub fn exceeds(&self, old: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut wider = |kind: &str, what: String| lines.push(format!("{kind} {what}"));
        for asked in self.network.iter().filter(|asked| !old.network.iter().any(|had| had.covers(asked))) {
            wider("network", asked.to_string());
        }
        for asked in self.process.iter().filter(|asked| !old.process.iter().any(|had| had.covers(asked))) {
            wider("process", asked.to_string());
        }
        for asked in self.environment.iter().filter(|asked| !names::covers_one(&old.environment, asked)) {
            wider("environment", asked.clone());
        }
        for asked in self.secrets.iter().filter(|asked| !old.secrets.contains(asked)) {
            wider("secrets", asked.clone());
        }
        for asked in self.files.iter().filter(|asked| !old.files.iter().any(|had| had.covers(asked))) {
            wider("files", asked.to_string());
        }
        for asked in self.store.iter().filter(|asked| !old.store.iter().any(|had| had.covers(asked))) {
            wider("store", asked.to_string());
        }
        for ((name, asked), (_, had)) in self.limits.values().zip(old.limits.values()) {
            match (asked, had) {
                (Some(asked), Some(had)) if asked > had => wider("limits", format!("{name} {asked} (it was {had})")),
                (Some(asked), None) => wider("limits", format!("{name} {asked}")),
                _ => {}
            }
        }
        lines
    }

    /// Each thing asked for or granted, one line each, for people: kind and what.
    pub fn lines(&self) -> Vec<(&'static str, String)> {
        let mut lines: Vec<(&'static str, String)> = Vec::new();
        lines.extend(self.network.iter().map(|one| ("network", one.to_string())));
        lines.extend(self.process.iter().map(|one| ("process", one.to_string())));
        lines.extend(self.environment.iter().map(|one| ("environment", one.clone())));
        lines.extend(self.secrets.iter().map(|one| ("secrets", one.clone())));
        lines.extend(self.files.iter().map(|one| ("files", one.to_string())));
        lines.extend(self.store.iter().map(|one| ("store", one.to_string())));
        let limits = self.limits.values().filter_map(|(name, value)| Some(("limits", format!("{name} {}", value?))));
        lines.extend(limits);
        lines
    }

    /// All that is wrong: which part (a JSON Pointer from here) and why. A policy may say all of what a request may.
    pub fn problems(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        let mut add = |kind: &str, index: usize, problem: Option<(&'static str, String)>| {
            problems.extend(problem.map(|(field, problem)| (format!("/{kind}/{index}/{field}"), problem)));
        };
        self.network.iter().enumerate().for_each(|(index, one)| add("network", index, one.problem()));
        self.process.iter().enumerate().for_each(|(index, one)| add("process", index, one.problem()));
        self.files.iter().enumerate().for_each(|(index, one)| add("files", index, one.problem()));
        self.store.iter().enumerate().for_each(|(index, one)| add("store", index, one.problem()));
        for (index, name) in self.environment.iter().enumerate() {
            let problem = names::problem(std::slice::from_ref(name));
            problems.extend(problem.map(|problem| (format!("/environment/{index}"), problem)));
        }
        for (index, name) in self.secrets.iter().enumerate() {
            if name.is_empty() || name.contains(['*', '=', '\0']) {
                let problem = "a secret is named in full, one by one".to_owned();
                problems.push((format!("/secrets/{index}"), problem));
            }
        }
        problems
    }

    /// All that is wrong with it as a plugin's request.
    pub fn request_problems(&self) -> Vec<(String, String)> {
        let mut problems = self.problems();
        for (index, one) in self.network.iter().enumerate() {
            if !one.private.is_empty() {
                let problem = "private addresses are for a policy to grant, not for a plugin to ask for".to_owned();
                problems.push((format!("/network/{index}/private"), problem));
            }
        }
        problems
    }
}

fn is_empty_list<T>(list: &[T]) -> bool {
    list.is_empty()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// Something an attempt tried and was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// What it tried, e.g. `run the program "git"`.
    pub tried: String,
    /// The exact thing that would allow it, or why nothing would.
    pub hint: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permissions(json: &str) -> Permissions {
        serde_json::from_str(json).unwrap()
    }

    const ALL: &str = r#"{"network":[{"url":"https://a.example","methods":["GET"],"path_prefix":"/v1"}],"process":[{"program":"git","args":["diff","**"],"working_dir":"src","environment":["HOME"]}],"environment":["CI_*"],"secrets":["TOKEN"],"files":[{"path":"dist","access":"read-write"}],"store":[{"scope":"project","keys":"deploy/*","access":"read-write"}],"limits":{"memory_mib":512}}"#;

    #[test]
    fn the_shape_is_total() {
        assert_eq!(serde_json::to_string(&permissions(ALL)).unwrap(), ALL);
        assert_eq!(serde_json::to_string(&Permissions::default()).unwrap(), "{}");
        for unknown in [r#"{"sockets":[]}"#, r#"{"network":[{"url":"*","hosts":[]}]}"#, r#"{"limits":{"disk":1}}"#] {
            assert!(serde_json::from_str::<Permissions>(unknown).is_err(), "{unknown}");
        }
        assert!(Permissions::default().is_empty());
        assert!(permissions(r#"{"limits":{"memory_mib":1}}"#).is_empty());
        assert!(!permissions(ALL).is_empty());
        for (json, looks) in [
            (r#"{"store":[{"scope":"run","keys":"*"}]}"#, true),
            (r#"{"store":[{"scope":"run","keys":"a"},{"scope":"run","keys":"b","access":"read-write"}]}"#, false),
            (r#"{"store":[{"scope":"run","keys":"*"}],"environment":["A"]}"#, false),
            ("{}", true),
        ] {
            assert_eq!(permissions(json).only_looks(), looks, "{json}");
        }
    }

    #[test]
    fn what_is_wider_is_said_line_by_line() {
        assert_eq!(
            permissions(ALL).exceeds(&Permissions::default()),
            [
                "network GET requests to https://a.example:443, paths below /v1",
                "process `git` with the arguments `diff **`, in src, with the job's HOME",
                "environment CI_*",
                "secrets TOKEN",
                "files dist (read-write)",
                "store deploy/* in the scope project (read-write)",
                "limits memory_mib 512",
            ]
        );
        assert!(permissions(ALL).exceeds(&permissions(ALL)).is_empty());
        assert!(Permissions::default().exceeds(&permissions(ALL)).is_empty());
    }

    #[test]
    fn each_kind_can_be_wider_and_narrower() {
        for (wide, narrow) in [
            (r#"{"network":[{"url":"https://*.a.b"}]}"#, r#"{"network":[{"url":"https://x.a.b"}]}"#),
            (r#"{"network":[{"url":"https://a"}]}"#, r#"{"network":[{"url":"https://a","methods":["GET"]}]}"#),
            (r#"{"process":[{"program":"*"}]}"#, r#"{"process":[{"program":"git"}]}"#),
            (r#"{"process":[{"program":"git"}]}"#, r#"{"process":[{"program":"git","args":["diff","**"]}]}"#),
            (r#"{"environment":["CI_*"]}"#, r#"{"environment":["CI_JOB_ID"]}"#),
            (r#"{"secrets":["A","B"]}"#, r#"{"secrets":["B"]}"#),
            (r#"{"files":[{"path":"a","access":"read-write"}]}"#, r#"{"files":[{"path":"a/b"}]}"#),
            (r#"{"store":[{"scope":"*","keys":"a*"}]}"#, r#"{"store":[{"scope":"run","keys":"ab"}]}"#),
            (r#"{"limits":{"memory_mib":512}}"#, r#"{"limits":{"memory_mib":300}}"#),
        ] {
            assert!(permissions(narrow).exceeds(&permissions(wide)).is_empty(), "{narrow}");
            assert_eq!(permissions(wide).exceeds(&permissions(narrow)).len(), 1, "{wide}");
        }
    }

    #[test]
    fn problems_are_found_where_they_are() {
        let wrong = permissions(
            r#"{"network":[{"url":"https://a"},{"url":"b"}],"environment":["A=b"],"secrets":["X_*"],"files":[{"path":"."}],
                "process":[{"program":""}]}"#,
        );
        let places: Vec<String> = wrong.problems().into_iter().map(|(place, _)| place).collect();
        assert_eq!(places, ["/network/1/url", "/process/0/program", "/files/0/path", "/environment/0", "/secrets/0"]);
        let private = permissions(r#"{"network":[{"url":"https://a","private":["10.0.0.0/8"]}]}"#);
        assert!(private.problems().is_empty());
        assert_eq!(private.request_problems()[0].0, "/network/0/private");
    }
}
