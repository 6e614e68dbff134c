//! A token's form, signature and times. Pure: the keys and the time are handed in.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::error::{IdentityError, shown};
use super::keys::KeySet;
use super::settings::{Issuer, Provider, Trusted};
use crate::approval::{Evidence, EvidenceKind};
use crate::id::Digest;

/// How far this machine's clock and the issuer's may be apart, in seconds.
pub const LEEWAY: u64 = 30;
/// A token is no longer, in bytes.
const MOST_BYTES: usize = 16 << 10;
/// 2020-01-01: a clock that says less was never set.
const CLOCK_WAS_SET: u64 = 1_577_836_800;

/// A token, taken apart. Nothing in it is believed yet.
#[derive(Clone)]
pub struct Token<'a> {
    text: &'a str,
    header: Header,
    claims: Map<String, Value>,
}

#[derive(Clone, Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    typ: Option<String>,
    #[serde(default)]
    crit: Option<Value>,
}

/// The claims of a token that is what it says: signed by its issuer, for us, now.
#[derive(Clone, Debug)]
pub struct Verified {
    pub(super) claims: Map<String, Value>,
    pub(super) evidence: Evidence,
}

impl<'a> Token<'a> {
    /// Takes a token apart. What is no token is an error that says so, and never what it holds.
    pub fn parse(text: &'a str) -> Result<Self, IdentityError> {
        let malformed = |what: &str| {
            IdentityError::new("malformed", format!("the token is no JSON Web Token: {what}"))
                .hint("GitLab gives one to a job with `id_tokens: { SHIRO_ID_TOKEN: { aud: shiro } }`")
        };
        let text = text.trim();
        if text.len() > MOST_BYTES {
            return Err(malformed("it is too long"));
        }
        let parts: Vec<&str> = text.split('.').collect();
        let [header, claims, signature] = parts[..] else {
            return Err(malformed("it does not have three parts"));
        };
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
        let header = decode(header).and_then(|bytes| serde_json::from_slice::<Header>(&bytes).ok());
        let header = header.ok_or_else(|| malformed("its header can't be read"))?;
        if header.alg.eq_ignore_ascii_case("none") || signature.is_empty() {
            return Err(IdentityError::new("unsigned", "the token is not signed: anybody could have written it")
                .hint("a token that an issuer made is"));
        }
        let claims = decode(claims).and_then(|bytes| serde_json::from_slice::<Map<String, Value>>(&bytes).ok());
        let claims = claims.ok_or_else(|| malformed("its claims can't be read"))?;
        Ok(Self { text, header, claims })
    }

    /// The issuer that it names, if the policy trusts that one.
    pub fn issuer<'t>(&self, trusted: &'t Trusted) -> Result<&'t Issuer, IdentityError> {
        let Some(Value::String(named)) = self.claims.get("iss") else { return Err(missing("iss")) };
        trusted.issuer(named)
    }

    /// The key that it names.
    pub fn key(&self) -> Option<&str> {
        self.header.kid.as_deref()
    }
}

/// Verifies a token: signature, issuer, audience and times, at `now` (seconds since 1970-01-01 UTC). Whom and what it is
/// about is for [`Identity`](super::Identity) to say.
pub fn verify(
    token: &Token<'_>,
    issuer: &Issuer,
    audience: &str,
    keys: &KeySet,
    now: u64,
) -> Result<Verified, IdentityError> {
    let kid = token.key().ok_or_else(|| {
        IdentityError::new("wrong-key", "the token does not say which of the issuer's keys it is signed with")
            .hint("a token that GitLab or GitHub made does")
    })?;
    if token.header.crit.is_some() || token.header.typ.as_ref().is_some_and(|typ| !typ.eq_ignore_ascii_case("JWT")) {
        return Err(IdentityError::new("malformed", "the token is of a kind that is not known here"));
    }
    let (key, algorithm) = keys.find(kid, &token.header.alg)?;
    let (message, signature) = token.text.rsplit_once('.').unwrap_or_default();
    // An error is a signature or a key that can't be one.
    if !jsonwebtoken::crypto::verify(signature, message.as_bytes(), &key, algorithm).unwrap_or(false) {
        return Err(IdentityError::new(
            "wrong-signature",
            format!("the token's signature is not by the key `{}` of {}", shown(kid), issuer.url),
        )
        .hint("it was made by somebody else, or changed on the way"));
    }
    check_issuer(&token.claims, issuer)?;
    check_audience(&token.claims, audience, issuer.provider)?;
    let (issued_at, expires_at) = check_times(&token.claims, now)?;
    let evidence = Evidence {
        kind: EvidenceKind::Oidc,
        issuer: issuer.url.clone(),
        subject: text(&token.claims, "sub")?,
        token_id: Some(text(&token.claims, "jti")?),
        digest: Digest::of(token.text.as_bytes()),
        issued_at: Some(issued_at.saturating_mul(1000)),
        expires_at: Some(expires_at.saturating_mul(1000)),
        key: Some(kid.to_owned()),
        algorithm: Some(format!("{algorithm:?}")),
        user_id: None,
        groups: Vec::new(),
        started_by: None,
        claims: BTreeMap::new(),
    };
    Ok(Verified { claims: token.claims.clone(), evidence })
}

fn check_issuer(claims: &Map<String, Value>, issuer: &Issuer) -> Result<(), IdentityError> {
    match claims.get("iss") {
        Some(Value::String(named)) if *named == issuer.url => Ok(()),
        Some(named) => Err(IdentityError::new(
            "wrong-issuer",
            format!("the token is from {}, not from {}", shown(&named.to_string()), issuer.url),
        )),
        None => Err(missing("iss")),
    }
}

fn check_audience(claims: &Map<String, Value>, audience: &str, provider: Provider) -> Result<(), IdentityError> {
    let found = match claims.get("aud") {
        None | Some(Value::Null) => return Err(missing("aud")),
        Some(Value::String(found)) => std::slice::from_ref(found).to_vec(),
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(_) => Vec::new(),
    };
    // For us alone: what others may use as well, others have seen.
    if found == [audience] {
        return Ok(());
    }
    let found: Vec<String> = found.iter().map(|one| shown(one)).collect();
    let error = IdentityError::new(
        "wrong-audience",
        format!(
            "the token is for `{}`, not for `{audience}`: whoever that is may have passed it on",
            found.join("`, `")
        ),
    );
    Err(error.hint(match provider {
        Provider::Gitlab => {
            format!("give the job one for shiro: `id_tokens: {{ SHIRO_ID_TOKEN: {{ aud: {audience} }} }}`")
        }
        Provider::Github => {
            "shiro asks for the right one itself: give the job `permissions: id-token: write`".to_owned()
        }
    }))
}

/// When it was issued, and when it expires.
fn check_times(claims: &Map<String, Value>, now: u64) -> Result<(u64, u64), IdentityError> {
    if now < CLOCK_WAS_SET {
        return Err(IdentityError::new("clock", "this machine's clock is not set, so no token's times can be checked")
            .hint("set the clock of the machine that the job runs on"));
    }
    let (issued, not_before, expires) = (time(claims, "iat")?, time(claims, "nbf")?, time(claims, "exp")?);
    if now >= expires.saturating_add(LEEWAY) {
        return Err(IdentityError::new("expired", format!("the token expired at {}", date(expires)))
            .hint("start the job again: it gets a new one (GitLab's live as long as the job may run)"));
    }
    if issued > now.saturating_add(LEEWAY) || not_before > now.saturating_add(LEEWAY) {
        return Err(IdentityError::new(
            "not-yet-valid",
            format!(
                "the token is valid from {}, and by this machine's clock it is {}",
                date(issued.max(not_before)),
                date(now)
            ),
        )
        .hint("set the clock of the machine that the job runs on"));
    }
    if expires <= issued {
        return Err(IdentityError::new("malformed", "the token expired before it was issued"));
    }
    Ok((issued, expires))
}

fn date(seconds: u64) -> String {
    // Beyond the year 9999 there are only forgers.
    const LAST: u64 = 253_402_300_799;
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds.min(LAST));
    humantime::format_rfc3339_seconds(at).to_string()
}

/// A claim that is a time, in seconds since 1970-01-01 UTC.
fn time(claims: &Map<String, Value>, name: &str) -> Result<u64, IdentityError> {
    match claims.get(name) {
        None | Some(Value::Null) => Err(missing(name)),
        Some(Value::Number(number)) if number.as_f64().is_some_and(|number| number >= 0.0) => {
            // RFC 7519 allows fractions of a second.
            Ok(number.as_u64().unwrap_or_else(|| number.as_f64().unwrap_or_default() as u64))
        }
        Some(_) => Err(IdentityError::new("malformed", format!("the token's claim `{name}` is no time"))),
    }
}

/// A claim that is a text that is not empty; issuers write numbers either way.
pub(super) fn text(claims: &Map<String, Value>, name: &str) -> Result<String, IdentityError> {
    optional(claims, name).ok_or_else(|| missing(name))
}

/// The same where it may be missing.
pub(super) fn optional(claims: &Map<String, Value>, name: &str) -> Option<String> {
    match claims.get(name)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) if number.is_u64() => Some(number.to_string()),
        _ => None,
    }
}

fn missing(name: &str) -> IdentityError {
    IdentityError::new("missing-claim", format!("the token does not have the claim `{name}`"))
        .hint("a token that GitLab or GitHub made for a job does")
}
