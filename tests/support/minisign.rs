//! Makes minisign key pairs and signatures (<https://jedisct1.github.io/minisign/>), as `minisign -G` and `-S` do.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};

/// A key pair.
pub(crate) struct KeyPair {
    pair: Ed25519KeyPair,
    id: [u8; 8],
}

impl KeyPair {
    /// A new one.
    pub(crate) fn new() -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("random numbers");
        let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).expect("its own key");
        let id = pair.public_key().as_ref()[..8].try_into().expect("8 bytes");
        Self { pair, id }
    }

    /// The public key, as on the second line of a `.pub` file.
    pub(crate) fn public(&self) -> String {
        STANDARD.encode([b"Ed", &self.id[..], self.pair.public_key().as_ref()].concat())
    }

    /// The content of a `.minisig` file for these bytes.
    pub(crate) fn sign(&self, bytes: &[u8]) -> String {
        const COMMENT: &str = "timestamp:1 file:component.wasm hashed";
        let signature = self.pair.sign(blake2b_simd::blake2b(bytes).as_bytes());
        let all = self.pair.sign(&[signature.as_ref(), COMMENT.as_bytes()].concat());
        format!(
            "untrusted comment: signature\n{}\ntrusted comment: {COMMENT}\n{}\n",
            STANDARD.encode([b"ED", &self.id[..], signature.as_ref()].concat()),
            STANDARD.encode(all.as_ref()),
        )
    }
}
