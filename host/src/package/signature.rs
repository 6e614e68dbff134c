//! Signatures of components, in minisign's format (<https://jedisct1.github.io/minisign/>): Ed25519 over the component's
//! BLAKE2b hash. Verified here; made by `minisign -S`, so that no secret key ever comes near shiro.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::error::PackageError;
use super::files;

/// The largest key or signature file.
const FILE_BYTES: u64 = 4096;
/// What to do about a signature or a key that is damaged where it is kept.
const UNREADABLE: &str = "restore the lock file from the repository's history, or `shiro plugin add` it again with -key. Where \
                          the registry's own is damaged, whoever publishes it has to publish it again, with its .minisig file";

/// Whose signature was checked, and the signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    /// The public key.
    pub key: PublicKey,
    /// The signature over the component: the content of its `.minisig` file.
    pub minisign: String,
}

/// A minisign public key, written in base64 as minisign prints it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublicKey(String);

impl PublicKey {
    /// From base64, as on the second line of a `.pub` file.
    pub fn parse(text: &str) -> Result<Self, PackageError> {
        match minisign_verify::PublicKey::from_base64(text) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(error) => {
                Err(PackageError::usage("bad-key", format!("`{text}` is not a minisign public key: {error}"))
                    .hint("a key is the line that begins with RW in the .pub file that `minisign -G` writes"))
            }
        }
    }

    /// From what a user gives: a file, as `minisign -G` writes it, or the key itself.
    pub fn given(text: &str) -> Result<Self, PackageError> {
        match files::read_named(Path::new(text), FILE_BYTES)? {
            Some(bytes) => {
                let content = String::from_utf8_lossy(&bytes);
                let key = content.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
                Self::parse(key.trim()).map_err(|error| PackageError {
                    message: format!("{text}: no minisign public key stands in this file"),
                    ..error
                })
            }
            None if text.starts_with("RW") => Self::parse(text),
            None => Err(PackageError::usage("bad-key", format!("{text}: there is no such file"))
                .hint("-key takes a minisign public key (RW...) or the file that it stands in")),
        }
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(|error| serde::de::Error::custom(error.message))
    }
}

/// The signature that lies beside a file, as `minisign -S` leaves it: `FILE.minisig`.
pub fn beside(file: &Path) -> Result<Option<String>, PackageError> {
    let mut name = file.as_os_str().to_owned();
    name.push(".minisig");
    read(Path::new(&name))
}

/// The signature in a file; `None` if there is no such file.
pub fn read(path: &Path) -> Result<Option<String>, PackageError> {
    let Some(bytes) = files::read_named(path, FILE_BYTES)? else { return Ok(None) };
    let text = String::from_utf8(bytes).ok().filter(|text| minisign_verify::Signature::decode(text).is_ok());
    match text {
        Some(text) => Ok(Some(text)),
        None => Err(PackageError::usage("bad-signature", format!("{}: not a minisign signature", path.display()))
            .hint("make one with `minisign -Sm FILE`")),
    }
}

impl Signed {
    /// Checks the signature over these bytes, which errors call `name`.
    pub fn check(&self, bytes: &[u8], name: &str) -> Result<(), PackageError> {
        let bad = |what: String| PackageError::refused("bad-signature", format!("{name}: {what}"));
        let key = minisign_verify::PublicKey::from_base64(&self.key.0)
            .map_err(|error| bad(format!("the key {} can't be used: {error}", self.key)).hint(UNREADABLE))?;
        let signature = minisign_verify::Signature::decode(&self.minisign)
            .map_err(|error| bad(format!("its signature can't be read: {error}")).hint(UNREADABLE))?;
        key.verify(bytes, &signature, false).map_err(|error| match error {
            minisign_verify::Error::UnexpectedKeyId => bad(format!("it was signed with another key than {}", self.key))
                .hint("get the key of whoever publishes it, from a place you trust"),
            minisign_verify::Error::UnsupportedLegacyMode => {
                bad("its signature is in minisign's old form".to_owned()).hint("sign it with minisign 0.10 or newer")
            }
            _ => bad(format!("its signature by {} is wrong: it is not what was signed", self.key))
                .hint("don't use it; tell whoever publishes it"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::minisign::KeyPair;
    use super::*;

    fn sign(pair: &KeyPair, bytes: &[u8]) -> Signed {
        Signed { key: PublicKey::parse(&pair.public()).unwrap(), minisign: pair.sign(bytes) }
    }

    #[test]
    fn only_what_was_signed_passes_and_only_with_its_key() {
        let pair = KeyPair::new();
        let signed = sign(&pair, b"component");
        signed.check(b"component", "x").unwrap();
        assert!(signed.check(b"componenT", "x").unwrap_err().message.contains("not what was signed"));
        let other = Signed { key: PublicKey::parse(&KeyPair::new().public()).unwrap(), ..signed.clone() };
        assert!(other.check(b"component", "x").unwrap_err().message.contains("another key"));
        let damaged = Signed { minisign: "nothing".to_owned(), ..signed.clone() };
        let damaged = damaged.check(b"component", "x").unwrap_err();
        assert_eq!(damaged.code, "bad-signature");
        assert!(damaged.hint.unwrap().contains("publish it again"));
        let again: Signed = serde_json::from_str(&serde_json::to_string(&signed).unwrap()).unwrap();
        assert_eq!(again, signed);
    }

    #[test]
    fn the_comment_that_is_trusted_can_not_be_changed() {
        let signed = sign(&KeyPair::new(), b"component");
        let forged = signed.minisign.replacen("trusted comment: ", "trusted comment: version 9 ", 2);
        assert!(Signed { minisign: forged, ..signed }.check(b"component", "x").is_err());
    }

    #[test]
    fn a_key_is_given_as_text_or_as_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let pair = KeyPair::new();
        let file = dir.path().join("minisign.pub");
        std::fs::write(&file, format!("untrusted comment: minisign public key\n{}\n", pair.public())).unwrap();
        let text = pair.public();
        assert_eq!(PublicKey::given(file.to_str().unwrap()).unwrap(), PublicKey::given(&text).unwrap());
        std::fs::write(&file, "no key").unwrap();
        for wrong in [file.to_str().unwrap(), "missing.pub", "RWx"] {
            assert_eq!(PublicKey::given(wrong).unwrap_err().code, "bad-key", "{wrong}");
        }
    }

    #[test]
    fn a_signature_lies_beside_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x.wasm");
        assert_eq!(beside(&file).unwrap(), None);
        let signed = sign(&KeyPair::new(), b"component");
        std::fs::write(dir.path().join("x.wasm.minisig"), &signed.minisign).unwrap();
        assert_eq!(beside(&file).unwrap(), Some(signed.minisign));
        std::fs::write(dir.path().join("x.wasm.minisig"), "nothing").unwrap();
        assert_eq!(beside(&file).unwrap_err().code, "bad-signature");
    }
}
