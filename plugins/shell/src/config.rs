//! What users write.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use shiro_step::{Text, Timeout};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("anyOf" = [{ "required": ["command"] }, { "required": ["script"] }]))]
pub(crate) struct Config {
    /// A command line for the shell, e.g. `make test | tee log`. With `args`, the name of a program, which is then run
    /// without a shell.
    #[schemars(extend(
        "minLength" = 1,
        "contentMediaType" = "text/x-shellscript",
        "x-interpreter" = "shell",
        "x-unless" = "args"
    ))]
    pub(crate) command: Option<String>,
    /// The arguments of the program that `command` names. With `script`: its positional parameters.
    // Never null: with `args`, the host takes `command` for a program's name and puts values into it as they are.
    #[serde(default, deserialize_with = "not_null")]
    #[schemars(transform = without_null)]
    pub(crate) args: Option<Vec<Text>>,
    /// A script: its lines, or one text. Goes before `command`.
    pub(crate) script: Option<Script>,
    /// What runs the command or script: `bash`, `sh`, `zsh`, `python3`, `node`, a path, ... Without it, bash, or sh where
    /// there is no bash. Shells stop at the first command that fails (`-e`), bash also where one fails in a pipe
    /// (`-o pipefail`).
    pub(crate) shell: Option<String>,
    /// Where it runs: relative to the project's directory, which is the default.
    pub(crate) working_dir: Option<String>,
    /// Environment variables for it, on top of the job's.
    #[serde(default)]
    pub(crate) env: BTreeMap<String, Text>,
    /// What it reads from standard input, which is empty otherwise.
    pub(crate) stdin: Option<Text>,
    /// How long it may run: text such as `5m` or `1h30m`, or seconds. 0 is no limit, as is leaving it out.
    #[serde(default)]
    pub(crate) timeout: Timeout,
    /// Whether what it writes becomes part of the output. It is shown in the log either way.
    #[serde(default = "yes")]
    pub(crate) capture_output: bool,
    /// Whether the step succeeds although the command fails: later steps see `success` and `exit_code`.
    #[serde(default)]
    pub(crate) allow_failure: bool,
}

fn not_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Text>>, D::Error> {
    Vec::deserialize(deserializer).map(Some)
}

fn without_null(schema: &mut Schema) {
    schema.remove("default");
    schema.insert("type".to_owned(), "array".into());
}

fn yes() -> bool {
    true
}

/// A script: one text, or lines.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a script: a string, or an array of lines")]
pub(crate) enum Script {
    Text(String),
    Lines(Vec<String>),
}

impl Script {
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Lines(lines) => lines.join("\n"),
        }
    }
}

impl JsonSchema for Script {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Script".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "array"],
            "items": { "type": "string" },
            "minLength": 1,
            "minItems": 1,
            "contentMediaType": "text/x-shellscript",
            "x-interpreter": "shell"
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn schema() -> Value {
        schemars::schema_for!(Config).to_value()
    }

    fn config(value: Value) -> Result<Config, serde_json::Error> {
        serde_json::from_value(value)
    }

    #[test]
    fn the_schema_tells_the_host_which_strings_are_code() {
        let schema = schema();
        let command = &schema["properties"]["command"];
        assert_eq!(command["contentMediaType"], "text/x-shellscript");
        assert_eq!(command["x-interpreter"], "shell");
        assert_eq!(command["x-unless"], "args");
        assert_eq!(command["type"], json!(["string", "null"]));
        let args = &schema["properties"]["args"];
        assert_eq!((&args["type"], args.get("default")), (&json!("array"), None), "{args}");
        let script = &schema["properties"]["script"];
        assert_eq!(script["contentMediaType"], "text/x-shellscript");
        assert_eq!(script["x-interpreter"], "shell");
        assert_eq!(script.get("x-unless"), None);
        assert!(script["description"].as_str().is_some_and(|text| text.starts_with("A script")), "{script}");
    }

    #[test]
    fn the_schema_wants_something_to_run_and_nothing_unknown() {
        let schema = schema();
        assert_eq!(schema["anyOf"], json!([{ "required": ["command"] }, { "required": ["script"] }]));
        assert_eq!(schema["additionalProperties"], json!(false));
        assert_eq!(schema.get("required"), None);
        assert!(config(json!({ "comand": "true" })).is_err());
    }

    #[test]
    fn takes_what_templates_make_of_values() {
        let config = config(json!({
            "command": "cat", "env": { "N": 1, "B": true, "S": "s", "O": { "a": [1] } }, "stdin": { "b": 1, "a": 2 }
        }));
        let config = config.unwrap();
        let env: Vec<_> = config.env.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(env, [("B", "true"), ("N", "1"), ("O", r#"{"a":[1]}"#), ("S", "s")]);
        assert_eq!(config.stdin.as_deref(), Some(r#"{"b":1,"a":2}"#));
        assert!(config.capture_output);
        assert!(!config.allow_failure);
    }

    #[test]
    fn args_are_there_or_not_but_never_null() {
        assert!(config(json!({ "command": "git", "args": null })).is_err());
        assert!(config(json!({ "command": "git" })).unwrap().args.is_none());
        assert!(config(json!({ "command": "git", "args": [] })).unwrap().args.is_some());
    }

    #[test]
    fn a_script_is_text_or_lines() {
        let script = |value| config(json!({ "script": value })).map(|config| config.script.unwrap().text());
        assert_eq!(script(json!("a\nb")).unwrap(), "a\nb");
        assert_eq!(script(json!(["a", "b"])).unwrap(), "a\nb");
        assert!(script(json!([1])).unwrap_err().to_string().contains("array of lines"));
    }
}
