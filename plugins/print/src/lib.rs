//! The step type `print`: writes a message to the step's log.

use std::io::IsTerminal as _;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shiro_step::{Failure, Step};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// What to print: a string as it is, any other value as JSON.
    message: Value,
    /// How much it matters: shown in front of the message, and by its colour in a terminal.
    #[serde(default)]
    level: Level,
    /// `text` prints `[level] message`, `json` one JSON object with `level` and `message` on one line.
    #[serde(default)]
    format: Format,
}

#[derive(Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Level {
    #[default]
    Info,
    Debug,
    Error,
    Warning,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }

    /// The SGR parameter of its colour.
    fn color(self) -> u8 {
        match self {
            Self::Info => 32,
            Self::Debug => 90,
            Self::Error => 31,
            Self::Warning => 33,
        }
    }
}

#[derive(Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Format {
    #[default]
    Text,
    Json,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    /// Always true.
    printed: bool,
    /// What was printed, as it stood in the config.
    message: Value,
    /// Its level.
    level: Level,
    /// Always `success`.
    status: &'static str,
}

struct Print;

impl Step for Print {
    const NAME: &'static str = "print";
    const SUMMARY: &'static str = "Writes a message to the log.";
    type Config = Config;
    type Output = Output;

    #[expect(clippy::print_stdout, reason = "stdout is the step's log")]
    fn run(config: Config) -> Result<Output, Failure> {
        println!("{}", render(&config, std::io::stdout().is_terminal()));
        Ok(Output { printed: true, message: config.message, level: config.level, status: "success" })
    }
}

shiro_step::export!(Print);

/// What is written, without the line's end.
fn render(config: &Config, terminal: bool) -> String {
    let level = config.level;
    match (config.format, &config.message) {
        (Format::Json, message) => json!({ "level": level.name(), "message": message }).to_string(),
        (Format::Text, Value::String(text)) => tag(level, terminal) + &without_controls(text),
        (Format::Text, other) => tag(level, terminal) + &other.to_string(),
    }
}

fn tag(level: Level, terminal: bool) -> String {
    match terminal {
        true => format!("\x1b[{}m[{}]\x1b[0m ", level.color(), level.name()),
        false => format!("[{}] ", level.name()),
    }
}

/// Text in which control characters are shown and not obeyed: what came from elsewhere must not recolour, overwrite or erase
/// what others wrote. Line breaks and tabs stay.
fn without_controls(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' | '\t' => c,
        '\0'..='\x1f' => char::from_u32(0x2400 + c as u32).unwrap_or(char::REPLACEMENT_CHARACTER),
        '\x7f' => '\u{2421}',
        '\u{80}'..='\u{9f}' => char::REPLACEMENT_CHARACTER,
        _ => c,
    };
    text.replace("\r\n", "\n").chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(config: Value, terminal: bool) -> String {
        render(&serde_json::from_value(config).unwrap(), terminal)
    }

    #[test]
    fn text_has_its_level_in_front() {
        assert_eq!(printed(json!({ "message": "Hello" }), false), "[info] Hello");
        assert_eq!(printed(json!({ "message": "Careful", "level": "warning" }), false), "[warning] Careful");
        assert_eq!(printed(json!({ "message": { "b": 1, "a": [true] } }), false), r#"[info] {"b":1,"a":[true]}"#);
        assert_eq!(printed(json!({ "message": null }), false), "[info] null");
    }

    #[test]
    fn colours_are_for_terminals() {
        assert_eq!(printed(json!({ "message": "No", "level": "error" }), true), "\x1b[31m[error]\x1b[0m No");
        assert_eq!(printed(json!({ "message": "No", "level": "error" }), false), "[error] No");
    }

    #[test]
    fn json_is_one_line() {
        let line = printed(json!({ "message": "a\nb", "format": "json", "level": "debug" }), true);
        assert_eq!(line, r#"{"level":"debug","message":"a\nb"}"#);
    }

    #[test]
    fn a_message_cannot_command_the_terminal() {
        let line = printed(json!({ "message": "a\x1b[2Jb\rc\r\nd\te\u{9b}31m" }), true);
        assert_eq!(line, "\x1b[32m[info]\x1b[0m a␛[2Jb␍c\nd\te\u{fffd}31m");
    }

    #[test]
    fn an_unknown_key_or_level_is_refused() {
        for config in [json!({}), json!({ "message": 1, "lvl": 1 }), json!({ "message": 1, "level": "loud" })] {
            assert!(serde_json::from_value::<Config>(config).is_err());
        }
    }
}
