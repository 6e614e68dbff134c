//! `shiro init`: a workflow to start from, and the CI file that runs it.

mod surroundings;
mod template;
mod write;

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use super::Exit;
use super::args::init::{InitArgs, InitCi, TemplateArg};
use super::error::{BUG, CliError, USAGE};
use crate::ci::{self, Gates, Options, Platform};
use crate::engine::HOLD;
use crate::plan::Plan;
use crate::workflow::{self, Source, StepTypes};
use write::{Overwrite, Planned};

/// Keeps state out of commits, and nothing else.
const GITIGNORE: &str = "# What runs leave here is carried by CI artifacts, never by commits.\n/state/\n";

/// Writes the files and says what to do next.
pub(super) fn init(args: &InitArgs, out: &mut dyn Write) -> Exit {
    refuse_flags_of_go_shiro(args)?;
    let root = Path::new(".");
    let platform = match args.ci {
        Some(InitCi::Gitlab) => Some(Platform::Gitlab),
        Some(InitCi::Github) => Some(Platform::Github),
        Some(InitCi::None) => None,
        None => Some(surroundings::platform(root).unwrap_or(Platform::Gitlab)),
    };
    let text = template::workflow(args.template, platform);
    let file = args.shiro_dir.join("workflow.json");
    let mut files = Vec::new();
    if let Some(platform) = platform {
        files.push(ci_file(platform, args.template, &text, &file)?);
    }
    files.insert(0, Planned { path: file, text });
    files.insert(1, Planned { path: args.shiro_dir.join(".gitignore"), text: GITIGNORE.to_owned() });
    let mut stdin = io::stdin().lock();
    let overwrite = if args.force {
        Overwrite::Always
    } else if stdin.is_terminal() && io::stdout().is_terminal() {
        Overwrite::Ask(&mut stdin)
    } else {
        Overwrite::Never
    };
    let present = write::write(&files, overwrite, out)?;
    if let Some(line) = surroundings::ignored_by(root) {
        writeln!(out, "\nwarning: .gitignore has `{line}`: take it out, or CI never sees the workflow")?;
    }
    next_steps(args, platform, &present, out)?;
    Ok(0)
}

/// Go shiro asked for a model's settings here, and wrote a configuration that didn't work.
fn refuse_flags_of_go_shiro(args: &InitArgs) -> Result<(), CliError> {
    let refused = |flag: &str, why: &str| {
        CliError::new(USAGE, format!("{flag} is of Go shiro: {why}"))
            .hint("say what to start from with -template, and for which CI system with -ci")
            .hint("models belong into .shiro/config.yaml, and their keys into variables of the CI system")
    };
    if args.interactive {
        return Err(refused("-i", "init has nothing to ask for but what it would overwrite"));
    }
    if !args.define.is_empty() {
        return Err(refused("-d", "a template has no values to fill in"));
    }
    Ok(())
}

/// The CI file for a template's workflow.
fn ci_file(platform: Platform, template: TemplateArg, text: &str, file: &Path) -> Result<Planned, CliError> {
    let broken = |what: &str| CliError::new(BUG, format!("a template of shiro is broken: {what}"));
    let (workflow, problems) = workflow::parse(&Source::from_text("workflow.json", text));
    let workflow = workflow.filter(|_| problems.is_empty()).ok_or_else(|| broken("it does not parse"))?;
    let name = workflow.name.clone();
    let plan = Plan::build(workflow).map_err(|_| broken("its steps make no graph"))?;
    let is_found = file == Path::new(".shiro/workflow.json");
    let options = Options {
        name: name.clone(),
        workflow: (!is_found).then(|| file.display().to_string()),
        environment: "production".to_owned(),
        image: None,
        store: None,
        stage: None,
        trigger: template::trigger(template),
        secrets: template::secrets(template).iter().map(|name| (*name).to_owned()).collect(),
    };
    let path = match platform {
        Platform::Gitlab => PathBuf::from(".gitlab-ci.yml"),
        Platform::Github => PathBuf::from(format!(".github/workflows/{name}.yml")),
    };
    Ok(Planned { path, text: ci::generate(platform, &Gates::of(&plan, &StepTypes::default(), HOLD), &options) })
}

fn next_steps(args: &InitArgs, platform: Option<Platform>, present: &[PathBuf], out: &mut dyn Write) -> io::Result<()> {
    let dir = args.shiro_dir.display();
    let file = args.shiro_dir.join("workflow.json");
    let named = if file == Path::new(".shiro/workflow.json") { String::new() } else { format!(" {}", file.display()) };
    writeln!(out, "\nNext:")?;
    for line in template::advice(args.template, platform) {
        writeln!(out, "  {line}")?;
    }
    writeln!(out, "  shiro run -dry-run{named}    shows what would run, and what each step may do")?;
    writeln!(out, "  shiro run{named}             runs it; where it waits, the same again approves and goes on")?;
    let ci = present.iter().find(|path| !path.starts_with(&args.shiro_dir));
    let added = ci.map(|path| format!(" {}", path.display())).unwrap_or_default();
    writeln!(out, "  git add {dir}{added} && git commit -m 'Add a workflow'")?;
    if let Some(ci) = ci {
        writeln!(out, "  shiro validate -ci {}{named}    after you changed either", ci.display())?;
        let approvals = match args.template {
            TemplateArg::Approval | TemplateArg::Release => ": its first lines say who may approve",
            TemplateArg::CodeReview | TemplateArg::Blank => "",
        };
        writeln!(out, "  shiro must be on the CI runner, or in an image that the file names{approvals}.")?;
    }
    Ok(())
}
