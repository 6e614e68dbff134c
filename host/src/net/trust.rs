//! Whose certificates are trusted: the system's, and what the job names.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// The TLS settings of every request.
#[derive(Clone, Debug)]
pub struct Trust {
    /// For the client.
    pub config: ClientConfig,
    /// Why certificates are missing, if some are.
    pub problems: Vec<String>,
    /// There is no certificate at all: every server is a stranger.
    pub empty: bool,
}

/// Reads the certificates: `SSL_CERT_FILE` and `SSL_CERT_DIR` in place of the system's, and those of
/// `CI_SERVER_TLS_CA_FILE` (GitLab's own certificate authority) on top. Blocks for some milliseconds.
pub fn trust(job_env: &[(OsString, OsString)]) -> Result<Trust, rustls::Error> {
    let mut roots = RootCertStore::empty();
    let mut problems = Vec::new();

    let (file, dir) = (variable(job_env, "SSL_CERT_FILE"), variable(job_env, "SSL_CERT_DIR"));
    let system = match (file, dir) {
        (None, None) => rustls_native_certs::load_native_certs(),
        _ => rustls_native_certs::load_certs_from_paths(file.map(Path::new), dir.map(Path::new)),
    };
    problems.extend(system.errors.iter().map(ToString::to_string));
    roots.add_parsable_certificates(system.certs);

    if let Some(file) = variable(job_env, "CI_SERVER_TLS_CA_FILE") {
        match certificates(Path::new(file)) {
            Ok(certificates) => {
                roots.add_parsable_certificates(certificates);
            }
            Err(error) => problems.push(format!("CI_SERVER_TLS_CA_FILE ({}): {error}", file.display())),
        }
    }

    finish(roots, problems)
}

/// The certificates that decide whom an identity is believed from: those of `authorities` (PEM) alone, or else the machine's.
/// Never what the environment names, since whoever starts a job can set it. Blocks for some milliseconds.
pub fn machine(authorities: Option<&[u8]>) -> Result<Trust, rustls::Error> {
    let mut roots = RootCertStore::empty();
    let mut problems = Vec::new();
    match authorities {
        Some(pem) => match CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>() {
            Ok(certificates) => {
                roots.add_parsable_certificates(certificates);
            }
            Err(error) => problems.push(error.to_string()),
        },
        None => {
            let found = machine_certificates();
            problems.extend(found.errors.iter().map(ToString::to_string));
            roots.add_parsable_certificates(found.certs);
        }
    }
    finish(roots, problems)
}

/// The library looks at the environment first: where that says something, the usual places are tried in its stead.
fn machine_certificates() -> rustls_native_certs::CertificateResult {
    const USUAL: [&str; 6] = [
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        "/etc/ssl/ca-bundle.pem",
        "/etc/pki/tls/cacert.pem",
        "/etc/ssl/cert.pem",
    ];
    if ["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().all(|name| std::env::var_os(name).is_none()) {
        return rustls_native_certs::load_native_certs();
    }
    let file = USUAL.iter().map(Path::new).find(|path| path.exists());
    rustls_native_certs::load_certs_from_paths(file, None)
}

fn finish(roots: RootCertStore, problems: Vec<String>) -> Result<Trust, rustls::Error> {
    let empty = roots.is_empty();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Trust { config, problems, empty })
}

fn variable<'a>(job_env: &'a [(OsString, OsString)], name: &str) -> Option<&'a OsStr> {
    job_env.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_os_str())
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, rustls_pki_types::pem::Error> {
    CertificateDer::pem_file_iter(file)?.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(entries: &[(&str, &Path)]) -> Vec<(OsString, OsString)> {
        entries.iter().map(|(key, value)| (OsString::from(key), value.as_os_str().to_owned())).collect()
    }

    #[test]
    fn no_certificate_is_no_trust() {
        let dir = tempfile::tempdir().unwrap();
        let trust = trust(&env(&[("SSL_CERT_DIR", dir.path())])).unwrap();
        assert!(trust.empty);
    }

    #[test]
    fn the_jobs_authority_comes_on_top() {
        let dir = tempfile::tempdir().unwrap();
        let authority = rcgen::generate_simple_self_signed(vec!["gitlab.example".into()]).unwrap();
        let file = dir.path().join("ca.pem");
        std::fs::write(&file, authority.cert.pem()).unwrap();
        let trust =
            trust(&env(&[("SSL_CERT_DIR", dir.path().join("none").as_path()), ("CI_SERVER_TLS_CA_FILE", &file)]));
        assert!(!trust.unwrap().empty);
    }

    #[test]
    fn a_missing_file_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("missing.pem");
        let trust = trust(&env(&[("SSL_CERT_DIR", dir.path()), ("CI_SERVER_TLS_CA_FILE", &missing)])).unwrap();
        assert!(trust.problems.iter().any(|problem| problem.contains("missing.pem")), "{:?}", trust.problems);
    }
}
