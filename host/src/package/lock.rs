//! The lock file, `.shiro/shiro.lock`: which component each step type is, to the byte, and what it asked for when it was
//! added. JSON, to be committed:
//!
//! ```json
//! {
//!   "version": 1,
//!   "plugins": {
//!     "semver.bump": {
//!       "source": "oci://registry.example.com/team/semver-bump:1.0.0",
//!       "manifest": "sha256:...",
//!       "component": "sha256:...",
//!       "interface": "shiro:step@0.1.0",
//!       "permissions": { "network": [{ "url": "https://example.com" }] },
//!       "signature": { "key": "RW...", "minisign": "untrusted comment: ...\n..." }
//!     }
//!   }
//! }
//! ```
//!
//! Nothing in it is skipped over: a field that this version does not know is an error.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::path::Path;

use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::error::PackageError;
use super::files;
use super::reference::{Reference, SCHEME};
use super::signature::Signed;
use crate::capability::Permissions;
use crate::id::{Digest, StepType, is_type_name};

/// The format that is written, and the newest that is read.
const VERSION: u64 = 1;

/// The largest lock file: some thousand entries.
const LOCK_BYTES: u64 = 4 << 20;

/// The step types that are pinned.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lock {
    /// What each is pinned to.
    pub plugins: BTreeMap<StepType, Entry>,
}

/// What one step type is pinned to.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Where it came from.
    pub origin: Origin,
    /// The digest of the manifest in the registry; absent for files.
    pub manifest: Option<Digest>,
    /// The digest of the component's bytes.
    pub component: Digest,
    /// The step interface that it was built for, e.g. `shiro:step@0.1.0`.
    pub interface: String,
    /// What it asked for when it was pinned.
    pub permissions: Permissions,
    /// Whose signature was checked, and the signature.
    pub signature: Option<Signed>,
}

/// Where a pinned component came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A registry.
    Registry(Reference),
    /// A file, which is kept in `plugins/` beside the lock file under the type's name.
    File,
}

impl Origin {
    /// As it stands in the lock file, given the type.
    pub fn text(&self, step_type: &StepType) -> String {
        match self {
            Self::Registry(reference) => reference.to_string(),
            Self::File => format!("plugins/{step_type}.wasm"),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LockText {
    version: u64,
    #[serde(deserialize_with = "without_doubles")]
    plugins: BTreeMap<StepType, EntryText>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryText {
    source: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    manifest: Option<Digest>,
    component: Digest,
    interface: String,
    permissions: Permissions,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signature: Option<Signed>,
}

impl Lock {
    /// Reads the lock file. Where there is none, nothing is pinned.
    pub fn read(path: &Path) -> Result<Self, PackageError> {
        match files::read(path, LOCK_BYTES)? {
            Some(bytes) => Self::parse(&bytes, &path.display().to_string()),
            None => Ok(Self::default()),
        }
    }

    /// Changes the lock file: reads it, lets `change` change it, and replaces it whole. Two processes that do this at once
    /// do it one after the other.
    pub fn change(path: &Path, change: impl FnOnce(&mut Self)) -> Result<(), PackageError> {
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let unlockable = |error: std::io::Error| {
            PackageError::refused("unwritable", format!("{}: can't be used: {error}", dir.display()))
        };
        fs::create_dir_all(dir).map_err(unlockable)?;
        let guard = File::open(dir).map_err(unlockable)?;
        guard.lock().map_err(unlockable)?;
        let mut lock = Self::read(path)?;
        change(&mut lock);
        files::replace(path, lock.text().as_bytes())
    }

    fn parse(bytes: &[u8], name: &str) -> Result<Self, PackageError> {
        let bad = |what: String| {
            PackageError::refused("bad-lock", format!("{name}: {what}")).hint(
                "take it from the repository again (git checkout), or remove what is wrong and `shiro plugin add` it anew",
            )
        };
        #[derive(Deserialize)]
        struct Versioned {
            version: u64,
        }
        let json = |error: serde_json::Error| {
            let conflict = bytes.windows(8).any(|window| window == b"<<<<<<< ");
            let what = if conflict { "has merge conflicts" } else { "is not a lock file" };
            bad(format!("{what}: {error}"))
        };
        let Versioned { version } = serde_json::from_slice(bytes).map_err(json)?;
        if version != VERSION {
            return Err(PackageError::refused(
                "bad-lock",
                format!("{name}: its format is {version}, and this version of shiro knows {VERSION}"),
            )
            .hint("use the version of shiro that wrote it, or a newer one"));
        }
        let text: LockText = serde_json::from_slice(bytes).map_err(json)?;
        let entry = |(step_type, entry): (StepType, EntryText)| {
            let entry = entry.checked(&step_type).map_err(|what| bad(format!("`{step_type}`: {what}")))?;
            Ok::<_, PackageError>((step_type, entry))
        };
        Ok(Self { plugins: text.plugins.into_iter().map(entry).collect::<Result<_, _>>()? })
    }

    fn text(&self) -> String {
        let entry = |(step_type, entry): (&StepType, &Entry)| {
            let text = EntryText {
                source: entry.origin.text(step_type),
                manifest: entry.manifest,
                component: entry.component,
                interface: entry.interface.clone(),
                permissions: entry.permissions.clone(),
                signature: entry.signature.clone(),
            };
            (step_type.clone(), text)
        };
        let text = LockText { version: VERSION, plugins: self.plugins.iter().map(entry).collect() };
        format!("{:#}\n", serde_json::to_value(&text).expect("names and texts are JSON"))
    }
}

impl EntryText {
    fn checked(self, step_type: &StepType) -> Result<Entry, String> {
        if !is_type_name(step_type.as_str()) {
            return Err("this can't be the name of a step type".to_owned());
        }
        let origin = if self.source.starts_with(SCHEME) {
            Origin::Registry(self.source.parse().map_err(|error: PackageError| error.message)?)
        } else if self.source == Origin::File.text(step_type) {
            Origin::File
        } else {
            return Err(format!("`source` is oci://... or {}", Origin::File.text(step_type)));
        };
        match (&origin, self.manifest) {
            (Origin::Registry(reference), Some(manifest)) => {
                if reference.digest().is_some_and(|digest| digest != manifest) {
                    return Err("`manifest` is not the digest in `source`".to_owned());
                }
            }
            (Origin::Registry(_), None) => return Err("`manifest` is missing".to_owned()),
            (Origin::File, Some(_)) => return Err("`manifest` is for components from registries".to_owned()),
            (Origin::File, None) => {}
        }
        Ok(Entry {
            origin,
            manifest: self.manifest,
            component: self.component,
            interface: self.interface,
            permissions: self.permissions,
            signature: self.signature,
        })
    }
}

/// A map in which a name that stands twice is an error: of two entries, one would be what is looked at and the other what
/// runs.
fn without_doubles<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<StepType, EntryText>, D::Error> {
    struct Entries;

    impl<'de> Visitor<'de> for Entries {
        type Value = BTreeMap<StepType, EntryText>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object with an entry for each step type")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
            let mut map = BTreeMap::new();
            while let Some((name, entry)) = access.next_entry::<StepType, EntryText>()? {
                if map.contains_key(&name) {
                    return Err(de::Error::custom(format!("`{name}` stands there twice")));
                }
                map.insert(name, entry);
            }
            Ok(map)
        }
    }

    deserializer.deserialize_map(Entries)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn from_registry() -> Value {
        json!({ "source": "oci://example.com/a:1", "manifest": Digest::of(b"m"), "component": Digest::of(b"c"),
                "interface": "shiro:step@0.1.0", "permissions": { "network": [{ "url": "https://example.com" }] } })
    }

    fn of_file() -> Value {
        json!({ "source": "plugins/mine.wasm", "component": Digest::of(b"c"), "interface": "shiro:step@0.1.0",
                "permissions": {} })
    }

    fn parse(text: &str) -> Result<Lock, PackageError> {
        Lock::parse(text.as_bytes(), "shiro.lock")
    }

    fn refused(name: &str, change: impl FnOnce(&mut Value)) -> String {
        let mut entry = if name == "mine" { of_file() } else { from_registry() };
        change(&mut entry);
        let error = parse(&json!({ "version": 1, "plugins": { name: entry } }).to_string()).unwrap_err();
        assert_eq!(error.code, "bad-lock");
        assert!(error.hint.is_some());
        error.message
    }

    #[test]
    fn a_lock_reads_back_what_it_prints() {
        let text = json!({ "version": 1, "plugins": { "a": from_registry(), "mine": of_file() } }).to_string();
        let lock = parse(&text).unwrap();
        assert_eq!(lock.plugins.len(), 2);
        assert_eq!(parse(&lock.text()).unwrap(), lock);
        assert!(lock.text().ends_with("}\n"));
    }

    #[test]
    fn what_does_not_belong_there_is_refused() {
        assert!(refused("a", |entry| entry["sha"] = json!(1)).contains("unknown field `sha`"));
        assert!(refused("a", |entry| entry["permissions"]["disk"] = json!(1)).contains("disk"));
        assert!(refused("a", |entry| entry["component"] = json!("sha256:1")).contains("not a digest"));
        assert!(refused("a", |entry| entry["manifest"] = Value::Null).contains("`manifest` is missing"));
        assert!(refused("a", |entry| entry["source"] = json!("https://example.com/a")).contains("plugins/a.wasm"));
        assert!(refused("mine", |entry| entry["source"] = json!("plugins/../x.wasm")).contains("plugins/mine.wasm"));
        assert!(refused("mine", |entry| entry["manifest"] = json!(Digest::of(b"m"))).contains("registries"));
        assert!(refused("../x", |_| {}).contains("name of a step type"));
        let other = format!("oci://example.com/a@{}", Digest::of(b"other"));
        assert!(refused("a", |entry| entry["source"] = json!(other)).contains("not the digest in `source`"));
    }

    #[test]
    fn a_name_that_stands_twice_is_refused() {
        let entry = of_file();
        let text = format!(r#"{{"version": 1, "plugins": {{"mine": {entry}, "mine": {entry}}}}}"#);
        assert!(parse(&text).unwrap_err().message.contains("`mine` stands there twice"));
    }

    #[test]
    fn what_is_no_lock_is_said_with_its_place() {
        for (text, part) in [
            ("", "line 1 column 0"),
            ("[]", "is not a lock file"),
            ("{\"version\": 1,\n \"plugins\": 7}", "line 2"),
            ("{\"version\": 2}", "its format is 2"),
            ("<<<<<<< HEAD\n{}", "merge conflicts"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.message.starts_with("shiro.lock: ") && error.message.contains(part), "{}", error.message);
        }
    }

    #[test]
    fn changes_at_once_come_one_after_the_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("shiro.lock");
        let entry = parse(&json!({ "version": 1, "plugins": { "a": from_registry() } }).to_string()).unwrap();
        let entry = &entry.plugins["a"];
        std::thread::scope(|scope| {
            for number in 0..8 {
                let path = &path;
                scope.spawn(move || {
                    let name = StepType::new(format!("a{number}"));
                    Lock::change(path, |lock| drop(lock.plugins.insert(name, entry.clone()))).unwrap();
                });
            }
        });
        assert_eq!(Lock::read(&path).unwrap().plugins.len(), 8);
    }
}
