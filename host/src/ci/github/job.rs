//! The jobs of a workflow file, as far as a run's state and a person's approval are concerned.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::artifact::carries_state;
use super::super::check::Subject;
use super::super::finding::{Finding, Place};
use super::super::glob;
use super::super::invocation::{self, Invocation};
use super::super::players;
use crate::yaml::{Map, Node};

/// More jobs are not looked at. GitHub takes no more from one matrix.
const MAX_JOBS: usize = 256;

/// What GitHub would run.
#[derive(Debug)]
pub(super) struct Workflow {
    /// Its jobs, in the order of the text.
    pub(super) jobs: Vec<Job>,
    /// Every run of it is started by a person, and by nothing else.
    pub(super) is_dispatched: bool,
}

/// One job.
#[derive(Debug)]
pub(super) struct Job {
    name: Arc<str>,
    place: Place,
    calls: Vec<Invocation>,
    /// `needs`, with their places.
    pub(super) needs: Vec<(Arc<str>, Place)>,
    /// The jobs that have ended when it starts.
    after: BTreeSet<Arc<str>>,
    /// Its environment, whose protection rules ask people.
    pub(super) environment: Option<(Arc<str>, Place)>,
    /// The artifacts that it leaves.
    pub(super) uploads: Vec<Upload>,
    /// The artifacts that it fetches.
    pub(super) downloads: Vec<Download>,
    /// It has a concurrency group, of its own or of the workflow.
    pub(super) has_concurrency: bool,
    /// Where `cancel-in-progress: true` stands.
    pub(super) cancels: Option<Place>,
    /// It may ask for a token that says who runs it.
    pub(super) has_id_token: bool,
    /// It may read who has reviewed it, and has the token for that.
    pub(super) reads_reviews: bool,
    /// What it uses that is not looked into: actions of this repository, other workflows.
    pub(super) unseen: Vec<(String, Place)>,
    is_manual: bool,
}

/// A step with `actions/upload-artifact`.
#[derive(Debug)]
pub(super) struct Upload {
    pub(super) place: Place,
    pub(super) name: String,
    /// The paths that carry the state.
    pub(super) carries: Vec<String>,
    pub(super) with_hidden: bool,
    /// It is done when a step failed, too.
    pub(super) on_failure: bool,
    pub(super) overwrites: bool,
    /// `retention-days`.
    pub(super) days: Option<(u32, Place)>,
}

/// A step with `actions/download-artifact`.
#[derive(Debug)]
pub(super) struct Download {
    pub(super) place: Place,
    name: Option<String>,
    pattern: Option<String>,
    /// Where to; the working directory if it does not say.
    pub(super) path: String,
    /// It comes from another run.
    pub(super) from_other_run: bool,
}

impl Download {
    /// It fetches an artifact of this name.
    pub(super) fn takes(&self, name: &str) -> bool {
        match (&self.name, &self.pattern) {
            (Some(own), _) => own == name,
            (None, Some(pattern)) => glob::matches(pattern, name),
            (None, None) => true,
        }
    }
}

impl players::Job for Job {
    const DEFAULT_STORE: &'static str = "filesystem";

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
        self.is_manual
    }

    fn gets(&self, from: &Self, in_files: bool) -> bool {
        let carried =
            |upload: &Upload| !upload.carries.is_empty() && self.downloads.iter().any(|d| d.takes(&upload.name));
        self.after.contains(&from.name) && (!in_files || from.uploads.iter().any(carried))
    }
}

/// Reads every job.
pub(super) fn workflow(subject: &Subject<'_>, root: &Node, findings: &mut Vec<Finding>) -> Workflow {
    let is_dispatched = root.get("on").is_some_and(|on| match on.map() {
        Some(events) => events.len() == 1 && events.entry("workflow_dispatch").is_some(),
        None => on.elements().iter().all(|event| event.text() == Some("workflow_dispatch")),
    });
    let entries = root.get("jobs").and_then(Node::map).map(|jobs| jobs.iter().collect::<Vec<_>>()).unwrap_or_default();
    if entries.len() > MAX_JOBS {
        let message = format!("there are more than {MAX_JOBS} jobs: only the first of them were looked at");
        findings.push(Finding::error("too-large", &root.place, message));
    }
    let mut jobs: Vec<Job> = entries
        .iter()
        .take(MAX_JOBS)
        .filter_map(|entry| {
            let map = entry.node.map()?;
            let reader = Reader { subject, root, map };
            Some(reader.job(&entry.key, &entry.place, is_dispatched))
        })
        .collect();
    follow_needs(&mut jobs);
    Workflow { jobs, is_dispatched }
}

/// Everything that has ended when a job starts.
fn follow_needs(jobs: &mut [Job]) {
    let needs: BTreeMap<Arc<str>, Vec<Arc<str>>> = jobs
        .iter()
        .map(|job| (Arc::clone(&job.name), job.needs.iter().map(|(name, _)| Arc::clone(name)).collect()))
        .collect();
    for job in jobs {
        let mut pending: Vec<&Arc<str>> = needs[&job.name].iter().collect();
        while let Some(name) = pending.pop() {
            if job.after.insert(Arc::clone(name)) {
                pending.extend(needs.get(name).into_iter().flatten());
            }
        }
    }
}

struct Reader<'a> {
    subject: &'a Subject<'a>,
    root: &'a Node,
    map: &'a Map,
}

impl Reader<'_> {
    fn job(&self, name: &Arc<str>, place: &Place, is_dispatched: bool) -> Job {
        let needs: Vec<(Arc<str>, Place)> = self
            .map
            .get("needs")
            .map(Node::elements)
            .unwrap_or_default()
            .iter()
            .filter_map(|need| Some((Arc::from(need.text()?), need.place.clone())))
            .collect();
        let environment = self.map.get("environment").and_then(|node| {
            let name = node.text().or_else(|| node.get("name")?.text())?;
            Some((Arc::from(name), node.place.clone()))
        });
        let steps = self.map.get("steps").and_then(Node::list).unwrap_or_default();
        let concurrency: Vec<&Node> =
            [self.map.get("concurrency"), self.root.get("concurrency")].into_iter().flatten().collect();
        let cancels = concurrency.iter().find_map(|node| {
            let cancels = node.get("cancel-in-progress")?;
            (cancels.truth() == Some(true)).then(|| cancels.place.clone())
        });
        Job {
            name: Arc::clone(name),
            place: place.clone(),
            calls: steps.iter().flat_map(|step| self.calls(step)).collect(),
            is_manual: environment.is_some() || (is_dispatched && needs.is_empty()),
            needs,
            after: BTreeSet::new(),
            environment,
            uploads: steps.iter().filter(|step| is_action(step, "upload-artifact")).map(upload).collect(),
            downloads: steps.iter().filter(|step| is_action(step, "download-artifact")).map(download).collect(),
            has_concurrency: !concurrency.is_empty(),
            cancels,
            has_id_token: self.may("id-token", &["write"]),
            reads_reviews: self.may("actions", &["read", "write"]) && self.has_token(steps),
            unseen: self.unseen(steps),
        }
    }

    fn calls(&self, step: &Node) -> Vec<Invocation> {
        let Some(run) = step.get("run") else { return Vec::new() };
        let Some(script) = run.text() else { return Vec::new() };
        let value = |name: &str| {
            let levels = [step.get("env"), self.map.get("env"), self.root.get("env")];
            levels.into_iter().flatten().find_map(|env| env.get(name)?.text().map(str::to_owned))
        };
        invocation::find(script, &run.place, self.subject.flags, &value)
    }

    /// Its token has one of these permissions. The job's own replace the workflow's.
    fn may(&self, what: &str, one_of: &[&str]) -> bool {
        let Some(permissions) = self.map.get("permissions").or_else(|| self.root.get("permissions")) else {
            return false;
        };
        match permissions.text() {
            Some("write-all") => true,
            Some("read-all") => one_of.contains(&"read"),
            _ => permissions.get(what).and_then(Node::text).is_some_and(|access| one_of.contains(&access)),
        }
    }

    /// Every step that calls shiro has the job's token, which GitHub gives to no script by itself.
    fn has_token(&self, steps: &[Node]) -> bool {
        let calls = steps.iter().filter(|step| !self.calls(step).is_empty());
        calls
            .map(|step| [step.get("env"), self.map.get("env"), self.root.get("env")])
            .all(|levels| levels.into_iter().flatten().any(|env| env.get("GITHUB_TOKEN").is_some()))
    }

    fn unseen(&self, steps: &[Node]) -> Vec<(String, Place)> {
        let own = self.map.get("uses").into_iter();
        let used = own.chain(steps.iter().filter_map(|step| step.get("uses")));
        used.filter_map(|uses| {
            let text = uses.text()?;
            let is_own = text.starts_with("./") || text.contains(".github/workflows/");
            (is_own || text.to_ascii_lowercase().contains("shiro")).then(|| (text.to_owned(), uses.place.clone()))
        })
        .collect()
    }
}

fn is_action(step: &Node, name: &str) -> bool {
    let uses = step.get("uses").and_then(Node::text).unwrap_or_default();
    uses.split('@').next() == Some(format!("actions/{name}").as_str())
}

fn with<'a>(step: &'a Node, key: &str) -> Option<&'a str> {
    step.get("with")?.get(key)?.text()
}

fn truth(step: &Node, key: &str) -> bool {
    with(step, key).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

fn upload(step: &Node) -> Upload {
    let paths = with(step, "path").unwrap_or_default();
    let lines = || paths.lines().map(str::trim).filter(|line| !line.is_empty());
    let excluded = lines().filter_map(|line| line.strip_prefix('!')).any(carries_state);
    let carried = lines().filter(|line| !line.starts_with('!') && carries_state(line));
    let condition = step.get("if").and_then(Node::text).unwrap_or_default();
    let days = step.get("with").and_then(|with| with.get("retention-days"));
    Upload {
        place: step.place.clone(),
        name: with(step, "name").unwrap_or("artifact").to_owned(),
        carries: if excluded { Vec::new() } else { carried.map(str::to_owned).collect() },
        with_hidden: truth(step, "include-hidden-files"),
        on_failure: ["always()", "failure()", "cancelled()"].iter().any(|word| condition.contains(word)),
        overwrites: truth(step, "overwrite"),
        days: days.and_then(|days| Some((days.text()?.parse().ok()?, days.place.clone()))),
    }
}

fn download(step: &Node) -> Download {
    Download {
        place: step.place.clone(),
        name: with(step, "name").map(str::to_owned),
        pattern: with(step, "pattern").map(str::to_owned),
        path: with(step, "path").unwrap_or(".").to_owned(),
        from_other_run: with(step, "run-id").is_some(),
    }
}
