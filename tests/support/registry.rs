//! A real registry (Debian's docker-registry) on loopback, on a port the system chose, that ends with the test.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::SHIRO;

/// The user that a registry with a login knows, with its password.
pub(crate) const USER: (&str, &str) = ("user", "password");

/// The same as htpasswd writes it.
const HTPASSWD: &str = "user:$2y$05$abcdefghijklmnopqrstuuWG29KuyeAicPCJODk1zjyGvyQUU2awu\n";

/// The registry. Dropping it ends it.
pub(crate) struct Registry {
    process: Child,
    address: String,
    dir: TempDir,
}

impl Registry {
    /// One that lets everybody in.
    pub(crate) fn start() -> Self {
        Self::with("")
    }

    /// One that wants a login.
    pub(crate) fn with_login() -> Self {
        Self::with("auth: { htpasswd: { realm: test, path: HERE/htpasswd } }\n")
    }

    fn with(more: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let here = dir.path().display().to_string();
        let config = format!(
            "version: 0.1\nstorage: {{ filesystem: {{ rootdirectory: HERE/data }} }}\n\
             http: {{ addr: \"127.0.0.1:0\", secret: test }}\n{more}"
        );
        std::fs::write(dir.path().join("config.yml"), config.replace("HERE", &here)).expect("write its config");
        std::fs::write(dir.path().join("htpasswd"), HTPASSWD).expect("write its users");
        let mut process = Command::new(program())
            .arg("serve")
            .arg(dir.path().join("config.yml"))
            .env_clear()
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the registry starts");
        let mut lines = BufReader::new(process.stderr.take().expect("it is piped")).lines().map_while(Result::ok);
        let mut said = String::new();
        let address = lines.find_map(|line| {
            said.push_str(&line);
            said.push('\n');
            let rest = line.split_once("listening on ")?.1.to_owned();
            Some(rest.split(['"', ' ']).next()?.to_owned())
        });
        let address = address.unwrap_or_else(|| panic!("the registry says where it listens:\n{said}"));
        // A pipe that nobody reads would stop it.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, address, dir }
    }

    /// Its host and port.
    pub(crate) fn host(&self) -> &str {
        &self.address
    }

    /// `oci://HOST:PORT/` and this.
    pub(crate) fn reference(&self, rest: &str) -> String {
        format!("oci://{}/{rest}", self.address)
    }

    /// The file in which it keeps the blob with this digest.
    pub(crate) fn blob(&self, digest: &str) -> PathBuf {
        let hex = digest.trim_start_matches("sha256:");
        let dir = self.dir.path().join("data/docker/registry/v2/blobs/sha256").join(&hex[..2]).join(hex);
        dir.join("data")
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What `make test-tools` installs next to the build.
fn program() -> PathBuf {
    let target = Path::new(SHIRO).ancestors().nth(2).expect("target/PROFILE/shiro");
    let program = target.join("tools/registry/usr/bin/docker-registry");
    assert!(program.exists(), "{} is missing: run `make test`, which installs it", program.display());
    program
}
