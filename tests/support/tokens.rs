//! Makes JSON Web Tokens and the key sets that belong to them, as an issuer does, and as a forger would.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};

/// Keys for tests: nothing else believes them.
const ISSUER: &str = include_str!("keys/issuer.pem");
const STRANGER: &str = include_str!("keys/stranger.pem");

/// Someone who signs tokens.
pub(crate) struct Signer {
    kid: String,
    key: Key,
}

enum Key {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
}

impl Signer {
    /// An issuer with an RSA key, as GitLab and GitHub have.
    pub(crate) fn rsa(kid: &str) -> Self {
        Self::of(kid, ISSUER)
    }

    /// Somebody else, with another RSA key.
    pub(crate) fn stranger(kid: &str) -> Self {
        Self::of(kid, STRANGER)
    }

    fn of(kid: &str, pem: &str) -> Self {
        let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let der = STANDARD.decode(body).expect("PEM");
        Self { kid: kid.to_owned(), key: Key::Rsa(RsaKeyPair::from_pkcs8(&der).expect("an RSA key")) }
    }

    /// An issuer with a new key on the curve P-256.
    pub(crate) fn ec(kid: &str) -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let der = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("random numbers");
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, der.as_ref(), &random).expect("its own key");
        Self { kid: kid.to_owned(), key: Key::Ec(pair) }
    }

    /// The public key, as a JWK.
    pub(crate) fn jwk(&self) -> Value {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match &self.key {
            Key::Rsa(pair) => {
                let public = PublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({
                    "kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.kid,
                    "n": encode(&public.n), "e": encode(&public.e),
                })
            }
            Key::Ec(pair) => {
                let point = pair.public_key().as_ref();
                json!({
                    "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.kid,
                    "x": encode(&point[1..33]), "y": encode(&point[33..]),
                })
            }
        }
    }

    /// The key set that an issuer with this key serves.
    pub(crate) fn key_set(&self) -> String {
        json!({ "keys": [self.jwk()] }).to_string()
    }

    /// A token with these claims.
    pub(crate) fn token(&self, claims: &Value) -> String {
        let algorithm = if matches!(self.key, Key::Rsa(_)) { "RS256" } else { "ES256" };
        self.token_with(&json!({ "typ": "JWT", "alg": algorithm, "kid": self.kid }), claims)
    }

    /// A token with this header too: signed as this key signs, whatever it says.
    pub(crate) fn token_with(&self, header: &Value, claims: &Value) -> String {
        let message = message(header, claims);
        let random = SystemRandom::new();
        let signature = match &self.key {
            Key::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signature).expect("it signs");
                signature
            }
            Key::Ec(pair) => pair.sign(&random, message.as_bytes()).expect("it signs").as_ref().to_vec(),
        };
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The classic: the public key, taken for the secret of a HMAC.
    pub(crate) fn hs256_by_public_key(&self, claims: &Value) -> String {
        let message = message(&json!({ "typ": "JWT", "alg": "HS256", "kid": self.kid }), claims);
        let secret = URL_SAFE_NO_PAD.decode(self.jwk()["n"].as_str().expect("a modulus")).expect("base64");
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &secret);
        let signature = ring::hmac::sign(&key, message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// A token that nobody has signed.
pub(crate) fn unsigned(claims: &Value) -> String {
    message(&json!({ "typ": "JWT", "alg": "none" }), claims) + "."
}

fn message(header: &Value, claims: &Value) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", encode(header), encode(claims))
}

/// The claims of a token that GitLab gives to a job, after its documentation. `jti` and times are new.
pub(crate) fn gitlab_claims(issuer: &str) -> Value {
    static NUMBER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let now = now();
    json!({
        "namespace_id": "72", "namespace_path": "group", "project_id": "20", "project_path": "group/name",
        "user_id": "5", "user_login": "alice", "user_email": "alice@example.com", "user_access_level": "maintainer",
        "groups_direct": ["group/sre"],
        "pipeline_id": "4711", "pipeline_source": "push", "job_id": "302",
        "ref": "main", "ref_type": "branch", "ref_path": "refs/heads/main", "ref_protected": "true",
        "runner_id": 1, "runner_environment": "self-hosted", "sha": "714a629c0b401fdce83e847fc9589983fc6f46bc",
        "jti": format!("jti-{}-{number}", std::process::id()), "iss": issuer, "aud": "shiro",
        "iat": now, "nbf": now - 5, "exp": now + 3600,
        "sub": "project_path:group/name:ref_type:branch:ref:main",
    })
}

/// The time, in seconds since 1970-01-01 UTC.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}
