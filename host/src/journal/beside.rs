//! What else belongs to the state and is kept beside the journals: with their permissions, and under their key.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hmac::Mac as _;
use sha2::{Digest as _, Sha256};

use super::error::JournalError;
use super::files::Modes;
use super::key::{Recipient, StateKey};
use super::local::LocalStore;
use super::protect::{Protection, decrypt};

/// A directory beside the journals.
#[derive(Clone, Debug)]
pub struct Beside {
    local: LocalStore,
    directory: PathBuf,
}

impl Beside {
    pub(super) fn new(local: LocalStore, name: &str) -> Self {
        let directory = local.directory().join(name);
        Self { local, directory }
    }

    /// The directory, there or not.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Who may use what is created in it.
    pub(crate) fn modes(&self) -> Modes {
        self.local.modes()
    }

    /// Makes the directory.
    pub(crate) fn create(&self) -> Result<(), JournalError> {
        self.local.create_directory()?;
        super::files::create_directory(&self.directory, self.modes().directory)
    }
}

/// How what is kept beside the journals is protected: with the state key, if there is one.
#[derive(Clone, Debug, Default)]
pub struct Seals {
    key: Option<Arc<StateKey>>,
    recipients: Vec<Recipient>,
}

/// Why something protected can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// It is not what was written.
    #[error("its checksum is another one")]
    Sum,
    /// It was made with a state key, and there is none here.
    #[error("it was stored with a state key, and there is none here")]
    NoKey,
    /// It was made without the state key, or with another one.
    #[error("it was not stored with the state key that is used here")]
    OtherKey,
    /// It is encrypted, and the key does not decrypt it.
    #[error("it can't be decrypted: {0}")]
    Encrypted(String),
}

const PLAIN: &str = "sha256:";
const KEYED: &str = "hmac-sha256:";
const AGE: &str = "age:";
/// No other use of the key covers bytes that begin so.
const LABEL: &[u8] = b"shiro data v1\0";

impl Seals {
    pub(super) fn new(key: Option<Arc<StateKey>>, recipients: Vec<Recipient>) -> Self {
        Self { key, recipients }
    }

    /// The same, which encrypts for the key itself if that can be done and nothing is said of recipients.
    pub fn encrypting_for_the_key(mut self) -> Self {
        if self.recipients.is_empty() {
            self.recipients.extend(self.key.as_ref().and_then(|key| key.recipient()));
        }
        self
    }

    /// What stands for a text: its sum, and the text, encrypted if that was asked for.
    pub(crate) fn seal(&self, text: &str) -> Result<(String, String), String> {
        let body = if self.recipients.is_empty() {
            text.to_owned()
        } else {
            let protection = Protection::new(self.key.as_deref(), &self.recipients);
            format!("{AGE}{}", protection.encrypt(text.as_bytes())?)
        };
        Ok((self.sum(&body), body))
    }

    /// The text again.
    pub(crate) fn open(&self, sum: &str, body: &str) -> Result<String, SealError> {
        let keyed = sum.starts_with(KEYED);
        if sum != self.sum(body) {
            return Err(match (&self.key, keyed) {
                (None, true) => SealError::NoKey,
                (Some(_), _) => SealError::OtherKey,
                (None, false) => SealError::Sum,
            });
        }
        let Some(file) = body.strip_prefix(AGE) else { return Ok(body.to_owned()) };
        let key = self.key.as_deref().ok_or(SealError::NoKey)?;
        let plain = decrypt(key, file.as_bytes()).map_err(SealError::Encrypted)?;
        String::from_utf8(plain).map_err(|error| SealError::Encrypted(error.to_string()))
    }

    fn sum(&self, body: &str) -> String {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        match &self.key {
            None => format!("{PLAIN}{}", hex(&Sha256::digest(body))),
            Some(key) => {
                let mac = key.mac().chain_update(LABEL).chain_update(body);
                format!("{KEYED}{}", hex(&mac.finalize().into_bytes()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "11111111111111111111111111111111";
    const TWO: &str = "22222222222222222222222222222222";

    fn seals(key: Option<&str>) -> Seals {
        Seals::new(key.map(|key| Arc::new(key.parse().unwrap())), Vec::new())
    }

    #[test]
    fn what_was_sealed_opens_with_the_same_key_only() {
        for key in [None, Some(ONE)] {
            let (sum, body) = seals(key).seal("{\"a\":1}").unwrap();
            assert_eq!(seals(key).open(&sum, &body).unwrap(), "{\"a\":1}");
            assert!(seals(key).open(&sum, "{\"a\":2}").is_err());
        }
        let (sum, body) = seals(Some(ONE)).seal("x").unwrap();
        assert_eq!(seals(None).open(&sum, &body), Err(SealError::NoKey));
        assert_eq!(seals(Some(TWO)).open(&sum, &body), Err(SealError::OtherKey));
        let (sum, body) = seals(None).seal("x").unwrap();
        assert_eq!(seals(Some(ONE)).open(&sum, &body), Err(SealError::OtherKey), "nobody can leave the key out");
        assert_eq!(seals(None).open(&sum, "y"), Err(SealError::Sum));
    }

    #[test]
    fn a_key_that_can_encrypts() {
        use age::secrecy::ExposeSecret as _;
        let identity = age::x25519::Identity::generate().to_string().expose_secret().to_owned();
        let encrypting = seals(Some(&identity)).encrypting_for_the_key();
        let (sum, body) = encrypting.seal("the text").unwrap();
        assert!(body.starts_with("age:") && !body.contains("the text"));
        assert_eq!(seals(Some(&identity)).open(&sum, &body).unwrap(), "the text");
        assert!(seals(Some(ONE)).encrypting_for_the_key().seal("x").unwrap().1 == "x", "it is no identity");
    }
}
