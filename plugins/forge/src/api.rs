//! Requests to a service's REST API.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use shiro_step::http::{Error, Request, Response};
use shiro_step::{Failure, log};

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The most pages that are read: 10,000 items.
const MAX_PAGES: usize = 100;

/// How many characters of what a service says are shown.
const SHOWN: usize = 500;

/// How long a secondary rate limit of GitHub lasts at least, where it does not say.
const SECONDARY: Duration = Duration::from_secs(60);

/// A service's API: where it is, and how requests authenticate.
#[derive(Clone, Debug)]
pub struct Api {
    /// The service's name, for people.
    service: &'static str,
    /// Without a slash at its end.
    base: String,
    headers: Vec<(&'static str, String)>,
    /// What to say where the service does not let the token do something.
    unauthorized: String,
}

/// A service that said no, or did not answer.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The status of its answer, if there is one.
    pub status: Option<u16>,
    /// What it says, on one line.
    pub said: String,
    failure: Failure,
    /// The service may have done what it was asked all the same.
    pub unclear: bool,
}

impl Refusal {
    /// The service's answer has one of these statuses.
    pub fn is(&self, statuses: &[u16]) -> bool {
        self.status.is_some_and(|status| statuses.contains(&status))
    }

    /// The service says this, in any case.
    pub fn says(&self, text: &str) -> bool {
        self.said.to_lowercase().contains(&text.to_lowercase())
    }

    /// As a failure. Something that must not happen twice is not tried again if it may have happened.
    pub fn once(self, what: &str) -> Failure {
        match self.unclear {
            true => Failure::permanent(
                "unclear",
                format!(
                    "{}: whether {what} is not known, so it is not tried again: look, and start the step anew",
                    self.failure
                ),
            ),
            false => self.failure,
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        refusal.failure
    }
}

impl Api {
    /// The API at this URL. `headers` go with every request; `unauthorized` is said where a token is refused.
    pub fn new(
        service: &'static str,
        base: &str,
        headers: Vec<(&'static str, String)>,
        unauthorized: impl Into<String>,
    ) -> Self {
        let base = base.trim_end_matches('/').to_owned();
        Self { service, base, headers, unauthorized: unauthorized.into() }
    }

    /// A request to a path, which begins with a slash.
    pub fn request(&self, method: &str, path: &str) -> Request {
        self.headers
            .iter()
            .fold(Request::new(method, format!("{}{path}", self.base)), |request, (name, value)| {
                request.header(*name, value.as_bytes())
            })
            .header("user-agent", "shiro")
            .timeout(TIMEOUT)
    }

    /// The same for an answer of another kind than the usual one (`Accept`).
    pub fn request_for(&self, method: &str, path: &str, accept: &str) -> Request {
        let mut other = self.clone();
        other.headers.retain(|(name, _)| *name != "accept");
        other.headers.push(("accept", accept.to_owned()));
        other.request(method, path)
    }

    /// Sends a request and takes the answer, if it is a success.
    pub fn send(&self, request: Request) -> Result<Response, Refusal> {
        let response = request.send().map_err(|error| self.no_answer(error))?;
        if response.is_success() {
            return Ok(response);
        }
        Err(self.refused(response))
    }

    /// Asks for a JSON value.
    pub fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, Refusal> {
        let request = query.iter().fold(self.request("GET", path), |request, (name, value)| request.query(name, value));
        self.json(request)
    }

    /// Sends a JSON value and gives the answer's, `null` for an empty one.
    pub fn write(&self, method: &str, path: &str, body: &Value) -> Result<Value, Refusal> {
        self.json(self.request(method, path).json(body))
    }

    fn json(&self, request: Request) -> Result<Value, Refusal> {
        let bytes = self.send(request)?.bytes().map_err(|error| self.no_answer(error))?;
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&bytes).map_err(|_| {
            let message = format!("{} answered with something that is not JSON: is its address right?", self.service);
            let failure = Failure::permanent("bad_answer", message);
            Refusal { status: None, said: String::new(), failure, unclear: true }
        })
    }

    /// Asks for all pages of a list.
    pub fn list(&self, path: &str, query: &[(&str, &str)]) -> Result<Vec<Value>, Refusal> {
        let mut request = self.request("GET", path).query("per_page", "100");
        for (name, value) in query {
            request = request.query(name, value);
        }
        let mut items = Vec::new();
        for _ in 0..MAX_PAGES {
            let response = self.send(request)?;
            let next = response.link("next");
            let page: Vec<Value> = response.json().map_err(|error| self.no_answer(error))?;
            items.extend(page);
            let Some(next) = next else { return Ok(items) };
            // Behind a proxy a service may not know its own address: it is asked where it was found.
            let path = on_this_host(&self.base, &next).ok_or_else(|| self.lost())?;
            request = self.request("GET", path);
        }
        log::warn(format!("{} has more than {MAX_PAGES} pages of this: only the first were read", self.service));
        Ok(items)
    }

    fn lost(&self) -> Refusal {
        let message = format!("the next page that {} names is no part of its API", self.service);
        let failure = Failure::permanent("bad_answer", message);
        Refusal { status: None, said: String::new(), failure, unclear: false }
    }

    fn no_answer(&self, error: Error) -> Refusal {
        use shiro_step::http::ErrorKind::{Connect, Denied, Dns, InvalidRequest, Tls};
        let unclear = !matches!(error.kind(), Connect | Denied | Dns | InvalidRequest | Tls);
        Refusal { status: None, said: String::new(), failure: error.into(), unclear }
    }

    fn refused(&self, response: Response) -> Refusal {
        let status = response.status();
        let limit = Limits {
            retry_after: response.retry_after(),
            remaining: number(&response, &["x-ratelimit-remaining", "ratelimit-remaining"]),
            reset: number(&response, &["x-ratelimit-reset", "ratelimit-reset"]),
        };
        let body = response.excerpt(64 << 10);
        let said = said(&body);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let limited = limit.wait(status, &said, now);
        let mut message = match limited {
            Some(_) => format!("{} takes no more requests for now: HTTP {status}", self.service),
            None => format!("{} said no: HTTP {status}", self.service),
        };
        if !said.is_empty() {
            message += &format!(", {said}");
        }
        if limited.is_none() && matches!(status, 401 | 403 | 404) && !self.unauthorized.is_empty() {
            message += &format!(" ({})", self.unauthorized);
        }
        let passing = limited.is_some() || status == 408 || status >= 500;
        let code = if limited.is_some() { "rate_limited".to_owned() } else { format!("http_{status}") };
        let failure = if passing { Failure::transient(code, message) } else { Failure::permanent(code, message) };
        let failure = match limited.or(limit.retry_after).filter(|_| passing) {
            Some(wait) => failure.retry_after(wait),
            None => failure,
        };
        Refusal { status: Some(status), said, failure, unclear: status >= 500 || status == 408 }
    }
}

fn number(response: &Response, names: &[&str]) -> Option<u64> {
    names.iter().find_map(|name| response.header(name)?.trim().parse().ok())
}

/// What an answer's headers say of rate limits.
/// <https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api>,
/// <https://docs.gitlab.com/administration/settings/user_and_ip_rate_limits/#response-headers>
#[derive(Clone, Copy, Debug, Default)]
struct Limits {
    retry_after: Option<Duration>,
    remaining: Option<u64>,
    /// Seconds since 1970.
    reset: Option<u64>,
}

impl Limits {
    /// How long to wait, if this is a rate limit: GitHub's come with 403 as well, which else is a refusal.
    fn wait(self, status: u16, said: &str, now: Duration) -> Option<Duration> {
        let said = said.to_lowercase();
        let secondary = said.contains("secondary rate limit") || said.contains("abuse detection");
        let used_up = self.remaining == Some(0);
        let limited = status == 429 || (status == 403 && (secondary || used_up || self.retry_after.is_some()));
        if !limited {
            return None;
        }
        // A second more: clocks differ.
        let reset = self.reset.filter(|_| used_up || status == 429);
        let reset = reset.map(|reset| Duration::from_secs(reset + 1).saturating_sub(now));
        Some(self.retry_after.or(reset.filter(|wait| !wait.is_zero())).unwrap_or(match secondary {
            true => SECONDARY,
            false => Duration::ZERO,
        }))
    }
}

/// What a service's error says, on one line. GitLab has `message` (a text, or fields with lists of texts) or `error`,
/// GitHub `message` and `errors`.
fn said(body: &str) -> String {
    let Ok(json) = serde_json::from_str::<Value>(body) else { return line(body) };
    let mut texts = Vec::new();
    for key in ["message", "error", "error_description", "errors"] {
        json.get(key).into_iter().for_each(|value| flatten("", value, &mut texts));
    }
    match texts.is_empty() {
        true => line(body),
        false => line(&texts.join("; ")),
    }
}

fn flatten(name: &str, value: &Value, texts: &mut Vec<String>) {
    let named = |text: &str| match name {
        "" | "base" | "message" => text.to_owned(),
        name => format!("{name}: {text}"),
    };
    match value {
        Value::String(text) => texts.push(named(text)),
        Value::Array(items) => items.iter().for_each(|item| flatten(name, item, texts)),
        Value::Object(members) => members
            .iter()
            .filter(|(key, _)| *key != "documentation_url")
            .for_each(|(key, member)| flatten(key, member, texts)),
        Value::Number(number) => texts.push(named(&number.to_string())),
        Value::Bool(_) | Value::Null => {}
    }
}

/// The beginning of a text on one line, without control characters.
fn line(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    words.chars().filter(|c| !c.is_control()).take(SHOWN).collect()
}

/// The path and query of a URL below a base, whatever host it names. None if it is not below.
fn on_this_host<'a>(base: &str, url: &'a str) -> Option<&'a str> {
    let path = |url: &str| {
        let after = url.find("://")? + 3;
        Some(url[after..].find('/').map_or(url.len(), |slash| after + slash))
    };
    let rest = url[path(url)?..].strip_prefix(&base[path(base)?..])?;
    rest.starts_with('/').then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(status: u16, limits: Limits, said: &str) -> Option<u64> {
        limits.wait(status, said, Duration::from_secs(1000)).map(|wait| wait.as_secs())
    }

    #[test]
    fn rate_limits_are_told_from_refusals() {
        let none = Limits::default();
        let after = Limits { retry_after: Some(Duration::from_secs(7)), ..none };
        let used_up = Limits { remaining: Some(0), reset: Some(1090), ..none };
        assert_eq!(wait(429, after, ""), Some(7));
        assert_eq!(wait(429, used_up, ""), Some(91));
        assert_eq!(wait(429, Limits { reset: Some(1009), ..none }, ""), Some(10));
        assert_eq!(wait(429, none, ""), Some(0));
        assert_eq!(wait(403, after, "no"), Some(7));
        assert_eq!(wait(403, used_up, "API rate limit exceeded"), Some(91));
        assert_eq!(wait(403, none, "You have exceeded a Secondary rate limit."), Some(60));
        assert_eq!(wait(403, Limits { remaining: Some(4000), reset: Some(2000), ..none }, "Forbidden"), None);
        for status in [400, 401, 404, 422, 500, 503] {
            assert_eq!(wait(status, after, ""), None, "{status}");
        }
    }

    #[test]
    fn what_a_service_says_is_one_line() {
        for (body, expected) in [
            (r#"{"message":"404 Project Not Found"}"#, "404 Project Not Found"),
            (
                r#"{"message":{"base":["is taken"],"line_code":["can't be blank"]}}"#,
                "is taken; line_code: can't be blank",
            ),
            (r#"{"error":"insufficient_scope","error_description":"more\nneeded"}"#, "insufficient_scope; more needed"),
            (
                r#"{"message":"Validation Failed","errors":[{"resource":"Release","code":"already_exists","field":"tag_name"}],"documentation_url":"https://x"}"#,
                "Validation Failed; resource: Release; code: already_exists; field: tag_name",
            ),
            ("<h1>\n502\u{1b}[31m</h1>", "<h1> 502[31m</h1>"),
            ("", ""),
        ] {
            assert_eq!(said(body), expected);
        }
        assert_eq!(said(&"x".repeat(9000)).len(), SHOWN);
    }

    #[test]
    fn further_pages_are_asked_where_the_first_one_was() {
        let base = "https://gitlab.example/api/v4";
        assert_eq!(on_this_host(base, "http://internal:8080/api/v4/projects?page=2"), Some("/projects?page=2"));
        assert_eq!(on_this_host("https://api.github.com", "https://api.github.com/r?page=2"), Some("/r?page=2"));
        for url in
            ["https://gitlab.example/api/v5/x", "https://gitlab.example", "https://gitlab.example/api/v4evil", "x"]
        {
            assert_eq!(on_this_host(base, url), None, "{url}");
        }
    }
}
