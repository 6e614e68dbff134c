//! `shiro data`: the workflow's shared data from the command line.

use std::io::{self, Read as _, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};

use super::Exit;
use super::args::data::{DataVerb, DeleteArgs, GetArgs, ListArgs, PlaceArgs, SetArgs};
use super::args::state::StateStore;
use super::ci::Environment;
use super::error::{CliError, STATE, USAGE};
use super::{shared_data, store};
use crate::capability::Scope;
use crate::data::{Author, Data, Entry, Room, VALUE_BYTES};
use crate::event::{Event, Record};
use crate::id::RunId;
use crate::journal::Store;
use crate::secret::{Secrets, looks_secret, redact};

/// Exit code: there is no such key.
const MISSING: u8 = 1;
/// So many keys are named to who asks for one that is not there.
const NAMED: usize = 10;

/// Runs one of the `data` verbs.
pub(super) fn data(verb: &DataVerb, environment: &Environment, out: &mut dyn Write) -> Exit {
    match verb {
        DataVerb::Set(args) => set(args, environment, out),
        DataVerb::Get(args) => get(args, environment, out),
        DataVerb::Delete(args) => delete(args, environment, out),
        DataVerb::List(args) => list(args, environment, out),
    }
}

/// The data of one scope.
struct Place {
    data: Data,
    room: Room,
    secrets: Arc<Secrets>,
    namespace: String,
}

impl Place {
    fn open(args: &PlaceArgs, environment: &Environment) -> Result<Self, CliError> {
        if args.state.state_store == Some(StateStore::Memory) {
            return Err(CliError::new(USAGE, "the memory store keeps nothing between two commands")
                .hint("leave -state-store out, or say filesystem or gitlab"));
        }
        if args.namespace.starts_with('/') || args.namespace.ends_with('/') {
            return Err(CliError::new(USAGE, "-namespace is written without a `/` at its beginning or end"));
        }
        if args.shiro_dir.as_ref().is_some_and(|dir| dir != Path::new(".shiro")) {
            writeln!(
                io::stderr(),
                "note: -shiro-dir changes nothing here: the data is with the state, in .shiro/state"
            )?;
        }
        let store = store::open(&args.state, environment)?;
        let run = match args.scope {
            Scope::Run => Some(run(args.run.as_deref(), &store)?),
            _ => None,
        };
        let secrets = Arc::new(Secrets::new());
        for (name, value) in environment.iter().filter(|(name, _)| looks_secret(name)) {
            secrets.add(&format!("env:{name}"), value);
        }
        let data = shared_data::open(&store, environment, Arc::clone(&secrets));
        let room = data.room(args.scope, run.as_ref())?;
        let namespace = if args.namespace.is_empty() { String::new() } else { format!("{}/", args.namespace) };
        Ok(Self { data, room, secrets, namespace })
    }

    fn key(&self, key: &str) -> String {
        format!("{}{key}", self.namespace)
    }

    /// What is shown of a value: secrets are masked, as in everything that shiro writes.
    fn shown(&self, entry: &Entry) -> Value {
        let mut value = redact(&entry.value);
        self.secrets.mask_value(&mut value);
        value
    }

    fn document(&self, entry: &Entry) -> Value {
        let mut document = json!({
            "key": entry.key,
            "scope": entry.scope,
            "value": self.shown(entry),
            "stored_at": time(entry.stored_at),
            "expires_at": entry.expires_at.map(time),
        });
        if let (Some(workflow), Some(step)) = (&entry.by.workflow, &entry.by.step) {
            document["stored_by"] = json!({ "workflow": workflow, "step": step, "run": entry.by.run });
        }
        document
    }
}

/// The run that is meant.
fn run(name: Option<&str>, store: &Store) -> Result<RunId, CliError> {
    let mut found: Vec<(String, RunId)> = Vec::new();
    for journal in store.runs()? {
        let stem = journal.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let wanted = name.is_none_or(|name| name == stem);
        match journal.loaded {
            Ok(loaded) => {
                if let Some(Record { event: Event::RunStarted(started), .. }) = loaded.records.first()
                    && (wanted || name == Some(started.run.as_str()))
                {
                    found.push((stem, started.run.clone()));
                }
            }
            Err(error) if wanted => return Err(error.into()),
            Err(_) => {}
        }
    }
    match found.as_slice() {
        [(_, run)] => Ok(run.clone()),
        [] => Err(CliError::new(STATE, "there is no state of such a run").hint("`shiro status` lists the runs")),
        more => {
            let names: Vec<&str> = more.iter().map(|(name, _)| name.as_str()).collect();
            let error = CliError::new(USAGE, "there are several runs: which one's data is meant?");
            Err(error.hint(format!("name it: -run {}", names.join(", or -run "))))
        }
    }
}

fn set(args: &SetArgs, environment: &Environment, out: &mut dyn Write) -> Exit {
    let place = Place::open(&args.place, environment)?;
    let text = if args.value == "-" { standard_input()? } else { args.value.clone() };
    let value = if args.json {
        serde_json::from_str(&text).map_err(|error| {
            CliError::new(USAGE, format!("the value is not JSON: {error}")).hint("leave -json out to store it as text")
        })?
    } else {
        Value::String(text)
    };
    if value.is_null() {
        return Err(CliError::new(USAGE, "`null` is no value").hint("`shiro data delete` takes one away"));
    }
    // What is over is of no use to anybody; that it could not be removed is no fault of this value.
    let _ = place.data.purge();
    let entry = place.data.set(&place.room, &place.key(&args.key), value, args.ttl, Author::default())?;
    writeln!(out, "stored {} in the scope {}{}", entry.key.escape_debug(), entry.scope, until(&entry))?;
    Ok(0)
}

fn get(args: &GetArgs, environment: &Environment, out: &mut dyn Write) -> Exit {
    let place = Place::open(&args.place, environment)?;
    let key = place.key(&args.key);
    let Some(entry) = place.data.get(&place.room, &key)? else {
        return match &args.default {
            Some(default) if args.json => {
                let document = json!({ "key": key, "scope": place.room.scope, "value": default, "default": true });
                writeln!(out, "{document:#}")?;
                Ok(0)
            }
            Some(default) => {
                writeln!(out, "{default}")?;
                Ok(0)
            }
            None => Err(missing(&place, &key)?),
        };
    };
    match place.shown(&entry) {
        _ if args.json => writeln!(out, "{:#}", place.document(&entry))?,
        Value::String(text) => writeln!(out, "{text}")?,
        other => writeln!(out, "{other}")?,
    }
    if place.shown(&entry) != entry.value && !args.json {
        let _ = writeln!(io::stderr(), "warning: a secret in the value is masked");
    }
    Ok(0)
}

/// The error for a key that is not there: what is.
fn missing(place: &Place, key: &str) -> Result<CliError, CliError> {
    let scope = place.room.scope;
    let gone = place.data.expires_at(&place.room, key)?;
    let what = match gone {
        Some(at) => {
            format!("`{}` is gone from the scope {scope}: its time was over at {}", key.escape_debug(), time(at))
        }
        None => format!("there is no `{}` in the scope {scope}", key.escape_debug()),
    };
    let error = CliError::new(MISSING, what).hint("-default TEXT is shown where there is no value");
    let entries = place.data.entries(&place.room, "")?;
    let mut names: Vec<String> =
        entries.iter().take(NAMED).map(|entry| format!("`{}`", entry.key.escape_debug())).collect();
    if entries.len() > NAMED {
        names.push(format!("{} more", entries.len() - NAMED));
    }
    Ok(match names.as_slice() {
        [] => error.hint(format!("the scope {scope} has no keys; -scope names another one")),
        names => error.hint(format!("the scope {scope} has: {}", names.join(", "))),
    })
}

fn delete(args: &DeleteArgs, environment: &Environment, out: &mut dyn Write) -> Exit {
    let place = Place::open(&args.place, environment)?;
    let key = place.key(&args.key);
    let deleted = place.data.delete(&place.room, &key)?;
    let scope = place.room.scope;
    if args.json {
        writeln!(out, "{:#}", json!({ "key": key, "scope": scope, "deleted": deleted }))?;
    } else if deleted {
        writeln!(out, "deleted {} from the scope {scope}", key.escape_debug())?;
    } else {
        writeln!(out, "there was no {} in the scope {scope}", key.escape_debug())?;
    }
    Ok(0)
}

fn list(args: &ListArgs, environment: &Environment, out: &mut dyn Write) -> Exit {
    let place = Place::open(&args.place, environment)?;
    let entries = place.data.entries(&place.room, &place.key(&args.prefix))?;
    if args.json {
        let keys: Vec<Value> = entries.iter().map(|entry| place.document(entry)).collect();
        writeln!(out, "{:#}", json!({ "scope": place.room.scope, "keys": keys }))?;
        return Ok(0);
    }
    if entries.is_empty() {
        writeln!(out, "no keys in the scope {}", place.room.scope)?;
    }
    let width = entries.iter().map(|entry| entry.key.chars().count()).max().unwrap_or(0);
    for entry in &entries {
        writeln!(
            out,
            "{:width$}  stored {}{}",
            entry.key.escape_debug().to_string(),
            time(entry.stored_at),
            until(entry)
        )?;
    }
    Ok(0)
}

fn until(entry: &Entry) -> String {
    entry.expires_at.map(|at| format!(", until {}", time(at))).unwrap_or_default()
}

fn time(at: u64) -> String {
    // Later times have no four-digit year to print.
    const LAST: u64 = 253_402_300_799_999;
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_millis(at.min(LAST))).to_string()
}

fn standard_input() -> Result<String, CliError> {
    let mut text = String::new();
    let most = VALUE_BYTES as u64 + 1;
    let read = io::stdin().take(most).read_to_string(&mut text);
    read.map_err(|error| CliError::new(USAGE, format!("standard input can't be read: {error}")))?;
    if text.len() > VALUE_BYTES {
        return Err(CliError::new(5, format!("standard input has more than {VALUE_BYTES} bytes, which are the most")));
    }
    // The line's end that `echo` writes.
    Ok(text.strip_suffix('\n').map(str::to_owned).unwrap_or(text))
}
