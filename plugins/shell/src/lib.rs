//! The step type `shell`: runs a command or a script, and fails when it fails.

mod config;
mod interpreter;
mod report;

use shiro_step::process::{Command, Error};
use shiro_step::{Failure, Permissions, Step, log};

use config::Config;
use interpreter::Plan;
use report::{Output, Run};

/// Kept of each stream: what the host gives at most is more, but both have to fit into one answer, escaped as JSON.
const CAPTURE: u32 = 512 * 1024;

struct Shell;

impl Step for Shell {
    const NAME: &'static str = "shell";
    const SUMMARY: &'static str = "Runs a command or a script on the machine.";
    type Config = Config;
    type Output = Output;

    fn permissions() -> Permissions {
        Permissions::default().program_with_environment("*").in_dir("/")
    }

    fn run(config: Config) -> Result<Output, Failure> {
        let plans = interpreter::plans(&config)?;
        let (plan, result) = run_first(&config, plans)?;
        let run = Run { plan, captured: config.capture_output };
        let output = match result {
            Ok(completed) => run.completed(completed),
            Err(Error::TimedOut { completed, .. }) => run.timed_out(*completed, config.timeout.limit()),
            Err(error) => return Err(run.not_run(error)),
        };
        if output.success || config.allow_failure {
            return Ok(output);
        }
        Err(output.into_failure())
    }
}

shiro_step::export!(Shell);

type RunResult = Result<shiro_step::process::Completed, Error>;

/// Runs the first of these whose program there is.
fn run_first(config: &Config, plans: Vec<Plan>) -> Result<(Plan, RunResult), Failure> {
    let last = plans.len() - 1;
    for (index, plan) in plans.into_iter().enumerate() {
        match command(config, &plan).run() {
            Err(Error::NotFound { .. }) if index < last => {
                log::warn(
                    "there is no bash on PATH: running with sh instead, without pipefail (set `shell` to choose one)",
                );
            }
            result => return Ok((plan, result)),
        }
    }
    Err(Failure::invalid_config("there is nothing to run: set `command` or `script`"))
}

fn command(config: &Config, plan: &Plan) -> Command {
    let mut command = Command::new(&*plan.program).args(plan.args.iter().map(String::as_str));
    command = command.capture(if config.capture_output { CAPTURE } else { 0 });
    for (name, value) in &config.env {
        command = command.env(&**name, &**value);
    }
    if let Some(dir) = config.working_dir.as_deref().filter(|dir| !dir.is_empty()) {
        command = command.working_dir(dir);
    }
    if let Some(stdin) = &config.stdin {
        command = command.stdin(stdin.as_bytes());
    }
    match config.timeout.limit() {
        Some(limit) => command.timeout(limit),
        None => command,
    }
}
