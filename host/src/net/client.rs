//! The clients that send requests: made when first needed, shared by all who may use the same connections. A request goes
//! through the job's proxy, or to addresses that come from one look-up, are checked, and pinned.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::OnceCell;
use url::Url;

use super::address::{Prohibited, check};
use super::trust::{Trust, trust};
use super::{http, is_loopback_name};
use crate::capability::PrivateRanges;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Sends the requests of a run.
pub struct Clients {
    job_env: Vec<(OsString, OsString)>,
    proxies: Matcher,
    trust: OnceCell<Trust>,
    clients: Mutex<HashMap<Route, reqwest::Client>>,
}

/// Connections are shared only by requests that may use the same ones: a connection to a private address that one step
/// was granted must not serve a step that may not reach it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Route {
    Direct { private: PrivateRanges },
    Proxy(String),
}

/// Why there is no client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// Nothing can be verified.
    #[error("no certificate authorities found{}: install the ca-certificates package, or set SSL_CERT_FILE", details(.0))]
    NoCertificates(Vec<String>),
    /// The client could not be made: a proxy variable that can't be used, most likely.
    #[error("{0}")]
    Unusable(String),
}

fn details(problems: &[String]) -> String {
    if problems.is_empty() { String::new() } else { format!(" ({})", problems.join("; ")) }
}

impl Clients {
    /// Whose certificates, and which proxies, the job's environment decides.
    pub fn new(job_env: &[(OsString, OsString)]) -> Self {
        let proxies = Matcher::builder()
            .all(first(job_env, &["ALL_PROXY", "all_proxy"]))
            .http(first(job_env, &["HTTP_PROXY", "http_proxy"]))
            .https(first(job_env, &["HTTPS_PROXY", "https_proxy"]))
            .no(first(job_env, &["NO_PROXY", "no_proxy"]))
            .build();
        Self { job_env: job_env.to_vec(), proxies, trust: OnceCell::new(), clients: Mutex::default() }
    }

    /// The same with these certificates, whatever the environment says.
    pub fn trusting(job_env: &[(OsString, OsString)], trust: Trust) -> Self {
        Self { trust: OnceCell::new_with(Some(trust)), ..Self::new(job_env) }
    }

    /// The client for this URL, which may be at these private addresses. The host itself has passed
    /// [`check_host`](super::address::check_host).
    pub async fn get(&self, url: &Url, private: &PrivateRanges) -> Result<reqwest::Client, ClientError> {
        let trust = self.trust().await?;
        if trust.empty && url.scheme() == "https" {
            return Err(ClientError::NoCertificates(trust.problems.clone()));
        }
        let proxy = self.proxy(url);
        let route = match &proxy {
            Some(proxy) => Route::Proxy(proxy.uri().to_string()),
            None => Route::Direct { private: private.clone() },
        };
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&route) {
            return Ok(client.clone());
        }
        let client = build(&route, proxy.as_ref(), trust)?;
        clients.insert(route, client.clone());
        Ok(client)
    }

    /// The job's proxy for this URL. Requests that stay on this machine never go through one.
    fn proxy(&self, url: &Url) -> Option<Intercept> {
        let host = url.host_str()?;
        if is_loopback_name(host) {
            return None;
        }
        self.proxies.intercept(&url.as_str().parse().ok()?)
    }

    async fn trust(&self) -> Result<&Trust, ClientError> {
        self.trust
            .get_or_try_init(|| async {
                let job_env = self.job_env.clone();
                tokio::task::spawn_blocking(move || trust(&job_env))
                    .await
                    .map_err(|error| ClientError::Unusable(error.to_string()))?
                    .map_err(|error| ClientError::Unusable(error.to_string()))
            })
            .await
    }
}

fn build(route: &Route, proxy: Option<&Intercept>, trust: &Trust) -> Result<reqwest::Client, ClientError> {
    let unusable =
        |what: &str, error: reqwest::Error| ClientError::Unusable(format!("{what}: {}", error.without_url()));
    let mut builder = http::builder(trust.config.clone()).connect_timeout(CONNECT_TIMEOUT).no_proxy();
    builder = match route {
        Route::Direct { private } => builder.dns_resolver(Arc::new(CheckedResolver { private: private.clone() })),
        // It is the proxy that looks the target's name up; its own address is the job's business.
        Route::Proxy(_) => builder.dns_resolver(Arc::new(CheckedResolver { private: PrivateRanges::any() })),
    };
    if let Some(intercept) = proxy {
        let mut proxy = reqwest::Proxy::all(intercept.uri().to_string())
            .map_err(|error| unusable("the job's proxy variable can't be used", error))?;
        if let Some(credentials) = intercept.basic_auth() {
            proxy = proxy.custom_http_auth(credentials.clone());
        }
        builder = builder.proxy(proxy);
    }
    builder.build().map_err(|error| unusable("the HTTP client can't be set up", error))
}

fn first(job_env: &[(OsString, OsString)], names: &[&str]) -> String {
    let value = |name: &&str| job_env.iter().find(|(key, _)| key == *name).and_then(|(_, value)| value.to_str());
    names.iter().find_map(value).unwrap_or_default().to_owned()
}

/// Looks a name up once and gives out only the addresses that pass: nothing else is dialled, whatever a second look-up
/// would say.
struct CheckedResolver {
    private: PrivateRanges,
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let private = self.private.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let allowed = filter(&found, name.as_str(), &private)?;
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

fn filter(
    found: &[SocketAddr],
    name: &str,
    private: &PrivateRanges,
) -> Result<Vec<SocketAddr>, Box<dyn std::error::Error + Send + Sync>> {
    let mut allowed = Vec::new();
    let mut prohibited: Option<Prohibited> = None;
    for address in found {
        match check(address.ip(), name, private) {
            Ok(()) => allowed.push(*address),
            Err(error) => prohibited = Some(error),
        }
    }
    match prohibited {
        Some(error) if allowed.is_empty() => Err(error.into()),
        _ if allowed.is_empty() => Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address").into()),
        _ => Ok(allowed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clients(entries: &[(&str, &str)]) -> Clients {
        let job_env: Vec<_> = entries.iter().map(|(key, value)| (OsString::from(key), OsString::from(value))).collect();
        Clients::new(&job_env)
    }

    #[test]
    fn the_jobs_proxies_hold_except_for_loopback() {
        let clients = clients(&[
            ("https_proxy", "http://proxy.example:3128"),
            ("HTTP_PROXY", "http://user:pw@other.example:8080"),
            ("NO_PROXY", "internal.example,10.0.0.0/8"),
        ]);
        let proxy = |url: &str| clients.proxy(&Url::parse(url).unwrap()).map(|proxy| proxy.uri().to_string());
        assert_eq!(proxy("https://hooks.slack.com/x").as_deref(), Some("http://proxy.example:3128/"));
        assert_eq!(proxy("http://example.com/x").as_deref(), Some("http://other.example:8080/"));
        for url in [
            "https://internal.example/",
            "https://a.internal.example/",
            "https://10.1.2.3/",
            "http://localhost:1234/",
            "https://127.0.0.1/",
            "http://[::1]:80/",
        ] {
            assert_eq!(proxy(url), None, "{url}");
        }
    }

    #[test]
    fn only_addresses_that_pass_are_dialled() {
        let found: Vec<SocketAddr> = ["93.184.216.34:0", "127.0.0.1:0", "[::ffff:10.0.0.1]:0"]
            .iter()
            .map(|text| text.parse().unwrap())
            .collect();
        assert_eq!(filter(&found, "a.example", &PrivateRanges::none()).unwrap(), found[..1]);
        assert_eq!(filter(&found, "a.example", &PrivateRanges::any()).unwrap(), found);
        let error = filter(&found[1..], "a.example", &PrivateRanges::none()).unwrap_err();
        assert!(error.is::<Prohibited>());
        let metadata: Vec<SocketAddr> = vec!["169.254.169.254:0".parse().unwrap()];
        assert!(filter(&metadata, "a.example", &PrivateRanges::any()).is_err());
    }
}
