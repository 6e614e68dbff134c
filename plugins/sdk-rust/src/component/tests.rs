use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::*;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// Where to.
    #[schemars(extend("writeOnly" = true))]
    url: String,
    #[serde(default)]
    mode: Mode,
    text: Option<crate::Text>,
}

#[derive(Deserialize, JsonSchema, Default, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Mode {
    #[default]
    Ok,
    Fail,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    length: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

struct Sample;

impl Step for Sample {
    const NAME: &'static str = "sample.step";
    const SUMMARY: &'static str = "A sample.";
    type Config = Config;
    type Output = Output;

    fn permissions() -> Permissions {
        Permissions::default().network("{config.url}").program_with_environment("*")
    }

    fn run(config: Config) -> Result<Output, Failure> {
        let output = Output { length: config.url.len(), text: config.text.map(crate::Text::into_string) };
        match config.mode {
            Mode::Ok => Ok(output),
            Mode::Fail => {
                Err(Failure::transient("busy", "not now").retry_after(Duration::from_millis(1500)).output(&output))
            }
        }
    }
}

#[test]
fn the_description_is_what_it_was() {
    let text = describe::<Sample>("1.2.3");
    let description: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        description,
        json!({
            "name": "sample.step",
            "version": "1.2.3",
            "summary": "A sample.",
            "config_schema": {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "type": "object",
                "additionalProperties": false,
                "properties": {
                    "url": { "type": "string", "description": "Where to.", "writeOnly": true },
                    "mode": { "type": "string", "enum": ["ok", "fail"] },
                    "text": { "type": ["string", "number", "boolean", "object", "array", "null"] }
                },
                "required": ["url"]
            },
            "output_schema": {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "type": "object",
                "properties": {
                    "length": { "type": "integer", "format": "uint", "minimum": 0 },
                    "text": { "type": ["string", "null"] }
                },
                "required": ["length"]
            },
            "permissions": {
                "network": [{ "url": "{config.url}" }],
                "process": [{ "program": "*", "inherit_environment": true }]
            }
        }),
        "{text}"
    );
}

#[test]
fn runs_from_json_to_json() {
    let output = run::<Sample>(r#"{ "url": "abc", "text": 5 }"#).unwrap();
    assert_eq!(output, r#"{"length":3,"text":"5"}"#);
}

#[test]
fn a_failure_goes_over_with_all_it_has() {
    let failure = run::<Sample>(r#"{ "url": "abc", "mode": "fail" }"#).unwrap_err();
    assert!(matches!(failure.kind, WireKind::Transient));
    assert_eq!(failure.code, "sample.busy");
    assert_eq!(failure.message, "not now");
    assert_eq!(failure.retry_after_ms, Some(1500));
    assert_eq!(failure.output.as_deref(), Some(r#"{"length":3}"#));
}

#[test]
fn a_config_that_does_not_fit_is_invalid() {
    for config in ["", "{}", r#"{ "url": "abc", "nmae": 1 }"#, r#"{ "url": 1 }"#] {
        let failure = run::<Sample>(config).unwrap_err();
        assert!(matches!(failure.kind, WireKind::InvalidConfig), "{config}");
        assert_eq!(failure.code, "sample.invalid_config");
    }
}
