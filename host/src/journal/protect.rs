//! How a journal's lines are protected: the chain of sums, with or without a key, and the encryption of batches.
//!
//! A batch is encrypted as one age file (<https://age-encryption.org/v1>) of its own, to every recipient that the header names.
//! So it is appended as durably as any other, nothing is ever encrypted twice under one key whatever history a process goes
//! on with, and `age -d` reads it. The chain covers the encrypted line.

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use age::{Decryptor, Encryptor};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};

use super::key::{Recipient, StateKey};

/// A link of the chain: 128 bits in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sum([u8; 32]);

impl Sum {
    pub(super) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The text of one.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; 32] = text.as_bytes().try_into().ok()?;
        bytes.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')).then_some(Self(bytes))
    }

    fn of(hash: &[u8]) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut hex = [0; 32];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(hash) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        Self(hex)
    }
}

/// What makes the links: SHA-256, or HMAC-SHA256 where there is a key.
#[derive(Clone)]
pub(super) struct Chain(Option<Hmac<Sha256>>);

impl Chain {
    pub(super) fn new(key: Option<&StateKey>) -> Self {
        Self(key.map(StateKey::mac))
    }

    /// The first link.
    pub(super) fn first(&self, header: &[u8]) -> Sum {
        self.link(&[], header)
    }

    /// The next link, over the bytes of a line before its sum.
    pub(super) fn next(&self, previous: &Sum, covered: &[u8]) -> Sum {
        self.link(&previous.0, covered)
    }

    fn link(&self, previous: &[u8], covered: &[u8]) -> Sum {
        match &self.0 {
            None => Sum::of(&Sha256::new().chain_update(previous).chain_update(covered).finalize()),
            Some(mac) => Sum::of(&mac.clone().chain_update(previous).chain_update(covered).finalize().into_bytes()),
        }
    }
}

/// How what is appended is protected.
#[derive(Clone)]
pub(super) struct Protection {
    pub(super) chain: Chain,
    /// Empty: nothing is encrypted.
    pub(super) recipients: Arc<[Recipient]>,
}

impl Protection {
    pub(super) fn new(key: Option<&StateKey>, recipients: &[Recipient]) -> Self {
        Self { chain: Chain::new(key), recipients: recipients.into() }
    }

    pub(super) fn encrypts(&self) -> bool {
        !self.recipients.is_empty()
    }

    /// An age file in base64, for all recipients.
    pub(super) fn encrypt(&self, plain: &[u8]) -> Result<String, String> {
        let recipients = self.recipients.iter().map(Recipient::as_age);
        let encryptor = Encryptor::with_recipients(recipients).map_err(|error| error.to_string())?;
        let mut file = Vec::with_capacity(plain.len() + 512);
        let mut writer = encryptor.wrap_output(&mut file).map_err(|error| error.to_string())?;
        writer.write_all(plain).and_then(|()| writer.finish().map(drop)).map_err(|error| error.to_string())?;
        Ok(STANDARD.encode(file))
    }
}

impl std::fmt::Debug for Protection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Protection").field("recipients", &self.recipients).finish_non_exhaustive()
    }
}

/// What [`Protection::encrypt`] made, in plain text again.
pub(super) fn decrypt(key: &StateKey, base64: &[u8]) -> Result<Vec<u8>, String> {
    let identity = key.identity().ok_or("the state key is no age identity (AGE-SECRET-KEY-1...)")?;
    let file = STANDARD.decode(base64).map_err(|error| error.to_string())?;
    let decryptor = Decryptor::new_buffered(&file[..]).map_err(|error| error.to_string())?;
    let mut plain = Vec::with_capacity(file.len());
    decryptor
        .decrypt(std::iter::once(identity as &dyn age::Identity))
        .map_err(|error| error.to_string())?
        .read_to_end(&mut plain)
        .map_err(|error| error.to_string())?;
    Ok(plain)
}
