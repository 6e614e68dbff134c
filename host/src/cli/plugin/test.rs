//! `shiro plugin test`: a component's golden cases.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::watch;

use super::super::Exit;
use super::super::args::plugin::TestArgs;
use super::super::error::{BUG, CliError, USAGE};
use super::super::project::{compiler, plugin_error};
use super::case_store::{self, Stored};
use super::console::Console;
use super::warn_of;
use crate::id::{RunId, StepId};
use crate::outcome::{Failure, FailureClass};
use crate::plugin::{Catalog, Exchange, LoadedType, RecordedProcess, Recording, RunnerOptions, SandboxRunner};
use crate::policy::Policies;
use crate::secret::Secrets;
use crate::step::{StepRequest, StepRunner as _, StepSuccess};

/// The exit code when a case fails.
const FAILED: u8 = 1;
/// A case is over after this long: nothing in it waits for anything outside.
const TIMEOUT: Duration = Duration::from_secs(60);

/// One case, as a file of `tests/` has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[serde(default = "nothing")]
    config: Value,
    /// The job's variables.
    #[serde(default)]
    environment: BTreeMap<String, String>,
    /// The requests that the component sends, with their answers.
    #[serde(default)]
    http: Vec<Exchange>,
    /// The programs that it runs, with how they end.
    #[serde(default)]
    processes: Vec<RecordedProcess>,
    /// What is in the shared data before.
    #[serde(default)]
    store: Vec<Stored>,
    /// What has to be in it after, and nothing else; whatever is there without it.
    stored: Option<Vec<Stored>>,
    /// What it has to return.
    output: Option<Value>,
    /// How it has to fail, instead.
    failure: Option<Expected>,
}

/// A failure; what is not said may be anything.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    kind: Kind,
    code: Option<String>,
    message: Option<String>,
    retry_after_ms: Option<u64>,
    output: Option<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    InvalidConfig,
    Permanent,
    Transient,
}

fn nothing() -> Value {
    Value::Object(Map::new())
}

/// Runs every case, and says of each whether it holds.
pub(super) fn test(args: &TestArgs, out: &mut dyn Write) -> Exit {
    let component = component(args)?;
    let catalog = Catalog::new(Vec::new()).compiled_by(compiler(args.no_cache));
    let loaded = catalog.load_file(&component).map_err(plugin_error)?;
    warn_of(&catalog)?;
    let cases = cases(&args.dir.join("tests"))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::new(BUG, format!("can't start the runtime: {error}")))?;
    let mut failed = 0;
    for (name, case) in &cases {
        let problems = runtime.block_on(run(&loaded, case, &args.dir));
        failed += usize::from(!problems.is_empty());
        writeln!(out, "{} {name}", if problems.is_empty() { "ok  " } else { "FAIL" })?;
        for problem in problems {
            writeln!(out, "       {}", problem.replace('\n', "\n       "))?;
        }
    }
    let count = cases.len();
    writeln!(out, "{}: {} of {count} {} hold", component.display(), count - failed, plural(count))?;
    Ok(if failed == 0 { 0 } else { FAILED })
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "case" } else { "cases" }
}

/// What is wrong with a case: nothing if it holds.
async fn run(loaded: &LoadedType, case: &Case, dir: &Path) -> Vec<String> {
    let recording = Arc::new(Recording::new(case.http.clone(), case.processes.clone()));
    let run = RunId::new("plugin-test");
    let data = match case_store::filled(&case.store, &run) {
        Ok(data) => Arc::new(data),
        Err(error) => return vec![format!("`store`: {error}")],
    };
    let options = RunnerOptions {
        project_dir: dir.to_owned(),
        job_env: case.environment.iter().map(|(name, value)| (name.into(), value.into())).collect(),
        secrets: BTreeSet::new(),
        // All that it asks for: nothing that it does reaches anything.
        policies: Arc::new(Policies { learning: true, ..Policies::default() }),
        learned: None,
        data: Arc::clone(&data),
        grace: Duration::ZERO,
    };
    let runner = SandboxRunner::new([loaded.clone()], options).replaying(Arc::clone(&recording));
    let console = Arc::new(Console::new(Arc::new(Secrets::new())));
    let ended = runner
        .run(StepRequest {
            workflow: "plugin test".into(),
            run: run.clone(),
            step: StepId::new("step"),
            step_type: loaded.step_type().clone(),
            attempt: 1,
            config: case.config.clone(),
            bindings: Vec::new(),
            derived: Vec::new(),
            permissions: Vec::new(),
            timeout: Some(TIMEOUT),
            terminal: false,
            sink: Arc::clone(&console) as Arc<dyn crate::step::StepSink>,
            cancel: watch::channel(false).1,
        })
        .await;
    console.finish();
    let mut problems = compare(case, ended);
    problems.extend(recording.problems());
    if let Some(expected) = &case.stored {
        let differences = case_store::differences(&data, expected, &run);
        problems.extend(differences.unwrap_or_else(|error| vec![error.to_string()]));
    }
    problems
}

fn compare(case: &Case, ended: Result<StepSuccess, Failure>) -> Vec<String> {
    match (ended, &case.output, &case.failure) {
        (Ok(success), Some(expected), _) if success.output == *expected => Vec::new(),
        (Ok(success), Some(expected), _) => {
            vec![format!("expected the output {expected:#}\ngot {:#}", success.output)]
        }
        (Ok(success), None, _) => vec![format!("expected a failure\ngot the output {:#}", success.output)],
        (Err(failure), _, Some(expected)) => expected.differences(&failure),
        (Err(failure), _, None) => vec![format!("expected an output\ngot {}", shown(&failure))],
    }
}

impl Expected {
    fn differences(&self, failure: &Failure) -> Vec<String> {
        let kind = kind(failure);
        if kind != Some(self.kind) {
            return vec![format!("expected a failure of kind {:?}\ngot {}", self.kind, shown(failure))];
        }
        let mut differences = Vec::new();
        let mut compare = |what: &str, same: bool, expected: String, got: String| {
            if !same {
                differences.push(format!("expected the failure's {what} {expected}\ngot {got}"));
            }
        };
        if let Some(code) = &self.code {
            compare("code", *code == failure.code, code.clone(), failure.code.clone());
        }
        if let Some(message) = &self.message {
            compare("message", *message == failure.message, message.clone(), failure.message.clone());
        }
        if let Some(wait) = self.retry_after_ms {
            let got = failure.retry_after_ms;
            compare("retry_after_ms", got == Some(wait), wait.to_string(), format!("{got:?}"));
        }
        if let Some(output) = &self.output {
            let got = failure.output.clone().unwrap_or_default();
            compare("output", got == *output, format!("{output:#}"), format!("{got:#}"));
        }
        differences
    }
}

/// What the component said, unless it broke or was ended.
fn kind(failure: &Failure) -> Option<Kind> {
    match (failure.class, failure.transient) {
        (FailureClass::Config, _) => Some(Kind::InvalidConfig),
        (FailureClass::Step, true) => Some(Kind::Transient),
        (FailureClass::Step, false) => Some(Kind::Permanent),
        _ => None,
    }
}

fn shown(failure: &Failure) -> String {
    let kind = kind(failure).map_or_else(|| format!("{:?}", failure.class), |kind| format!("{kind:?}"));
    format!("a failure: {kind} [{}] {}", failure.code, failure.message)
}

/// The component to test.
fn component(args: &TestArgs) -> Result<PathBuf, CliError> {
    if let Some(component) = &args.component {
        return Ok(component.clone());
    }
    let found = files(&args.dir, "wasm")?;
    match found.as_slice() {
        [component] => Ok(component.clone()),
        [] => Err(CliError::new(USAGE, format!("{}: there is no .wasm file", args.dir.display()))
            .hint("build it first, or name it: shiro plugin test DIR -component FILE")),
        more => Err(CliError::new(USAGE, format!("{}: there are {} .wasm files", args.dir.display(), more.len()))
            .hint("name one: shiro plugin test DIR -component FILE")),
    }
}

/// The cases of a directory by file name, sorted.
fn cases(dir: &Path) -> Result<Vec<(String, Case)>, CliError> {
    let mut cases = Vec::new();
    for path in files(dir, "json")? {
        let shown = path.display();
        let wrong = |what: String| {
            CliError::new(USAGE, format!("{shown}: {what}")).hint("docs/writing-plugins.md shows what a case has")
        };
        let text = fs::read_to_string(&path).map_err(|error| wrong(error.to_string()))?;
        let case: Case = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        if case.output.is_some() == case.failure.is_some() {
            return Err(wrong("a case has either `output` or `failure`".to_owned()));
        }
        cases.push((path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), case));
    }
    if cases.is_empty() {
        return Err(CliError::new(USAGE, format!("{}: there are no cases (*.json)", dir.display()))
            .hint(r#"a case is e.g. {"config": {"name": "you"}, "output": {"greeting": "Hello, you!"}}"#));
    }
    Ok(cases)
}

fn files(dir: &Path, extension: &str) -> Result<Vec<PathBuf>, CliError> {
    let unreadable = |error: std::io::Error| CliError::new(USAGE, format!("{}: {error}", dir.display()));
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|have| have == extension) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
