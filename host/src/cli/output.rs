//! How `shiro run` talks: the reporter that fits who reads, and what is said when there is nothing to run.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use super::args::state::{KeySource, StateStore};
use super::args::{ColorChoice, RunArgs};
use super::ci::Environment;
use super::project::Project;
use crate::approval::time;
use crate::event::Tell;
use crate::id::StepId;
use crate::report::human::{Ask, Human, HumanOptions, Outputs, Resumed, StepInfo, Style, to_go_on};
use crate::report::{color, style};
use crate::workflow::model::OutputFormat;

/// Everything about the output that is settled before the run is.
pub(super) struct Output {
    style: Style,
    color: bool,
    quiet: bool,
    debug: bool,
    outputs: Option<Outputs>,
    /// What to do to go on.
    resume: String,
    /// What to do to go on when a time has come, which approves nothing.
    resume_later: String,
    is_terminal: bool,
}

impl Output {
    pub(super) fn new(args: &RunArgs, choice: ColorChoice, environment: &Environment, project: &Project) -> Self {
        let variable = |name: &str| environment.get(name).map(str::to_owned);
        let is_terminal = io::stdout().is_terminal();
        let style = style(variable, is_terminal);
        let settings = &project.plan.workflow().settings;
        let outputs = match (settings.save_results, settings.output_format) {
            (Some(true), Some(OutputFormat::Json)) => Some(Outputs::Json),
            (Some(true), _) => Some(Outputs::Text),
            _ => None,
        };
        let color = match choice {
            ColorChoice::Auto => color(variable, style),
            ColorChoice::Always => true,
            ColorChoice::Never => false,
        };
        let quiet = args.quiet || settings.quiet_mode;
        // Where nothing is to be approved, nothing can be by accident.
        let asks = project.plan.steps().any(|step| project.plan.step(step).approval.is_some());
        let resume_later = resume_hint(args, environment, if asks { " -no-approve" } else { "" });
        let resume = resume_hint(args, environment, "");
        Self { style, color, quiet, debug: args.debug, outputs, resume, resume_later, is_terminal }
    }

    /// Standard output is a terminal that shows colours.
    pub(super) fn is_terminal(&self) -> bool {
        self.is_terminal && self.color
    }

    /// The reporter of this process. What it still holds is written when it is dropped.
    pub(super) fn reporter(&self, project: &Project, resumed: Option<Resumed>) -> Arc<dyn Tell> {
        let workflow = project.plan.workflow();
        let steps = workflow
            .steps
            .iter()
            .map(|step| StepInfo { id: step.id.clone(), quiet: step.quiet, max_attempts: step.retry.max_attempts })
            .collect();
        let options = HumanOptions {
            style: self.style,
            color: self.color,
            quiet: self.quiet,
            debug: self.debug,
            resumed,
            resume: self.resume.clone(),
            resume_later: self.resume_later.clone(),
            outputs: self.outputs,
            ..HumanOptions::new(Box::new(io::stdout()), workflow.name.clone(), steps)
        };
        Arc::new(Human::new(options))
    }

    /// Nothing was decided, no wait is over, and this start decides nothing; `why`, in words that follow the gates' names.
    /// `asks`: what those of the waiting gates ask for that ask for something.
    pub(super) fn still_paused(
        &self,
        workflow: &str,
        waiting: &[StepId],
        asks: &[(StepId, Ask)],
        waits: &[(StepId, u64)],
        now: u64,
        why: &str,
    ) {
        let mut text = format!("{workflow}: still paused");
        let mut waits: Vec<&(StepId, u64)> = waits.iter().collect();
        waits.sort_unstable_by_key(|(_, until)| *until);
        for (step, until) in &waits {
            let left = Duration::from_secs(until.saturating_sub(now).div_ceil(1000));
            let left = humantime::format_duration(left);
            text += &format!("\n  until {} after {step}: {left} left", time(*until));
        }
        if !waits.is_empty() {
            text += &format!("\nTo go on then: {}", self.resume_later);
        }
        if !waiting.is_empty() {
            let names = waiting.iter().map(StepId::as_str).collect::<Vec<_>>().join(", ");
            text += if waits.is_empty() { "" } else { "\nstill waiting for approval" };
            text += &format!(" after {names}{why}");
            let asked = |step: &StepId| asks.iter().find(|(asking, _)| asking == step).map(|(_, ask)| ask);
            for (step, ask) in waiting.iter().filter_map(|step| Some((step, asked(step)?))) {
                text += &format!(
                    "\n  {step}: {}\n  {step}: `{}`, or `shiro reject {step} -reason ...`",
                    ask.words, ask.command
                );
            }
            text += &format!("\n{}", to_go_on(waiting.iter().map(asked), &self.resume));
        }
        say(&text);
    }

    /// The run is done.
    pub(super) fn finished(&self, workflow: &str) {
        say(&format!(
            "{workflow}: this run has finished already, nothing is left to do\nto begin anew: shiro run -fresh"
        ));
    }
}

fn say(text: &str) {
    // Nobody is left to tell if this fails.
    let _ = writeln!(io::stdout(), "{text}");
}

/// The command that goes on with this run, as it was called, with this flag besides.
fn resume_hint(args: &RunArgs, environment: &Environment, flag: &str) -> String {
    let mut command = format!("shiro run{flag}");
    if let Some(file) = args.workflow.file.as_ref().or(args.workflow.workflow.as_ref()) {
        command.push_str(&format!(" {}", file.display()));
    }
    if let Some(policy) = &args.workflow.policy {
        command.push_str(&format!(" -policy {}", policy.display()));
    }
    match &args.state.state_key {
        Some(KeySource::File(path)) => command.push_str(&format!(" -state-key file:{}", path.display())),
        Some(KeySource::Env(name)) => command.push_str(&format!(" -state-key env:{name}")),
        None => {}
    }
    match &args.state.state_store {
        Some(StateStore::Memory) => {
            return "nothing: the memory store keeps no state, so this run can't go on".to_owned();
        }
        Some(store) => command.push_str(&format!(" -state-store {store}")),
        None => {}
    }
    let remote = matches!(args.state.state_store, Some(StateStore::GitlabPackages | StateStore::Objects(_)));
    if environment.filled("CI_JOB_NAME").is_some() || environment.ci().is_some() {
        let with = if remote { "" } else { " with this job's .shiro/state/" };
        format!("start the job that runs `{command}`{with}")
    } else {
        format!("run `{command}`")
    }
}
