//! Which addresses are the internet's, which are somebody's inside, and which serve a cloud's credentials.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};
use url::{Host, Url};

use crate::capability::PrivateRanges;

/// Whom an address reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// A host on the internet.
    Global,
    /// Anything else: this machine, its network, or nobody.
    Private,
    /// A cloud's metadata service, which hands out credentials to whoever asks.
    Metadata,
}

/// An address that nothing is sent to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} is {}", .host, if *.metadata { "a cloud's metadata service" } else { "a private address" })]
pub struct Prohibited {
    /// The host, with its address if that came from a name.
    pub host: String,
    /// The address; `None` for a name that is refused as such.
    pub ip: Option<IpAddr>,
    /// It serves a cloud's credentials; otherwise it is private.
    pub metadata: bool,
}

const METADATA_V4: [Ipv4Addr; 8] = [
    Ipv4Addr::new(169, 254, 169, 254), // most clouds
    Ipv4Addr::new(169, 254, 170, 2),   // AWS: containers
    Ipv4Addr::new(169, 254, 170, 23),  // AWS: pods
    Ipv4Addr::new(169, 254, 169, 253), // AWS: resolver
    Ipv4Addr::new(169, 254, 0, 23),    // Tencent
    Ipv4Addr::new(100, 100, 100, 200), // Alibaba
    Ipv4Addr::new(168, 63, 129, 16),   // Azure
    Ipv4Addr::new(192, 0, 0, 192),     // Oracle
];

const METADATA_V6: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), // AWS
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),  // AWS: pods
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),  // Google
];

const METADATA_NAMES: [&str; 7] = [
    "metadata",
    "metadata.google.internal",
    "metadata.goog",
    "metadata.azure.internal",
    "metadata.tencentyun.com",
    "instance-data",
    "instance-data.ec2.internal",
];

/// IANA's special-purpose IPv4 registry: what is not globally reachable.
const PRIVATE_V4: [Ipv4Net; 14] = [
    v4(0, 0, 0, 0, 8),
    v4(10, 0, 0, 0, 8),
    v4(100, 64, 0, 0, 10),
    v4(127, 0, 0, 0, 8),
    v4(169, 254, 0, 0, 16),
    v4(172, 16, 0, 0, 12),
    v4(192, 0, 0, 0, 24),
    v4(192, 0, 2, 0, 24),
    v4(192, 88, 99, 0, 24),
    v4(192, 168, 0, 0, 16),
    v4(198, 18, 0, 0, 15),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    v4(224, 0, 0, 0, 3),
];

/// What is not globally reachable within 2000::/3; everything outside it is not either.
const PRIVATE_V6: [Ipv6Net; 4] = [
    v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), // protocol assignments, Teredo among them
    v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32),
    v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), // 6to4
    v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20),
];

const UNICAST_V6: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);
const NAT64: Ipv6Net = v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96);

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const fn v6(s: [u16; 8], length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]), length)
}

/// Whom this address reaches.
pub fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(address) => reach_v4(address),
        IpAddr::V6(address) => reach_v6(address),
    }
}

/// Whether this host name (or address, in any spelling that `url` accepts) is a metadata service's.
pub fn is_metadata_name(host: &str) -> bool {
    let host = host.trim_end_matches('.');
    METADATA_NAMES.iter().any(|name| host.eq_ignore_ascii_case(name))
}

/// Checks an address that `host` stands for.
pub fn check(ip: IpAddr, host: &str, private: &PrivateRanges) -> Result<(), Prohibited> {
    let metadata = match reach(ip) {
        Reach::Metadata => true,
        Reach::Private if !private.allow(ip) => false,
        Reach::Private | Reach::Global => return Ok(()),
    };
    let literal = host.trim_start_matches('[').trim_end_matches(']') == ip.to_string();
    let host = if literal { host.to_owned() } else { format!("{host} ({ip})") };
    Err(Prohibited { host, ip: Some(ip), metadata })
}

/// Checks a URL's host as it is written: the addresses of a name are checked when it is looked up.
pub fn check_host(url: &Url, private: &PrivateRanges) -> Result<(), Prohibited> {
    let name = url.host_str().unwrap_or_default();
    match url.host() {
        Some(Host::Ipv4(ip)) => check(ip.into(), name, private),
        Some(Host::Ipv6(ip)) => check(ip.into(), name, private),
        _ if is_metadata_name(name) => Err(Prohibited { host: name.to_owned(), ip: None, metadata: true }),
        _ => Ok(()),
    }
}

fn reach_v4(address: Ipv4Addr) -> Reach {
    if METADATA_V4.contains(&address) {
        Reach::Metadata
    } else if PRIVATE_V4.iter().any(|net| net.contains(&address)) {
        Reach::Private
    } else {
        Reach::Global
    }
}

fn reach_v6(address: Ipv6Addr) -> Reach {
    if METADATA_V6.contains(&address) {
        return Reach::Metadata;
    }
    // A translator, or this very kernel, reaches the IPv4 address within; where that is a metadata service's, whatever
    // the wrapping, nothing good is meant.
    match embedded(address) {
        Some((inner, transparent)) => match reach_v4(inner) {
            Reach::Global if !transparent => Reach::Private,
            reach => reach,
        },
        None if !UNICAST_V6.contains(&address) || PRIVATE_V6.iter().any(|net| net.contains(&address)) => Reach::Private,
        None => Reach::Global,
    }
}

/// The IPv4 address in an IPv6 one, and whether packets to the latter really go to the former.
fn embedded(address: Ipv6Addr) -> Option<(Ipv4Addr, bool)> {
    let s = address.segments();
    let pair = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        Ipv4Addr::new(a, b, c, d)
    };
    let low = pair(s[6], s[7]);
    match s {
        [0, 0, 0, 0, 0, 0xffff, ..] => Some((low, true)),
        // The unspecified address and loopback are not "IPv4-compatible" ones.
        [0, 0, 0, 0, 0, 0, 0, 0..=1] => None,
        [0, 0, 0, 0, 0, 0, ..] => Some((low, false)),
        _ if NAT64.contains(&address) => Some((low, true)),
        [0x64, 0xff9b, 1, ..] => Some((low, false)),
        [0x2002, high, lower, ..] => Some((pair(high, lower), false)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(reach_expected: Reach, addresses: &[&str]) {
        for address in addresses {
            assert_eq!(reach(address.parse().unwrap()), reach_expected, "{address}");
        }
    }

    #[test]
    fn the_internet() {
        all(
            Reach::Global,
            &[
                "1.1.1.1",
                "8.8.8.8",
                "100.63.255.255",
                "100.128.0.1",
                "172.15.255.255",
                "172.32.0.1",
                "192.0.1.1",
                "198.20.0.1",
                "223.255.255.255",
                "2606:4700:4700::1111",
                "2a00:1450:4001::200e",
                "::ffff:8.8.8.8",
                "64:ff9b::8.8.8.8",
            ],
        );
    }

    #[test]
    fn everything_else() {
        all(
            Reach::Private,
            &[
                "0.0.0.0",
                "0.1.2.3",
                "10.0.0.1",
                "100.64.0.1",
                "100.127.255.255",
                "127.0.0.1",
                "127.255.255.254",
                "169.254.0.1",
                "172.16.0.1",
                "172.31.255.255",
                "192.0.0.1",
                "192.0.2.1",
                "192.88.99.1",
                "192.168.1.1",
                "198.18.0.1",
                "198.19.255.255",
                "198.51.100.1",
                "203.0.113.1",
                "224.0.0.1",
                "239.255.255.255",
                "240.0.0.1",
                "255.255.255.255",
                "::",
                "::1",
                "::7f00:1",
                "::8.8.8.8",
                "::ffff:127.0.0.1",
                "::ffff:10.1.2.3",
                "64:ff9b::127.0.0.1",
                "64:ff9b::10.0.0.1",
                "64:ff9b:1::8.8.8.8",
                "100::1",
                "2001::1",
                "2001:2::1",
                "2001:db8::1",
                "2002:7f00:1::",
                "2002:808:808::",
                "3fff::1",
                "5f00::1",
                "fc00::1",
                "fd12:3456::1",
                "fe80::1",
                "fec0::1",
                "ff02::1",
            ],
        );
    }

    #[test]
    fn metadata_services_in_every_wrapping() {
        all(
            Reach::Metadata,
            &[
                "169.254.169.254",
                "169.254.170.2",
                "100.100.100.200",
                "fd00:ec2::254",
                "::ffff:169.254.169.254",
                "::169.254.169.254",
                "64:ff9b::169.254.169.254",
                "64:ff9b:1::169.254.169.254",
                "2002:a9fe:a9fe::1",
            ],
        );
        assert!(is_metadata_name("Metadata.Google.Internal."));
        assert!(!is_metadata_name("metadata.example.com"));
    }

    #[test]
    fn a_prohibited_name_shows_its_address() {
        let error = check("10.0.0.1".parse().unwrap(), "db.example", &PrivateRanges::none()).unwrap_err();
        assert_eq!(error.to_string(), "db.example (10.0.0.1) is a private address");
        assert!(check("10.0.0.1".parse().unwrap(), "db.example", &PrivateRanges::any()).is_ok());
    }
}
