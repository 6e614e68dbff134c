//! The step type `json`: picks and shapes JSON with a jq filter.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shiro_step::{Failure, Step};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The value to work on, e.g. `{{steps.list.json}}`. This or `text`.
    input: Option<Value>,
    /// The value as JSON text, e.g. `{{steps.list.stdout}}`. Several values one after the other (JSON Lines) are an array.
    text: Option<String>,
    /// The jq filter (<https://jqlang.org/manual>), e.g. `.items | map(select(.open) | .name)`. A value from elsewhere belongs
    /// into `variables`, not into the filter.
    #[serde(default = "identity")]
    #[schemars(extend("minLength" = 1))]
    query: String,
    /// What the filter knows as `$name`.
    #[serde(default)]
    variables: BTreeMap<String, Value>,
}

fn identity() -> String {
    ".".to_owned()
}

#[derive(Serialize, JsonSchema)]
struct Output {
    /// What the filter gave first; `null` if nothing.
    value: Value,
    /// All that it gave, in order.
    values: Vec<Value>,
    /// How many that are.
    count: usize,
}

struct Json;

impl Step for Json {
    const NAME: &'static str = "json";
    const SUMMARY: &'static str = "Picks and shapes JSON with a jq filter.";
    type Config = Config;
    type Output = Output;

    fn run(config: Config) -> Result<Output, Failure> {
        let input = match (config.input, config.text) {
            (Some(input), None) => input,
            (None, Some(text)) => read(&text)?,
            (Some(_), Some(_)) => return Err(Failure::invalid_config("`input` and `text` are two inputs: give one")),
            (None, None) => return Err(Failure::invalid_config("there is nothing to work on: give `input` or `text`")),
        };
        let values = shiro_jq::run("query", &config.query, input, config.variables)?;
        Ok(Output { value: values.first().cloned().unwrap_or_default(), count: values.len(), values })
    }
}

/// One value, or an array of several.
fn read(text: &str) -> Result<Value, Failure> {
    let values: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(text).into_iter().collect();
    let mut values = values.map_err(|error| Failure::permanent("not_json", format!("`text` is not JSON: {error}")))?;
    match values.len() {
        0 => Err(Failure::permanent("not_json", "`text` is empty")),
        1 => Ok(values.remove(0)),
        _ => Ok(Value::Array(values)),
    }
}

shiro_step::export!(Json);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run(config: Value) -> Result<Output, Failure> {
        Json::run(serde_json::from_value(config).expect("a config"))
    }

    #[test]
    fn gives_the_first_value_and_all_of_them() {
        let output =
            run(json!({ "input": { "a": [1, 2] }, "query": ".a[] | . + $n", "variables": { "n": 1 } })).unwrap();
        assert_eq!((output.value, output.values, output.count), (json!(2), vec![json!(2), json!(3)], 2));
        let nothing = run(json!({ "input": 1, "query": "empty" })).unwrap();
        assert_eq!((nothing.value, nothing.count), (Value::Null, 0));
    }

    #[test]
    fn reads_text_with_one_value_or_several() {
        assert_eq!(run(json!({ "text": " {\"a\": 1} ", "query": ".a" })).unwrap().value, 1);
        assert_eq!(run(json!({ "text": "{\"a\":1}\n{\"a\":2}\n", "query": "map(.a)" })).unwrap().value, json!([1, 2]));
        for (config, said) in [
            (json!({ "text": "{" }), "not JSON"),
            (json!({ "text": "" }), "empty"),
            (json!({}), "nothing to work on"),
            (json!({ "text": "1", "input": 1 }), "two inputs"),
        ] {
            let failure = run(config).map(|_| ()).unwrap_err();
            assert!(failure.message().contains(said), "{failure}");
        }
    }
}
