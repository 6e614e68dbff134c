//! Compiled code that is kept from one start to the next.
//!
//! An entry is two files in a directory that only this user can write:
//!
//! ```text
//! NAME.seal         `shiro-seal-1`, whose key it is, a BLAKE3 MAC in hexadecimal; on the next line what is known of the
//!                   component, as JSON
//! NAME.MAC.cwasm    wasmtime's compiled form, with the beginning of that MAC in its name
//! ```
//!
//! The MAC is over the name, what is known, and the code, with a key that is not kept in the cache: an entry that came
//! from elsewhere (a restored CI cache, say) counts only if a shiro with the same key wrote it. One that no seal says to
//! be of this key was planted, and is as good as none. One that says so and is not has been changed since it was written:
//! by a disk that fails, or by somebody, which is for a human to know. It is never that a crash or another process got in
//! between: a seal is written after its code is on the disk, and names it. wasmtime need not make the same bytes of the same
//! component twice, so two processes may keep an entry at once whose code differs: the last seal counts, with its own code.
//!
//! A start reads the component and the code once each and hashes both with BLAKE3, which on processors of today is four times
//! as fast as SHA-256. The component's SHA-256, which the lock file has and registries use, was computed when it was
//! compiled, and stands under the seal: bytes with the same BLAKE3 hash are the same bytes, so it is theirs.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use wasmtime::Engine;
use wasmtime::component::Component;

use super::child::CODE_BYTES;
use super::code::{Code, path_of};
use super::place::{NotPrivate, private_dir, private_file, user_dir};
use crate::description::Description;
use crate::file::{self, FileError, Keep, Regular, Why};
use crate::id::Digest;
use crate::plugin::error::PluginError;

/// Bytes that all entries may take; the ones that were not used for longest go first.
const CACHE_BYTES: u64 = 1 << 30;
/// Of a seal file.
const SEAL_BYTES: u64 = 2 << 20;
/// Characters that a key in a variable has at least.
const KEY_CHARS: usize = 32;
/// Bytes of the key.
const KEY_BYTES: usize = 32;
/// What a seal begins with.
const SEAL: &str = "shiro-seal-1";
/// Digits of the MAC that code has in its name.
const NAMED_BY: usize = 16;

/// What the cache knows a component's bytes by.
#[derive(Clone, Copy)]
pub(in crate::plugin) struct Fingerprint(blake3::Hash);

impl Fingerprint {
    /// Of these bytes.
    pub(in crate::plugin) fn of(bytes: &[u8]) -> Self {
        Self(blake3::hash(bytes))
    }

    /// Of the bytes in this file.
    pub(in crate::plugin) fn of_file(file: &Regular) -> Result<Self, FileError> {
        let mut hasher = blake3::Hasher::new();
        file.hash_into(&mut hasher)?;
        Ok(Self(hasher.finalize()))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What is known of a component since it was compiled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::plugin) struct Known {
    /// The SHA-256 of its bytes.
    pub(in crate::plugin) component: Digest,
    /// How many they are.
    pub(in crate::plugin) size: usize,
    /// What it says of itself.
    pub(in crate::plugin) description: Description,
}

/// Why an entry is not used.
#[derive(Debug)]
pub(super) enum Unsound {
    /// It is not from a shiro with this key: a warning. Something new takes its place.
    Planted(String),
    /// It is from a shiro with this key, and is not what that wrote.
    Changed(PluginError),
}

/// Compiled code that is kept.
pub(super) struct Cache {
    dir: PathBuf,
    key: [u8; KEY_BYTES],
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl Cache {
    /// The cache of this user, `None` where there is no place for one. The error says why a place can't be used.
    pub(super) fn open(variable: &impl Fn(&str) -> Option<OsString>) -> Result<Option<Self>, String> {
        let named = variable("SHIRO_CACHE_DIR").filter(|dir| !dir.is_empty()).map(PathBuf::from);
        let Some(dir) = named.clone().or_else(|| user_dir(variable, "XDG_CACHE_HOME", ".cache")) else {
            return Ok(None);
        };
        let unused = |why: String| format!("compiled components are not kept: {why}");
        let dir = dir.join("components");
        match private_dir(&dir) {
            Ok(()) => {}
            // Nobody asked for one: a home directory that can't be written is common in containers.
            Err(_) if named.is_none() && !dir.exists() => return Ok(None),
            Err(why) => return Err(unused(why)),
        }
        Ok(Some(Self { dir, key: key(variable).map_err(unused)? }))
    }

    /// Where it is.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// What is kept under this name, if it is sound.
    pub(super) fn load(&self, engine: &Engine, name: &str) -> Result<Option<(Component, Known)>, Unsound> {
        let Some((code, known)) = self.check(name)? else { return Ok(None) };
        let open = path_of(code.file());
        // SAFETY: the MAC says that a shiro with this user's key wrote this file. Who can change it since, or while it is
        // mapped, is this user, who can do the same to this process.
        let component = unsafe { Component::deserialize_file(engine, open.as_deref().unwrap_or(code.path())) };
        Ok(component.ok().map(|component| (component, known)))
    }

    /// Keeps compiled code under this name.
    pub(super) fn store(&self, name: &str, code: &Code, known: &Known) -> Result<(), String> {
        let failed = |error: io::Error| format!("compiled components are not kept: {}: {error}", self.dir.display());
        let known = serde_json::to_string(known).map_err(|error| error.to_string())?;
        let mut mac = self.mac(name, &known);
        mac.update_reader(code.rewound().map_err(failed)?).map_err(failed)?;
        let mac = mac.finalize().to_hex();
        let copy = |file: &mut File| io::copy(&mut code.rewound()?, file).map(drop);
        file::replace_with(&self.code_path(name, &mac), Keep::Privately, copy).map_err(failed)?;
        let seal = format!("{SEAL} {} {mac}\n{known}", self.key_name());
        file::replace(&self.seal_path(name), &[seal.as_bytes()], Keep::Privately).map_err(failed)?;
        prune(&self.dir, CACHE_BYTES).map_err(failed)
    }

    fn check(&self, name: &str) -> Result<Option<(Regular, Known)>, Unsound> {
        let seal_path = self.seal_path(name);
        let planted = |why: String| Unsound::Planted(format!("{why}: ignored, and compiled again"));
        let seal = private_file(&seal_path, SEAL_BYTES).map_err(|error| planted(error.to_string()))?;
        let Some(seal_file) = seal else { return Ok(None) };
        let seal = seal_file.read().map_err(|error| planted(error.to_string()))?;
        let Some((seal, known)) = self.own_seal(&seal) else {
            return Err(planted(format!("{}: not written by this user's shiro", seal_path.display())));
        };
        let path = self.code_path(name, seal);
        let changed = || Unsound::Changed(changed(&path, &seal_path));
        let code = match private_file(&path, CODE_BYTES) {
            Ok(Some(code)) => code,
            Ok(None) => return Ok(None),
            Err(NotPrivate::Unusable(FileError { why: Why::TooLarge(_), .. })) => return Err(changed()),
            Err(error) => return Err(planted(error.to_string())),
        };
        let mut mac = self.mac(name, known);
        code.hash_into(&mut mac).map_err(|error| planted(error.to_string()))?;
        // In constant time, as `blake3::Hash` compares.
        if !blake3::Hash::from_hex(seal).is_ok_and(|seal| seal == mac.finalize()) {
            return Err(changed());
        }
        let known = serde_json::from_str(known).map_err(|error| planted(format!("{}: {error}", path.display())))?;
        // For the choice of what to remove; a cache that can't be written is still good for reading.
        for file in [&code, &seal_file] {
            let _ = file.file().set_modified(SystemTime::now());
        }
        Ok(Some((code, known)))
    }

    /// The MAC and what is known, from a seal that says to be of this key.
    fn own_seal<'a>(&self, seal: &'a [u8]) -> Option<(&'a str, &'a str)> {
        let (head, known) = std::str::from_utf8(seal).ok()?.split_once('\n')?;
        let mac = head.strip_prefix(SEAL)?.strip_prefix(' ')?.strip_prefix(&self.key_name())?.strip_prefix(' ')?;
        Some((mac, known))
    }

    /// What tells this key from others, and nothing else about it.
    fn key_name(&self) -> String {
        blake3::keyed_hash(&self.key, b"the name of this key").to_hex()[..16].to_owned()
    }

    fn mac(&self, name: &str, known: &str) -> blake3::Hasher {
        let mut mac = blake3::Hasher::new_keyed(&self.key);
        for part in [name, known] {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part.as_bytes());
        }
        mac
    }

    /// Of a MAC that is none, a file that is not there.
    fn code_path(&self, name: &str, mac: &str) -> PathBuf {
        let digits: String = mac.chars().filter(char::is_ascii_hexdigit).take(NAMED_BY).collect();
        self.dir.join(format!("{name}.{digits}.cwasm"))
    }

    fn seal_path(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.seal"))
    }
}

/// The error for an entry of our own that is not what was written.
fn changed(code: &Path, seal: &Path) -> PluginError {
    let what = format!("{}: this compiled component was changed since shiro wrote it", code.display());
    PluginError::new("cache-changed", what).with_hint(format!(
        "nothing of it was used. Find out who or what wrote to it, or whether the disk fails; then `rm {} {}` has it \
         compiled again, and -no-cache does without",
        code.display(),
        seal.display()
    ))
}

/// The key: from `SHIRO_CACHE_KEY`, else from a file that is made where there is none. The file is not in the cache
/// directory, so that whoever restores a cache from elsewhere does not bring the key along.
fn key(variable: &impl Fn(&str) -> Option<OsString>) -> Result<[u8; KEY_BYTES], String> {
    if let Some(text) = variable("SHIRO_CACHE_KEY").filter(|text| !text.is_empty()) {
        if text.len() < KEY_CHARS {
            return Err(format!("SHIRO_CACHE_KEY is shorter than {KEY_CHARS} characters"));
        }
        return Ok(blake3::derive_key("shiro 2026-11 cache of compiled components", text.as_encoded_bytes()));
    }
    let Some(dir) = user_dir(variable, "XDG_STATE_HOME", ".local/state") else {
        return Err("there is no HOME to keep its key in; set SHIRO_CACHE_KEY to a secret text".to_owned());
    };
    private_dir(&dir)?;
    let path = dir.join("cache.key");
    let open = || private_file(&path, KEY_BYTES as u64).map_err(|error| error.to_string());
    if open()?.is_none() {
        let mut key = [0; KEY_BYTES];
        let random = rustls::crypto::ring::default_provider().secure_random;
        random.fill(&mut key).map_err(|_| "the system has no random numbers".to_owned())?;
        // Of two processes that both find none, the second wins; the first then compiles once more.
        file::replace(&path, &[&key], Keep::Privately).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let file = open()?.ok_or_else(|| format!("{}: gone", path.display()))?;
    let key = file.read().map_err(|error| error.to_string())?;
    key.try_into().map_err(|_| format!("{}: not a key of {KEY_BYTES} bytes; remove it", path.display()))
}

/// Removes the entries that were not used for longest until the rest takes no more than `limit` bytes.
fn prune(dir: &Path, limit: u64) -> io::Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        // Another process may have removed it.
        let Ok(metadata) = entry.metadata() else { continue };
        files.push((metadata.modified()?, metadata.len(), entry.path()));
    }
    files.sort();
    let mut total: u64 = files.iter().map(|(_, len, _)| len).sum();
    for (_, len, path) in files {
        if total <= limit {
            break;
        }
        // A seal without its code is as good as none.
        let _ = fs::remove_file(path);
        total = total.saturating_sub(len);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let dir = tempfile::tempdir().unwrap();
        let names = ["old.1.cwasm", "old.seal", "new.2.cwasm", "new.seal"];
        for (index, name) in names.iter().enumerate() {
            let path = dir.path().join(name);
            fs::write(&path, [0; 100]).unwrap();
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000 + index as u64);
            File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        }
        let left = || names.map(|name| dir.path().join(name).exists());
        prune(dir.path(), 400).unwrap();
        assert_eq!(left(), [true; 4]);
        prune(dir.path(), 300).unwrap();
        assert_eq!(left(), [false, true, true, true]);
        prune(dir.path(), 250).unwrap();
        assert_eq!(left(), [false, false, true, true]);
    }

    fn known() -> Known {
        let description = serde_json::json!({ "name": "x", "version": "1", "summary": "s" });
        Known { component: Digest::of(b""), size: 0, description: serde_json::from_value(description).unwrap() }
    }

    /// What is kept as `entry`.
    fn kept(cache: &Cache) -> Option<String> {
        let (code, _) = cache.check("entry").unwrap_or_else(|unsound| panic!("{unsound:?}"))?;
        Some(String::from_utf8(code.read().unwrap()).unwrap())
    }

    /// In whatever order two processes write what they made of the same component, each seal is beside its own code.
    #[test]
    fn processes_that_keep_the_same_entry_at_once_are_no_tampering() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache { dir: dir.path().to_owned(), key: [7; KEY_BYTES] };
        let store = |bytes: &[u8]| cache.store("entry", &Code::of(bytes, None).unwrap(), &known()).unwrap();
        store(b"one");
        let first = fs::read(cache.seal_path("entry")).unwrap();
        store(b"two");
        assert_eq!(kept(&cache).unwrap(), "two");
        file::replace(&cache.seal_path("entry"), &[&first], Keep::Privately).unwrap();
        assert_eq!(kept(&cache).unwrap(), "one");
        store(b"two");
        assert_eq!(kept(&cache).unwrap(), "two");
    }

    #[test]
    fn a_seal_whose_code_is_not_there_is_as_good_as_none() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache { dir: dir.path().to_owned(), key: [7; KEY_BYTES] };
        assert_eq!(kept(&cache), None);
        cache.store("entry", &Code::of(b"code", None).unwrap(), &known()).unwrap();
        let seal = fs::read_to_string(cache.seal_path("entry")).unwrap();
        let (head, rest) = seal.split_at(SEAL.len() + 1 + 16 + 1);
        for mac in ["../../../../etc/passwd", "", "zz"] {
            file::replace(&cache.seal_path("entry"), &[head.as_bytes(), mac.as_bytes(), b"\n{}"], Keep::Privately)
                .unwrap();
            assert_eq!(kept(&cache), None, "{mac}");
        }
        file::replace(&cache.seal_path("entry"), &[head.as_bytes(), rest.as_bytes()], Keep::Privately).unwrap();
        assert_eq!(kept(&cache).unwrap(), "code");
    }
}
