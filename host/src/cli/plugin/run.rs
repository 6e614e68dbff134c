//! `shiro plugin run`: one component alone, config in, output out.

use std::collections::BTreeSet;
use std::io::{self, Read as _, Write};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;

use super::super::Exit;
use super::super::args::plugin::RunArgs;
use super::super::args::state::StateArgs;
use super::super::ci::Environment;
use super::super::error::{BUG, CliError, USAGE};
use super::super::{shared_data, store};
use super::console::Console;
use super::{catalog, load_target, warn_of};
use crate::data::Data;
use crate::engine::signals;
use crate::id::{RunId, StepId};
use crate::outcome::Failure;
use crate::plugin::{LoadedType, RunnerOptions, SandboxRunner};
use crate::policy::Policies;
use crate::secret::{Secrets, looks_secret};
use crate::step::{StepRequest, StepRunner as _, StepSuccess};

/// The largest config that is read from a file or standard input, in bytes.
const CONFIG_BYTES: u64 = 16 << 20;
/// Between SIGTERM and SIGKILL for the programs that the step runs.
const GRACE: Duration = Duration::from_secs(5);

/// Runs the component once. Its output goes to standard output, its log to standard error.
pub(super) fn run(args: &RunArgs, out: &mut dyn Write) -> Exit {
    let (catalog, policies) = catalog(&args.dirs, &args.operator)?;
    let loaded = load_target(&catalog, &args.target)?;
    warn_of(&catalog)?;
    let config = config(args)?;
    let problems = loaded.config_problems(&config);
    if !problems.is_empty() {
        let name = loaded.step_type();
        return Err(CliError::new(USAGE, format!("the config does not match:\n  {}", problems.join("\n  ")))
            .hint(format!("`shiro plugin inspect {}` shows the schema of `{name}`", args.target)));
    }
    let environment = Environment::of_process();
    let secrets = Arc::new(secrets(&environment, &loaded, &config));
    let ended = attempt(args, &environment, policies, loaded, config, &secrets)?;
    match ended {
        Attempt::Interrupted(code) => Ok(code),
        Attempt::Ended(Ok(mut success)) => {
            secrets.mask_value(&mut success.output);
            writeln!(out, "{:#}", success.output)?;
            Ok(0)
        }
        Attempt::Ended(Err(mut failure)) => {
            secrets.mask_failure(&mut failure);
            if let Some(output) = &failure.output {
                writeln!(out, "{output:#}")?;
            }
            let mut error = CliError::new(failure.class.exit_code(), format!("{} [{}]", failure.message, failure.code));
            error.hints.extend(failure.hint);
            Err(error)
        }
    }
}

/// The shared data of this directory.
fn data(environment: &Environment, secrets: &Arc<Secrets>) -> Result<Data, CliError> {
    let store = store::open(&StateArgs::default(), environment)?;
    Ok(shared_data::open(&store, environment, Arc::clone(secrets)))
}

enum Attempt {
    Ended(Result<StepSuccess, Failure>),
    /// By a signal: the exit code for it.
    Interrupted(u8),
}

fn attempt(
    args: &RunArgs,
    environment: &Environment,
    policies: Policies,
    loaded: LoadedType,
    config: Value,
    secrets: &Arc<Secrets>,
) -> Result<Attempt, CliError> {
    let options = RunnerOptions {
        project_dir: environment.project_dir(),
        job_env: std::env::vars_os().collect(),
        secrets: secret_names(environment),
        policies: Arc::new(policies),
        learned: None,
        data: Arc::new(data(environment, secrets)?),
        grace: GRACE,
    };
    let console = Arc::new(Console::new(Arc::clone(secrets)));
    let (stop, cancel) = watch::channel(false);
    let request = StepRequest {
        workflow: "plugin run".into(),
        run: RunId::new("plugin-run"),
        step: StepId::new("step"),
        step_type: loaded.step_type().clone(),
        attempt: 1,
        config,
        bindings: Vec::new(),
        derived: Vec::new(),
        permissions: Vec::new(),
        timeout: args.timeout,
        terminal: false,
        sink: Arc::clone(&console) as Arc<dyn crate::step::StepSink>,
        cancel,
    };
    let runner = SandboxRunner::new([loaded], options);
    let broken = |what: &str, error: io::Error| CliError::new(BUG, format!("can't {what}: {error}"));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| broken("start the runtime", error))?;
    let ended = runtime.block_on(async {
        let mut signals = signals::listen().map_err(|error| broken("listen for signals", error))?;
        let mut running = Box::pin(runner.run(request));
        let signal = tokio::select! {
            ended = &mut running => return Ok(Attempt::Ended(ended)),
            Some(signal) = signals.recv() => signal,
        };
        let _ = stop.send(true);
        let _ = running.await;
        Ok(Attempt::Interrupted(signal.exit_code()))
    });
    // A thread that blocks in the system can't be waited for.
    runtime.shutdown_background();
    console.finish();
    ended
}

/// The config, from the flag, the file or standard input; without any, empty.
fn config(args: &RunArgs) -> Result<Value, CliError> {
    let (text, origin) = match (&args.config, &args.config_file) {
        (Some(text), _) => (text.clone(), "-config".to_owned()),
        (None, Some(path)) if path.as_os_str() == "-" => {
            (read(io::stdin(), "standard input")?, "standard input".to_owned())
        }
        (None, Some(path)) => {
            let name = path.display().to_string();
            let file = std::fs::File::open(path).map_err(|error| CliError::new(USAGE, format!("{name}: {error}")))?;
            (read(file, &name)?, name)
        }
        (None, None) => return Ok(Value::Object(serde_json::Map::new())),
    };
    serde_json::from_str(&text).map_err(|error| {
        CliError::new(USAGE, format!("{origin} is not JSON: {error}"))
            .hint("a config is a JSON object, e.g. -config '{\"message\": \"hello\"}'")
    })
}

fn read(from: impl io::Read, name: &str) -> Result<String, CliError> {
    let mut text = String::new();
    from.take(CONFIG_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|error| CliError::new(USAGE, format!("{name}: {error}")))?;
    if text.len() as u64 > CONFIG_BYTES {
        return Err(CliError::new(USAGE, format!("{name}: larger than {} MiB", CONFIG_BYTES >> 20)));
    }
    Ok(text)
}

/// What is masked: variables of the job that look secret, and the config's own secrets.
fn secrets(environment: &Environment, loaded: &LoadedType, config: &Value) -> Secrets {
    let secrets = Secrets::new();
    for name in secret_names(environment) {
        secrets.add(&format!("env:{name}"), environment.get(&name).unwrap_or_default());
    }
    for name in loaded.description().secrets() {
        if let Some(value) = config.get(&name).and_then(Value::as_str) {
            secrets.add(&format!("config:{name}"), value);
        }
    }
    secrets
}

/// The variables of the job whose values are secret.
fn secret_names(environment: &Environment) -> BTreeSet<String> {
    environment.iter().map(|(name, _)| name.to_owned()).filter(|name| looks_secret(name)).collect()
}
