//! What is stored for a key, and how it is written down: a line with a checksum, then a JSON document. With a state key the
//! checksum is one that only who has the key can make, and the document is encrypted on request.
//!
//! ```text
//! shiro-data 1 sha256:<of all that follows>      or hmac-sha256:<...>
//! {"scope":"project","key":"deploy/version","stored_at":1767225600000,"by":{...},"value":"1.2.3"}      or age:<base64>
//! ```
//!
//! A value with a secret of the job in it has a reference in its place: see `secret::seal`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::{DataError, Kind};
use super::name::Room;
use crate::capability::Scope;
use crate::id::{RunId, StepId};
use crate::journal::{SealError, Seals};

const MAGIC: &str = "shiro-data";
const FORMAT: u64 = 1;

/// What is stored for a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The scope.
    pub scope: Scope,
    /// Which run, pipeline or branch.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub of: String,
    /// The key.
    pub key: String,
    /// When it was stored, in milliseconds since 1970-01-01 UTC, by the clock of the machine that stored it.
    pub stored_at: u64,
    /// When it is gone, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
    /// Who stored it.
    pub by: Author,
    /// The value, with references where secrets stood.
    pub value: Value,
}

/// Who stored a value: evidence for people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    /// The run; `None` for the command line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// The workflow's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// The step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepId>,
}

impl Entry {
    /// The room that it belongs to.
    pub(super) fn room(&self) -> Room {
        Room { scope: self.scope, id: self.of.clone() }
    }

    /// Whether its time is over.
    pub fn is_expired(&self, now: u64) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    /// The bytes that are stored.
    pub(super) fn encode(&self, seals: &Seals) -> Result<Vec<u8>, DataError> {
        let invalid = |what: String| DataError::new(Kind::Invalid, what);
        let document = serde_json::to_string(self)
            .map_err(|error| invalid(format!("the value does not fit into JSON: {error}")))?;
        let sealed = seals.seal(&document).map_err(|error| invalid(format!("the value can't be encrypted: {error}")));
        let (sum, body) = sealed?;
        Ok(format!("{MAGIC} {FORMAT} {sum}\n{body}").into_bytes())
    }

    /// Reads what is stored in the room of this name, at a place that is for people (`at`).
    pub(super) fn decode(bytes: &[u8], room: &str, at: &str, seals: &Seals) -> Result<Self, DataError> {
        let damaged = |what: &str| {
            DataError::new(Kind::Unreadable, format!("{at}: what is stored there is damaged: {what}")).with_hint(
                "put it back from the artifact or cache that has it, or remove it: then nothing is stored there",
            )
        };
        let text = std::str::from_utf8(bytes).map_err(|_| damaged("it is not text"))?;
        let (header, document) = text.split_once('\n').ok_or_else(|| damaged("it has no header"))?;
        let mut header = header.split(' ');
        if header.next() != Some(MAGIC) {
            return Err(damaged("it was not written by shiro"));
        }
        let format = header.next().and_then(|format| format.parse::<u64>().ok());
        match format {
            Some(FORMAT) => {}
            Some(newer) if newer > FORMAT => {
                let what = format!("{at}: written by a newer shiro (format {newer}; this one reads {FORMAT})");
                return Err(DataError::new(Kind::Unreadable, what).with_hint("use that version, or a newer one"));
            }
            _ => return Err(damaged("its header can't be read")),
        }
        let (Some(sum), None) = (header.next(), header.next()) else { return Err(damaged("its header can't be read")) };
        let document = seals.open(sum, document).map_err(|error| match error {
            SealError::Sum => damaged(&error.to_string()),
            _ => DataError::new(Kind::Unreadable, format!("{at}: {error}"))
                .with_hint("give the state key that it was stored with: -state-key, or the variable SHIRO_STATE_KEY"),
        })?;
        let entry: Self = serde_json::from_str(&document).map_err(|error| damaged(&error.to_string()))?;
        if entry.room().name() != room {
            return Err(damaged("it belongs to another scope: it was moved or copied"));
        }
        Ok(entry)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn room() -> String {
        entry().room().name()
    }

    fn entry() -> Entry {
        Entry {
            scope: Scope::Branch,
            of: "main".to_owned(),
            key: "deploy/version".to_owned(),
            stored_at: 7,
            expires_at: Some(9),
            by: Author { run: Some(RunId::new("r")), workflow: None, step: Some(StepId::new("s")) },
            value: json!({ "a": ["\n", 1.5, null], "_ttl": "24h" }),
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let bytes = entry().encode(&Seals::default()).unwrap();
        assert_eq!(Entry::decode(&bytes, &room(), "x", &Seals::default()).unwrap(), entry());
    }

    #[test]
    fn every_flip_and_every_cut_is_found() {
        let bytes = entry().encode(&Seals::default()).unwrap();
        for index in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[index] ^= 1 << bit;
                let error = Entry::decode(&flipped, &room(), "x", &Seals::default()).unwrap_err();
                assert_eq!(error.kind, Kind::Unreadable, "{index} {bit}");
            }
            assert!(Entry::decode(&bytes[..index], &room(), "x", &Seals::default()).is_err(), "{index}");
        }
    }

    #[test]
    fn an_entry_elsewhere_and_a_newer_one_are_refused() {
        let bytes = entry().encode(&Seals::default()).unwrap();
        let other = Room { scope: Scope::Branch, id: "feature".to_owned() }.name();
        assert!(Entry::decode(&bytes, &other, "x", &Seals::default()).unwrap_err().message.contains("another scope"));
        let newer = String::from_utf8(bytes).unwrap().replacen("shiro-data 1", "shiro-data 2", 1);
        assert!(
            Entry::decode(newer.as_bytes(), &room(), "x", &Seals::default())
                .unwrap_err()
                .message
                .contains("newer shiro")
        );
    }

    #[test]
    fn time_is_over_when_it_is_reached() {
        assert!(!entry().is_expired(8));
        assert!(entry().is_expired(9));
        assert!(!Entry { expires_at: None, ..entry() }.is_expired(u64::MAX));
    }
}
