//! The step that the README shows.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shiro_step::{Failure, Step};

#[derive(Deserialize, JsonSchema)]
struct Config {
    /// Who to greet.
    name: String,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    greeting: String,
}

struct Greet;

impl Step for Greet {
    const NAME: &'static str = "greet";
    const SUMMARY: &'static str = "Says hello.";
    type Config = Config;
    type Output = Output;

    fn run(config: Config) -> Result<Output, Failure> {
        Ok(Output { greeting: format!("Hello, {}!", config.name) })
    }
}

shiro_step::export!(Greet);
