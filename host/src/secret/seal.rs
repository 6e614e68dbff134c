//! What a journal holds where a value has a secret in it: a reference instead, so that nothing leaks and nothing is lost.
//!
//! * A string with secrets in it: `{"$shiro.secret": ["text", {"name": "env:X", "form": "url"}, "more text"]}`. `form` is
//!   absent for the value itself. Only part of a form may stand there (a tool broke the line in it): then `range` says which
//!   bytes of it, and of how many: `[from, to, length]`.
//! * A number: `{"$shiro.number": [...]}`, the same over its digits.
//! * An object with secrets in its keys: `{"$shiro.object": [[key, value], ...]}`.
//! * A value whose JSON text as a whole holds a secret (a key file that was parsed): `{"$shiro.json": [...]}`.
//!
//! A key of the value's own that begins with `$shiro.` (after any number of `$`) gets one more `$`, so nothing that comes out
//! of a step is ever taken for a reference.
//!
//! A reference means "what the secret is now", so a token that was renewed opens as the new one. Where only part of a form
//! stood, or base64 of more than the secret, that can't be right: a part of a form with another length is refused, of the
//! same length it opens as it is.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::forms::{self, RAW};
use super::matcher::{Hit, Matcher};
use super::{MASK, Secrets};

const STRING: &str = "$shiro.secret";
const NUMBER: &str = "$shiro.number";
const OBJECT: &str = "$shiro.object";
const JSON: &str = "$shiro.json";

/// A sealed value could not be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingSecret {
    /// The name of the secret it refers to, e.g. `env:SLACK_WEBHOOK_URL`; empty when the reference makes no sense.
    pub name: String,
    /// What is wrong with it.
    pub trouble: Trouble,
}

/// What is wrong with a reference to a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// There is no such secret in this process.
    Missing,
    /// Its value is another one, and only a part of the old one was used.
    Changed,
    /// The reference is none that was ever written.
    Malformed,
}

impl fmt::Display for MissingSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.as_str();
        let what = match name.strip_prefix("env:") {
            Some(variable) => format!("the environment variable `{variable}`"),
            None => format!("the secret `{name}`"),
        };
        match self.trouble {
            Trouble::Missing => write!(f, "a stored value refers to {what}, which is not set"),
            Trouble::Changed => write!(f, "a stored value refers to part of {what}, which has another value now"),
            Trouble::Malformed => f.write_str("a stored value has a reference to a secret that can't be read"),
        }
    }
}

impl std::error::Error for MissingSecret {}

impl Secrets {
    /// The value with references where secrets stand, in strings, numbers and keys. [`Secrets::open`] gives it back exactly.
    pub fn seal(&self, value: Value) -> Value {
        let Some(matcher) = self.matcher() else {
            return if has_own_marks(&value) { Sealer(None).seal(value) } else { value };
        };
        let sealer = Sealer(Some(&matcher));
        if matcher.has_json() {
            let text = value.to_string();
            if !matcher.is_match(&text) && !sealer.touches(&value) {
                return value;
            }
            let sealed = sealer.seal(value);
            if !matcher.is_match(&sealed.to_string()) {
                return sealed;
            }
            return json!({ JSON: sealer.parts(&text, &matcher.hits(text.as_bytes())) });
        }
        if sealer.touches(&value) { sealer.seal(value) } else { value }
    }

    /// The value with what its references stand for.
    pub fn open(&self, sealed: &Value) -> Result<Value, MissingSecret> {
        open(sealed, &|reference| self.resolve(reference))
    }

    fn resolve(&self, reference: &Reference<'_>) -> Result<String, MissingSecret> {
        let trouble = |trouble| MissingSecret { name: reference.name.to_owned(), trouble };
        let value: Arc<str> = self.value(reference.name).ok_or_else(|| trouble(Trouble::Missing))?;
        let text = if reference.form == RAW {
            value.to_string()
        } else {
            let forms = forms::forms(&value);
            forms.into_iter().find(|form| form.label == reference.form).ok_or_else(|| trouble(Trouble::Changed))?.text
        };
        match reference.range {
            None => Ok(text),
            Some([from, to, length]) if length == text.len() => {
                text.get(from..to).map(str::to_owned).ok_or_else(|| trouble(Trouble::Malformed))
            }
            Some(_) => Err(trouble(Trouble::Changed)),
        }
    }
}

/// A sealed value for showing: [`MASK`] where its references stand. Needs no secrets.
pub fn redact(sealed: &Value) -> Value {
    open(sealed, &|_| Ok(MASK.to_owned())).unwrap_or_else(|_| Value::String(MASK.to_owned()))
}

/// The names of the secrets that a sealed value refers to, sorted.
pub fn references(sealed: &Value) -> Result<Vec<String>, MissingSecret> {
    let names = RefCell::new(BTreeSet::new());
    open(sealed, &|reference| {
        names.borrow_mut().insert(reference.name.to_owned());
        Ok(String::new())
    })?;
    Ok(names.into_inner().into_iter().collect())
}

struct Reference<'a> {
    name: &'a str,
    form: &'a str,
    range: Option<[usize; 3]>,
}

/// With no matcher there are no secrets: only keys that look like ours are escaped.
struct Sealer<'a>(Option<&'a Matcher>);

impl Sealer<'_> {
    /// Sealing changes the value.
    fn touches(&self, value: &Value) -> bool {
        let matches = |text: &str| self.0.is_some_and(|matcher| matcher.is_match(text));
        match value {
            Value::String(text) => matches(text),
            Value::Number(number) => matches(&number.to_string()),
            Value::Array(items) => items.iter().any(|item| self.touches(item)),
            Value::Object(fields) => {
                fields.iter().any(|(key, field)| is_own_mark(key) || matches(key) || self.touches(field))
            }
            Value::Null | Value::Bool(_) => false,
        }
    }

    fn seal(&self, value: Value) -> Value {
        match value {
            Value::String(text) => match self.parts_of(&text) {
                Some(parts) => json!({ STRING: parts }),
                None => Value::String(text),
            },
            Value::Number(number) => match self.parts_of(&number.to_string()) {
                Some(parts) => json!({ NUMBER: parts }),
                None => Value::Number(number),
            },
            Value::Array(items) => items.into_iter().map(|item| self.seal(item)).collect(),
            Value::Object(fields) => self.seal_object(fields),
            other => other,
        }
    }

    fn seal_object(&self, fields: Map<String, Value>) -> Value {
        if !fields.keys().any(|key| self.parts_of(key).is_some()) {
            let fields = fields.into_iter().map(|(key, field)| (escaped(key), self.seal(field)));
            return Value::Object(fields.collect());
        }
        let fields = fields.into_iter().map(|(key, field)| json!([self.seal(Value::String(key)), self.seal(field)]));
        json!({ OBJECT: fields.collect::<Vec<_>>() })
    }

    fn parts_of(&self, text: &str) -> Option<Vec<Value>> {
        let hits = self.0?.hits(text.as_bytes());
        (!hits.is_empty()).then(|| self.parts(text, &hits))
    }

    /// Where hits overlap, the first keeps its place, and of the next one only the rest is referred to.
    fn parts(&self, text: &str, hits: &[Hit]) -> Vec<Value> {
        let Some(matcher) = self.0 else { return vec![text.into()] };
        let mut parts = Vec::new();
        let mut done = 0;
        for hit in hits.iter().filter(|hit| !hit.range.is_empty()) {
            if hit.range.end <= done {
                continue;
            }
            if hit.range.start > done {
                parts.push(Value::from(&text[done..hit.range.start]));
            }
            let start = hit.range.start.max(done);
            let known = matcher.known(hit);
            let mut reference = Map::new();
            reference.insert("name".to_owned(), Value::from(&*known.name));
            if known.form.label != RAW {
                reference.insert("form".to_owned(), Value::from(known.form.label.as_str()));
            }
            let from = hit.offset + (start - hit.range.start);
            let to = hit.offset + hit.range.len();
            let length = known.form.text.len();
            if (from, to) != (0, length) {
                reference.insert("range".to_owned(), json!([from, to, length]));
            }
            parts.push(Value::Object(reference));
            done = hit.range.end;
        }
        if done < text.len() {
            parts.push(Value::from(&text[done..]));
        }
        parts
    }
}

fn is_own_mark(key: &str) -> bool {
    key.starts_with('$') && key.trim_start_matches('$').starts_with("shiro.")
}

fn has_own_marks(value: &Value) -> bool {
    Sealer(None).touches(value)
}

fn escaped(key: String) -> String {
    if is_own_mark(&key) { format!("${key}") } else { key }
}

type Resolve<'a> = dyn Fn(&Reference<'_>) -> Result<String, MissingSecret> + 'a;

fn open(sealed: &Value, resolve: &Resolve<'_>) -> Result<Value, MissingSecret> {
    match sealed {
        Value::Array(items) => items.iter().map(|item| open(item, resolve)).collect(),
        Value::Object(fields) => match fields.iter().next() {
            Some((key, content)) if is_own_mark(key) && !key.starts_with("$$") => {
                if fields.len() > 1 {
                    Err(malformed())
                } else {
                    open_mark(key, content, resolve)
                }
            }
            _ => {
                let fields = fields.iter().map(|(key, field)| {
                    let key = if is_own_mark(key) { &key[1..] } else { key };
                    Ok((key.to_owned(), open(field, resolve)?))
                });
                Ok(Value::Object(fields.collect::<Result<_, _>>()?))
            }
        },
        other => Ok(other.clone()),
    }
}

fn open_mark(mark: &str, content: &Value, resolve: &Resolve<'_>) -> Result<Value, MissingSecret> {
    let content = content.as_array().ok_or_else(malformed)?;
    if mark == OBJECT {
        let fields = content.iter().map(|field| match field.as_array().map(Vec::as_slice) {
            Some([key, value]) => match open(key, resolve)? {
                Value::String(key) => Ok((key, open(value, resolve)?)),
                _ => Err(malformed()),
            },
            _ => Err(malformed()),
        });
        return Ok(Value::Object(fields.collect::<Result<_, _>>()?));
    }
    let parts = content.iter().map(|part| match part {
        Value::String(text) => Ok(Cow::Borrowed(text.as_str())),
        _ => resolve(&reference(part)?).map(Cow::Owned),
    });
    let text: String = parts.collect::<Result<_, _>>()?;
    match mark {
        STRING => Ok(Value::String(text)),
        NUMBER => Ok(number(&text).unwrap_or(Value::String(text))),
        JSON => Ok(serde_json::from_str(&text).unwrap_or(Value::String(text))),
        _ => Err(malformed()),
    }
}

fn reference(part: &Value) -> Result<Reference<'_>, MissingSecret> {
    let range = match part.get("range") {
        None => None,
        Some(range) => {
            let bounds: Option<Vec<usize>> =
                range.as_array().ok_or_else(malformed)?.iter().map(|bound| bound.as_u64()?.try_into().ok()).collect();
            Some(bounds.and_then(|bounds| bounds.try_into().ok()).ok_or_else(malformed)?)
        }
    };
    let name = part.get("name").and_then(Value::as_str).ok_or_else(malformed)?;
    let form = match part.get("form") {
        None => RAW,
        Some(form) => form.as_str().ok_or_else(malformed)?,
    };
    Ok(Reference { name, form, range })
}

/// Exactly the number that printed this text: serde_json's own reading of a float may be one unit off.
fn number(text: &str) -> Option<Value> {
    if let Ok(whole) = text.parse::<i64>() {
        return Some(whole.into());
    }
    if let Ok(whole) = text.parse::<u64>() {
        return Some(whole.into());
    }
    serde_json::Number::from_f64(text.parse().ok()?).map(Value::Number)
}

fn malformed() -> MissingSecret {
    MissingSecret { name: String::new(), trouble: Trouble::Malformed }
}
