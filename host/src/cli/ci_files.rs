//! `shiro ci` and `shiro validate -ci`: files for CI systems.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use clap::CommandFactory;

use super::Exit;
use super::args::ci::{CiSystem, CiVerb, GenerateArgs};
use super::args::state::StateStore;
use super::args::{Cli, WorkflowArgs};
use super::error::{CliError, USAGE};
use super::project::Project;
use crate::ci::{
    self, Files, Finding, Flags, Gates, Options, Platform, Report, Repository, Severity, Subject, Trigger,
};
use crate::engine::HOLD;
use crate::secret::visible::visible;

/// Does what `shiro ci` is asked for.
pub(super) fn ci(verb: &CiVerb, out: &mut dyn Write) -> Exit {
    match verb {
        CiVerb::Generate(args) => generate(args, out),
    }
}

fn generate(args: &GenerateArgs, out: &mut dyn Write) -> Exit {
    if args.stage.is_some() && args.system == CiSystem::Github {
        return Err(CliError::new(USAGE, "-stage is for GitLab: GitHub has no stages").hint("leave it out"));
    }
    if !args.secrets.is_empty() && args.system == CiSystem::Gitlab {
        return Err(CliError::new(USAGE, "-secret is for GitHub: GitLab gives its jobs their variables by itself")
            .hint("leave it out"));
    }
    let store = store(args)?;
    let project = Project::load(&args.workflow, None)?;
    let options = Options {
        name: project.plan.workflow().name.clone(),
        workflow: named(&args.workflow).map(str::to_owned),
        environment: args.environment.clone(),
        image: args.image.clone(),
        store,
        stage: args.stage.clone(),
        trigger: if args.merge_requests { Trigger::MergeRequests } else { Trigger::DefaultBranch },
        secrets: args.secrets.clone(),
    };
    let text = ci::generate(args.system.into(), &Gates::of(&project.plan, &project.infos, HOLD), &options);
    match &args.output {
        None => out.write_all(text.as_bytes())?,
        Some(path) => {
            write_file(path, &text, args.force)?;
            writeln!(out, "{}: written", path.display())?;
        }
    }
    Ok(0)
}

/// The store to name: none for the one that artifacts carry.
fn store(args: &GenerateArgs) -> Result<Option<String>, CliError> {
    let refuse = |why: &str, hint: &str| Err(CliError::new(USAGE, format!("-state-store {why}")).hint(hint));
    match (&args.state_store, args.system) {
        (None, _) | (Some(StateStore::Gitlab), CiSystem::Gitlab) | (Some(StateStore::Filesystem), CiSystem::Github) => {
            Ok(None)
        }
        (Some(StateStore::Memory), _) => refuse("memory: a run that pauses there is lost", "leave it out"),
        (Some(StateStore::Filesystem), CiSystem::Gitlab) => {
            refuse("filesystem: in GitLab it is `gitlab`, which keeps pipelines apart", "leave it out")
        }
        (Some(StateStore::Gitlab | StateStore::GitlabPackages), CiSystem::Github) => {
            refuse("is for GitLab: here there is no pipeline of it", "leave it out, or name object storage")
        }
        (Some(store @ (StateStore::GitlabPackages | StateStore::Objects(_))), _) => Ok(Some(store.to_string())),
    }
}

/// Checks a CI file against a workflow. Prints what it finds; errors make it exit 2.
pub(super) fn check(path: &Path, args: &WorkflowArgs, project: &Project, out: &mut dyn Write) -> Exit {
    let report = report(path, args, project)?;
    // What is in the file may be a stranger's.
    out.write_all(visible(&report.to_string()).as_bytes())?;
    Ok(if report.count(Severity::Error) > 0 { USAGE } else { 0 })
}

/// What there is to say about a CI file.
pub(super) fn report(path: &Path, args: &WorkflowArgs, project: &Project) -> Result<Report, CliError> {
    let unreadable = |why: &dyn std::fmt::Display| {
        CliError::new(USAGE, format!("-ci {}: {why}", path.display()))
            .hint("name a .gitlab-ci.yml or a file in .github/workflows/")
    };
    let repository = Repository::around(path).map_err(|error| unreadable(&error))?;
    let inside = path.canonicalize().map_err(|error| unreadable(&error))?;
    let inside = inside.strip_prefix(repository.root()).unwrap_or(path).display().to_string();
    let bytes = repository.read(&inside).map_err(|error| unreadable(&error))?;
    let subject = Subject {
        file: &inside,
        gates: &Gates::of(&project.plan, &project.infos, HOLD),
        workflow: project.source.name(),
        is_default: named(args).is_none(),
        flags: &flags(),
        files: &repository,
    };
    let mut report = ci::check(&subject, &bytes);
    if report.platform == Platform::Gitlab {
        let mut problems = ci::dead_links(project.plan.workflow());
        project.source.locate(&mut problems);
        report.extend(problems.into_iter().map(|problem| Finding::of_workflow(project.source.name(), problem)));
    }
    Ok(report)
}

/// The workflow's file as it was named, unless it is the one that is found by itself.
fn named(args: &WorkflowArgs) -> Option<&str> {
    let file = args.file.as_ref().or(args.workflow.as_ref())?.to_str()?;
    let plain = file.trim_start_matches("./");
    (!matches!(plain, ".shiro/workflow.json" | "workflow.json")).then_some(plain)
}

/// Which flags of the verbs that work on a run take a value.
fn flags() -> Flags {
    let cli = Cli::command();
    let verbs = cli.get_subcommands().filter(|verb| matches!(verb.get_name(), "run" | "approve" | "reject"));
    let all = verbs.flat_map(clap::Command::get_arguments).chain(cli.get_arguments());
    let valued = all.filter(|arg| !arg.is_positional() && arg.get_action().takes_values());
    let names =
        valued.flat_map(|arg| arg.get_long().map(str::to_owned).into_iter().chain(arg.get_short().map(String::from)));
    Flags { with_value: names.collect::<BTreeSet<String>>() }
}

/// Writes a new file; one that is there only if that is wanted.
fn write_file(path: &Path, text: &str, force: bool) -> Result<(), CliError> {
    let failed = |error: std::io::Error| CliError::new(USAGE, format!("can't write {}: {error}", path.display()));
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    let opened = if force { File::create(path) } else { File::create_new(path) };
    match opened.and_then(|mut file| file.write_all(text.as_bytes())) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(CliError::new(USAGE, format!("{} is there already: nothing was written", path.display()))
                .hint("-force overwrites it; without -output the file is shown"))
        }
        Err(error) => Err(failed(error)),
    }
}

impl From<CiSystem> for Platform {
    fn from(system: CiSystem) -> Self {
        match system {
            CiSystem::Gitlab => Self::Gitlab,
            CiSystem::Github => Self::Github,
        }
    }
}
