//! Everything about a workflow that can be known before it runs: found, parsed, its step types loaded, checked.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::available_parallelism;

use super::args::WorkflowArgs;
use super::args::plugin::PluginDirs;
use super::ci::Environment;
use super::error::{BUG, CliError, PLUGIN, USAGE};
use super::{nested, policy, settings};
use crate::diagnostic::{Diagnostic, Severity};
use crate::id::StepType;
use crate::package::{Kind, PackageError, Packages};
use crate::plan::Plan;
use crate::plugin::{Catalog, Compiler, LoadedType};
use crate::policy::Policies;
use crate::secret::visible::visible;
use crate::workflow::inputs::{self, Given};
use crate::workflow::model::Workflow;
use crate::workflow::{self, Source, StepTypes, TypeInfo, subworkflow};

/// A workflow that may run.
pub(super) struct Project {
    /// The file, for the places of what goes wrong later.
    pub(super) source: Source,
    /// The checked graph.
    pub(super) plan: Arc<Plan>,
    /// The step types that it uses.
    pub(super) types: BTreeMap<StepType, LoadedType>,
    /// The same, as validation sees them.
    pub(super) infos: Arc<StepTypes>,
    /// How many steps may run at once.
    pub(super) jobs: usize,
    /// Values given for inputs.
    pub(super) given: Vec<Given>,
    /// What its steps may do.
    pub(super) policies: Policies,
    /// What is worth a look and refuses nothing: lines for people.
    pub(super) warnings: Vec<String>,
}

impl Project {
    /// Loads and checks all of it. The error holds every problem at once. `jobs` wins over what the workflow says.
    pub(super) fn load(args: &WorkflowArgs, jobs: Option<u16>) -> Result<Self, CliError> {
        let source = read_source(args)?;
        let given = given_inputs(args)?;
        let policies = policy::load(&args.dirs.shiro_dir, args.policy.as_deref())?;
        let (workflow, mut problems) = workflow::parse(&source);
        let Some(workflow) = workflow else { return Err(refused(&source, problems, &[])) };
        let files = nested::Files::of(Path::new(source.name()), &Environment::of_process().project_dir());
        let expanded = files.expand(workflow, source.name());
        let (mut workflow, source) = (expanded.workflow, source.with_parts(expanded.sources));
        problems.extend(expanded.problems);
        let jobs = jobs.map(usize::from).or(workflow.settings.jobs);
        let jobs = jobs.unwrap_or_else(|| available_parallelism().map_or(4, |count| count.get().max(4)));
        let catalog = catalog(&args.dirs, &policies)?.for_attempts(jobs);
        let (types, known, faults) = load_types(&catalog, &workflow)?;
        if known.loaded.values().any(|info| info.description.settings.is_some()) {
            problems.extend(workflow::settings::apply(&mut workflow, &known, &settings::load(args)?));
        }
        problems.extend(workflow::validate(&workflow, &known));
        let invalid = |problems: &[Diagnostic]| problems.iter().any(|problem| problem.severity == Severity::Error);
        let plan = match Plan::build(workflow) {
            Ok(plan) => Some(plan),
            Err(more) => {
                problems.extend(more);
                None
            }
        };
        let Some(plan) = plan.filter(|_| !invalid(&problems) && faults.is_empty()) else {
            return Err(refused(&source, problems, &faults));
        };
        source.locate(&mut problems);
        let mut warnings: Vec<String> = Vec::new();
        for problem in &problems {
            // A file may run as several steps.
            let warning = problem.display(source.name()).to_string();
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
        }
        warnings.extend(catalog.take_notices());
        Ok(Self { source, plan: Arc::new(plan), types, infos: Arc::new(known), jobs, given, policies, warnings })
    }
}

/// The step types of a project, as far as policies accept their signatures.
pub(super) fn catalog(dirs: &PluginDirs, policies: &Policies) -> Result<Catalog, CliError> {
    let places = std::iter::once(dirs.shiro_dir.join("plugins")).chain(dirs.plugin_dir.iter().cloned()).collect();
    let packages = Packages::open(&dirs.shiro_dir, policies.trust()).map_err(package_error)?;
    Ok(Catalog::new(places).pinned(packages).compiled_by(compiler(dirs.no_cache)))
}

/// What compiles components that are not built in.
pub(super) fn compiler(no_cache: bool) -> Compiler {
    let compiler = Compiler::in_child();
    if no_cache { compiler } else { compiler.with_cache(|name| std::env::var_os(name)) }
}

fn read_source(args: &WorkflowArgs) -> Result<Source, CliError> {
    let named = args.file.as_ref().or(args.workflow.as_ref());
    let candidates: Vec<PathBuf> = match named {
        Some(file) => vec![file.clone()],
        None => {
            let mut candidates = vec![args.dirs.shiro_dir.join("workflow.json"), PathBuf::from(".shiro/workflow.json")];
            candidates.push(PathBuf::from("workflow.json"));
            candidates.dedup();
            candidates
        }
    };
    let Some(path) = candidates.iter().find(|path| path.exists()) else {
        let looked: Vec<String> = candidates.iter().map(|path| path.display().to_string()).collect();
        let error = CliError::new(USAGE, format!("there is no workflow: looked for {}", looked.join(", ")));
        return Err(error.hint("name it: shiro run FILE"));
    };
    Source::read(path).map_err(|problem| {
        let mut error = CliError::new(USAGE, format!("{}: {}", path.display(), problem.message));
        error.hints.extend(problem.hint);
        error
    })
}

fn given_inputs(args: &WorkflowArgs) -> Result<Vec<Given>, CliError> {
    let mut given = Vec::new();
    for file in &args.input_file {
        let source = Source::read(file)
            .map_err(|problem| CliError::new(USAGE, format!("-input-file {}: {}", file.display(), problem.message)))?;
        given.extend(inputs::from_file(&source).map_err(|problems| refused(&source, problems, &[]))?);
    }
    // After the files: of several values the last counts.
    for (name, value) in &args.input {
        let value = inputs::GivenValue::Text(value.clone());
        given.push(Given { name: name.clone(), value, origin: "-input".to_owned() });
    }
    Ok(given)
}

type Types = (BTreeMap<StepType, LoadedType>, StepTypes, Vec<CliError>);

/// Loads the step types that the workflow uses. Those that can't be loaded come back as faults.
fn load_types(catalog: &Catalog, workflow: &Workflow) -> Result<Types, CliError> {
    let names: Vec<String> =
        catalog.names().map_err(plugin_error)?.into_iter().map(|known| known.step_type.as_str().to_owned()).collect();
    let used: BTreeSet<StepType> = workflow.steps.iter().map(|step| step.step_type.clone()).collect();
    let is_component = |used: &StepType| used.as_str() != subworkflow::TYPE;
    let used = used.into_iter().filter(|used| is_component(used) && names.iter().any(|name| name == used.as_str()));
    let used: Vec<StepType> = used.collect();
    let mut types = BTreeMap::new();
    let mut known = StepTypes {
        names,
        places: catalog.dirs().iter().map(|dir| dir.display().to_string()).collect(),
        ..StepTypes::default()
    };
    let mut faults = Vec::new();
    for (step_type, loaded) in catalog.load_all(used) {
        let loaded = match loaded {
            Ok(loaded) => loaded,
            Err(error) => {
                faults.push(plugin_error(error));
                continue;
            }
        };
        match TypeInfo::new(loaded.description().clone()) {
            Ok(info) => {
                known.loaded.insert(step_type.clone(), info);
                types.insert(step_type, loaded);
            }
            Err(error) => faults.push(CliError::new(PLUGIN, format!("step type `{step_type}`: {error}"))),
        }
    }
    if workflow.steps.iter().any(|step| step.step_type.as_str() == subworkflow::TYPE) {
        catalog.check_reserved(subworkflow::TYPE).map_err(plugin_error)?;
        let info = TypeInfo::new(subworkflow::description().clone())
            .map_err(|error| CliError::new(BUG, format!("step type `{}`: {error}", subworkflow::TYPE)))?;
        known.loaded.insert(StepType::new(subworkflow::TYPE), info);
    }
    known.names.push(subworkflow::TYPE.to_owned());
    Ok((types, known, faults))
}

/// A plugin's error as the command line's.
pub(super) fn plugin_error(error: crate::plugin::PluginError) -> CliError {
    let mut cli_error = CliError::new(error.class.exit_code(), visible(&error.message));
    cli_error.hints.extend(error.hint);
    cli_error
}

/// A package's error as the command line's.
pub(super) fn package_error(error: PackageError) -> CliError {
    let exit_code = match error.kind {
        Kind::Usage => USAGE,
        Kind::Refused => PLUGIN,
    };
    // Some of it may be what a component or a registry says.
    let mut cli_error = CliError::new(exit_code, visible(&error.message));
    cli_error.hints.extend(error.hint);
    cli_error
}

/// All problems of a file, and the plugins that could not be loaded, as one error.
pub(super) fn refused(source: &Source, mut problems: Vec<Diagnostic>, faults: &[CliError]) -> CliError {
    source.locate(&mut problems);
    problems.sort_by(|a, b| (a.place.file(), a.place.position).cmp(&(b.place.file(), b.place.position)));
    let mut seen = BTreeSet::new();
    let mut text = String::new();
    let mut errors = 0;
    for problem in &problems {
        let shown = problem.display(source.name()).to_string();
        if seen.insert(shown.clone()) {
            errors += usize::from(problem.severity == Severity::Error);
            let _ = writeln!(text, "{shown}");
        }
    }
    for fault in faults {
        let _ = writeln!(text, "{fault}");
    }
    let count = errors + faults.len();
    let noun = if count == 1 { "problem" } else { "problems" };
    let exit_code = if errors > 0 { USAGE } else { faults.first().map_or(USAGE, |fault| fault.exit_code) };
    let mut error = CliError::new(exit_code, format!("{count} {noun} in {}: nothing was started", source.name()));
    error.details = text;
    error
}
