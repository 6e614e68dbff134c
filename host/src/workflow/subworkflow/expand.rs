//! Puts the steps of the files that steps name in the place of these steps. Pure, but for reading the files, which is the
//! caller's.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::super::digest;
use super::super::inputs::InputError;
use super::super::model::{Retry, Role, Settings, Step, Workflow};
use super::super::parse::parse;
use super::super::source::Source;
use super::{MAX_DEPTH, MAX_STEPS, SubIndex, Subworkflow, TYPE, inputs};
use crate::capability::Permissions;
use crate::diagnostic::{Diagnostic, Place, Severity};
use crate::id::StepId;

/// A file that can't be had: what is wrong, and what to do.
pub type Unreadable = InputError;

/// A workflow with all that its steps run in it.
pub struct Expanded {
    /// The workflow. With errors among the diagnostics it is there to be checked further, never to be run: a step whose file
    /// can't be used stands there as it is.
    pub workflow: Workflow,
    /// The files that were read besides its own.
    pub sources: Vec<Source>,
    /// What is wrong. Places within the files have their positions.
    pub problems: Vec<Diagnostic>,
}

/// Puts the steps of other files in their places. `file`: the workflow's own, as it is shown. `read` gets the file that names
/// one, as it is shown, and what it names it; the name of the source that it gives is how that is shown, and a file that was
/// read under this name is not read again.
pub fn expand(
    mut workflow: Workflow,
    file: &str,
    read: &mut dyn FnMut(&str, &str) -> Result<Source, Unreadable>,
) -> Expanded {
    let steps = std::mem::take(&mut workflow.steps);
    if steps.iter().all(|step| step.step_type.as_str() != TYPE) {
        workflow.steps = steps;
        return Expanded { workflow, sources: Vec::new(), problems: Vec::new() };
    }
    let mut work =
        Expansion { read, workflow, files: HashMap::new(), sources: Vec::new(), problems: Vec::new(), is_full: false };
    let root = Level { sub: None, id: None, chain: vec![file.to_owned()], quiet: false, permissions: Vec::new() };
    work.level(&root, steps);
    work.finish()
}

/// What holds for all steps of one workflow.
struct Level {
    /// Which subworkflow; `None` for the workflow itself.
    sub: Option<SubIndex>,
    /// The step that it is.
    id: Option<StepId>,
    /// The files on the way to it, its own the last.
    chain: Vec<String>,
    quiet: bool,
    permissions: Vec<Arc<Permissions>>,
}

struct Expansion<'a> {
    read: &'a mut dyn FnMut(&str, &str) -> Result<Source, Unreadable>,
    /// The outermost, whose steps come together here.
    workflow: Workflow,
    /// What was read, by name; `None` if it can't be used, which has been reported.
    files: HashMap<String, Option<Arc<Workflow>>>,
    sources: Vec<Source>,
    problems: Vec<Diagnostic>,
    /// There are more steps than there may be, which has been reported.
    is_full: bool,
}

impl Expansion<'_> {
    fn level(&mut self, level: &Level, steps: Vec<Step>) {
        for mut step in steps {
            step.within = level.sub;
            step.quiet |= level.quiet;
            step.permissions.splice(0..0, level.permissions.iter().cloned());
            if let Some(outer) = &level.id {
                step.id = outer.inside(step.id.as_str());
                step.depends_on.iter_mut().for_each(|id| *id = outer.inside(id.as_str()));
            }
            if self.workflow.steps.len() >= MAX_STEPS {
                if !std::mem::replace(&mut self.is_full, true) {
                    self.report(
                        "too-large",
                        &step,
                        "id",
                        format!("with what its steps run, the workflow has more than {MAX_STEPS} steps"),
                        None,
                    );
                    self.workflow.steps.push(step);
                }
                return;
            }
            if step.step_type.as_str() == TYPE
                && self.may_be_one(&step)
                && let Some((file, inner)) = self.inner(level, &step)
            {
                self.put_in(level, step, file, &inner);
            } else {
                self.workflow.steps.push(step);
            }
        }
    }

    /// Refuses what a step of this type can't have.
    fn may_be_one(&mut self, step: &Step) -> bool {
        let before = self.problems.len();
        if step.retry != Retry::default() {
            let message = "a workflow is not tried again as a whole: what is done inside stays done".to_owned();
            self.report("workflow-step", step, "retry", message, Some("set `retry` on the steps of its file"));
        }
        if step.timeout.is_some() {
            let message =
                "a workflow has no timeout as a whole: it may wait for people, and go on in another process".to_owned();
            self.report("workflow-step", step, "timeout", message, Some("set `timeout` on the steps of its file"));
        }
        if let Some(fan_out) = &step.fan_out {
            let field = fan_out.kind.field();
            let message =
                format!("a workflow is not run for each item: `{field}` is for one step, with one place in the plan");
            let hint = format!("set `{field}` on the steps of its file, with the list as an input");
            self.report("workflow-step", step, field, message, Some(&hint));
        }
        if step.idempotent {
            let message = "whether a step may run again is said of each: this one runs nothing itself".to_owned();
            self.report(
                "workflow-step",
                step,
                "idempotent",
                message,
                Some("set `idempotent` on the steps of its file"),
            );
        }
        before == self.problems.len()
    }

    /// The workflow in the file that a step names, if it can be used.
    fn inner(&mut self, level: &Level, step: &Step) -> Option<(String, Arc<Workflow>)> {
        // Without one, its config does not match the type's schema, which is reported there.
        let named = step.config.get("file")?.as_str().filter(|named| !named.is_empty())?;
        let unusable = |message: &str| Unreadable::new(message, None);
        if named.contains("{{") {
            let mut problem = unusable("`file` is read before the run, so it can't hold a template");
            problem.hint = Some("have a step for each file, with an `if` that says which of them runs".to_owned());
            return self.unreadable(step, problem);
        }
        if named.contains('#') || named.chars().any(char::is_control) {
            return self
                .unreadable(step, unusable("the name of a workflow's file can't hold `#` or a control character"));
        }
        if level.chain.len() > MAX_DEPTH {
            return self.unreadable(step, unusable(&format!("workflows stand at most {MAX_DEPTH} deep in each other")));
        }
        let from = level.chain.last()?;
        let source = match (self.read)(from, named) {
            Ok(source) => source,
            Err(problem) => return self.unreadable(step, problem),
        };
        let name = source.name().to_owned();
        if let Some(first) = level.chain.iter().position(|file| *file == name) {
            let chain = level.chain[first..].iter().chain([&name]).map(String::as_str).collect::<Vec<_>>().join(" -> ");
            let mut problem = unusable(&format!("these workflows run each other without end: {chain}"));
            problem.hint = Some("take one of them out, or let an outer workflow run both".to_owned());
            return self.unreadable(step, problem);
        }
        let inner = match self.files.get(&name) {
            Some(known) => known.clone(),
            None => self.parse(source),
        };
        Some((name, inner?))
    }

    fn parse(&mut self, source: Source) -> Option<Arc<Workflow>> {
        let name = source.name().to_owned();
        let (inner, mut problems) = parse(&source);
        if let Some(inner) = &inner {
            self.warn_of_settings(inner, &mut problems);
        }
        source.locate(&mut problems);
        for problem in &mut problems {
            let places = std::iter::once(&mut problem.place).chain(problem.related.as_mut().map(|(_, place)| place));
            places.for_each(|place| place.pointer.insert_str(0, &format!("{name}#")));
        }
        let is_usable = problems.iter().all(|problem| problem.severity != Severity::Error);
        self.problems.extend(problems);
        self.sources.push(source);
        let inner = inner.filter(|_| is_usable).map(Arc::new);
        self.files.insert(name, inner.clone());
        inner
    }

    /// How it all runs, and what is masked, is the outermost workflow's word.
    fn warn_of_settings(&self, inner: &Workflow, problems: &mut Vec<Diagnostic>) {
        if inner.settings != Settings::default() {
            let message =
                "these settings hold where the workflow runs by itself, and not where it is a step of another";
            problems.push(Diagnostic::warning("subworkflow-settings", Place::value("/settings"), message));
        }
        for (index, name) in inner.not_secrets.iter().enumerate() {
            if !self.workflow.not_secrets.contains(name) {
                let message = format!("`{name}` is masked all the same where the workflow is a step of another");
                let problem =
                    Diagnostic::warning("subworkflow-settings", Place::value(format!("/not_secrets/{index}")), message);
                problems.push(problem.with_hint("the outermost workflow says what is no secret"));
            }
        }
    }

    /// The step's beginning, what is in its file, and its end.
    fn put_in(&mut self, level: &Level, step: Step, file: String, inner: &Workflow) {
        let nothing = Map::new();
        let given = step.config.get(inputs::KEY).and_then(Value::as_object).unwrap_or(&nothing);
        inputs::check(&step.pointer("config"), given, &inner.inputs, &mut self.problems);
        let outer = level.sub.map_or(BTreeSet::new(), |sub| self.workflow.subworkflows[sub.get()].derived.clone());
        let sub = SubIndex::new(self.workflow.subworkflows.len());
        self.workflow.subworkflows.push(Subworkflow {
            id: step.id.clone(),
            parent: level.sub,
            derived: inputs::derived(given, &outer),
            name: inner.name.as_str().into(),
            inputs: inner.inputs.clone().into(),
            outputs: inner.outputs.clone(),
            file: file.clone(),
        });
        for name in &inner.secrets {
            if !self.workflow.secrets.contains(name) {
                self.workflow.secrets.push(name.clone());
            }
        }
        let inside = Level {
            sub: Some(sub),
            id: Some(step.id.clone()),
            chain: level.chain.iter().cloned().chain([file.clone()]).collect(),
            quiet: step.quiet,
            permissions: step.permissions.clone(),
        };
        let end = Step {
            role: Role::End { of: sub, outputs: format!("{file}#/outputs") },
            depends_on: Vec::new(),
            config: inner.outputs.clone().unwrap_or_default(),
            condition: None,
            digest: digest::of(&json!({ "step": step.digest.to_string(), "workflow": inner.digest.to_string() })),
            ..step.clone()
        };
        self.workflow.steps.push(Step {
            id: step.id.begin(),
            role: Role::Begin { of: sub },
            approval: None,
            continue_on_error: false,
            save_output: true,
            ..step
        });
        let origin: Arc<str> = format!("{file}#").into();
        let mut steps = inner.steps.clone();
        steps.iter_mut().for_each(|step| step.origin = Arc::clone(&origin));
        self.level(&inside, steps);
        self.workflow.steps.push(end);
    }

    fn unreadable<T>(&mut self, step: &Step, Unreadable { message, hint }: Unreadable) -> Option<T> {
        self.report("workflow-file", step, "config/file", message, hint.as_deref());
        None
    }

    fn report(&mut self, code: &'static str, step: &Step, field: &str, message: String, hint: Option<&str>) {
        let problem = Diagnostic::error(code, Place::value(step.pointer(field)), message);
        self.problems.push(match hint {
            Some(hint) => problem.with_hint(hint),
            None => problem,
        });
    }

    /// What runs inside is part of what the workflow means.
    fn finish(self) -> Expanded {
        let Self { mut workflow, sources, problems, files, .. } = self;
        let inside: Map<String, Value> = workflow
            .subworkflows
            .iter()
            .filter_map(|sub| Some((sub.id.to_string(), files.get(&sub.file)?.as_ref()?.digest.to_string().into())))
            .collect();
        workflow.digest = digest::of(&json!({ "workflow": workflow.digest.to_string(), "subworkflows": inside }));
        Expanded { workflow, sources, problems }
    }
}
