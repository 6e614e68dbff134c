//! The HTTP client of shiro itself: the job's certificates, ring, no redirects, and no patience without end.

use std::ffi::OsString;
use std::time::Duration;

use super::trust::trust;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(15);

/// A client for this job. On loopback there is no proxy; `plain` allows HTTP without TLS; a request and its answer may take
/// `total` from end to end.
pub fn client(
    job_env: &[(OsString, OsString)],
    loopback: bool,
    plain: bool,
    total: Duration,
) -> Result<reqwest::Client, String> {
    let trust = trust(job_env).map_err(|error| error.to_string())?;
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(trust.config)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        .https_only(!plain)
        .user_agent(concat!("shiro/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .timeout(total);
    if loopback {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|error| chain(&error.without_url()))
}

/// An error with what caused it, on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        // Many say what caused them themselves.
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = error.source();
    }
    text
}
