//! The state key: what a journal is authenticated with, and, if it is an age identity, encrypted for.
//!
//! Any text of 32 characters or more will do; one that `age-keygen` writes (`AGE-SECRET-KEY-1...`) can encrypt too. The key
//! itself is used for nothing: what authenticates, and the name that a header has for the key, are derived from it with
//! HMAC-SHA256 under a label of their own.

use std::fmt;
use std::str::FromStr;

use age::x25519;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

/// The shortest key, in characters: 128 bits in hexadecimal.
const SHORTEST: usize = 32;

const MAC_LABEL: &[u8] = b"shiro journal v1: authentication";
const ID_LABEL: &[u8] = b"shiro journal v1: key id";

/// How every age identity begins.
const IDENTITY: &str = "AGE-SECRET-KEY-";

/// A secret that journals are authenticated with.
#[derive(Clone)]
pub struct StateKey {
    id: String,
    mac: Hmac<Sha256>,
    identity: Option<x25519::Identity>,
}

/// Why a text is no state key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// There is nothing in it.
    #[error("it is empty")]
    Empty,
    /// It can be guessed.
    #[error("it has {0} characters, and a key has at least {SHORTEST}")]
    Short(usize),
    /// It has more than one line that is no comment.
    #[error("it has more than one line: which one is the key?")]
    Lines,
    /// It begins as an age identity and is none.
    #[error("it is no valid age identity: {0}")]
    Identity(&'static str),
}

impl FromStr for StateKey {
    type Err = KeyError;

    /// Reads a key: the one line of the text that is not empty and no comment (`#`), as `age-keygen` writes its files.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let key = lines.next().ok_or(KeyError::Empty)?;
        if lines.next().is_some() {
            return Err(KeyError::Lines);
        }
        let identity = match key.starts_with(IDENTITY) {
            true => Some(key.parse().map_err(KeyError::Identity)?),
            false if key.chars().count() < SHORTEST => return Err(KeyError::Short(key.chars().count())),
            false => None,
        };
        let derive = |label: &[u8]| keyed(key.as_bytes()).chain_update(label).finalize().into_bytes();
        let id = derive(ID_LABEL)[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { id, mac: keyed(&derive(MAC_LABEL)), identity })
    }
}

impl StateKey {
    /// What a journal's header calls it: says nothing about the key but whether it is the same one.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Who may read what is encrypted with this key. `None` if it is no age identity and so can't encrypt.
    pub fn recipient(&self) -> Option<Recipient> {
        self.identity.as_ref().map(|identity| Recipient(identity.to_public()))
    }

    /// What authenticates.
    pub(super) fn mac(&self) -> Hmac<Sha256> {
        self.mac.clone()
    }

    /// What decrypts.
    pub(super) fn identity(&self) -> Option<&x25519::Identity> {
        self.identity.as_ref()
    }
}

/// Without the key.
impl fmt::Debug for StateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Somebody who may read an encrypted journal, by their public key (`age1...`).
#[derive(Clone, PartialEq, Eq)]
pub struct Recipient(x25519::Recipient);

impl Recipient {
    pub(super) fn as_age(&self) -> &dyn age::Recipient {
        &self.0
    }
}

impl FromStr for Recipient {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse()
            .map(Self)
            .map_err(|error: &str| format!("not the public key of an age identity (age1...): {error}"))
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_long_line_or_an_identity() {
        let random: StateKey = "0123456789abcdef0123456789abcdef\n".parse().unwrap();
        assert!(random.recipient().is_none());
        let identity = x25519::Identity::generate();
        let file = format!("# created: today\n# public key: x\n{}\n", age_text(&identity));
        let key: StateKey = file.parse().unwrap();
        assert_eq!(key.recipient().unwrap().to_string(), identity.to_public().to_string());
        assert_eq!(key.id(), age_text(&identity).parse::<StateKey>().unwrap().id());
        assert_ne!(key.id(), random.id());
        assert_eq!(key.id().len(), 16);
    }

    #[test]
    fn what_is_no_key_says_why() {
        let parse = |text: &str| text.parse::<StateKey>().unwrap_err();
        assert_eq!(parse(""), KeyError::Empty);
        assert_eq!(parse("# only a comment\n\n"), KeyError::Empty);
        assert_eq!(parse("hunter2"), KeyError::Short(7));
        assert_eq!(parse(&format!("{}\n{}", "a".repeat(40), "b".repeat(40))), KeyError::Lines);
        assert!(matches!(parse("AGE-SECRET-KEY-1QQQ"), KeyError::Identity(_)));
    }

    #[test]
    fn a_key_is_not_shown() {
        let key: StateKey = "0123456789abcdef0123456789abcdef".parse().unwrap();
        assert!(!format!("{key:?}").contains("0123456789abcdef0"));
    }

    fn age_text(identity: &x25519::Identity) -> String {
        use age::secrecy::ExposeSecret as _;
        identity.to_string().expose_secret().to_owned()
    }
}
