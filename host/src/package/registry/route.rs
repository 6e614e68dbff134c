//! Where requests may go: to the registry, and from there no deeper into a network than the registry itself is.

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::super::error::PackageError;
use crate::net::address::{Reach, is_metadata_name, reach};

/// How far inside an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Depth {
    Internet,
    /// This network.
    Network,
    /// This machine.
    Machine,
}

/// An address that a registry sends to, and that requests do not go to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{registry}: it sends on to {host}, whose address {address} is {what}")]
struct Refused {
    registry: String,
    host: String,
    address: String,
    what: &'static str,
}

/// Says which addresses requests may go to, and looks names up for the client: once, so that what was checked is dialled.
#[derive(Clone, Debug)]
pub(super) struct Route {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// The registry's own host.
    registry: String,
    /// Hosts of the job's proxies: whoever made the job chose them.
    proxies: Vec<String>,
    /// How far inside the registry is, as far as that is known.
    depth: Mutex<Depth>,
}

impl Route {
    /// For a registry with this address, in this job's environment.
    pub(super) fn new(registry: &Url, job_env: &[(OsString, OsString)]) -> Self {
        let inner =
            Inner { registry: host_of(registry), proxies: proxies(job_env), depth: Mutex::new(Depth::Internet) };
        Self { inner: Arc::new(inner) }
    }

    /// Whether a request may go to this address, as far as its spelling tells: names are checked when they are looked up.
    pub(super) fn check(&self, url: &Url) -> Result<(), PackageError> {
        let host = host_of(url);
        let address = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            _ if is_metadata_name(&host) => return Err(self.refused(&host, &host, METADATA).into()),
            _ => None,
        };
        match address {
            Some(address) => self.allowed(&host, address).map_err(PackageError::from),
            None => Ok(()),
        }
    }

    fn allowed(&self, host: &str, address: IpAddr) -> Result<(), Refused> {
        let depth = match reach(address) {
            Reach::Metadata => return Err(self.refused(host, &address.to_string(), METADATA)),
            Reach::Global => Depth::Internet,
            Reach::Private => inside(address),
        };
        let mut registry = self.inner.depth.lock().unwrap_or_else(PoisonError::into_inner);
        if host == self.inner.registry {
            *registry = depth.max(*registry);
        } else if depth > *registry && !self.inner.proxies.iter().any(|proxy| proxy == host) {
            let what = if depth == Depth::Machine { "this machine's" } else { "not one of the internet" };
            return Err(self.refused(host, &address.to_string(), what));
        }
        Ok(())
    }

    fn refused(&self, host: &str, address: &str, what: &'static str) -> Refused {
        let registry = self.inner.registry.clone();
        Refused { registry, host: host.to_owned(), address: address.to_owned(), what }
    }
}

const METADATA: &str = "a cloud's metadata service";

/// The loopback addresses, and those that mean any of this machine.
fn inside(address: IpAddr) -> Depth {
    let address = address.to_canonical();
    if address.is_loopback() || address.is_unspecified() { Depth::Machine } else { Depth::Network }
}

impl Resolve for Route {
    fn resolve(&self, name: Name) -> Resolving {
        let route = self.clone();
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            for address in &found {
                route.allowed(&host, address.ip())?;
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

impl From<Refused> for PackageError {
    fn from(refused: Refused) -> Self {
        Self::refused("bad-address", refused.to_string())
            .hint("nothing was sent there: tell whoever runs the registry, or use one that keeps its content elsewhere")
    }
}

/// What was refused while a name was looked up, if that is why a request failed.
pub(super) fn refusal(error: &(dyn std::error::Error + 'static)) -> Option<PackageError> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(refused) = error.downcast_ref::<Refused>() {
            return Some(refused.clone().into());
        }
        cause = error.source();
    }
    None
}

fn host_of(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

fn proxies(job_env: &[(OsString, OsString)]) -> Vec<String> {
    let named = |name: &str| ["http_proxy", "https_proxy", "all_proxy"].contains(&name.to_ascii_lowercase().as_str());
    let values = job_env.iter().filter(|(name, _)| name.to_str().is_some_and(named));
    let host = |value: &str| {
        let url = if value.contains("://") { Url::parse(value) } else { Url::parse(&format!("http://{value}")) };
        url.ok().map(|url| host_of(&url)).filter(|host| !host.is_empty())
    };
    values.filter_map(|(_, value)| host(value.to_str()?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(registry: &str, its_address: &str) -> Route {
        let env = [(OsString::from("HTTPS_PROXY"), OsString::from("proxy.local:3128"))];
        let route = Route::new(&Url::parse(registry).unwrap(), &env);
        route.allowed(&route.inner.registry, its_address.parse().unwrap()).unwrap();
        route
    }

    fn may(route: &Route, addresses: &[(&str, bool)]) {
        for (address, expected) in addresses {
            let allowed = route.allowed("blobs.example.com", address.parse().unwrap());
            assert_eq!(allowed.is_ok(), *expected, "{address}");
        }
    }

    #[test]
    fn requests_go_no_deeper_than_the_registry_is() {
        let public = route("https://registry.example.com", "1.1.1.1");
        may(&public, &[("8.8.8.8", true), ("10.0.0.1", false), ("127.0.0.1", false), ("0.0.0.0", false)]);
        let private = route("https://registry.example.com", "10.0.0.5");
        may(&private, &[("8.8.8.8", true), ("10.0.0.1", true), ("::ffff:127.0.0.1", false), ("fd00::1", true)]);
        let loopback = route("http://localhost:5000", "127.0.0.1");
        may(&loopback, &[("10.0.0.1", true), ("127.0.0.1", true), ("::1", true)]);
        for route in [public, private, loopback] {
            may(&route, &[("169.254.169.254", false), ("::ffff:169.254.169.254", false), ("fd00:ec2::254", false)]);
        }
    }

    #[test]
    fn addresses_are_checked_in_every_spelling_and_names_of_metadata_services() {
        let route = route("https://registry.example.com", "1.1.1.1");
        for bad in [
            "https://127.0.0.1/x",
            "https://2130706433/x",
            "https://0x7f.1/x",
            "https://[::1]/x",
            "https://169.254.169.254/latest",
            "http://metadata.google.internal/x",
        ] {
            let error = route.check(&Url::parse(bad).unwrap()).unwrap_err();
            assert_eq!(error.code, "bad-address", "{bad}");
            assert!(error.message.starts_with("registry.example.com: it sends on to "), "{}", error.message);
        }
        route.check(&Url::parse("https://blobs.example.com/x").unwrap()).unwrap();
    }

    #[test]
    fn the_job_s_proxy_may_be_anywhere() {
        let route = route("https://registry.example.com", "1.1.1.1");
        assert!(route.allowed("proxy.local", "10.0.0.1".parse().unwrap()).is_ok());
        assert!(route.allowed("proxy.local", "169.254.169.254".parse().unwrap()).is_err());
    }
}
