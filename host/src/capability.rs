//! Kinds of permission, and the pure question "is this allowed?". What enforces the answer lives in `plugin`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a step type asks for, in its description. Strings may refer to the step's config as `{config.key.sub}`: what is
/// asked for is then exactly what the user configured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Permissions {
    /// Hosts it sends HTTP requests to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub network: Vec<NetworkPermission>,
    /// Programs it runs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub process: Vec<ProcessPermission>,
}

impl Permissions {
    /// It asks for nothing, so an attempt has no effect outside its own output.
    pub fn is_empty(&self) -> bool {
        self.network.is_empty() && self.process.is_empty()
    }
}

/// One network permission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkPermission {
    /// A URL: its scheme, host and port are what is asked for, e.g. `https://slack.com` or `{config.webhook_url}`.
    pub url: String,
}

/// One process permission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessPermission {
    /// The program's name, or `*` for any.
    pub program: String,
    /// The child inherits the job's environment (less `SHIRO_*`); otherwise it gets only what the call names.
    #[serde(default)]
    pub inherit_environment: bool,
}

/// What one attempt may do. Empty unless policy says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// Hosts it may send HTTP requests to.
    pub network: Vec<NetworkGrant>,
    /// Programs it may run.
    pub process: Vec<ProcessPermission>,
}

/// One host it may send HTTP requests to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NetworkGrant {
    /// `http` or `https`.
    pub scheme: String,
    /// A host name in lower case, or an IP address as `url::Host` writes it (IPv6 in brackets).
    pub host: String,
    /// The port.
    pub port: u16,
    /// The host stands in the workflow, its inputs or the environment, so it may have a private address. A host that came
    /// out of a step's output may not.
    pub private: bool,
}

impl fmt::Display for NetworkGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.scheme, self.host, self.port)
    }
}

impl Grants {
    /// The grant that covers this destination, if one does.
    pub fn network(&self, scheme: &str, host: &str, port: u16) -> Option<&NetworkGrant> {
        self.network
            .iter()
            .find(|grant| grant.scheme == scheme && grant.host.eq_ignore_ascii_case(host) && grant.port == port)
    }

    /// The grant that covers this program, if one does.
    pub fn process(&self, program: &str) -> Option<&ProcessPermission> {
        self.process.iter().find(|grant| grant.program == "*" || grant.program == program)
    }
}

/// Something an attempt tried and was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// What it tried, e.g. `run the program "git"`.
    pub tried: String,
    /// The exact thing that would allow it, or why nothing would.
    pub hint: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_granted_by_default() {
        let none = Grants::default();
        assert!(none.network("https", "slack.com", 443).is_none());
        assert!(none.process("sh").is_none());
    }

    #[test]
    fn a_network_grant_is_one_scheme_host_and_port() {
        let grant = NetworkGrant { scheme: "https".into(), host: "hooks.slack.com".into(), port: 443, private: false };
        let grants = Grants { network: vec![grant], process: vec![] };
        assert!(grants.network("https", "HOOKS.slack.com", 443).is_some());
        for (scheme, host, port) in
            [("http", "hooks.slack.com", 443), ("https", "slack.com", 443), ("https", "hooks.slack.com", 8443)]
        {
            assert!(grants.network(scheme, host, port).is_none(), "{scheme}://{host}:{port}");
        }
    }

    #[test]
    fn a_process_grant_is_one_program_or_any() {
        let one = |program: &str| Grants {
            process: vec![ProcessPermission { program: program.into(), inherit_environment: false }],
            ..Grants::default()
        };
        assert!(one("git").process("git").is_some());
        assert!(one("git").process("/tmp/git").is_none());
        assert!(one("*").process("/bin/sh").is_some());
    }
}
