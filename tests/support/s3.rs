//! An S3-compatible server (moto's) on loopback, on a port the system chose, that ends with the test.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::SHIRO;

/// The server, with one bucket. Dropping it ends it.
pub(crate) struct Server {
    process: Child,
    address: String,
}

/// Starts the server and makes the bucket, without a client for S3: this is what one sends.
const SCRIPT: &str = r#"
import sys, threading, urllib.request
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
urllib.request.urlopen(urllib.request.Request(f"http://{host}:{port}/state", method="PUT"))
print(f"http://{host}:{port}", flush=True)
sys.stdin.read()
server.stop()
"#;

impl Server {
    pub(crate) fn start() -> Self {
        let mut process = Command::new(python())
            .args(["-c", SCRIPT])
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("python starts");
        let mut lines = BufReader::new(process.stdout.take().expect("it is piped")).lines();
        let address = lines.next().and_then(Result::ok).expect("the server says where it listens");
        Self { process, address }
    }

    pub(crate) fn bucket(&self) -> &'static str {
        "state"
    }

    /// What a job needs to reach it.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT_URL", self.address.clone()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
        ]
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It ends with its standard input; nothing is lost if it doesn't.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The Python that `make test-tools` installs moto for.
fn python() -> PathBuf {
    let target = PathBuf::from(SHIRO).ancestors().nth(2).expect("target/PROFILE/shiro").to_owned();
    let python = target.join("tools/s3/venv/bin/python");
    assert!(python.exists(), "{} is missing: run `make test`, which installs it", python.display());
    python
}
