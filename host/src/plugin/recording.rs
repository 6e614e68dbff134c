//! Host calls with their answers: what a component is tested against, without a network and without programs.
//!
//! Calls of one kind are answered in the order in which they stand; a call that differs from the next one recorded gets
//! an error, and the test says both.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use serde_json::Value;

/// The calls of one attempt.
#[derive(Debug, Default)]
pub struct Recording {
    calls: Mutex<Calls>,
}

#[derive(Debug, Default)]
struct Calls {
    http: VecDeque<Exchange>,
    processes: VecDeque<RecordedProcess>,
    problems: Vec<String>,
}

/// One HTTP request and what comes back.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// What the component has to send.
    pub request: RecordedRequest,
    /// What it gets.
    #[serde(default)]
    pub response: RecordedResponse,
    /// What it gets instead: no connection came about.
    #[serde(default)]
    pub error: Option<HttpError>,
}

/// A request, as far as a recording says what it is.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedRequest {
    /// The method. Default: `GET`.
    #[serde(default = "get")]
    pub method: String,
    /// The whole URL.
    pub url: String,
    /// Headers that must be there with these values; names in any case.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body as text.
    #[serde(default)]
    pub body: Option<String>,
    /// The body as JSON, however it is written.
    #[serde(default)]
    pub json: Option<Value>,
}

/// A response.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecordedResponse {
    /// The status. Default: 200.
    pub status: Option<u16>,
    /// Its headers.
    pub headers: BTreeMap<String, String>,
    /// The body as text.
    pub body: Option<String>,
    /// The body as JSON; the content type is then `application/json` unless the headers say otherwise.
    pub json: Option<Value>,
}

/// Why there is no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HttpError {
    /// Nobody listens there.
    ConnectionRefused,
    /// No answer in time.
    Timeout,
    /// The name has no address.
    NameNotFound,
}

/// One program that is run and how it ends.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedProcess {
    /// The program.
    pub program: String,
    /// Its arguments.
    #[serde(default)]
    pub args: Vec<String>,
    /// What it has to be given to read; without it, anything.
    #[serde(default)]
    pub stdin: Option<String>,
    /// Variables that it has to be given; there may be more.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Its exit code. Default: 0.
    #[serde(default)]
    pub exit_code: u8,
    /// The signal that ends it, instead of an exit code.
    #[serde(default)]
    pub signal: Option<u8>,
    /// What it writes to standard output.
    #[serde(default)]
    pub stdout: String,
    /// What it writes to standard error.
    #[serde(default)]
    pub stderr: String,
    /// There is no such program.
    #[serde(default)]
    pub not_found: bool,
}

fn get() -> String {
    "GET".to_owned()
}

/// A request that a component sends.
#[derive(Debug)]
pub(super) struct SentRequest<'a> {
    pub(super) method: &'a str,
    pub(super) url: &'a str,
    /// Names in lower case.
    pub(super) headers: &'a [(String, String)],
    pub(super) body: &'a [u8],
}

/// A program that a component runs.
#[derive(Debug)]
pub(super) struct StartedProcess<'a> {
    pub(super) program: &'a str,
    pub(super) args: &'a [String],
    pub(super) env: &'a [(String, String)],
    pub(super) stdin: &'a [u8],
}

impl Recording {
    /// These calls and no others.
    pub fn new(http: Vec<Exchange>, processes: Vec<RecordedProcess>) -> Self {
        let calls = Calls { http: http.into(), processes: processes.into(), problems: Vec::new() };
        Self { calls: Mutex::new(calls) }
    }

    /// What went otherwise than recorded: one line each, with the calls that were never made.
    pub fn problems(&self) -> Vec<String> {
        let mut calls = self.calls();
        let calls = &mut *calls;
        let mut problems = std::mem::take(&mut calls.problems);
        problems.extend(calls.http.drain(..).map(|exchange| format!("it never sent {}", exchange.request)));
        problems.extend(calls.processes.drain(..).map(|process| format!("it never ran {process}")));
        problems
    }

    /// The answer to a request. The error is for the component.
    pub(super) fn exchange(&self, sent: &SentRequest<'_>) -> Result<Exchange, String> {
        let mut calls = self.calls();
        let differs = match calls.http.front() {
            None => Some("no request is recorded".to_owned()),
            Some(next) => next.request.difference(sent).map(|what| format!("recorded is {}: {what}", next.request)),
        };
        if let Some(differs) = differs {
            let problem = format!("it sent {} {}, but {differs}", sent.method, sent.url);
            calls.problems.push(problem.clone());
            return Err(problem);
        }
        calls.http.pop_front().ok_or_else(String::new)
    }

    /// How a program ends. The error is for the component.
    pub(super) fn process(&self, started: &StartedProcess<'_>) -> Result<RecordedProcess, String> {
        let mut calls = self.calls();
        let differs = match calls.processes.front() {
            None => Some("no program is recorded".to_owned()),
            Some(next) => next.difference(started).map(|what| format!("recorded is {next}: {what}")),
        };
        if let Some(differs) = differs {
            let problem = format!("it ran {}, but {differs}", command_line(started.program, started.args));
            calls.problems.push(problem.clone());
            return Err(problem);
        }
        calls.processes.pop_front().ok_or_else(String::new)
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RecordedRequest {
    /// What is different, if something is.
    fn difference(&self, sent: &SentRequest<'_>) -> Option<String> {
        if !self.method.eq_ignore_ascii_case(sent.method) {
            return Some("the method differs".to_owned());
        }
        if self.url != sent.url {
            return Some("the URL differs".to_owned());
        }
        for (name, value) in &self.headers {
            let have = sent.headers.iter().find(|(have, _)| have.eq_ignore_ascii_case(name));
            match have {
                None => return Some(format!("the header `{name}` is missing")),
                Some((_, have)) if have != value => return Some(format!("the header `{name}` is `{have}`")),
                Some(_) => {}
            }
        }
        let text = String::from_utf8_lossy(sent.body);
        if self.body.as_ref().is_some_and(|body| *body != text) {
            return Some(format!("the body is {text:?}"));
        }
        if let Some(json) = &self.json
            && serde_json::from_slice::<Value>(sent.body).ok().as_ref() != Some(json)
        {
            return Some(format!("the body is {text}, not {json}"));
        }
        None
    }
}

impl RecordedResponse {
    /// The body's bytes.
    pub(super) fn bytes(&self) -> Vec<u8> {
        match (&self.json, &self.body) {
            (Some(json), _) => json.to_string().into_bytes(),
            (None, Some(text)) => text.clone().into_bytes(),
            (None, None) => Vec::new(),
        }
    }

    /// Whether a JSON body needs its content type said.
    pub(super) fn is_untyped_json(&self) -> bool {
        self.json.is_some() && !self.headers.keys().any(|name| name.eq_ignore_ascii_case("content-type"))
    }
}

impl RecordedProcess {
    fn difference(&self, started: &StartedProcess<'_>) -> Option<String> {
        if self.program != started.program || self.args != started.args {
            return Some("the command differs".to_owned());
        }
        for (name, value) in &self.env {
            if !started.env.iter().any(|(have, given)| have == name && given == value) {
                return Some(format!("the variable `{name}` differs or is missing"));
            }
        }
        let stdin = String::from_utf8_lossy(started.stdin);
        self.stdin.as_ref().filter(|recorded| **recorded != stdin).map(|_| format!("its standard input is {stdin:?}"))
    }
}

impl fmt::Display for RecordedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.url)
    }
}

impl fmt::Display for RecordedProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&command_line(&self.program, &self.args))
    }
}

fn command_line(program: &str, args: &[String]) -> String {
    let words: Vec<&str> = std::iter::once(program).chain(args.iter().map(String::as_str)).collect();
    format!("`{}`", words.join(" "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn exchange(value: Value) -> Exchange {
        serde_json::from_value(value).unwrap()
    }

    fn sent<'a>(method: &'a str, url: &'a str, headers: &'a [(String, String)], body: &'a str) -> SentRequest<'a> {
        SentRequest { method, url, headers, body: body.as_bytes() }
    }

    const URL: &str = "https://api.example.com/v1";

    #[test]
    fn requests_are_answered_in_order_and_all_of_them_must_be_made() {
        let first = exchange(json!({ "request": { "url": URL }, "response": { "json": { "ok": true } } }));
        let second = exchange(json!({ "request": { "method": "post", "url": URL, "json": { "a": 1 } } }));
        let recording = Recording::new(vec![first.clone(), second], vec![]);
        assert_eq!(recording.exchange(&sent("GET", URL, &[], "")).unwrap(), first);
        assert!(first.response.is_untyped_json());
        assert_eq!(first.response.bytes(), br#"{"ok":true}"#);
        assert_eq!(recording.problems(), [format!("it never sent post {URL}")]);
    }

    #[test]
    fn what_differs_is_said() {
        let recorded = json!({ "request": {
            "method": "POST", "url": URL, "headers": { "Authorization": "Bearer x" }, "json": { "a": 1 }
        } });
        let header = |value: &str| [("authorization".to_owned(), value.to_owned())];
        let right = header("Bearer x");
        let wrong = header("Bearer y");
        for (request, what) in [
            (sent("GET", URL, &right, ""), "the method differs"),
            (sent("POST", "https://other.example/", &right, ""), "the URL differs"),
            (sent("POST", URL, &[], ""), "the header `Authorization` is missing"),
            (sent("POST", URL, &wrong, ""), "the header `Authorization` is `Bearer y`"),
            (sent("POST", URL, &right, r#"{"a":2}"#), r#"the body is {"a":2}, not {"a":1}"#),
        ] {
            let recording = Recording::new(vec![exchange(recorded.clone())], vec![]);
            let error = recording.exchange(&request).unwrap_err();
            assert!(error.contains(what), "{error}");
            assert_eq!(recording.problems().len(), 2, "the difference, and what was never sent");
        }
        let recording = Recording::new(vec![exchange(recorded)], vec![]);
        assert!(recording.exchange(&sent("POST", URL, &right, "{ \"a\": 1 }")).is_ok());
        assert_eq!(recording.problems(), Vec::<String>::new());
        assert!(recording.exchange(&sent("POST", URL, &right, "")).unwrap_err().contains("no request is recorded"));
    }

    #[test]
    fn programs_likewise() {
        let git: RecordedProcess = serde_json::from_value(json!({
            "program": "git", "args": ["diff"], "env": { "LANG": "C" }, "stdout": "+1", "exit_code": 1
        }))
        .unwrap();
        let args = ["diff".to_owned()];
        let env = [("LANG".to_owned(), "C".to_owned())];
        let started = |args, env| StartedProcess { program: "git", args, env, stdin: b"" };
        let recording = Recording::new(vec![], vec![git.clone()]);
        assert!(recording.process(&started(&args, &[])).unwrap_err().contains("the variable `LANG`"));
        assert!(recording.process(&started(&[], &env)).unwrap_err().contains("recorded is `git diff`"));
        assert_eq!(recording.process(&started(&args, &env)).unwrap(), git);
        assert_eq!(recording.problems().len(), 2);
    }
}
