//! Opens the store that the command line and the environment name, with the state key that they name.

use super::args::state::{JournalArgs, KeySource, StateArgs, StateStore};
use super::ci::{Ci, Environment};
use super::error::{CliError, STATE, USAGE};
use crate::event::Job;
use crate::id::RunId;
use crate::journal::{Expected, Loaded, ParseReceiptError, Recipient, RunKey, StateKey, Store, StoreKind};
use crate::policy::StateRules;
use crate::secret::Secrets;

/// The variable that has the state key when no flag says where it is.
const KEY_VARIABLE: &str = "SHIRO_STATE_KEY";

/// Where the state is kept.
pub(super) fn kind(args: &StateArgs, environment: &Environment) -> StateStore {
    match (&args.state_store, environment.ci()) {
        (Some(store), _) => store.clone(),
        (None, Some(Ci::Gitlab)) => StateStore::Gitlab,
        (None, _) => StateStore::Filesystem,
    }
}

/// Which run this is, of the workflow with this name. Where several pipelines share a store, each has its own.
pub(super) fn run_key(store: &StateStore, workflow: &str, environment: &Environment) -> RunKey {
    let pipeline = match store {
        StateStore::Gitlab => environment.filled("CI_PIPELINE_ID").map(str::to_owned),
        StateStore::GitlabPackages | StateStore::Objects(_) => environment.job().pipeline,
        StateStore::Memory | StateStore::Filesystem => None,
    };
    RunKey { workflow: workflow.to_owned(), pipeline }
}

fn open_kind(store: &StateStore, environment: &Environment) -> Result<Store, CliError> {
    let local = |kind| Store::open(kind, &environment.project_dir());
    let job_env = || environment.iter().map(|(name, value)| (name.into(), value.into())).collect::<Vec<_>>();
    Ok(match store {
        StateStore::Memory => local(StoreKind::Memory)?,
        StateStore::Filesystem => local(StoreKind::Filesystem)?,
        StateStore::Gitlab => local(StoreKind::Gitlab)?,
        StateStore::GitlabPackages => {
            Store::open_gitlab_packages(&job_env())?.with_files_in(&environment.project_dir())?
        }
        StateStore::Objects(url) => Store::open_objects(url, environment.job().project.as_deref(), &job_env())?
            .with_files_in(&environment.project_dir())?,
    })
}

/// A state key, and where it was found.
pub(super) struct FoundKey {
    /// The key.
    pub(super) key: StateKey,
    /// The variable that it stands in.
    pub(super) variable: Option<String>,
    text: String,
}

impl FoundKey {
    /// Keeps the key out of everything that is written.
    pub(super) fn mask(&self, secrets: &Secrets) {
        let name = self.variable.as_deref().unwrap_or(KEY_VARIABLE);
        for line in self.text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            secrets.add(&format!("env:{name}"), line);
        }
    }
}

/// The state key, if there is one.
pub(super) fn state_key(args: &StateArgs, environment: &Environment) -> Result<Option<FoundKey>, CliError> {
    let (place, variable, text) = match &args.state_key {
        Some(KeySource::File(path)) => {
            let text = std::fs::read_to_string(path)
                .map_err(|error| CliError::new(USAGE, format!("-state-key: can't read {}: {error}", path.display())))?;
            (path.display().to_string(), None, text)
        }
        Some(KeySource::Env(name)) => {
            let text = environment.filled(name).ok_or_else(|| {
                let error = CliError::new(STATE, format!("-state-key: the variable {name} is not set"));
                error.hint("a protected CI variable is only there on protected branches and tags")
            })?;
            (name.clone(), Some(name.clone()), text.to_owned())
        }
        None => match environment.filled(KEY_VARIABLE) {
            Some(text) => (KEY_VARIABLE.to_owned(), Some(KEY_VARIABLE.to_owned()), text.to_owned()),
            None => return Ok(None),
        },
    };
    let key = text.parse::<StateKey>().map_err(|error| {
        CliError::new(USAGE, format!("{place}: this is no state key: {error}"))
            .hint("make one: `openssl rand -hex 32`, or `age-keygen` for one that can encrypt too")
    })?;
    Ok(Some(FoundKey { key, variable, text }))
}

/// The store of a command that only looks.
pub(super) fn open(args: &StateArgs, environment: &Environment) -> Result<Store, CliError> {
    let store = open_kind(&kind(args, environment), environment)?;
    Ok(match state_key(args, environment)? {
        Some(found) => store.with_key(found.key, Vec::new()),
        None => store,
    })
}

/// The store of a process that works on a run, as the policies want it.
pub(super) fn open_to_run(
    args: &StateArgs,
    journal: &JournalArgs,
    found: Option<FoundKey>,
    rules: &StateRules,
    environment: &Environment,
) -> Result<Store, CliError> {
    let kind = kind(args, environment);
    let store = open_kind(&kind, environment)?.expecting(expected(journal, &environment.job())?);
    if kind == StateStore::Memory {
        return Ok(store);
    }
    let encrypt = journal.state_encrypt || !journal.state_recipient.is_empty() || rules.encrypted.is_some();
    let Some(found) = found else {
        let policy = rules.authenticated.as_ref().or(rules.encrypted.as_ref());
        return match policy {
            Some(policy) => Err(CliError::new(
                STATE,
                format!("{policy} requires state that is authenticated: there is no state key"),
            )
            .hint("give it: -state-key file:PATH or env:NAME, or the variable SHIRO_STATE_KEY")),
            None if encrypt => Err(CliError::new(USAGE, "encryption needs a state key, so that the run can go on")
                .hint(
                    "make one with `age-keygen`, and give it with -state-key file:PATH or the variable SHIRO_STATE_KEY",
                )),
            None => Ok(store),
        };
    };
    let recipients = if encrypt { recipients(journal, &found.key)? } else { Vec::new() };
    Ok(store.with_key(found.key, recipients))
}

/// Refuses to go on in plain text with a run whose journal is to be encrypted: what was begun so stays so.
pub(super) fn check_encryption(loaded: &Loaded, journal: &JournalArgs, rules: &StateRules) -> Result<(), CliError> {
    let asked = journal.state_encrypt || !journal.state_recipient.is_empty();
    let who = rules.encrypted.as_deref().or(asked.then_some("-state-encrypt"));
    match who {
        Some(who) if !loaded.encrypted() => {
            let message = format!("{}: {who} wants an encrypted journal, and this one is not", loaded.path.display());
            Err(CliError::new(STATE, message).hint("to begin anew, encrypted: shiro run -fresh"))
        }
        _ => Ok(()),
    }
}

fn recipients(journal: &JournalArgs, key: &StateKey) -> Result<Vec<Recipient>, CliError> {
    let own = key.recipient().ok_or_else(|| {
        CliError::new(STATE, "the state key can authenticate, but not encrypt: it is no age identity")
            .hint("make one with `age-keygen` (AGE-SECRET-KEY-1...), and begin the run with it")
    })?;
    let mut recipients = vec![own];
    for text in &journal.state_recipient {
        let recipient: Recipient =
            text.parse().map_err(|error| CliError::new(USAGE, format!("-state-recipient {text}: {error}")))?;
        if !recipients.contains(&recipient) {
            recipients.push(recipient);
        }
    }
    Ok(recipients)
}

/// What is known of the run to go on with.
fn expected(journal: &JournalArgs, job: &Job) -> Result<Expected, CliError> {
    let bad = |error: ParseReceiptError| CliError::new(USAGE, format!("-expect: {error}"));
    let Job { project, project_id, pipeline, .. } = job.clone();
    let mut expected = Expected { project, project_id, pipeline, ..Expected::default() };
    if let Some(text) = &journal.expect {
        let (run, receipt) = text.split_once(':').map_or((text.as_str(), None), |(run, rest)| (run, Some(rest)));
        if run.is_empty() {
            return Err(bad(ParseReceiptError).hint("is the variable that it comes from empty?"));
        }
        expected.run = Some(RunId::new(run));
        expected.receipt = receipt.map(str::parse).transpose().map_err(bad)?;
    }
    Ok(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment::new(variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn the_key_comes_from_where_the_flag_says_else_from_the_variable() {
        let (one, two) = ("1".repeat(32), "2".repeat(32));
        let environment = environment(&[("SHIRO_STATE_KEY", &one), ("OTHER", &two)]);
        let id = |args: &StateArgs| state_key(args, &environment).unwrap().unwrap().key.id().to_owned();
        let from = |source| StateArgs { state_key: Some(source), ..StateArgs::default() };
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("key");
        std::fs::write(&file, format!("# mine\n{two}\n")).unwrap();
        assert_ne!(id(&StateArgs::default()), id(&from(KeySource::Env("OTHER".to_owned()))));
        assert_eq!(id(&from(KeySource::File(file))), id(&from(KeySource::Env("OTHER".to_owned()))));
        let missing = state_key(&from(KeySource::Env("MISSING".to_owned())), &environment).err().unwrap();
        assert_eq!(missing.exit_code, STATE);
    }

    #[test]
    fn what_is_expected_comes_from_the_flag_and_the_job() {
        let text = |text: &str| Some(text.to_owned());
        let job = Job { project: text("g/p"), project_id: text("20"), pipeline: text("7"), ..Job::default() };
        let of =
            |expect: &str| expected(&JournalArgs { expect: Some(expect.to_owned()), ..JournalArgs::default() }, &job);
        let all = of(&format!("0198:3:{}", "0".repeat(32))).unwrap();
        assert_eq!(all.run, Some(RunId::new("0198")));
        assert!(all.receipt.is_some() && all.project.as_deref() == Some("g/p") && all.pipeline.as_deref() == Some("7"));
        assert_eq!(all.project_id.as_deref(), Some("20"));
        assert!(of("0198").unwrap().receipt.is_none());
        for wrong in ["", ":3:0", "0198:x"] {
            assert_eq!(of(wrong).unwrap_err().exit_code, USAGE, "{wrong}");
        }
    }
}
