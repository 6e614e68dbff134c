//! The jobs of a pipeline, with what they inherit.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::super::artifact::carries_state;
use super::super::check::Subject;
use super::super::duration::{self, Kept};
use super::super::finding::{Finding, Place};
use super::super::invocation::{self, Invocation};
use super::super::players;
use super::config::flat;
use super::start::{Start, When, starts};
use crate::yaml::{Map, Node};

/// Top-level keys that are no jobs.
const RESERVED: [&str; 12] = [
    "after_script",
    "before_script",
    "cache",
    "default",
    "image",
    "include",
    "services",
    "spec",
    "stages",
    "types",
    "variables",
    "workflow",
];
/// What jobs take from `default`, or from the top level in the old way.
const INHERITED: [&str; 14] = [
    "after_script",
    "artifacts",
    "before_script",
    "cache",
    "hooks",
    "id_tokens",
    "identity",
    "image",
    "interruptible",
    "retry",
    "services",
    "tags",
    "timeout",
    "secrets",
];
/// So much of scripts is read in all: jobs that share one multiply it.
const MAX_SCRIPT_BYTES: usize = 16 << 20;
/// The stages of a pipeline that names none.
const STAGES: [&str; 3] = ["build", "test", "deploy"];

/// What GitLab would run.
#[derive(Debug)]
pub(super) struct Pipeline {
    /// The jobs that can be in a pipeline, in the order of the text.
    pub(super) jobs: Vec<Job>,
    /// The stages in their order, with the two that are always there.
    pub(super) stages: Vec<Arc<str>>,
    /// The pipeline's own variables.
    pub(super) variables: Variables,
    /// There is more script than is read: the last jobs were not looked into.
    pub(super) is_too_large: bool,
    index: HashMap<Arc<str>, usize>,
}

/// Variables by name, with their places.
pub(super) type Variables = BTreeMap<Arc<str>, (Arc<str>, Place)>;

impl Pipeline {
    /// The place of a job in `jobs`.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.index.get(name).copied()
    }
}

/// One job.
#[derive(Debug)]
pub(super) struct Job {
    /// Its name.
    pub(super) name: Arc<str>,
    /// Where its name stands.
    pub(super) place: Place,
    /// Its stage's number, if there is such a stage.
    pub(super) stage: Option<usize>,
    /// Its stage as it is written.
    pub(super) stage_name: (Arc<str>, Place),
    /// The calls of shiro in its scripts, in order.
    pub(super) calls: Vec<Invocation>,
    /// Every way that it can be in a pipeline.
    pub(super) starts: Vec<Start>,
    /// `needs`, if it has any.
    pub(super) needs: Option<Vec<Need>>,
    /// `dependencies`, if it has any.
    pub(super) dependencies: Option<Vec<Arc<str>>>,
    /// `artifacts`, if it has any.
    pub(super) artifacts: Option<Artifacts>,
    /// It has a `resource_group`.
    pub(super) has_resource_group: bool,
    /// It asks for a token that says who runs it: for each the audience.
    pub(super) audiences: Vec<String>,
    /// Where `retry` says more than 0.
    pub(super) retry: Option<Place>,
    /// Where `interruptible: true` stands.
    pub(super) interruptible: Option<Place>,
    /// Where a cached path holds the state.
    pub(super) caches_state: Option<Place>,
    /// Every text in it that may hold a link: scripts and the environment's address.
    pub(super) texts: Vec<(Arc<str>, Place)>,
    /// Its own variables.
    pub(super) variables: Variables,
    /// Where it starts another pipeline from a file.
    pub(super) trigger: Option<Place>,
}

impl players::Job for Job {
    const DEFAULT_STORE: &'static str = "gitlab";

    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn place(&self) -> &Place {
        &self.place
    }

    fn calls(&self) -> &[Invocation] {
        &self.calls
    }

    fn is_manual(&self) -> bool {
        self.starts.iter().all(|start| start.when == When::Manual)
    }

    fn gets(&self, from: &Self, in_files: bool) -> bool {
        let listed = !in_files || self.dependencies.as_ref().is_none_or(|names| names.contains(&from.name));
        match &self.needs {
            Some(needs) => listed && needs.iter().any(|need| need.job == from.name && (need.artifacts || !in_files)),
            None => listed && matches!((from.stage, self.stage), (Some(from), Some(to)) if from < to),
        }
    }
}

/// One of `needs`.
#[derive(Debug)]
pub(super) struct Need {
    /// The job's name.
    pub(super) job: Arc<str>,
    /// Its artifacts are fetched.
    pub(super) artifacts: bool,
    /// The job may be missing.
    pub(super) optional: bool,
    /// Where it stands.
    pub(super) place: Place,
}

/// `artifacts` of a job.
#[derive(Debug)]
pub(super) struct Artifacts {
    /// Where they stand.
    pub(super) place: Place,
    /// They carry the state.
    pub(super) carry_state: bool,
    /// They are kept when the job fails, too.
    pub(super) on_failure: bool,
    /// How long they are kept, where it is said and can be read.
    pub(super) kept: Option<(Kept, Place)>,
}

/// Reads every job.
pub(super) fn pipeline(subject: &Subject<'_>, config: &Map, findings: &mut Vec<Finding>) -> Pipeline {
    let named = config.get("stages").map(flat).filter(|stages| !stages.is_empty());
    let named: Vec<Arc<str>> = match named {
        Some(stages) => stages.into_iter().map(|(name, _)| name).collect(),
        None => STAGES.map(Arc::from).into(),
    };
    let mut stages: Vec<Arc<str>> = vec![Arc::from(".pre")];
    stages.extend(named.into_iter().filter(|name| !matches!(&**name, ".pre" | ".post")));
    stages.push(Arc::from(".post"));
    let globals = config.get("variables").map(variables).unwrap_or_default();
    let left = Cell::new(MAX_SCRIPT_BYTES);
    let mut jobs = Vec::new();
    for entry in config.iter() {
        if entry.key.starts_with('.') || RESERVED.contains(&&*entry.key) {
            continue;
        }
        match entry.node.map() {
            Some(map) => {
                let reader = Reader { subject, config, globals: &globals, map, place: &entry.place, left: &left };
                jobs.push(reader.job(&entry.key, &stages));
            }
            None => findings.push(
                Finding::error("yaml", &entry.place, format!("`{}` is neither a job nor a known key", entry.key))
                    .hint("a job is a mapping with a `script`; a name that begins with a dot is hidden"),
            ),
        }
    }
    jobs.retain(|job: &Job| !job.starts.is_empty());
    let index = jobs.iter().enumerate().map(|(index, job)| (Arc::clone(&job.name), index)).collect();
    Pipeline { jobs, stages, variables: globals, is_too_large: left.get() == 0, index }
}

struct Reader<'a> {
    subject: &'a Subject<'a>,
    config: &'a Map,
    globals: &'a Variables,
    map: &'a Map,
    place: &'a Place,
    /// How much of scripts may still be read.
    left: &'a Cell<usize>,
}

impl Reader<'_> {
    /// A field of the job, or what it inherits.
    fn field(&self, key: &str) -> Option<&Node> {
        if let Some(own) = self.map.get(key) {
            return Some(own);
        }
        if !INHERITED.contains(&key) || !self.inherits("default", key) {
            return None;
        }
        self.config.get("default").and_then(|default| default.get(key)).or_else(|| {
            matches!(key, "image" | "services" | "cache" | "before_script" | "after_script")
                .then(|| self.config.get(key))
                .flatten()
        })
    }

    /// `inherit` lets it through.
    fn inherits(&self, what: &str, key: &str) -> bool {
        match self.map.get("inherit").and_then(|inherit| inherit.get(what)) {
            None => true,
            Some(node) => match node.list() {
                Some(keys) => keys.iter().any(|item| item.text() == Some(key)),
                None => node.truth() != Some(false),
            },
        }
    }

    fn job(&self, name: &Arc<str>, stages: &[Arc<str>]) -> Job {
        let variables = self.map.get("variables").map(variables).unwrap_or_default();
        let stage_name = match self.field("stage") {
            Some(node) => (Arc::from(node.text().unwrap_or_default()), node.place.clone()),
            None => (Arc::from("test"), self.place.clone()),
        };
        let needs = self.needs();
        Job {
            name: Arc::clone(name),
            place: self.place.clone(),
            stage: stages.iter().position(|stage| *stage == stage_name.0),
            stage_name,
            calls: self.calls(&variables),
            starts: starts(&|key| self.field(key).cloned(), self.place),
            needs,
            dependencies: self.field("dependencies").map(|list| flat(list).into_iter().map(|(job, _)| job).collect()),
            artifacts: self.field("artifacts").map(artifacts),
            has_resource_group: self.field("resource_group").is_some(),
            audiences: self.audiences(),
            retry: self.retry(),
            interruptible: self.truth_of("interruptible"),
            caches_state: self.caches_state(),
            texts: self.texts(),
            variables,
            trigger: self
                .field("trigger")
                .filter(|trigger| trigger.get("include").is_some())
                .map(|node| node.place.clone()),
        }
    }

    /// The texts of these fields, as long as there are not too many of them.
    fn scripts(&self, keys: &[&str]) -> Vec<(Arc<str>, &Node)> {
        let mut scripts = Vec::new();
        for (script, node) in keys.iter().filter_map(|key| self.field(key)).flat_map(flat) {
            let left = self.left.get().saturating_sub(script.len() + 1);
            self.left.set(left);
            if left == 0 {
                break;
            }
            scripts.push((script, node));
        }
        scripts
    }

    fn calls(&self, own: &Variables) -> Vec<Invocation> {
        let value = |name: &str| {
            let global = || self.globals.get(name).filter(|_| self.inherits("variables", name));
            own.get(name).or_else(global).map(|(value, _)| value.to_string())
        };
        let scripts = self.scripts(&["before_script", "script"]);
        scripts
            .iter()
            .flat_map(|(script, node)| invocation::find(script, &node.place, self.subject.flags, &value))
            .collect()
    }

    fn needs(&self) -> Option<Vec<Need>> {
        let rules = || {
            let rules = self.field("rules")?.elements();
            rules.iter().find_map(|rule| rule.get("needs"))
        };
        let list = self.field("needs").or_else(rules)?;
        let needs = list.elements().iter().filter_map(|item| {
            let job = item.text().or_else(|| item.get("job")?.text())?;
            // Of another pipeline: nothing that can be seen here.
            if item.get("pipeline").is_some() || item.get("project").is_some() {
                return None;
            }
            Some(Need {
                job: Arc::from(job),
                artifacts: item.get("artifacts").and_then(Node::truth) != Some(false),
                optional: item.get("optional").and_then(Node::truth) == Some(true),
                place: item.place.clone(),
            })
        });
        Some(needs.collect())
    }

    fn audiences(&self) -> Vec<String> {
        let tokens = self.field("id_tokens").and_then(Node::map).into_iter().flat_map(Map::iter);
        let audiences = tokens.filter_map(|token| token.node.get("aud")).flat_map(flat);
        audiences.map(|(audience, _)| audience.to_string()).collect()
    }

    fn retry(&self) -> Option<Place> {
        let node = self.field("retry")?;
        let max = node.get("max").unwrap_or(node);
        (max.text()?.trim() != "0").then(|| node.place.clone())
    }

    fn truth_of(&self, key: &str) -> Option<Place> {
        let node = self.field(key)?;
        (node.truth() == Some(true)).then(|| node.place.clone())
    }

    fn caches_state(&self) -> Option<Place> {
        let caches = self.field("cache")?.elements();
        let paths = caches.iter().filter_map(|cache| cache.get("paths")).flat_map(flat);
        paths.into_iter().find(|(path, _)| carries_state(path)).map(|(_, node)| node.place.clone())
    }

    fn texts(&self) -> Vec<(Arc<str>, Place)> {
        let url = self.field("environment").and_then(|environment| environment.get("url"));
        let scripts = self.scripts(&["before_script", "script", "after_script"]).into_iter();
        scripts.chain(url.into_iter().flat_map(flat)).map(|(text, node)| (text, node.place.clone())).collect()
    }
}

/// Those with a value: `NAME: value` or `NAME: {value: ...}`.
fn variables(node: &Node) -> Variables {
    let entries = node.map().into_iter().flat_map(Map::iter);
    entries
        .filter_map(|entry| {
            let value = entry.node.get("value").unwrap_or(&entry.node);
            Some((Arc::clone(&entry.key), (Arc::from(value.text()?), value.place.clone())))
        })
        .collect()
}

fn artifacts(node: &Node) -> Artifacts {
    let any = |key: &str, test: &dyn Fn(&str) -> bool| {
        node.get(key).is_some_and(|list| flat(list).iter().any(|(path, _)| test(path)))
    };
    // What git does not know is uploaded too, even what it ignores.
    let untracked = node.get("untracked").and_then(Node::truth) == Some(true);
    let kept = node.get("expire_in").and_then(|node| Some((duration::parse(node.text()?)?, node.place.clone())));
    Artifacts {
        place: node.place.clone(),
        carry_state: (any("paths", &carries_state) || untracked) && !any("exclude", &carries_state),
        on_failure: matches!(node.get("when").and_then(Node::text), Some("always" | "on_failure")),
        kept,
    }
}
