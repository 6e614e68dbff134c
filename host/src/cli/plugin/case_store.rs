//! The shared data of a golden case: what is there before, and what has to be there after.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::capability::Scope;
use crate::data::{Author, Data, DataError, Entry, Room};
use crate::id::RunId;
use crate::secret::Secrets;

/// A value that is stored.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stored {
    scope: Scope,
    key: String,
    value: Value,
    /// For how long. As something expected: for just that long; without it, whatever its time is.
    #[serde(default)]
    ttl_ms: Option<u64>,
}

/// Data that holds these values.
pub(super) fn filled(stored: &[Stored], run: &RunId) -> Result<Data, DataError> {
    let data = Data::in_memory(Arc::new(Secrets::new()));
    for one in stored {
        let ttl = one.ttl_ms.map(Duration::from_millis);
        data.set(&data.room(one.scope, Some(run))?, &one.key, one.value.clone(), ttl, Author::default())?;
    }
    Ok(data)
}

/// How what is stored differs from what was expected: one line each.
pub(super) fn differences(data: &Data, expected: &[Stored], run: &RunId) -> Result<Vec<String>, DataError> {
    let mut left = BTreeMap::new();
    for scope in Scope::ALL {
        let room: Room = data.room(scope, Some(run))?;
        left.extend(data.entries(&room, "")?.into_iter().map(|entry| ((scope, entry.key.clone()), entry)));
    }
    let mut lines = Vec::new();
    for one in expected {
        let Stored { scope, key, value, ttl_ms } = one;
        match left.remove(&(*scope, key.clone())) {
            None => lines.push(format!("it never stored `{key}` in the scope {scope}")),
            Some(entry) if entry.value != *value => {
                lines.push(format!("expected `{key}` in the scope {scope} to be {value}\ngot {}", entry.value));
            }
            Some(entry) if ttl_ms.is_some() && ttl(&entry) != *ttl_ms => {
                lines.push(format!("expected the ttl_ms of `{key}` {ttl_ms:?}\ngot {:?}", ttl(&entry)));
            }
            Some(_) => {}
        }
    }
    let more = |((scope, key), entry): ((Scope, String), Entry)| {
        format!("`{key}` is stored in the scope {scope}, and was not expected: {}", entry.value)
    };
    lines.extend(left.into_iter().map(more));
    Ok(lines)
}

fn ttl(entry: &Entry) -> Option<u64> {
    Some(entry.expires_at?.saturating_sub(entry.stored_at))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn stored(value: Value) -> Vec<Stored> {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn what_differs_is_said() {
        let run = RunId::new("r");
        let before = stored(json!([
            { "scope": "project", "key": "a", "value": 1, "ttl_ms": 60_000 },
            { "scope": "run", "key": "b", "value": [2] }
        ]));
        let data = filled(&before, &run).unwrap();
        assert_eq!(differences(&data, &before, &run).unwrap(), Vec::<String>::new());
        let differ = |expected: Value| differences(&data, &stored(expected), &run).unwrap().join("\n");
        assert!(differ(json!([])).contains("`b` is stored in the scope run, and was not expected: [2]"));
        let b = json!({ "scope": "run", "key": "b", "value": [2] });
        let with = |a: Value| differ(json!([a, b]));
        assert_eq!(with(json!({ "scope": "project", "key": "a", "value": 1 })), "", "whatever its time is");
        assert!(with(json!({ "scope": "project", "key": "a", "value": 2 })).contains("to be 2\ngot 1"));
        assert!(with(json!({ "scope": "project", "key": "a", "value": 1, "ttl_ms": 1 })).contains("Some(60000)"));
        assert!(with(json!({ "scope": "branch", "key": "a", "value": 1 })).contains("never stored `a`"));
    }
}
