//! What came back, and whether it is what is waited for.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use shiro_request::{filled, headers, line, redirects};
use shiro_step::Failure;
use shiro_step::http::{Error, ErrorKind, Response};

use crate::config::Config;

/// How much is read of an answer that is not expected, in bytes.
const EXCERPT: usize = 2048;

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// The status of the last answer, e.g. 200; 0 if there was none.
    status: u16,
    /// Its headers, names in lower case; several of one name are joined by a comma. `set-cookie` is left out: it is a
    /// credential.
    headers: BTreeMap<String, String>,
    /// Its body, if that is JSON. Otherwise `null`.
    json: Value,
    /// Its body as text; bytes that are no UTF-8 become U+FFFD. Of an answer with another status than expected, the
    /// beginning.
    body: String,
    /// How many bytes of it were read.
    bytes: usize,
    /// How often the endpoint was asked.
    attempts: u32,
}

/// An answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    status: u16,
    headers: BTreeMap<String, String>,
    json: Value,
    body: String,
    bytes: usize,
}

impl Seen {
    fn of(status: u16, headers: BTreeMap<String, String>, body: &[u8]) -> Self {
        Self {
            status,
            headers,
            json: serde_json::from_slice(body).unwrap_or_default(),
            body: String::from_utf8_lossy(body).into_owned(),
            bytes: body.len(),
        }
    }

    pub(crate) fn output(self, attempts: u32) -> Output {
        let Self { status, headers, json, body, bytes } = self;
        Output { status, headers, json, body, bytes, attempts }
    }
}

/// What one try comes to.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It is as expected.
    Ready(Seen),
    /// It is not, and asking again may help.
    NotYet {
        /// Reads after "not yet: ".
        why: String,
        seen: Seen,
        /// The service asks not to be asked before.
        wait: Option<Duration>,
    },
}

/// Judges one try. A failure ends the waiting: asking again won't help.
pub(crate) fn judge(config: &Config, result: Result<Response, Error>) -> Result<Verdict, Failure> {
    let response = match result {
        Ok(response) => response,
        Err(error) => return no_answer(error),
    };
    let (status, wait) = (response.status(), response.retry_after());
    let location = response.header("location").map(str::to_owned);
    let headers = headers(&response);
    let expected = config.expect_status.contains(status);
    let body = if expected {
        match response.bytes() {
            Ok(body) => body,
            Err(error) if error.kind() == ErrorKind::TooLarge => return Err(too_long(config)),
            Err(error) => return no_answer(error),
        }
    } else {
        response.excerpt(EXCERPT).into_bytes()
    };
    let seen = Seen::of(status, headers, &body);
    match unmet(config, &seen, expected, location.as_deref()) {
        None => Ok(Verdict::Ready(seen)),
        Some(why) if !expected && config.fail_status.contains(status) => {
            let message = format!("{why}: asking again won't change that (`fail_status`)");
            Err(Failure::permanent(format!("status_{status}"), message).output(&seen.output(1)))
        }
        Some(why) => Ok(Verdict::NotYet { why, seen, wait }),
    }
}

/// An endpoint that is not there yet does not answer at all, or not properly. What is denied, and what can't be sent, will
/// never be otherwise.
fn no_answer(error: Error) -> Result<Verdict, Failure> {
    match error.kind() {
        ErrorKind::Denied | ErrorKind::InvalidRequest | ErrorKind::TooLarge => Err(error.into()),
        _ => Ok(Verdict::NotYet { why: error.to_string(), seen: Seen::default(), wait: None }),
    }
}

/// What is not as expected.
fn unmet(config: &Config, seen: &Seen, expected: bool, location: Option<&str>) -> Option<String> {
    if !expected {
        let mut why = format!("the answer's status is {}", seen.status);
        why += &redirects(seen.status, location).map(|leads| format!("; {leads}")).unwrap_or_default();
        let said = line(&seen.body);
        return Some(if said.is_empty() { why } else { format!("{why}; it says: {said}") });
    }
    for (name, value) in &config.expect_headers {
        match seen.headers.get(&name.to_ascii_lowercase()) {
            Some(has) if has.as_str() == &**value => {}
            Some(has) => return Some(format!("the answer's header `{name}` is {}", line(has))),
            None => return Some(format!("the answer has no header `{name}`")),
        }
    }
    let query = filled(config.expect_json.as_deref())?;
    if serde_json::from_str::<serde::de::IgnoredAny>(&seen.body).is_err() {
        return Some("the answer is no JSON".to_owned());
    }
    match shiro_jq::run("expect_json", query, seen.json.clone(), BTreeMap::new()) {
        Ok(values) => match values.first() {
            None => Some("`expect_json` gives nothing".to_owned()),
            Some(value @ (Value::Null | Value::Bool(false))) => Some(format!("`expect_json` gives {value}")),
            Some(_) => None,
        },
        Err(failure) => Some(format!("`expect_json`: {}", line(failure.message()))),
    }
}

fn too_long(config: &Config) -> Failure {
    Failure::permanent(
        "too_long",
        format!("the answer is longer than {} bytes: raise `max_bytes`, or ask for less", config.max_bytes),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::config;

    fn why(expect: Value, status: u16, body: &str) -> Option<String> {
        let mut whole = json!({ "url": "https://a" });
        whole.as_object_mut().unwrap().extend(expect.as_object().unwrap().clone());
        let config = config(whole);
        let headers = BTreeMap::from([("x-state".to_owned(), "up".to_owned())]);
        let seen = Seen::of(status, headers, body.as_bytes());
        unmet(&config, &seen, config.expect_status.contains(status), None)
    }

    #[test]
    fn an_answer_is_ready_when_all_is_as_expected() {
        let ready = r#"{ "status": "ready", "n": 0 }"#;
        for (expect, status, body, said) in [
            (json!({}), 204, "", None),
            (json!({}), 503, "starting\n now", Some("the answer's status is 503; it says: starting now")),
            (json!({ "expect_status": 404 }), 404, "gone", None),
            (json!({ "expect_headers": { "X-State": "up" } }), 200, "", None),
            (json!({ "expect_headers": { "X-State": "down" } }), 200, "", Some("the answer's header `X-State` is up")),
            (json!({ "expect_headers": { "x-no": 1 } }), 200, "", Some("the answer has no header `x-no`")),
            (json!({ "expect_json": ".status == \"ready\"" }), 200, ready, None),
            (json!({ "expect_json": ".n" }), 200, ready, None),
            (json!({ "expect_json": ".missing" }), 200, ready, Some("`expect_json` gives null")),
            (json!({ "expect_json": ".status == \"up\"" }), 200, ready, Some("`expect_json` gives false")),
            (json!({ "expect_json": "empty" }), 200, ready, Some("`expect_json` gives nothing")),
            (json!({ "expect_json": "." }), 200, "<html>", Some("the answer is no JSON")),
            (json!({ "expect_json": ".a" }), 200, "[1]", Some("`expect_json`: the filter failed")),
        ] {
            let found = why(expect.clone(), status, body);
            match said {
                None => assert_eq!(found, None, "{expect}"),
                Some(said) => {
                    assert!(found.as_ref().is_some_and(|found| found.starts_with(said)), "{expect}: {found:?}")
                }
            }
        }
    }
}
