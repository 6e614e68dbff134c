//! Returns something other than its schema promises: another type, no JSON, or nothing at all.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use shiro_step::component::{Guest, WireFailure};
use shiro_step::{Failure, Step};

/// What it returns, word for word.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The answer, as text: by default a number where the schema says text.
    #[serde(default = "wrong_type")]
    answer: String,
}

fn wrong_type() -> String {
    r#"{"text":5}"#.to_owned()
}

/// What it promises.
#[derive(serde::Serialize, JsonSchema)]
struct Output {
    text: String,
}

struct Promise;

impl Step for Promise {
    const NAME: &'static str = "liar";
    const SUMMARY: &'static str = "Returns what it is told, whatever its schema says.";
    type Config = Config;
    type Output = Output;

    fn run(config: Config) -> Result<Output, Failure> {
        Ok(Output { text: config.answer })
    }
}

struct Liar;

impl Guest for Liar {
    fn describe() -> String {
        shiro_step::component::describe::<Promise>(env!("CARGO_PKG_VERSION"))
    }

    fn run(config: String) -> Result<String, WireFailure> {
        Ok(serde_json::from_str::<Config>(&config).map_or_else(|error| show(&error), |config| config.answer))
    }
}

fn show(error: &impl fmt::Display) -> String {
    format!("not even a config: {error}")
}

shiro_step::export_guest!(Liar);
