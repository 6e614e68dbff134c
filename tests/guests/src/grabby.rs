//! Asks for one thing of each kind, does what it is told with it, and fails as soon as something is not there.

use std::fs;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shiro_step::http::Request;
use shiro_step::process::Command;
use shiro_step::{Failure, Permissions, Step};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// What it does, in this order.
    #[serde(rename = "do")]
    acts: Vec<Act>,
    /// The server it asks.
    #[serde(default)]
    url: Option<String>,
    /// A directory that it asks for.
    #[serde(default)]
    #[expect(dead_code, reason = "its permissions refer to it")]
    dir: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Act {
    /// Gets a path of the server.
    Get(String),
    /// Posts to a path of the server.
    Post(String),
    /// Runs a program: its name, then its arguments.
    Run(Vec<String>),
    /// The same in a directory.
    RunIn(String, Vec<String>),
    /// The same with variables of its own.
    RunWith(Vec<(String, String)>, Vec<String>),
    /// Shows a variable.
    Variable(String),
    /// Counts the characters of a variable, without showing it.
    Length(String),
    /// Reads a file.
    Read(String),
    /// Writes a file.
    Write(String),
    /// Writes so many MiB to a file.
    Fill(String, usize),
    /// Makes a symbolic link: to what, and where.
    Link(String, String),
}

#[derive(Serialize, JsonSchema)]
struct Output {
    /// What each act gave.
    results: Vec<String>,
}

struct Grabby;

impl Step for Grabby {
    const NAME: &'static str = "grabby";
    const SUMMARY: &'static str = "Does what it is told with what it is granted.";
    type Config = Config;
    type Output = Output;

    fn permissions() -> Permissions {
        Permissions::default()
            .network("{config.url}")
            .program("*")
            .in_dir("/")
            .inheriting("*")
            .variable("PLAIN_*")
            .variable("EXACT")
            .secret("DEPLOY_KEY")
            .read("data")
            .read_write("out")
            .read_write("{config.dir}")
            .memory_mib(512)
    }

    fn run(config: Config) -> Result<Output, Failure> {
        let results = config.acts.iter().map(|act| config.carry_out(act)).collect::<Result<_, _>>()?;
        Ok(Output { results })
    }
}

shiro_step::export!(Grabby);

impl Config {
    fn carry_out(&self, act: &Act) -> Result<String, Failure> {
        let url = |path: &str| format!("{}{path}", self.url.as_deref().unwrap_or_default());
        match act {
            Act::Get(path) => Ok(Request::get(url(path)).send()?.status().to_string()),
            Act::Post(path) => Ok(Request::post(url(path)).send()?.status().to_string()),
            Act::Run(command) => run(command, None, &[]),
            Act::RunIn(dir, command) => run(command, Some(dir), &[]),
            Act::RunWith(variables, command) => run(command, None, variables),
            Act::Variable(name) => variable(name),
            Act::Length(name) => Ok(variable(name)?.chars().count().to_string()),
            Act::Read(file) => Ok(fs::read_to_string(file)?),
            Act::Write(file) => Ok(fs::write(file, "written").map(|()| "written".to_owned())?),
            Act::Fill(file, mib) => Ok(fs::write(file, vec![b'x'; mib << 20]).map(|()| "filled".to_owned())?),
            #[expect(deprecated, reason = "what std has for WASI")]
            Act::Link(to, at) => Ok(fs::soft_link(to, at).map(|()| "linked".to_owned())?),
        }
    }
}

fn variable(name: &str) -> Result<String, Failure> {
    std::env::var(name).map_err(|_| Failure::permanent("grabby.variable", format!("there is no variable {name}")))
}

fn run(command: &[String], dir: Option<&String>, variables: &[(String, String)]) -> Result<String, Failure> {
    let [program, args @ ..] = command else {
        return Err(Failure::invalid_config("there is no program to run"));
    };
    let mut command = Command::new(program.as_str()).args(args.iter().map(String::as_str));
    if let Some(dir) = dir {
        command = command.working_dir(dir.as_str());
    }
    let command = variables.iter().fold(command, |command, (name, value)| command.env(name, value));
    let done = command.run()?;
    Ok(format!("{} {}", done.status, done.stdout.text()))
}
