//! Who we are to a registry: what `docker login` left behind.

use std::ffi::OsString;
use std::path::PathBuf;

use docker_credential::{CredentialRetrievalError, DockerCredential, get_credential_from_reader};

use super::super::error::PackageError;
use super::super::files;

/// The largest Docker config.
const CONFIG_BYTES: u64 = 1 << 20;

/// The registry that Docker itself calls so in its config.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// Who we are to a registry. Never shown.
pub(super) enum Credential {
    /// A user and a password.
    Basic(String, String),
    /// A token that is exchanged for others.
    Identity(String),
}

/// The credentials for a registry: from `DOCKER_AUTH_CONFIG` (the content of a config, as GitLab's runner has it), else
/// from `config.json` in `DOCKER_CONFIG` or `~/.docker`. Runs a credential helper where the config names one.
pub(super) fn find(host: &str, job_env: &[(OsString, OsString)]) -> Result<Option<Credential>, PackageError> {
    let Some((config, name)) = config(job_env)? else { return Ok(None) };
    let server = if host == "docker.io" { DOCKER_HUB } else { host };
    let bad = |what: String| {
        PackageError::refused("credentials", format!("{name}: no credentials for {host}: {what}"))
            .hint(format!("log in again (docker login {host}), or correct the config"))
    };
    match get_credential_from_reader(config.as_slice(), server) {
        Ok(DockerCredential::UsernamePassword(user, password)) => Ok(Some(Credential::Basic(user, password))),
        Ok(DockerCredential::IdentityToken(token)) => Ok(Some(Credential::Identity(token))),
        Err(CredentialRetrievalError::NoCredentialConfigured) => Ok(None),
        // What every helper says that has nothing for this registry.
        Err(CredentialRetrievalError::HelperFailure { stdout, stderr, .. })
            if stdout.contains("credentials not found") || stderr.contains("credentials not found") =>
        {
            Ok(None)
        }
        // Not what the helper wrote: there may be secrets in it.
        Err(CredentialRetrievalError::HelperFailure { helper, .. }) => Err(bad(format!("{helper} failed"))),
        Err(CredentialRetrievalError::HelperCommunicationError) => {
            Err(bad("the credential helper that it names can't be run: is it on the PATH?".to_owned()))
        }
        Err(error) => Err(bad(error.to_string())),
    }
}

fn config(job_env: &[(OsString, OsString)]) -> Result<Option<(Vec<u8>, String)>, PackageError> {
    let variable =
        |wanted: &str| job_env.iter().find(|(name, value)| name == wanted && !value.is_empty()).map(|(_, value)| value);
    if let Some(config) = variable("DOCKER_AUTH_CONFIG") {
        return Ok(Some((config.as_encoded_bytes().to_vec(), "DOCKER_AUTH_CONFIG".to_owned())));
    }
    let dir = match (variable("DOCKER_CONFIG"), variable("HOME")) {
        (Some(dir), _) => PathBuf::from(dir),
        (None, Some(home)) => PathBuf::from(home).join(".docker"),
        (None, None) => return Ok(None),
    };
    let file = dir.join("config.json");
    Ok(files::read_named(&file, CONFIG_BYTES)?.map(|config| (config, file.display().to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(config: &str, host: &str) -> Result<Option<(String, String)>, PackageError> {
        let job_env = [(OsString::from("DOCKER_AUTH_CONFIG"), OsString::from(config))];
        Ok(find(host, &job_env)?.map(|credential| match credential {
            Credential::Basic(user, password) => (user, password),
            Credential::Identity(token) => (String::new(), token),
        }))
    }

    #[test]
    fn credentials_are_those_of_the_registry_and_no_other() {
        // user:password
        let config = r#"{"auths":{"localhost:5000":{"auth":"dXNlcjpwYXNzd29yZA=="},
            "https://index.docker.io/v1/":{"identitytoken":"token"}}}"#;
        let user = Some(("user".to_owned(), "password".to_owned()));
        assert_eq!(basic(config, "localhost:5000").unwrap(), user);
        assert_eq!(basic(config, "localhost:5001").unwrap(), None);
        assert_eq!(basic(config, "docker.io").unwrap(), Some((String::new(), "token".to_owned())));
        assert_eq!(basic("{}", "localhost:5000").unwrap(), None);
    }

    #[test]
    fn a_config_that_can_not_be_used_is_said_without_its_content() {
        for config in ["secret", r#"{"auths":{"a.example":{"auth":"secret"}}}"#] {
            let error = basic(config, "a.example").unwrap_err();
            assert_eq!(error.code, "credentials");
            assert!(error.message.starts_with("DOCKER_AUTH_CONFIG: ") && !error.message.contains("secret"));
        }
    }

    #[test]
    fn a_helper_that_is_missing_is_said() {
        let error = basic(r#"{"credsStore":"of-nobody"}"#, "a.example").unwrap_err();
        assert!(error.message.contains("is it on the PATH?"), "{}", error.message);
    }

    #[test]
    fn the_config_is_where_docker_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let home: OsString = dir.path().into();
        let env = |name: &str, dir: &OsString| [(OsString::from(name), dir.clone())];
        assert!(find("a.example", &env("HOME", &home)).unwrap().is_none());
        std::fs::create_dir(dir.path().join(".docker")).unwrap();
        let config = r#"{"auths":{"a.example":{"username":"u","password":"p"}}}"#;
        std::fs::write(dir.path().join(".docker/config.json"), config).unwrap();
        assert!(find("a.example", &env("HOME", &home)).unwrap().is_some());
        assert!(find("a.example", &env("DOCKER_CONFIG", &dir.path().join(".docker").into())).unwrap().is_some());
        assert!(find("a.example", &env("DOCKER_CONFIG", &home)).unwrap().is_none());
        assert!(find("a.example", &[]).unwrap().is_none());
    }
}
