//! The HTTP client of shiro itself: the job's certificates, ring, no redirects, and no patience without end.

use std::error::Error;
use std::ffi::OsString;
use std::io;
use std::time::Duration;

use super::trust::trust;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(15);

/// What every client of shiro keeps to: the certificates of the job, no redirect that nobody looked at, nothing sent twice
/// behind anybody's back, and no server told where a request came from.
pub fn builder(certificates: rustls::ClientConfig) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .tls_backend_preconfigured(certificates)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
}

/// What shiro calls itself where it asks for itself.
pub const USER_AGENT: &str = concat!("shiro/", env!("CARGO_PKG_VERSION"));

/// A client for this job. On loopback there is no proxy; `plain` allows HTTP without TLS; a request and its answer may take
/// `total` from end to end.
pub fn client(
    job_env: &[(OsString, OsString)],
    loopback: bool,
    plain: bool,
    total: Duration,
) -> Result<reqwest::Client, String> {
    let trust = trust(job_env).map_err(|error| error.to_string())?;
    let mut builder =
        builder(trust.config).https_only(!plain).user_agent(USER_AGENT).connect_timeout(CONNECT).timeout(total);
    if loopback {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|error| chain(&error.without_url()))
}

/// An error with what caused it, on one line.
pub fn chain(error: &dyn Error) -> String {
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

/// What caused an error, on one line and without the error itself: the outermost of a request says no more than "error sending
/// request", and names the URL.
pub fn causes(error: &(dyn Error + 'static)) -> String {
    let mut causes: Vec<String> = sources(error).skip(1).map(ToString::to_string).collect();
    causes.dedup();
    if causes.is_empty() { "the request failed".to_owned() } else { causes.join(": ") }
}

/// An error, then what caused it, and so on.
pub fn sources<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        // An `io::Error` is shown as what it was made from, but does not say that this is its source.
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        inner.map(|inner| inner as &(dyn Error + 'static)).or_else(|| error.source())
    })
}
