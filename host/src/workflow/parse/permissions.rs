//! Permissions as a policy or a step writes them: what may be done at most. Each kind that is not there is not allowed.

use serde_json::{Map, Value};

use super::fields::Fields;
use crate::capability::{
    Access, FilePermission, LIMITS, Limits, NetworkPermission, Permissions, ProcessPermission, StorePermission,
};
use crate::diagnostic::{Diagnostic, Place};
use crate::workflow::json;

const KINDS: &[&str] = &["network", "process", "environment", "secrets", "files", "store", "limits"];
const NETWORK: &[&str] = &["url", "methods", "path_prefix", "private"];
const PROCESS: &[&str] = &["program", "args", "working_dir", "environment", "inherit_environment"];
const MAX_OUTPUT_MIB: u32 = 16;
const FILES: &[&str] = &["path", "access"];
const STORE: &[&str] = &["scope", "keys", "access"];

/// Reads permissions from a member of an object. `None` if there are none, or if they can't be understood, which is
/// reported then.
pub(crate) fn read_member(fields: &mut Fields<'_>, name: &str) -> Option<Permissions> {
    let members = fields.object(name)?;
    let pointer = format!("{}/{}", fields.pointer, json::escape(name));
    read(pointer, members, fields.problems)
}

fn read(pointer: String, members: Map<String, Value>, problems: &mut Vec<Diagnostic>) -> Option<Permissions> {
    let before = problems.len();
    let mut fields = Fields::new(pointer.clone(), members, KINDS, problems);
    let permissions = Permissions {
        network: each(&mut fields, "network", NETWORK, network),
        process: each(&mut fields, "process", PROCESS, process),
        environment: fields.strings("environment"),
        secrets: fields.strings("secrets"),
        files: each(&mut fields, "files", FILES, files),
        store: each(&mut fields, "store", STORE, store),
        limits: limits(&mut fields),
    };
    // What could not be read has left a gap: looking at the rest would point at the wrong items.
    if problems.len() == before {
        problems.extend(permissions.problems().into_iter().map(|(place, problem)| {
            Diagnostic::error("permission", Place::value(format!("{pointer}{place}")), problem)
        }));
    }
    (problems.len() == before).then_some(permissions)
}

/// Reads the objects of an array.
pub(crate) fn each<T>(
    fields: &mut Fields<'_>,
    name: &str,
    known: &[&str],
    read: impl Fn(&mut Fields<'_>) -> Option<T>,
) -> Vec<T> {
    let items = match fields.take(name) {
        None => return Vec::new(),
        Some(Value::Array(items)) => items,
        Some(other) => {
            fields.wrong_type(name, "an array of objects", &other);
            return Vec::new();
        }
    };
    let mut list = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        let pointer = format!("{}/{name}/{index}", fields.pointer);
        match item {
            Value::Object(members) => {
                list.extend(read(&mut Fields::new(pointer, members, known, fields.problems)));
            }
            other => {
                let message = format!("`{name}` holds objects, not {}", json::kind(&other));
                fields.report(Diagnostic::error("wrong-type", Place::value(pointer), message));
            }
        }
    }
    list
}

/// A text that has to be there.
fn required(fields: &mut Fields<'_>, name: &str, hint: &str) -> Option<String> {
    if fields.members.get(name).is_none_or(Value::is_null) {
        fields.missing(name, hint);
    }
    fields.string(name)
}

fn network(fields: &mut Fields<'_>) -> Option<NetworkPermission> {
    let url = required(fields, "url", "\"url\": \"https://api.example.com\"");
    if fields.members.get("methods").and_then(Value::as_array).is_some_and(Vec::is_empty) {
        fields.out_of_range("methods", "a list of at least one method; without it any method is meant");
    }
    let methods = fields.strings("methods");
    let path_prefix = fields.string("path_prefix");
    let private = fields.strings("private");
    Some(NetworkPermission { url: url?, methods, path_prefix, private })
}

fn process(fields: &mut Fields<'_>) -> Option<ProcessPermission> {
    let program = required(fields, "program", "\"program\": \"git\"");
    // An empty list is no argument at all, unlike no list.
    let args = fields.members.get("args").is_some_and(|value| !value.is_null()).then(|| texts(fields, "args"));
    let working_dir = fields.string("working_dir");
    let environment = fields.strings("environment");
    let inherit_environment = fields.boolean("inherit_environment").unwrap_or(false);
    Some(ProcessPermission { program: program?, args, working_dir, environment, inherit_environment })
}

/// Strings that may be empty: an argument may.
fn texts(fields: &mut Fields<'_>, name: &str) -> Vec<String> {
    match fields.members.get(name) {
        Some(Value::Array(items)) if items.iter().all(Value::is_string) => {
            let texts = items.iter().filter_map(Value::as_str).map(str::to_owned).collect();
            fields.take(name);
            texts
        }
        _ => fields.strings(name),
    }
}

fn files(fields: &mut Fields<'_>) -> Option<FilePermission> {
    let path = required(fields, "path", "\"path\": \"dist\"");
    let access = access(fields)?;
    Some(FilePermission { path: path?, access })
}

fn store(fields: &mut Fields<'_>) -> Option<StorePermission> {
    let scope = required(fields, "scope", "\"scope\": \"project\"");
    let keys = required(fields, "keys", "\"keys\": \"deploy/*\"");
    let access = access(fields)?;
    Some(StorePermission { scope: scope?, keys: keys?, access })
}

/// What may be done: reading, where nothing is said.
fn access(fields: &mut Fields<'_>) -> Option<Access> {
    match fields.string("access").as_deref() {
        None | Some("read") => Some(Access::Read),
        Some("read-write") => Some(Access::ReadWrite),
        Some(_) => {
            fields.out_of_range("access", "\"read\" or \"read-write\"");
            None
        }
    }
}

fn limits(fields: &mut Fields<'_>) -> Limits {
    let mut limits = Limits::default();
    let Some(members) = fields.object("limits") else { return limits };
    let mut fields = Fields::new(format!("{}/limits", fields.pointer), members, &LIMITS, fields.problems);
    for name in LIMITS {
        // Every output is kept for later steps: the engine takes no larger one.
        let most = if name == "output_mib" { MAX_OUTPUT_MIB } else { u32::MAX };
        let value = fields.whole(name, 1, most);
        if let Some(limit) = limits.named(name) {
            *limit = value;
        }
    }
    limits
}
