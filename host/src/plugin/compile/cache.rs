//! Compiled code that is kept from one start to the next.
//!
//! An entry is two files in a directory that only this user can write:
//!
//! ```text
//! NAME.cwasm   wasmtime's compiled form
//! NAME.seal    a BLAKE3 MAC in hexadecimal, a line feed, what is known of the component as JSON
//! ```
//!
//! The MAC is over the name, what is known, and the code, with a key that is not kept in the cache: an entry that came
//! from elsewhere (a restored CI cache, say) counts only if a shiro with the same key wrote it.
//!
//! A start reads the component and the code once each and hashes both with BLAKE3, which on processors of today is four times
//! as fast as SHA-256. The component's SHA-256, which the lock file has and registries use, was computed when it was
//! compiled, and stands under the seal: bytes with the same BLAKE3 hash are the same bytes, so it is theirs.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use wasmtime::Engine;
use wasmtime::component::Component;

use super::child::CODE_BYTES;
use super::place::{private_dir, private_file, user_dir};
use crate::description::Description;
use crate::file::{self, FileError, Keep, Regular};
use crate::id::Digest;

/// Bytes that all entries may take; the ones that were not used for longest go first.
const CACHE_BYTES: u64 = 1 << 30;
/// Of a seal file.
const SEAL_BYTES: u64 = 2 << 20;
/// Characters that a key in a variable has at least.
const KEY_CHARS: usize = 32;
/// Bytes of the key.
const KEY_BYTES: usize = 32;

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

    /// What is kept under this name, if it is sound. An error says why something is not.
    pub(super) fn load(&self, engine: &Engine, name: &str) -> Result<Option<(Component, Known)>, String> {
        let checked = self.check(name).map_err(|why| format!("{why}: ignored, and compiled again"))?;
        let Some((code, known)) = checked else { return Ok(None) };
        // SAFETY: the MAC says that a shiro with this user's key wrote this file. Who can change it since, or while it is
        // mapped, is this user, who can do the same to this process.
        let component = unsafe { Component::deserialize_file(engine, path_of(&code)) };
        let Ok(component) = component else { return Ok(None) };
        // For the choice of what to remove; a cache that can't be written is still good for reading.
        let _ = code.file().set_modified(SystemTime::now());
        Ok(Some((component, known)))
    }

    /// Keeps compiled code under this name.
    pub(super) fn store(&self, name: &str, code: &[u8], known: &Known) -> Result<(), String> {
        let failed = |error: io::Error| format!("compiled components are not kept: {}: {error}", self.dir.display());
        let known = serde_json::to_string(known).map_err(|error| error.to_string())?;
        let mut mac = self.mac(name, &known);
        mac.update(code);
        file::replace(&self.code_path(name), &[code], Keep::Privately).map_err(failed)?;
        let seal = mac.finalize().to_hex();
        let parts = [seal.as_bytes(), b"\n", known.as_bytes()];
        file::replace(&self.seal_path(name), &parts, Keep::Privately).map_err(failed)?;
        prune(&self.dir, CACHE_BYTES).map_err(failed)
    }

    fn check(&self, name: &str) -> Result<Option<(Regular, Known)>, String> {
        let (path, seal_path) = (self.code_path(name), self.seal_path(name));
        let (Some(code), Some(seal)) = (private_file(&path, CODE_BYTES)?, private_file(&seal_path, SEAL_BYTES)?) else {
            return Ok(None);
        };
        let changed = || format!("{}: not written by this user's shiro, or changed since", path.display());
        let text = String::from_utf8(seal.read().map_err(|error| error.to_string())?).map_err(|_| changed())?;
        let (seal, known) = text.split_once('\n').unwrap_or_default();
        let mut mac = self.mac(name, known);
        code.hash_into(&mut mac).map_err(|error| error.to_string())?;
        // In constant time, as `blake3::Hash` compares.
        if !blake3::Hash::from_hex(seal).is_ok_and(|seal| seal == mac.finalize()) {
            return Err(changed());
        }
        let known = serde_json::from_str(known).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Some((code, known)))
    }

    fn mac(&self, name: &str, known: &str) -> blake3::Hasher {
        let mut mac = blake3::Hasher::new_keyed(&self.key);
        for part in [name, known] {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part.as_bytes());
        }
        mac
    }

    fn code_path(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.cwasm"))
    }

    fn seal_path(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.seal"))
    }
}

/// A path to the very file that is open, where the system has one: whatever stands at its own path by now, what is loaded
/// is what was checked.
fn path_of(code: &Regular) -> PathBuf {
    let open = PathBuf::from(format!("/proc/self/fd/{}", code.file().as_raw_fd()));
    if open.exists() { open } else { code.path().to_owned() }
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
    if private_file(&path, KEY_BYTES as u64)?.is_none() {
        let mut key = [0; KEY_BYTES];
        let random = rustls::crypto::ring::default_provider().secure_random;
        random.fill(&mut key).map_err(|_| "the system has no random numbers".to_owned())?;
        // Of two processes that both find none, the second wins; the first then compiles once more.
        file::replace(&path, &[&key], Keep::Privately).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let file = private_file(&path, KEY_BYTES as u64)?.ok_or_else(|| format!("{}: gone", path.display()))?;
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
        if path.extension().is_some_and(|extension| extension == "cwasm") {
            let _ = fs::remove_file(path.with_extension("seal"));
        }
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
        for (index, name) in ["old.cwasm", "old.seal", "new.cwasm", "new.seal"].iter().enumerate() {
            let path = dir.path().join(name);
            fs::write(&path, [0; 100]).unwrap();
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000 + index as u64);
            fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        }
        prune(dir.path(), 400).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 4);
        prune(dir.path(), 300).unwrap();
        assert!(!dir.path().join("old.cwasm").exists() && !dir.path().join("old.seal").exists());
        assert!(dir.path().join("new.cwasm").exists() && dir.path().join("new.seal").exists());
    }
}
