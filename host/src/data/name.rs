//! Where an entry is: its room, its key, and the names that both have in a store.

use sha2::{Digest as _, Sha256};

use super::error::{DataError, Kind};
use crate::capability::Scope;
use crate::journal::readable;

/// The longest key, in bytes.
pub const KEY_BYTES: usize = 512;
/// So much of a name is there for people to read.
const READABLE: usize = 60;

/// The place that all of one scope share: of a run, a pipeline, a branch, or the project.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Room {
    /// The scope.
    pub scope: Scope,
    /// Which run, pipeline or branch it is; empty for the project.
    pub id: String,
}

impl Room {
    /// Its name in a store: one path component of `[a-z0-9._-]`, different for every room.
    pub fn name(&self) -> String {
        match self.scope {
            Scope::Project => "project".to_owned(),
            scope => format!("{scope}-{}.{}", readable(&self.id, READABLE), hash(&self.id)),
        }
    }
}

/// The name of a key's entry in a store: one path component of `[a-z0-9._-]`. Keys that look alike, differ in case, or would
/// lead elsewhere as paths have different names; the entry itself says which key it is.
pub fn entry_name(key: &str) -> String {
    format!("{}.{}", readable(key, READABLE), hash(key))
}

/// 128 bits in hexadecimal.
fn hash(text: &str) -> String {
    Sha256::digest(text)[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Refuses what is no key.
pub(super) fn check_key(key: &str) -> Result<(), DataError> {
    let what = if key.is_empty() {
        "it is empty".to_owned()
    } else if key.len() > KEY_BYTES {
        format!("it has {} bytes, and {KEY_BYTES} are the most", key.len())
    } else if key.contains('*') {
        "it has a `*`, which stands for many keys in policies".to_owned()
    } else if key.contains(char::is_control) {
        "it has a control character".to_owned()
    } else {
        return Ok(());
    };
    let shown: String = key.chars().take(80).collect();
    Err(DataError::new(Kind::Invalid, format!("`{}` can't be a key: {what}", shown.escape_debug())))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn is_safe(name: &str) -> bool {
        (1..=120).contains(&name.len())
            && !name.starts_with(['.', '-'])
            && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'))
    }

    #[test]
    fn keys_that_look_alike_have_different_names() {
        let long = "a".repeat(KEY_BYTES);
        let longer = "a".repeat(KEY_BYTES - 1);
        let keys = [
            "a",
            "A",
            "a/b",
            "a-b",
            "a b",
            "a\\b",
            "../a",
            "..",
            ".",
            "/etc/passwd",
            "con",
            "é",
            "e\u{301}",
            "a.json",
            "a.new",
            &long,
            &longer,
        ];
        let mut seen = HashMap::new();
        for key in keys {
            let name = entry_name(key);
            assert!(is_safe(&name), "{name}");
            if let Some(other) = seen.insert(name.clone(), key) {
                panic!("{other:?} and {key:?} are both {name}");
            }
        }
        assert!(entry_name("deploy/version").starts_with("deploy-version."));
    }

    #[test]
    fn rooms_are_apart() {
        let room = |scope, id: &str| Room { scope, id: id.to_owned() }.name();
        assert_eq!(room(Scope::Project, ""), "project");
        let names = [
            room(Scope::Run, "1"),
            room(Scope::Pipeline, "1"),
            room(Scope::Branch, "1"),
            room(Scope::Branch, "Main"),
            room(Scope::Branch, "main"),
            room(Scope::Branch, "../main"),
        ];
        for (index, name) in names.iter().enumerate() {
            assert!(is_safe(name), "{name}");
            assert!(!names[..index].contains(name), "{name}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused_with_why() {
        for (key, why) in [
            ("", "empty"),
            (&*"k".repeat(KEY_BYTES + 1), "512 are the most"),
            ("deploy/*", "many keys"),
            ("a\nb", "control character"),
            ("\u{1b}[31m", "control character"),
        ] {
            let error = check_key(key).unwrap_err();
            assert!(error.message.contains(why), "{error}");
            assert!(!error.message.contains(char::is_control));
        }
        for key in ["a", "../../etc/passwd", " ", "a//b", "{{env.X}}", "ключ"] {
            assert_eq!(check_key(key), Ok(()), "{key}");
        }
    }

    proptest! {
        #[test]
        fn every_name_is_one_safe_path_component(key in "\\PC{1,300}") {
            prop_assert!(is_safe(&entry_name(&key)));
        }
    }
}
