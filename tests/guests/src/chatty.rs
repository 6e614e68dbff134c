//! Writes without end: log messages, standard output or standard error, in long lines, short ones, or none.

use std::io::Write;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shiro_step::{Failure, Step, log};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// Where it writes.
    #[serde(default)]
    to: To,
    /// How many bytes at once.
    #[serde(default = "default_length")]
    length: usize,
    /// Whether what it writes ends in a line break.
    #[serde(default = "yes")]
    lines: bool,
    /// How often it writes before it succeeds. Without it: for ever.
    times: Option<u64>,
}

#[derive(Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum To {
    #[default]
    Log,
    Stdout,
    Stderr,
}

fn default_length() -> usize {
    64 * 1024
}

fn yes() -> bool {
    true
}

struct Chatty;

impl Step for Chatty {
    const NAME: &'static str = "chatty";
    const SUMMARY: &'static str = "Writes without end.";
    type Config = Config;
    type Output = ();

    fn run(config: Config) -> Result<(), Failure> {
        let mut text = "x".repeat(config.length);
        if config.lines {
            text.push('\n');
        }
        let mut written = 0;
        while config.times.is_none_or(|times| written < times) {
            match config.to {
                To::Log => log::info(&text),
                To::Stdout => std::io::stdout().write_all(text.as_bytes())?,
                To::Stderr => std::io::stderr().write_all(text.as_bytes())?,
            }
            written += 1;
        }
        Ok(())
    }
}

shiro_step::export!(Chatty);
