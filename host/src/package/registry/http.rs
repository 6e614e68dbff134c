//! HTTP with a registry that may be hostile or broken: nothing is read beyond a bound, waited for without end, or followed
//! to where it is less safe.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, LOCATION, RETRY_AFTER};
use http::{HeaderMap, Method, StatusCode};
use reqwest::Response;
use url::Url;

use super::super::error::PackageError;
use super::route::{Route, refusal};
use crate::net::http::{USER_AGENT, builder, chain};
use crate::net::trust::trust;

/// How often an answer may point elsewhere.
const REDIRECTS: usize = 5;
/// What is read of an answer that is an error.
const ERROR_BYTES: u64 = 16 << 10;

/// How often a request is sent at most, where the answer is that it may work later.
const TRIES: u32 = 5;
/// The longest that is waited between two of them.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How long to wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// For a connection.
    pub(super) connect: Duration,
    /// For the next part of an answer.
    pub(super) idle: Duration,
    /// For a request and its answer, from end to end.
    pub(super) total: Duration,
    /// Before a request is sent again, where the registry does not say; twice as long each time.
    pub(super) pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { connect: seconds(30), idle: seconds(60), total: seconds(600), pause: Duration::from_millis(500) }
    }
}

/// A request, which can be sent again.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// It is part of something that has to be begun again.
    pub(super) once: bool,
}

impl Call {
    pub(super) fn new(method: Method, url: Url) -> Self {
        Self { method, url, headers: HeaderMap::new(), body: Bytes::new(), once: false }
    }
}

/// Decides whether a request is sent again.
pub(super) struct Retry {
    left: u32,
    pause: Duration,
}

impl Retry {
    /// Waits as long as this answer asks for, and says so, if the request is to be sent again.
    pub(super) async fn again(&mut self, response: &Response) -> bool {
        if !may_work_later(response.status()) || self.left == 0 {
            return false;
        }
        let pause = retry_after(response.headers()).unwrap_or(self.pause);
        if pause > LONGEST_PAUSE {
            return false;
        }
        self.left -= 1;
        self.pause *= 2;
        tokio::time::sleep(pause).await;
        true
    }
}

/// The registry is busy, or broken for now.
fn may_work_later(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 500 | 502 | 503 | 504)
}

/// How long an answer asks to wait, in seconds. One that names a date is left to the usual pauses.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Sends requests.
pub(super) struct Http {
    client: reqwest::Client,
    route: Route,
    pause: Duration,
    /// Why certificates are missing, if some are.
    problems: Vec<String>,
}

impl Http {
    /// For a registry with this address, with the job's certificates and, unless everything stays on this machine, its
    /// proxies.
    pub(super) fn new(
        registry: &Url,
        job_env: &[(OsString, OsString)],
        loopback: bool,
        patience: Patience,
    ) -> Result<Self, PackageError> {
        let unusable = |what: String| PackageError::refused("http", format!("the HTTP client can't be set up: {what}"));
        let trust = trust(job_env).map_err(|error| unusable(error.to_string()))?;
        let route = Route::new(registry, job_env);
        let mut builder = builder(trust.config)
            .dns_resolver(Arc::new(route.clone()))
            .user_agent(USER_AGENT)
            .connect_timeout(patience.connect)
            .read_timeout(patience.idle)
            .timeout(patience.total);
        if loopback {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|error| unusable(chain(&error.without_url())))?;
        Ok(Self { client, route, pause: patience.pause, problems: trust.problems })
    }

    /// For something that is begun again where the answer is that it may work later.
    pub(super) fn retry(&self) -> Retry {
        Retry { left: TRIES - 1, pause: self.pause }
    }

    /// Sends a request as it is, again where the answer is that it may work later.
    pub(super) async fn send(&self, call: Call) -> Result<Response, PackageError> {
        let mut retry = self.retry();
        loop {
            let response = self.once(call.clone()).await?;
            if !retry.again(&response).await {
                return Ok(response);
            }
        }
    }

    /// Sends a request as it is, once.
    pub(super) async fn once(&self, call: Call) -> Result<Response, PackageError> {
        let Call { method, url, headers, body, .. } = call;
        self.route.check(&url)?;
        let host = place(&url);
        // A registry may insist on a length even where there is no body.
        let request = self.client.request(method, url).headers(headers).body(body);
        request.send().await.map_err(|error| {
            if let Some(refused) = refusal(&error) {
                return refused;
            }
            let timeout = error.is_timeout();
            let what = chain(&error.without_url());
            let hint = if timeout {
                "try again, or ask whoever runs the registry".to_owned()
            } else if what.contains("certificate") || what.contains("UnknownIssuer") {
                let more =
                    if self.problems.is_empty() { String::new() } else { format!(" ({})", self.problems.join("; ")) };
                format!("name the registry's certificate authority in SSL_CERT_FILE or CI_SERVER_TLS_CA_FILE{more}")
            } else {
                "check the registry's address and the network; a registry without TLS needs -plain-http".to_owned()
            };
            PackageError::refused("unreachable", format!("{host}: {what}")).hint(hint)
        })
    }

    /// Sends a GET or HEAD and follows redirects, as registries answer that keep their blobs elsewhere: never from HTTPS to
    /// HTTP, and with credentials only for who they are for.
    pub(super) async fn follow(&self, mut call: Call) -> Result<Response, PackageError> {
        for _ in 0..=REDIRECTS {
            let response = self.send(call.clone()).await?;
            let redirects = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
            let Some(location) = response.headers().get(LOCATION).filter(|_| redirects) else { return Ok(response) };
            let next = location.to_str().ok().and_then(|location| call.url.join(location).ok());
            let next = next.ok_or_else(|| redirect(&call.url, "somewhere that is no address"))?;
            check_step(&call.url, &next)?;
            if next.origin() != call.url.origin() {
                call.headers.remove(AUTHORIZATION);
            }
            call.url = next;
        }
        Err(redirect(&call.url, "in circles"))
    }
}

/// A registry's name as it stands in references: the host, with its port if it has one of its own.
fn place(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Whether one address may lead to another.
pub(super) fn check_step(from: &Url, to: &Url) -> Result<(), PackageError> {
    match (from.scheme(), to.scheme()) {
        (_, "https") | ("http", "http") => Ok(()),
        _ => Err(redirect(from, "to a connection without TLS")),
    }
}

fn redirect(from: &Url, what: &str) -> PackageError {
    PackageError::refused("bad-redirect", format!("{}: it sends on {what}", place(from)))
        .hint("this is a fault of the registry: tell whoever runs it")
}

/// Reads an answer's body of at most `most` bytes. `what` says what it is.
pub(super) async fn read(mut response: Response, most: u64, what: &str) -> Result<Vec<u8>, PackageError> {
    let host = place(response.url());
    let too_large = || {
        PackageError::refused("too-large", format!("{host}: {what} is larger than {most} bytes: refused"))
            .hint("this is not what a registry should answer: check its address")
    };
    if response.content_length().is_some_and(|length| length > most) {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    loop {
        let part = response.chunk().await.map_err(|error| {
            let timeout = error.is_timeout();
            let cause = chain(&error.without_url());
            let (code, how) = if timeout { ("timeout", "did not come in time") } else { ("truncated", "is cut off") };
            PackageError::refused(code, format!("{host}: {what} {how}: {cause}")).hint("try again")
        })?;
        let Some(part) = part else { return Ok(bytes) };
        if bytes.len() as u64 + part.len() as u64 > most {
            return Err(too_large());
        }
        bytes.extend_from_slice(&part);
    }
}

/// What an answer says that is an error: its status, and the messages in it if it has the specified form.
pub(super) async fn failure(response: Response, what: &str) -> PackageError {
    #[derive(serde::Deserialize)]
    struct Errors {
        errors: Vec<One>,
    }
    #[derive(serde::Deserialize)]
    struct One {
        code: String,
        #[serde(default)]
        message: Option<String>,
    }
    let status = response.status();
    let wait = retry_after(response.headers());
    let host = place(response.url());
    let body = read(response, ERROR_BYTES, "the error").await.unwrap_or_default();
    let mut message = format!("{host}: {what}: {status}");
    for error in serde_json::from_slice::<Errors>(&body).map(|errors| errors.errors).unwrap_or_default() {
        let text = error.message.unwrap_or(error.code);
        // It comes from outside: no line breaks, no control sequences, no novels.
        let text: String = text.chars().filter(|character| !character.is_control()).take(200).collect();
        message.push_str(&format!(": {text}"));
    }
    let error = |code| PackageError::refused(code, message);
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => error("unauthorized").hint(format!(
            "log in (docker login {host}), or give the job a Docker config with its credentials (DOCKER_CONFIG)"
        )),
        StatusCode::NOT_FOUND => {
            error("not-found").hint("check the path and the tag; a registry may also hide what needs a login")
        }
        StatusCode::TOO_MANY_REQUESTS => error("rate-limit")
            .hint(format!("try again {}, or log in: registries give more to who they know", later(wait))),
        status if may_work_later(status) => {
            error("registry").hint(format!("try again {}, or ask whoever runs the registry", later(wait)))
        }
        _ => error("registry").hint("ask whoever runs the registry"),
    }
}

fn later(wait: Option<Duration>) -> String {
    wait.map_or_else(|| "later".to_owned(), |wait| format!("in {} s", wait.as_secs()))
}
