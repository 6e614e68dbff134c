//! Network permissions: which HTTP requests.

use std::fmt;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use url::Url;

use super::is_empty_list;
use super::reference::has_references;

/// HTTP requests to a scheme, host and port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkPermission {
    /// Whom it reaches: a URL whose scheme, host and port count, e.g. `https://slack.com` or `{config.webhook_url}`; its
    /// host may be `*.example.com` (any name below it) or `*`, its port `*`; `*` alone is any URL.
    pub url: String,
    /// HTTP methods in upper case. None means any.
    #[serde(default, skip_serializing_if = "is_empty_list")]
    pub methods: Vec<String>,
    /// What the path begins with, segment by segment: `/v1` covers `/v1` and `/v1/x`, not `/v10`. None means any path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_prefix: Option<String>,
    /// Address ranges (CIDR) that are not the internet's and that the host may have all the same. Only a policy gives
    /// them: a request that names any is refused.
    #[serde(default, skip_serializing_if = "is_empty_list")]
    pub private: Vec<String>,
}

impl NetworkPermission {
    /// Every request that `other` covers, this one covers.
    pub fn covers(&self, other: &Self) -> bool {
        let url = self.url == other.url
            || match (UrlPattern::parse(&self.url), UrlPattern::parse(&other.url)) {
                (Ok(own), Ok(others)) => own.covers(&others),
                // What a reference decides is covered by any URL, and by nothing else.
                (Ok(own), Err(_)) => own.is_any() && has_references(&other.url),
                _ => false,
            };
        url && methods_cover(&self.methods, &other.methods)
            && prefix_covers(self.path_prefix.as_deref(), other.path_prefix.as_deref())
            && other.private.iter().all(|range| self.private.contains(range))
    }

    /// What is wrong with it, if something is. References are not looked into.
    pub(super) fn problem(&self) -> Option<(&'static str, String)> {
        if !has_references(&self.url)
            && let Err(problem) = UrlPattern::parse(&self.url)
        {
            return Some(("url", problem));
        }
        if let Some(method) = self.methods.iter().find(|method| !is_method(method)) {
            let hint = "a method is in upper case, e.g. `GET`; `CONNECT` and `TRACE` are never sent";
            return Some(("methods", format!("`{method}` is no method that can be sent: {hint}")));
        }
        if let Some(range) = self.private.iter().find(|range| range.parse::<IpNet>().is_err()) {
            return Some((
                "private",
                format!("`{range}` is no range of addresses such as `10.0.0.0/8` or `10.1.2.3/32`"),
            ));
        }
        let prefix = self.path_prefix.as_ref()?;
        let wrong = !prefix.starts_with('/') || normal_path(prefix).as_deref() != Some(prefix);
        wrong.then(|| {
            ("path_prefix", "it begins with `/` and has neither `..`, `?`, `#` nor characters to escape".to_owned())
        })
    }
}

impl fmt::Display for NetworkPermission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.methods.as_slice() {
            [] => f.write_str("requests")?,
            methods => write!(f, "{} requests", methods.join(", "))?,
        }
        match UrlPattern::parse(&self.url) {
            Ok(pattern) => write!(f, " to {pattern}")?,
            Err(_) => write!(f, " to the host of `{}`", self.url)?,
        }
        if let Some(prefix) = &self.path_prefix {
            write!(f, ", paths below {prefix}")?;
        }
        if !self.private.is_empty() {
            write!(f, ", also in {}", self.private.join(", "))?;
        }
        Ok(())
    }
}

/// A scheme, host and port, each of which may be open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlPattern {
    /// `http` or `https`; `None` for either.
    scheme: Option<String>,
    host: Host,
    /// `None` for any.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Any,
    /// With its leading dot.
    Below(String),
    /// As `url` writes it: lower case, IPv6 in brackets.
    Exactly(String),
}

impl UrlPattern {
    /// Reads `*` or `scheme://host[:port]`. A path, a query or a user is an error that says where they belong.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self { scheme: None, host: Host::Any, port: None });
        }
        let (scheme, rest) = text
            .split_once("://")
            .filter(|(scheme, _)| matches!(*scheme, "http" | "https"))
            .ok_or("it is `*`, or begins with `https://` or `http://`")?;
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#', '\\']) {
            return Err("only scheme, host and port count here: write the path as `path_prefix`".into());
        }
        if authority.contains('@') {
            return Err("a user or password has no place in it".into());
        }
        let (host, port) = split_port(scheme, authority)?;
        Ok(Self { scheme: Some(scheme.to_owned()), host: Host::parse(host)?, port })
    }

    /// One scheme, host and port.
    pub fn exactly(scheme: &str, host: &str, port: u16) -> Self {
        Self { scheme: Some(scheme.to_owned()), host: Host::Exactly(host.to_ascii_lowercase()), port: Some(port) }
    }

    /// Whether it is about this destination. `host` as `url::Url::host_str` gives it.
    pub fn matches(&self, scheme: &str, host: &str, port: u16) -> bool {
        self.scheme.as_ref().is_none_or(|own| own == scheme)
            && self.port.is_none_or(|own| own == port)
            && match &self.host {
                Host::Any => true,
                Host::Exactly(own) => own.eq_ignore_ascii_case(host),
                Host::Below(suffix) => !is_address(host) && host.to_ascii_lowercase().ends_with(suffix.as_str()),
            }
    }

    /// Every destination of `other` is one of this.
    pub fn covers(&self, other: &Self) -> bool {
        self.scheme.as_ref().is_none_or(|own| Some(own) == other.scheme.as_ref())
            && self.port.is_none_or(|own| Some(own) == other.port)
            && match (&self.host, &other.host) {
                (Host::Any, _) => true,
                (Host::Below(own), Host::Below(others)) => others.ends_with(own.as_str()),
                (Host::Below(own), Host::Exactly(others)) => !is_address(others) && others.ends_with(own.as_str()),
                (own, others) => own == others,
            }
    }

    /// Some destination is one of both.
    pub fn overlaps(&self, other: &Self) -> bool {
        fn agree<T: PartialEq>(one: Option<&T>, two: Option<&T>) -> bool {
            one.zip(two).is_none_or(|(one, two)| one == two)
        }
        let hosts = Self { scheme: None, port: None, ..self.clone() };
        let others = Self { scheme: None, port: None, ..other.clone() };
        agree(self.scheme.as_ref(), other.scheme.as_ref())
            && agree(self.port.as_ref(), other.port.as_ref())
            && (hosts.covers(&others) || others.covers(&hosts))
    }

    /// The host, if it is written as an address or as this machine: whoever writes that means it.
    pub fn names_an_address(&self) -> bool {
        matches!(&self.host, Host::Exactly(host) if is_address(host) || is_this_machine(host))
    }

    fn is_any(&self) -> bool {
        self.scheme.is_none() && self.host == Host::Any && self.port.is_none()
    }
}

impl fmt::Display for UrlPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_any() {
            return f.write_str("any host");
        }
        let host = match &self.host {
            Host::Any => "*".to_owned(),
            Host::Below(suffix) => format!("*{suffix}"),
            Host::Exactly(host) => host.clone(),
        };
        write!(f, "{}://{host}", self.scheme.as_deref().unwrap_or("*"))?;
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => f.write_str(":*"),
        }
    }
}

impl Host {
    fn parse(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let (below, name) = text.strip_prefix("*.").map_or((false, text), |name| (true, name));
        if name.contains('*') {
            return Err("`*` stands for a whole host, or in front as `*.example.com`".into());
        }
        let host = Url::parse(&format!("http://{name}/")).ok().and_then(|url| url.host_str().map(str::to_owned));
        let host = host.ok_or_else(|| format!("`{name}` is no host"))?;
        match below {
            true if is_address(&host) => Err("an address has nothing below it".into()),
            true => Ok(Self::Below(format!(".{host}"))),
            false => Ok(Self::Exactly(host)),
        }
    }
}

fn split_port<'a>(scheme: &str, authority: &'a str) -> Result<(&'a str, Option<u16>), String> {
    let default = if scheme == "https" { 443 } else { 80 };
    match authority.rsplit_once(':') {
        // The colons of an IPv6 address stand in brackets.
        Some((host, port)) if !port.ends_with(']') => match port {
            "*" => Ok((host, None)),
            port => port.parse().map(|port| (host, Some(port))).map_err(|_| format!("`{port}` is no port")),
        },
        _ => Ok((authority, Some(default))),
    }
}

fn is_address(host: &str) -> bool {
    host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>().is_ok()
}

fn is_this_machine(host: &str) -> bool {
    let host = host.trim_end_matches('.');
    host == "localhost" || host.ends_with(".localhost")
}

fn is_method(method: &str) -> bool {
    let token = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    token && !matches!(method, "CONNECT" | "TRACE")
}

/// No methods are all methods.
pub(super) fn methods_cover(own: &[String], others: &[String]) -> bool {
    own.is_empty() || (!others.is_empty() && others.iter().all(|method| own.contains(method)))
}

/// No prefix is every path.
pub(super) fn prefix_covers(own: Option<&str>, others: Option<&str>) -> bool {
    own.is_none_or(|own| others.is_some_and(|others| path_is_below(others, own)))
}

/// Whether a path, as `url::Url::path` gives it, lies below a prefix. One that a server may read in another way (an
/// escaped slash, dot or backslash) lies below none.
pub(super) fn path_is_below(path: &str, prefix: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    if ["%2f", "%5c", "%2e"].iter().any(|escape| lower.contains(escape)) || path.contains('\\') {
        return false;
    }
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || prefix.ends_with('/'))
}

/// A path as a URL has it.
fn normal_path(path: &str) -> Option<String> {
    let url = Url::parse(&format!("http://x{path}")).ok()?;
    (url.query().is_none() && url.fragment().is_none()).then(|| url.path().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> UrlPattern {
        UrlPattern::parse(text).unwrap_or_else(|problem| panic!("{text}: {problem}"))
    }

    fn url(url: &str) -> NetworkPermission {
        NetworkPermission { url: url.into(), ..NetworkPermission::default() }
    }

    #[test]
    fn a_pattern_is_one_scheme_host_and_port() {
        let slack = pattern("https://hooks.slack.com");
        assert!(slack.matches("https", "HOOKS.slack.com", 443));
        for (scheme, host, port) in
            [("http", "hooks.slack.com", 443), ("https", "slack.com", 443), ("https", "hooks.slack.com", 8443)]
        {
            assert!(!slack.matches(scheme, host, port), "{scheme}://{host}:{port}");
        }
        assert!(pattern("http://[::1]:8080").matches("http", "[::1]", 8080));
        assert!(pattern("http://127.1").matches("http", "127.0.0.1", 80));
    }

    #[test]
    fn a_suffix_is_whole_labels_and_never_an_address() {
        let below = pattern("https://*.example.com");
        assert!(below.matches("https", "a.b.example.com", 443));
        for host in ["example.com", "evilexample.com", "example.com.evil.net", "10.0.0.1"] {
            assert!(!below.matches("https", host, 443), "{host}");
        }
        assert!(pattern("https://*:*").matches("https", "x", 1));
        assert!(!pattern("https://*").matches("https", "x", 444));
        assert!(pattern("*").matches("http", "x", 444));
    }

    #[test]
    fn what_is_no_pattern_says_why() {
        for (text, why) in [
            ("slack.com", "begins with"),
            ("ftp://slack.com", "begins with"),
            ("https://slack.com/api", "path_prefix"),
            ("https://slack.com\\@evil", "path_prefix"),
            ("https://user@slack.com", "user"),
            ("https://sl*ck.com", "whole host"),
            ("https://*.10.0.0.1", "nothing below"),
            ("https://a:99999", "no port"),
            ("https://", "no host"),
        ] {
            let problem = UrlPattern::parse(text).unwrap_err();
            assert!(problem.contains(why), "{text}: {problem}");
        }
    }

    #[test]
    fn wider_patterns_cover_narrower_ones() {
        for (wide, narrow) in [
            ("*", "https://a.example.com"),
            ("*", "{config.url}"),
            ("https://*", "https://*.example.com"),
            ("https://*.example.com", "https://*.b.example.com"),
            ("https://*.example.com", "https://a.example.com:443/"),
            ("{config.url}", "{config.url}"),
        ] {
            assert!(url(wide).covers(&url(narrow)), "{wide} {narrow}");
            assert!(wide == narrow || !url(narrow).covers(&url(wide)), "{narrow} {wide}");
        }
        assert!(!url("https://*").covers(&url("{config.url}")));
        assert!(pattern("https://*.a.b").overlaps(&pattern("https://*.b")));
        assert!(!pattern("https://a.b").overlaps(&pattern("http://a.b")));
    }

    #[test]
    fn methods_and_paths_narrow() {
        let v1 = NetworkPermission { methods: vec!["GET".into()], path_prefix: Some("/v1".into()), ..url("https://a") };
        assert!(url("https://a").covers(&v1));
        assert!(!v1.covers(&url("https://a")));
        let deeper = NetworkPermission { path_prefix: Some("/v1/x".into()), ..v1.clone() };
        assert!(v1.covers(&deeper));
        assert!(!deeper.covers(&v1));
    }

    #[test]
    fn a_prefix_ends_at_a_segment_and_is_not_fooled() {
        for (path, below) in [
            ("/v1", true),
            ("/v1/", true),
            ("/v1/x", true),
            ("/v10", false),
            ("/v1/..%2fadmin", false),
            ("/v1/%2E%2E/x", false),
            ("/v1/..%5cx", false),
            ("/", false),
        ] {
            assert_eq!(path_is_below(path, "/v1"), below, "{path}");
        }
        assert!(path_is_below("/v1/x", "/v1/"));
        assert!(!path_is_below("/v1", "/v1/"));
    }

    #[test]
    fn problems_name_their_field() {
        let with = |change: fn(&mut NetworkPermission)| {
            let mut permission = url("https://a");
            change(&mut permission);
            permission.problem().map(|(field, _)| field)
        };
        assert_eq!(with(|_| ()), None);
        assert_eq!(with(|p| p.url = "{config.url}/x".into()), None);
        assert_eq!(with(|p| p.url = "a".into()), Some("url"));
        assert_eq!(with(|p| p.methods = vec!["get".into()]), Some("methods"));
        assert_eq!(with(|p| p.methods = vec!["CONNECT".into()]), Some("methods"));
        assert_eq!(with(|p| p.private = vec!["10.0.0.0/8".into(), "fd00::/8".into()]), None);
        assert_eq!(with(|p| p.private = vec!["10.0.0.1".into()]), Some("private"));
        for prefix in ["v1", "/v1/../x", "/a?b", "/a b", ""] {
            let permission = NetworkPermission { path_prefix: Some(prefix.into()), ..url("https://a") };
            assert_eq!(permission.problem().map(|(field, _)| field), Some("path_prefix"), "{prefix}");
        }
        assert_eq!(with(|p| p.path_prefix = Some("/v1/".into())), None);
    }
}
