//! Tries what it was not granted, and tells how it went.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs, UdpSocket};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shiro_step::http::Request;
use shiro_step::process::Command;
use shiro_step::{Failure, Permissions, Step};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// What it tries.
    tries: Vec<Attempt>,
    /// The program it tries to run.
    #[serde(default = "default_program")]
    program: String,
    /// The URL it tries to get.
    #[serde(default = "default_url")]
    url: String,
    /// The file it tries to read, and the directory in which it tries to make one.
    #[serde(default = "default_file")]
    file: String,
    /// The address it tries to connect to.
    #[serde(default = "default_address")]
    address: String,
    /// Fail with the first refusal, as it came, instead of telling of all.
    #[serde(default)]
    fail: bool,
}

#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Attempt {
    Process,
    Http,
    Env,
    Args,
    ReadFile,
    WriteFile,
    ListDir,
    Tcp,
    Udp,
    Resolve,
    Stdin,
}

fn default_program() -> String {
    "id".to_owned()
}

fn default_url() -> String {
    "http://127.0.0.1:9/".to_owned()
}

fn default_file() -> String {
    "/etc/passwd".to_owned()
}

fn default_address() -> String {
    "127.0.0.1:9".to_owned()
}

/// How it went.
#[derive(Serialize, JsonSchema)]
struct Output {
    results: Vec<Tried>,
}

#[derive(Serialize, JsonSchema)]
struct Tried {
    /// What it tried.
    attempt: Attempt,
    /// It got something: an exit code, a response, a variable, a byte, a connection.
    allowed: bool,
    /// What it got, or why it got nothing.
    detail: String,
}

struct Forbidden;

impl Step for Forbidden {
    const NAME: &'static str = "forbidden";
    const SUMMARY: &'static str = "Tries what it was not granted.";
    type Config = Config;
    type Output = Output;

    /// It asks: asking is not getting.
    fn permissions() -> Permissions {
        Permissions::default().network("{config.url}").program_with_environment("{config.program}")
    }

    fn run(config: Config) -> Result<Output, Failure> {
        let mut results = Vec::new();
        for &attempt in &config.tries {
            let result = config.attempt(attempt);
            let (allowed, detail) = match result {
                Ok(got) => (true, got),
                Err(failure) if config.fail => return Err(failure),
                Err(failure) => (false, failure.message().to_owned()),
            };
            results.push(Tried { attempt, allowed, detail });
        }
        Ok(Output { results })
    }
}

shiro_step::export!(Forbidden);

impl Config {
    /// What one try gets.
    fn attempt(&self, attempt: Attempt) -> Result<String, Failure> {
        match attempt {
            Attempt::Process => Ok(Command::new(&*self.program).run()?.status.to_string()),
            Attempt::Http => Ok(Request::get(&*self.url).send()?.status().to_string()),
            Attempt::Env => some(std::env::vars().map(|(name, value)| format!("{name}={value}"))),
            Attempt::Args => some(std::env::args()),
            Attempt::ReadFile => Ok(std::fs::read_to_string(&self.file)?),
            Attempt::WriteFile => {
                Ok(std::fs::write(format!("{}.forbidden", self.file), "x").map(|()| "written".to_owned())?)
            }
            Attempt::ListDir => Ok(std::fs::read_dir("/").map(|entries| entries.count().to_string())?),
            Attempt::Tcp => self.tcp(),
            Attempt::Udp => Ok(UdpSocket::bind("127.0.0.1:0").map(|_| "bound".to_owned())?),
            Attempt::Resolve => some(("localhost", 80).to_socket_addrs()?.map(|address| address.to_string())),
            Attempt::Stdin => {
                let mut text = String::new();
                std::io::stdin().read_to_string(&mut text)?;
                some(Some(text).into_iter().filter(|text| !text.is_empty()))
            }
        }
    }

    fn tcp(&self) -> Result<String, Failure> {
        let mut stream = TcpStream::connect(&*self.address)?;
        stream.write_all(b"x")?;
        Ok("connected".to_owned())
    }
}

/// Everything there is, one for each line. Nothing at all is a refusal too.
fn some(found: impl Iterator<Item = String>) -> Result<String, Failure> {
    let found = found.collect::<Vec<_>>().join("\n");
    if found.is_empty() { Err(Failure::permanent("nothing", "there is nothing there")) } else { Ok(found) }
}
