//! Says little that takes much room on the other side: dense JSON, deep JSON, control characters that are shown escaped.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shiro_step::bindings::shiro::step::log::{Level, log};
use shiro_step::process::Command;
use shiro_step::{Failure, Step};

/// What it says is about as long.
const BYTES: usize = 3 << 20;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// How it says it.
    by: By,
}

#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum By {
    /// A log message with very many fields.
    LogFields,
    /// An output of very many numbers.
    Numbers,
    /// An output of very many empty lists.
    Lists,
    /// An output as deep as JSON can be.
    Depth,
    /// A failure whose code and message are long.
    Failure,
    /// Programs with long names and long arguments, full of control characters.
    Program,
}

#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
enum Output {
    Nothing,
    Numbers(Vec<u8>),
    Lists(Vec<[u8; 0]>),
    Deep(Value),
}

struct Amplifier;

impl Step for Amplifier {
    const NAME: &'static str = "amplifier";
    const SUMMARY: &'static str = "Says little that takes much room.";
    type Config = Config;
    type Output = Output;

    fn run(config: Config) -> Result<Output, Failure> {
        match config.by {
            By::LogFields => {
                let mut fields = String::from("{\"a\":0");
                for key in 0..BYTES / 10 {
                    fields.push_str(&format!(",\"{key:x}\":0"));
                }
                fields.push('}');
                log(Level::Info, "fields", &fields);
            }
            By::Numbers => return Ok(Output::Numbers(vec![0; 2 * BYTES])),
            By::Lists => return Ok(Output::Lists(vec![[]; BYTES])),
            By::Depth => return Ok(Output::Deep((0..126).fold(json!("deep"), |inner, _| json!([inner])))),
            By::Failure => {
                let long = "\u{1}".repeat(2 * BYTES);
                return Err(Failure::permanent(long.as_str(), long.as_str()));
            }
            By::Program => {
                let long = "\u{1}".repeat(BYTES);
                for number in 0..20 {
                    // A refusal is what it wants.
                    let _ = Command::new(format!("{number}{long}")).run();
                    let _ = Command::new(number.to_string()).args([&*long, &*long, &*long]).run();
                }
                return Err(Failure::permanent("amplifier", "no"));
            }
        }
        Ok(Output::Nothing)
    }
}

shiro_step::export!(Amplifier);
