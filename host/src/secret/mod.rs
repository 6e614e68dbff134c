//! Secret values: which they are, how they are masked, and how a journal refers to them.
//!
//! A secret is looked for as it is and as common tools write it: line by line, in base64 (standard and URL-safe, at any
//! alignment, broken into lines, and twice over), hex, percent and form encoding, JSON, XML and HTML text, and quoted for
//! a shell. Of a URL, the password, the path and the query count by themselves, of a JSON document its fields with a
//! secret's name. Text is also looked at without what can't be seen in it, so an escape sequence in the middle of a
//! secret does not help.
//!
//! Not found, because no list is ever complete: a value that is reversed, compressed, encrypted, upper-cased, spelt with
//! spaces between its characters, in base32 or UTF-16, in octal dumps, or printed a few characters at a time. Masking guards
//! against accidents and common tricks; it is no wall around a step that has been given a secret.

mod forms;
mod lines;
mod matcher;
mod seal;
pub mod visible;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::{Map, Value};

use crate::outcome::Failure;
use matcher::{Hit, Known, Matcher};

pub use lines::LineMasker;
pub use seal::{MissingSecret, Trouble, redact, references};

/// What stands where a secret stood.
pub const MASK: &str = "***";

/// A shorter value, in bytes, is a secret only when the workflow lists it.
pub const SHORTEST: usize = 8;

/// An even shorter one never is: masking it would leave no text readable.
pub const SHORTEST_LISTED: usize = 4;

/// What became of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is masked from now on.
    Masked,
    /// It is too short, or too common a word, to be told from other text: it is not masked.
    TooShort,
}

/// The secret values of a run. Costs next to nothing while there are none.
#[derive(Default)]
pub struct Secrets {
    /// There is one. Set after it is in `store`, never cleared.
    any: AtomicBool,
    store: RwLock<Store>,
}

#[derive(Default)]
struct Store {
    /// Every value ever added, in that order.
    values: Vec<Secret>,
    /// Per name, its value: an index.
    names: HashMap<Arc<str>, usize>,
    /// Built when it is needed, for all values there are.
    matcher: Option<Arc<Matcher>>,
}

struct Secret {
    value: Arc<str>,
    /// What a journal calls it.
    name: Arc<str>,
}

impl Secrets {
    /// No secrets.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers a value under a reference name, such as `env:SLACK_WEBHOOK_URL` or `config:STEP:/webhook_url`. A value
    /// below [`SHORTEST`] bytes is not taken.
    pub fn add(&self, name: &str, value: &str) -> Added {
        self.add_from(name, value, SHORTEST)
    }

    /// Registers a value that the workflow lists as a secret: from [`SHORTEST_LISTED`] bytes on, unless it is a word such as
    /// `true`.
    pub fn add_listed(&self, name: &str, value: &str) -> Added {
        self.add_from(name, value, SHORTEST_LISTED)
    }

    fn add_from(&self, name: &str, value: &str, shortest: usize) -> Added {
        let significant = value.trim();
        if significant.len() < shortest || matches!(significant, "true" | "false" | "null" | "none") {
            return Added::TooShort;
        }
        let known = |store: &Store| store.names.get(name).is_some_and(|&index| *store.values[index].value == *value);
        if known(&self.store.read().unwrap_or_else(PoisonError::into_inner)) {
            return Added::Masked;
        }
        let mut store = self.store.write().unwrap_or_else(PoisonError::into_inner);
        if !known(&store) {
            store.add(name, value);
        }
        self.any.store(true, Ordering::Release);
        Added::Masked
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        !self.any.load(Ordering::Acquire)
    }

    /// The text with [`MASK`] where a secret stands. Parts of two secrets that overlap are both masked.
    pub fn mask<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self.matcher() {
            Some(matcher) => mask(&matcher, text),
            None => Cow::Borrowed(text),
        }
    }

    /// Masks every string, number and key in a value, for showing it. What is stored is sealed instead ([`Secrets::seal`]).
    pub fn mask_value(&self, value: &mut Value) {
        if let Some(matcher) = self.matcher() {
            mask_value(&matcher, value);
        }
    }

    /// Masks everything in a failure.
    pub fn mask_failure(&self, failure: &mut Failure) {
        let Some(matcher) = self.matcher() else { return };
        let texts = [Some(&mut failure.code), Some(&mut failure.message), failure.hint.as_mut()];
        for text in texts.into_iter().flatten() {
            if let Cow::Owned(masked) = mask(&matcher, text) {
                *text = masked;
            }
        }
        if let Some(output) = &mut failure.output {
            mask_value(&matcher, output);
        }
    }

    fn matcher(&self) -> Option<Arc<Matcher>> {
        if self.is_empty() {
            return None;
        }
        if let Some(matcher) = &self.store.read().unwrap_or_else(PoisonError::into_inner).matcher {
            return Some(Arc::clone(matcher));
        }
        let mut store = self.store.write().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(store.matcher()))
    }

    fn value(&self, name: &str) -> Option<Arc<str>> {
        let store = self.store.read().unwrap_or_else(PoisonError::into_inner);
        store.names.get(name).map(|&index| Arc::clone(&store.values[index].value))
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").field("is_empty", &self.is_empty()).finish_non_exhaustive()
    }
}

impl Store {
    fn add(&mut self, name: &str, value: &str) {
        // A name whose value changed keeps its first value: what was sealed with it must not open as another one.
        let name: Arc<str> = match self.names.contains_key(name) {
            false => name.into(),
            true => format!("{name}#{}", self.values.len() + 1).into(),
        };
        let index = match self.values.iter().position(|secret| *secret.value == *value) {
            Some(index) => {
                // A variable is there again in the process that resumes; a resolved config need not be.
                let secret = &mut self.values[index];
                if is_variable(&name) && !is_variable(&secret.name) {
                    secret.name = Arc::clone(&name);
                    self.matcher = None;
                }
                index
            }
            None => {
                self.values.push(Secret { value: value.into(), name: Arc::clone(&name) });
                self.matcher = None;
                self.values.len() - 1
            }
        };
        self.names.insert(name, index);
    }

    fn matcher(&mut self) -> &Arc<Matcher> {
        let values = &self.values;
        self.matcher.get_or_insert_with(|| {
            let known = values.iter().flat_map(|secret| {
                forms::forms(&secret.value).into_iter().map(|form| Known { name: Arc::clone(&secret.name), form })
            });
            Arc::new(Matcher::new(known.collect()))
        })
    }
}

fn is_variable(name: &str) -> bool {
    name.starts_with("env:")
}

/// Whether a variable's or a field's name says that its value is secret: one of its segments (whole, between `_`, `-` or
/// `.`, in any case) is `TOKEN`, `SECRET`, `PASSWORD`, `PASSWD`, `PASSPHRASE`, `KEY`, `APIKEY`, `CREDENTIAL` or a plural of
/// these, or two are `WEBHOOK_URL`.
///
/// So `MONKEY` and `TOKENIZER` are not, and `CACHE_KEY`, `PUBLIC_KEY` and `SSH_KEY_PATH` are although their values are no
/// secrets: `not_secrets` in the workflow takes them out.
pub fn looks_secret(name: &str) -> bool {
    const WORDS: [&str; 8] = ["TOKEN", "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "KEY", "APIKEY", "CREDENTIAL"];
    let is = |segment: &str, word: &str| segment.eq_ignore_ascii_case(word);
    let mut before = "";
    name.split(['_', '-', '.']).any(|segment| {
        let single = segment.strip_suffix(['s', 'S']).unwrap_or(segment);
        let secret = WORDS.iter().any(|word| is(segment, word) || is(single, word))
            || is(before, "WEBHOOK") && (is(segment, "URL") || is(segment, "URLS"));
        before = segment;
        secret
    })
}

fn mask<'a>(matcher: &Matcher, text: &'a str) -> Cow<'a, str> {
    let masked = mask_seen(matcher, text);
    if visible::is_all_plain(&masked) {
        return masked;
    }
    match mask_seen(matcher, &visible::visible(&masked)) {
        Cow::Owned(masked) => Cow::Owned(masked),
        Cow::Borrowed(_) => masked,
    }
}

fn mask_seen<'a>(matcher: &Matcher, text: &'a str) -> Cow<'a, str> {
    let hits = matcher.hits(text.as_bytes());
    if hits.is_empty() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(replace(text, &hits))
}

/// `hits` in the order of their beginnings.
fn replace(text: &str, hits: &[Hit]) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut done = 0;
    for (number, Hit { range, .. }) in hits.iter().enumerate() {
        if number == 0 || range.start > done {
            masked.push_str(&text[done..range.start]);
            masked.push_str(MASK);
        }
        done = done.max(range.end);
    }
    masked.push_str(&text[done..]);
    masked
}

fn mask_value(matcher: &Matcher, value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Cow::Owned(masked) = mask(matcher, text) {
                *text = masked;
            }
        }
        Value::Number(number) => {
            if let Cow::Owned(masked) = mask(matcher, &number.to_string()) {
                *value = Value::String(masked);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| mask_value(matcher, item)),
        Value::Object(fields) => {
            fields.values_mut().for_each(|field| mask_value(matcher, field));
            if fields.keys().any(|key| matches!(mask(matcher, key), Cow::Owned(_))) {
                mask_keys(matcher, fields);
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

/// Two keys may become the same: none is lost.
fn mask_keys(matcher: &Matcher, fields: &mut Map<String, Value>) {
    for (key, field) in std::mem::take(fields) {
        let masked = mask(matcher, &key).into_owned();
        let mut unique = masked.clone();
        let mut number = 1;
        while fields.contains_key(&unique) {
            number += 1;
            unique = format!("{masked} ({number})");
        }
        fields.insert(unique, field);
    }
}

#[cfg(test)]
mod tests;
