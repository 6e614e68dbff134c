//! Where a request wants to go, and whether it may.

use http::Method;
use http::uri::Uri;
use url::Url;

use crate::capability::{Destination, Grants, NetworkPermission, Origin, PrivateRanges};
use crate::net::address::{Prohibited, check_host};

/// The longest URL.
const URL_BYTES: usize = 32 << 10;

/// A destination that was granted.
#[derive(Debug)]
pub(super) struct Target {
    /// The URL to ask: what was checked is what is dialled.
    pub(super) url: Url,
    /// Which addresses that are not the internet's are fine.
    pub(super) private: PrivateRanges,
    /// What was used of the grants.
    pub(super) used: NetworkPermission,
}

/// Why a request is not sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No URL that can be asked.
    InvalidUri,
    /// Longer than anybody needs.
    UriTooLong,
    /// Not granted.
    NotGranted {
        /// What was tried, without path and query.
        tried: String,
        /// Who does not allow it.
        by: Origin,
        /// The least that would.
        need: NetworkPermission,
    },
    /// Granted, but the address is not one to send this to.
    Prohibited(Prohibited, PrivateRanges, NetworkPermission),
}

/// Checks a request against what is granted. Names are looked up later, and their addresses checked then.
pub(super) fn target(method: &Method, uri: &Uri, grants: &Grants) -> Result<Target, Box<Refusal>> {
    let text = uri.to_string();
    if text.len() > URL_BYTES {
        return Err(Box::new(Refusal::UriTooLong));
    }
    // `user@host` is either a credential in a place that gets logged, or a trick on the reader.
    if uri.authority().is_none_or(|authority| authority.as_str().contains('@')) {
        return Err(Box::new(Refusal::InvalidUri));
    }
    let url = Url::parse(&text).map_err(|_| Box::new(Refusal::InvalidUri))?;
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
        return Err(Box::new(Refusal::InvalidUri));
    };
    let destination = Destination { method: method.as_str(), scheme: url.scheme(), host, port, path: url.path() };
    let need = NetworkPermission {
        url: url.origin().ascii_serialization(),
        methods: vec![method.to_string()],
        private: grants.ranges_in_repository(destination),
        ..NetworkPermission::default()
    };
    let private = grants.network(destination).map_err(|by| {
        let path = if grants.is_about_the_path(&by, destination) { ", to a path that is not granted" } else { "" };
        let tried = format!("send a {method} request to {}://{host}:{port}{path}", url.scheme());
        Box::new(Refusal::NotGranted { tried, by, need: need.clone() })
    })?;
    match check_host(&url, &private) {
        Ok(()) => Ok(Target { url, private, used: need }),
        Err(prohibited) => Err(Box::new(Refusal::Prohibited(prohibited, private, need))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::testing::network;

    #[expect(clippy::result_large_err, reason = "so that tests can match it")]
    fn ask(uri: &str, grants: &Grants) -> Result<Target, Refusal> {
        target(&Method::GET, &uri.parse().unwrap(), grants).map_err(|refusal| *refusal)
    }

    fn grants(entries: &[(&str, &str, u16, bool)]) -> Grants {
        let entry =
            |&(scheme, host, port, named): &(&str, &str, u16, bool)| (format!("{scheme}://{host}:{port}"), named);
        network(entries.iter().map(entry))
    }

    #[test]
    fn only_the_granted_scheme_host_and_port() {
        let grants = grants(&[("https", "hooks.slack.com", 443, false)]);
        assert!(ask("https://hooks.slack.com/services/T/B/X", &grants).is_ok());
        assert!(ask("https://HOOKS.slack.com:443/", &grants).is_ok());
        for uri in [
            "http://hooks.slack.com/",
            "https://hooks.slack.com:8443/",
            "https://slack.com/",
            "https://hooks.slack.com.evil.com/",
            "https://evilhooks.slack.com/",
        ] {
            assert!(matches!(ask(uri, &grants), Err(Refusal::NotGranted { .. })), "{uri}");
        }
    }

    #[test]
    fn a_refusal_names_no_path_and_no_query() {
        let refusal = ask("https://evil.example/secret?token=1", &Grants::default()).unwrap_err();
        let Refusal::NotGranted { tried, need, .. } = refusal else { panic!("{refusal:?}") };
        assert_eq!(tried, "send a GET request to https://evil.example:443");
        assert_eq!(need.url, "https://evil.example");
    }

    #[test]
    fn no_user_info() {
        let grants = grants(&[("https", "a.example", 443, false), ("https", "evil.example", 443, false)]);
        for uri in ["https://a.example@evil.example/", "https://user:pw@a.example/", "https://@a.example/"] {
            assert_eq!(ask(uri, &grants).unwrap_err(), Refusal::InvalidUri, "{uri}");
        }
    }

    #[test]
    fn an_address_in_any_spelling_is_the_same_address() {
        let granted = |private| {
            grants(&[
                ("http", "127.0.0.1", 80, private),
                ("http", "0.0.0.0", 80, private),
                ("http", "[::1]", 80, private),
                ("http", "[::]", 80, private),
            ])
        };
        for uri in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://017700000001/",
            "http://0.0.0.0/",
            "http://[::1]/",
            "http://[::]/",
            "http://127.0.0.1./",
        ] {
            assert!(matches!(ask(uri, &granted(false)), Err(Refusal::Prohibited(..))), "{uri}");
            assert!(ask(uri, &granted(true)).is_ok(), "{uri}");
            assert!(matches!(ask(uri, &Grants::default()), Err(Refusal::NotGranted { .. })), "{uri}");
        }
    }

    #[test]
    fn metadata_services_whatever_is_granted() {
        let grants = grants(&[
            ("http", "169.254.169.254", 80, true),
            ("http", "[fd00:ec2::254]", 80, true),
            ("http", "100.100.100.200", 80, true),
            ("http", "metadata.google.internal", 80, true),
            ("http", "metadata.google.internal.", 80, true),
        ]);
        for uri in [
            "http://169.254.169.254/latest/meta-data/",
            "http://2852039166/",
            "http://[fd00:ec2::254]/",
            "http://100.100.100.200/",
            "http://metadata.google.internal/computeMetadata/v1/",
            "http://METADATA.google.internal./",
        ] {
            let refusal = ask(uri, &grants).unwrap_err();
            assert!(
                matches!(refusal, Refusal::Prohibited(Prohibited { metadata: true, .. }, ..)),
                "{uri}: {refusal:?}"
            );
        }
    }

    #[test]
    fn an_endless_url_is_refused() {
        let uri = format!("https://a.example/{}", "x".repeat(URL_BYTES));
        assert_eq!(ask(&uri, &Grants::default()).unwrap_err(), Refusal::UriTooLong);
    }
}
