//! `identity` of a policy: whom it trusts to say who someone is.

use std::path::PathBuf;

use serde_json::Value;
use url::Url;

use super::Role;
use crate::diagnostic::{Diagnostic, Place};
use crate::identity::{Issuer, Keys, Protected, Provider, Settings};
use crate::workflow::fields::Fields;
use crate::workflow::json;

const FIELDS: &[&str] = &["audience", "issuers", "require_protected"];
const ISSUER: &[&str] = &["url", "provider", "project", "api", "jwks", "ca", "private"];
/// What an operator's policy says of an issuer: the rest is how the repository's reaches it.
const BOUNDS: &[&str] = &["url", "provider", "project"];

/// Reads it. `None` if there is none, or if it can't be understood, which is reported then.
pub(super) fn read(fields: &mut Fields<'_>, role: Role) -> Option<Settings> {
    let members = fields.object("identity")?;
    let before = fields.problems.len();
    let pointer = format!("{}/identity", fields.pointer);
    let mut fields = Fields::new(pointer, members, FIELDS, fields.problems);
    let audience = audience(&mut fields, role);
    let issuers = issuers(&mut fields, role);
    let protected = protected(&mut fields);
    (fields.problems.len() == before).then_some(Settings { audience, issuers, protected })
}

fn audience(fields: &mut Fields<'_>, role: Role) -> Option<String> {
    let audience = fields.string("audience")?;
    if role == Role::Operator {
        let place = fields.place("audience");
        let message = "the audience of tokens is for the repository's policy to say";
        fields.report(Diagnostic::error("unknown-field", place, message));
    } else if audience.is_empty() {
        fields.out_of_range("audience", "whom tokens are for, as `aud` of `id_tokens` has it; \"shiro\" without it");
    }
    Some(audience)
}

fn protected(fields: &mut Fields<'_>) -> Vec<Protected> {
    let mut protected = Vec::new();
    for (index, name) in fields.strings("require_protected").into_iter().enumerate() {
        match name.as_str() {
            "environment" => protected.push(Protected::Environment),
            "ref" => protected.push(Protected::Ref),
            _ => {
                let place = Place::value(format!("{}/require_protected/{index}", fields.pointer));
                fields.report(Diagnostic::error("out-of-range", place, "it is \"environment\" or \"ref\""));
            }
        }
    }
    protected
}

fn issuers(fields: &mut Fields<'_>, role: Role) -> Vec<Issuer> {
    let items = match fields.take("issuers") {
        None => return Vec::new(),
        Some(Value::Array(items)) => items,
        Some(other) => {
            fields.wrong_type("issuers", "an array of objects", &other);
            return Vec::new();
        }
    };
    if items.is_empty() {
        fields.out_of_range("issuers", "a list of at least one");
    }
    let mut issuers: Vec<Issuer> = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        let pointer = format!("{}/issuers/{index}", fields.pointer);
        let Value::Object(members) = item else {
            let message = format!("`issuers` holds objects, not {}", json::kind(&item));
            fields.report(Diagnostic::error("wrong-type", Place::value(pointer), message));
            continue;
        };
        let known = if role == Role::Repository { ISSUER } else { BOUNDS };
        let Some(issuer) = issuer(&mut Fields::new(pointer.clone(), members, known, fields.problems)) else { continue };
        if issuers.iter().any(|earlier| earlier.url == issuer.url) {
            fields.report(Diagnostic::error("duplicate", Place::value(pointer), "this issuer is named above already"));
        }
        issuers.push(issuer);
    }
    issuers
}

fn issuer(fields: &mut Fields<'_>) -> Option<Issuer> {
    if fields.members.get("url").is_none_or(Value::is_null) {
        fields.missing("url", "\"url\": \"https://gitlab.example.com\", as `iss` of its tokens has it");
    }
    let url = fields.string("url")?;
    let provider = match fields.string("provider").as_deref() {
        None => Issuer::provider_of(&url),
        Some("gitlab") => Provider::Gitlab,
        Some("github") => Provider::Github,
        Some(_) => {
            fields.out_of_range("provider", "\"gitlab\" or \"github\"");
            return None;
        }
    };
    let issuer = Issuer {
        project: fields.string("project"),
        api: api(fields),
        keys: key_set(fields),
        authorities: fields.string("ca").map(authorities),
        private: private(fields),
        ..Issuer::new(&url, provider)
    };
    if let Some((field, problem)) = issuer.problem() {
        let place = fields.place(field);
        fields.report(Diagnostic::error("issuer", place, problem));
        return None;
    }
    Some(issuer)
}

fn api(fields: &mut Fields<'_>) -> Option<Url> {
    let text = fields.string("api")?;
    let url = Url::parse(&text).ok();
    if url.is_none() {
        fields.out_of_range("api", "the URL of the issuer's API, e.g. \"https://gitlab.example.com/api/v4\"");
    }
    url
}

/// The set itself, or the absolute path of a file.
fn key_set(fields: &mut Fields<'_>) -> Option<Keys> {
    match fields.take("jwks")? {
        Value::String(path) => Some(Keys::File(PathBuf::from(path))),
        set @ Value::Object(_) => Some(Keys::Here(set.to_string())),
        other => {
            fields.wrong_type("jwks", "a JWK set, or the absolute path of a file with one", &other);
            None
        }
    }
}

/// Certificates as they are, or the absolute path of a file.
fn authorities(text: String) -> Keys {
    if text.contains("-----BEGIN CERTIFICATE-----") { Keys::Here(text) } else { Keys::File(PathBuf::from(text)) }
}

fn private(fields: &mut Fields<'_>) -> Vec<ipnet::IpNet> {
    let mut ranges = Vec::new();
    for (index, text) in fields.strings("private").into_iter().enumerate() {
        match text.parse() {
            Ok(range) => ranges.push(range),
            Err(_) => {
                let place = Place::value(format!("{}/private/{index}", fields.pointer));
                let message = format!("`{text}` is no range of addresses such as `10.0.0.0/8` or `10.1.2.3/32`");
                fields.report(Diagnostic::error("out-of-range", place, message));
            }
        }
    }
    ranges
}
