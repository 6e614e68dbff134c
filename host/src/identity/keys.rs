//! An issuer's public keys: a JWK set (RFC 7517), as its `jwks_uri` serves it.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};

use super::error::{IdentityError, shown};

/// A key set is no larger, in bytes.
pub(super) const MOST_BYTES: u64 = 256 << 10;
/// Keys in a set. Issuers have two or three.
const MOST_KEYS: usize = 100;
/// The shortest RSA modulus that is believed, in bits (NIST SP 800-131A).
const SHORTEST_RSA: usize = 2048;

/// The keys of an issuer.
#[derive(Clone, Debug, PartialEq)]
pub struct KeySet {
    keys: Vec<Jwk>,
}

impl KeySet {
    /// Reads a JWK set. `name` says where it comes from.
    pub fn parse(bytes: &[u8], name: &str) -> Result<Self, IdentityError> {
        let bad = |what: String| {
            IdentityError::new("bad-keys", format!("{name}: {what}"))
                .hint("it should be a JWK set: {\"keys\": [{\"kty\": \"RSA\", \"kid\": ..., \"n\": ..., \"e\": ...}]}")
        };
        if bytes.len() as u64 > MOST_BYTES {
            return Err(bad(format!("larger than {MOST_BYTES} bytes")));
        }
        let set: JwkSet = serde_json::from_slice(bytes).map_err(|error| bad(format!("not a set of keys: {error}")))?;
        if set.keys.is_empty() {
            return Err(bad("it holds no key".to_owned()));
        }
        if set.keys.len() > MOST_KEYS {
            return Err(bad(format!("it holds more than {MOST_KEYS} keys")));
        }
        Ok(Self { keys: set.keys })
    }

    /// The key that a token names by its `kid`, for the algorithm that the token names: which has to be the key's own.
    pub(super) fn find(&self, kid: &str, algorithm: &str) -> Result<(DecodingKey, Algorithm), IdentityError> {
        let mut named = self.keys.iter().filter(|key| key.common.key_id.as_deref() == Some(kid));
        let (Some(key), None) = (named.next(), named.next()) else {
            let (kid, known) = (shown(kid), self.names());
            return Err(IdentityError::new(
                "wrong-key",
                format!("the token is signed with the key `{kid}`, which the issuer does not have (it has {known})"),
            )
            .hint("a token of this issuer names one of its keys; keys given by file may be out of date"));
        };
        let own = own_algorithm(key).ok_or_else(|| {
            IdentityError::new(
                "wrong-key",
                format!("the issuer's key `{}` is not for signatures that are believed", shown(kid)),
            )
            .hint("RSA keys from 2048 bits (RS256 and its kin), P-256, P-384 and Ed25519 are")
        })?;
        if algorithm.parse() != Ok(own) {
            return Err(IdentityError::new(
                "wrong-algorithm",
                format!(
                    "the token says that it is signed with {}, but the key `{}` is for {own:?}",
                    shown(algorithm),
                    shown(kid)
                ),
            )
            .hint("nobody but a forger mixes these up"));
        }
        let unusable = |error: jsonwebtoken::errors::Error| {
            IdentityError::new("bad-keys", format!("the issuer's key `{}` can't be used: {error}", shown(kid)))
        };
        Ok((DecodingKey::from_jwk(key).map_err(unusable)?, own))
    }

    fn names(&self) -> String {
        const SHOWN: usize = 5;
        let names = self
            .keys
            .iter()
            .map(|key| key.common.key_id.as_deref().map_or_else(|| "one without a name".to_owned(), shown));
        let mut names: Vec<String> = names.take(SHOWN + 1).collect();
        if names.len() > SHOWN {
            names[SHOWN] = "…".to_owned();
        }
        names.join(", ")
    }
}

/// The one algorithm that a key is for, if that is one to believe: what it says, or else its type's usual one. Never `none`,
/// and never one with a shared secret: those keys are not public, so whoever has one could sign.
fn own_algorithm(key: &Jwk) -> Option<Algorithm> {
    let common = &key.common;
    if common.public_key_use.as_ref().is_some_and(|usage| *usage != PublicKeyUse::Signature)
        || common.key_operations.as_ref().is_some_and(|operations| !operations.contains(&KeyOperations::Verify))
    {
        return None;
    }
    let usual = match &key.algorithm {
        AlgorithmParameters::RSA(rsa) if bits(&rsa.n) >= SHORTEST_RSA => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(ec) => match ec.curve {
            EllipticCurve::P256 => Algorithm::ES256,
            EllipticCurve::P384 => Algorithm::ES384,
            _ => return None,
        },
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
        _ => return None,
    };
    let Some(said) = common.key_algorithm else { return Some(usual) };
    let fits = match usual {
        Algorithm::RS256 => matches!(
            said,
            KeyAlgorithm::RS256
                | KeyAlgorithm::RS384
                | KeyAlgorithm::RS512
                | KeyAlgorithm::PS256
                | KeyAlgorithm::PS384
                | KeyAlgorithm::PS512
        ),
        usual => said == KeyAlgorithm::from(usual),
    };
    if fits { Algorithm::try_from(said).ok() } else { None }
}

/// How many bits an unsigned big-endian number in URL-safe base64 has.
fn bits(number: &str) -> usize {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(number).unwrap_or_default();
    let significant = bytes.iter().skip_while(|byte| **byte == 0);
    let mut count = significant.clone().count() * 8;
    if let Some(first) = significant.clone().next() {
        count -= first.leading_zeros() as usize;
    }
    count
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::tokens::Signer;
    use super::*;

    fn find(key: Value, algorithm: &str) -> Result<Algorithm, &'static str> {
        let set = KeySet::parse(json!({ "keys": [key] }).to_string().as_bytes(), "keys").map_err(|error| error.code)?;
        set.find("k", algorithm).map(|(_, algorithm)| algorithm).map_err(|error| error.code)
    }

    fn with(mut key: Value, name: &str, value: Value) -> Value {
        key[name] = value;
        key
    }

    #[test]
    fn a_key_is_for_its_own_algorithm() {
        let (rsa, ec) = (Signer::rsa("k").jwk(), Signer::ec("k").jwk());
        assert_eq!(find(rsa.clone(), "RS256"), Ok(Algorithm::RS256));
        assert_eq!(find(ec.clone(), "ES256"), Ok(Algorithm::ES256));
        assert_eq!(find(with(rsa.clone(), "alg", json!("PS384")), "PS384"), Ok(Algorithm::PS384));
        for algorithm in ["HS256", "RS512", "ES256", "none", "rs256", ""] {
            assert_eq!(find(rsa.clone(), algorithm), Err("wrong-algorithm"), "{algorithm}");
        }
        let mut unsaid = rsa.clone();
        unsaid.as_object_mut().unwrap().remove("alg");
        assert_eq!(find(unsaid.clone(), "RS256"), Ok(Algorithm::RS256));
        assert_eq!(find(unsaid, "PS256"), Err("wrong-algorithm"));
    }

    #[test]
    fn keys_that_are_not_to_be_believed() {
        let rsa = Signer::rsa("k").jwk();
        let octets = json!({ "kty": "oct", "kid": "k", "alg": "HS256", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQ" });
        assert_eq!(find(octets, "HS256"), Err("wrong-key"));
        for (name, value) in [
            ("use", json!("enc")),
            ("key_ops", json!(["encrypt"])),
            ("alg", json!("HS256")),
            ("alg", json!("RSA-OAEP")),
            ("alg", json!("ES256")),
            ("alg", json!("new")),
            // 1024 bits.
            ("n", json!("A".repeat(2) + &"_".repeat(169))),
            ("n", json!("")),
        ] {
            assert_eq!(find(with(rsa.clone(), name, value.clone()), "RS256"), Err("wrong-key"), "{name} {value}");
        }
        assert_eq!(find(with(rsa.clone(), "kid", json!("other")), "RS256"), Err("wrong-key"));
        let twice = json!({ "keys": [rsa, Signer::ec("k").jwk()] });
        let set = KeySet::parse(twice.to_string().as_bytes(), "keys").unwrap();
        assert_eq!(set.find("k", "RS256").err().unwrap().code, "wrong-key");
    }

    #[test]
    fn what_is_no_set() {
        for text in ["", "{}", "[]", "<!DOCTYPE html>", r#"{"keys":[]}"#, r#"{"keys":{}}"#, r#"{"keys":[1]}"#] {
            assert_eq!(KeySet::parse(text.as_bytes(), "keys").unwrap_err().code, "bad-keys", "{text}");
        }
        let huge = format!(r#"{{"keys":[],"x":"{}"}}"#, "x".repeat(300 << 10));
        assert_eq!(KeySet::parse(huge.as_bytes(), "keys").unwrap_err().code, "bad-keys");
    }
}
