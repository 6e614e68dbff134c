//! A project's packages: what is pinned, the components that were fetched, whose signatures are required.

use std::path::{Path, PathBuf};

use super::COMPONENT_BYTES;
use super::error::PackageError;
use super::files;
use super::lock::{Entry, Lock, Origin};
use super::store::Store;
use super::trust::Trust;
use crate::capability::Permissions;
use crate::file::{Links, Regular};
use crate::id::{Digest, StepType};

/// A project's packages, as they were when they were opened.
#[derive(Clone, Debug)]
pub struct Packages {
    dir: PathBuf,
    lock: Lock,
    store: Store,
    trust: Trust,
}

impl Packages {
    /// Those of a shiro directory: its `shiro.lock` and `store/`, neither of which need exist, with what policies say of
    /// signatures.
    pub fn open(shiro_dir: &Path, trust: Trust) -> Result<Self, PackageError> {
        Ok(Self {
            lock: Lock::read(&shiro_dir.join("shiro.lock"))?,
            store: Store::new(shiro_dir.join("store")),
            trust,
            dir: shiro_dir.to_owned(),
        })
    }

    /// The lock file.
    pub fn lock_path(&self) -> PathBuf {
        self.dir.join("shiro.lock")
    }

    /// What is pinned.
    pub fn lock(&self) -> &Lock {
        &self.lock
    }

    /// The components that were fetched.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Whose signatures are required.
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// What a type is pinned to, if it is.
    pub fn pin(&self, step_type: &StepType) -> Option<&Entry> {
        self.lock.plugins.get(step_type)
    }

    /// Where the component of a type that was added from a file is.
    pub fn plugin_file(&self, step_type: &StepType) -> PathBuf {
        self.dir.join("plugins").join(format!("{step_type}.wasm"))
    }

    /// Changes the lock file, and what is known of it here.
    pub fn change_lock(&mut self, change: impl FnOnce(&mut Lock)) -> Result<(), PackageError> {
        let path = self.lock_path();
        Lock::change(&path, change)?;
        self.lock = Lock::read(&path)?;
        Ok(())
    }

    /// Puts the component of a type that is added from a file to its place, unless it is there.
    pub fn put_file(&self, step_type: &StepType, bytes: &[u8]) -> Result<(), PackageError> {
        let file = self.plugin_file(step_type);
        match files::read(&file, COMPONENT_BYTES) {
            Ok(Some(there)) if there == bytes => Ok(()),
            _ => files::replace(&file, bytes),
        }
    }

    /// Removes a file if its content is what was pinned. Says whether it did.
    pub fn remove_file(&self, file: &Path, pinned: Digest) -> Result<bool, PackageError> {
        match files::read(file, COMPONENT_BYTES)? {
            Some(bytes) if Digest::of(&bytes) == pinned => files::remove(file),
            _ => Ok(false),
        }
    }

    /// Removes a fetched component that nothing pins any more.
    pub fn tidy(&self, component: Digest) -> Result<(), PackageError> {
        let used = |entry: &Entry| entry.component == component && matches!(entry.origin, Origin::Registry(_));
        if !self.lock.plugins.values().any(used) {
            self.store.remove(component)?;
        }
        Ok(())
    }

    /// Opens the file that should hold a pinned component.
    pub fn open_component(&self, step_type: &StepType, entry: &Entry) -> Result<Regular, PackageError> {
        let (place, links, hint) = match entry.origin {
            Origin::Registry(_) => (self.store.path(entry.component), Links::Refuse, "shiro plugin fetch".to_owned()),
            Origin::File => {
                let hint = format!("commit it, or add it anew: shiro plugin add FILE -as {step_type}");
                (self.plugin_file(step_type), Links::Follow, hint)
            }
        };
        let file = files::open(&place, links, COMPONENT_BYTES).map_err(|error| error.hint(hint.clone()))?;
        file.ok_or_else(|| {
            let message = format!("`{step_type}` is pinned in shiro.lock, but {} is not there", place.display());
            PackageError::refused("not-fetched", message).hint(hint)
        })
    }

    /// The bytes of a pinned component, and no others: by their digest, and by their signature if there is one.
    pub fn component(&self, step_type: &StepType, entry: &Entry) -> Result<Vec<u8>, PackageError> {
        let file = self.open_component(step_type, entry)?;
        let bytes = file.read()?;
        self.check_bytes(step_type, &bytes, Digest::of(&bytes), &file.path().display().to_string())?;
        Ok(bytes)
    }

    /// Whether a signature stands in the lock file for the component of this type: its bytes are needed to check that.
    pub fn is_signed(&self, step_type: &StepType) -> bool {
        self.pin(step_type).is_some_and(|entry| entry.signature.is_some())
    }

    /// Whether these bytes may be the component of this type. What is not pinned may be anything, unless a signature of it
    /// is required. `digest` is that of the bytes; errors call them `name`.
    pub fn check_bytes(
        &self,
        step_type: &StepType,
        bytes: &[u8],
        digest: Digest,
        name: &str,
    ) -> Result<(), PackageError> {
        self.check_digest(step_type, digest, name)?;
        match self.pin(step_type).and_then(|entry| entry.signature.as_ref()) {
            Some(signed) => signed.check(bytes, name),
            None => Ok(()),
        }
    }

    /// The same for bytes of which only the digest is known, but for a signature over them (see [`Self::is_signed`]).
    pub fn check_digest(&self, step_type: &StepType, digest: Digest, name: &str) -> Result<(), PackageError> {
        let Some(entry) = self.pin(step_type) else {
            return self.trust.check(&Origin::File.text(step_type), None, name);
        };
        if digest != entry.component {
            let message = format!(
                "{name}: not the component that shiro.lock pins: it has {digest}, pinned is {}",
                entry.component
            );
            let hint = match entry.origin {
                Origin::Registry(_) if name == self.store.path(entry.component).display().to_string() => {
                    "fetch it again: shiro plugin fetch".to_owned()
                }
                _ => format!("restore it, or look at what changes and pin it anew: shiro plugin update {step_type}"),
            };
            return Err(PackageError::refused("wrong-digest", message).hint(hint));
        }
        self.trust.check(&entry.origin.text(step_type), entry.signature.as_ref(), name)
    }

    /// Whether a component that says this of itself is what was pinned: it may not ask for more than it did then.
    pub fn check_request(
        &self,
        step_type: &StepType,
        permissions: &Permissions,
        interface: &str,
        name: &str,
    ) -> Result<(), PackageError> {
        let Some(entry) = self.pin(step_type) else { return Ok(()) };
        let update = || format!("look at what changes and pin it anew: shiro plugin update {step_type}");
        let more = permissions.exceeds(&entry.permissions);
        if !more.is_empty() {
            let message = format!("{name}: it asks for more than shiro.lock says:\n  {}", more.join("\n  "));
            return Err(PackageError::refused("wider-request", message).hint(update()));
        }
        if interface != entry.interface {
            let message = format!("{name}: it is built for {interface}, shiro.lock says {}", entry.interface);
            return Err(PackageError::refused("wrong-interface", message).hint(update()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;
    use tempfile::TempDir;

    use super::super::minisign::KeyPair;
    use super::super::signature::PublicKey;
    use super::super::trust::Rule;
    use super::*;

    const INTERFACE: &str = "shiro:step@0.1.0";

    fn entry(origin: Origin, bytes: &[u8]) -> Entry {
        Entry {
            manifest: matches!(origin, Origin::Registry(_)).then(|| Digest::of(b"manifest")),
            origin,
            component: Digest::of(bytes),
            interface: INTERFACE.to_owned(),
            permissions: serde_json::from_value(json!({ "process": [{ "program": "git" }] })).unwrap(),
            signature: None,
        }
    }

    fn packages(entries: &[(&str, Entry)]) -> (TempDir, Packages) {
        let dir = tempfile::tempdir().unwrap();
        let mut packages = Packages::open(dir.path(), Trust::default()).unwrap();
        let entries = entries.iter().map(|(name, entry)| (StepType::new(*name), entry.clone()));
        packages.change_lock(|lock| lock.plugins.extend(entries)).unwrap();
        (dir, packages)
    }

    fn from_registry() -> Origin {
        Origin::Registry("oci://example.com/a:1".parse().unwrap())
    }

    #[test]
    fn a_component_is_what_is_pinned_or_nothing() {
        let (dir, packages) = packages(&[("far", entry(from_registry(), b"c")), ("near", entry(Origin::File, b"c"))]);
        let component = |name: &str| {
            let step_type = StepType::new(name);
            packages.component(&step_type, packages.pin(&step_type).unwrap())
        };
        for name in ["far", "near"] {
            let error = component(name).unwrap_err();
            assert_eq!(error.code, "not-fetched");
            assert!(error.hint.unwrap().contains("shiro plugin"), "{name}");
        }
        packages.store().put(b"c").unwrap();
        fs::create_dir(dir.path().join("plugins")).unwrap();
        fs::write(dir.path().join("plugins/near.wasm"), b"c").unwrap();
        assert_eq!(component("far").unwrap(), b"c");
        assert_eq!(component("near").unwrap(), b"c");
        fs::write(packages.store().path(Digest::of(b"c")), b"x").unwrap();
        fs::write(dir.path().join("plugins/near.wasm"), b"x").unwrap();
        for (name, hint) in [("far", "shiro plugin fetch"), ("near", "shiro plugin update near")] {
            let error = component(name).unwrap_err();
            assert_eq!(error.code, "wrong-digest");
            assert!(error.hint.unwrap().contains(hint), "{name}");
        }
    }

    #[test]
    fn a_wider_request_is_refused_with_what_is_more() {
        let (_dir, packages) = packages(&[("a", entry(from_registry(), b"c"))]);
        let step_type = StepType::new("a");
        let check = |permissions: serde_json::Value, interface: &str| {
            let permissions = serde_json::from_value(permissions).unwrap();
            packages.check_request(&step_type, &permissions, interface, "a.wasm")
        };
        assert!(check(json!({ "process": [{ "program": "git" }] }), INTERFACE).is_ok());
        assert!(check(json!({}), INTERFACE).is_ok());
        let error = check(json!({ "process": [{ "program": "*" }] }), INTERFACE).unwrap_err();
        assert_eq!(error.code, "wider-request");
        assert!(error.message.contains("\n  process "), "{}", error.message);
        assert_eq!(check(json!({}), "shiro:step@0.2.0").unwrap_err().code, "wrong-interface");
    }

    #[test]
    fn a_required_signature_is_missed_where_there_is_none() {
        let (dir, _) = packages(&[("far", entry(from_registry(), b"c"))]);
        let signers = vec![PublicKey::parse(&KeyPair::new().public()).unwrap()];
        let rule = Rule { by: "policy.json".to_owned(), source: "*".to_owned(), signers };
        let packages = Packages::open(dir.path(), Trust::new([rule])).unwrap();
        for name in ["far", "not-pinned"] {
            let error = packages.check_bytes(&StepType::new(name), b"c", Digest::of(b"c"), name).unwrap_err();
            assert_eq!(error.code, "not-signed", "{name}");
            assert!(error.message.contains("policy.json requires a signature by RW"), "{}", error.message);
            assert!(error.hint.unwrap().contains("shiro plugin add"), "{name}");
        }
    }
}
