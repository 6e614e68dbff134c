//! Returns an output of the size it is told.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shiro_step::{Failure, Step};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// How many bytes: 64 MiB unless set.
    #[serde(default = "default_bytes")]
    bytes: usize,
}

fn default_bytes() -> usize {
    64 << 20
}

#[derive(Serialize, JsonSchema)]
struct Output {
    text: String,
}

struct BigOutput;

impl Step for BigOutput {
    const NAME: &'static str = "big-output";
    const SUMMARY: &'static str = "Returns an output of the size it is told.";
    type Config = Config;
    type Output = Output;

    fn run(config: Config) -> Result<Output, Failure> {
        Ok(Output { text: "x".repeat(config.bytes) })
    }
}

shiro_step::export!(BigOutput);
