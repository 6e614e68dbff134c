//! What everything that uses the network shares: whose certificates are trusted, which addresses are dialled, and what stays
//! on this machine.

pub mod address;
pub mod client;
pub mod http;
pub mod trust;

use std::net::IpAddr;

/// Whether requests to this host stay on this machine, as far as its spelling tells.
pub fn is_loopback_name(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || host.ends_with(".localhost") || literal.is_ok_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_by_name() {
        for host in ["localhost", "LOCALHOST.", "a.localhost", "127.0.0.1", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]"]
        {
            assert!(is_loopback_name(host), "{host}");
        }
        for host in ["localhost.example.com", "notlocalhost", "10.0.0.1", "[::2]"] {
            assert!(!is_loopback_name(host), "{host}");
        }
    }
}
