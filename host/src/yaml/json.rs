//! YAML as JSON, by the core schema of YAML 1.2 (<https://yaml.org/spec/1.2.2/#103-core-schema>): a text without quotes may be a
//! truth value or a number.

use serde_json::{Number, Value as Json};

use super::{Node, Value};

impl Node {
    /// The same value as JSON. Tags of its own are not looked at.
    pub fn to_json(&self) -> Json {
        match &self.value {
            _ if self.is_null() => Json::Null,
            Value::Scalar { text, plain: true } => scalar(text),
            Value::Scalar { text, .. } => Json::String(text.to_string()),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Map(map) => map.iter().map(|entry| (entry.key.to_string(), entry.node.to_json())).collect(),
        }
    }
}

fn scalar(text: &str) -> Json {
    match text {
        "true" | "True" | "TRUE" => return true.into(),
        "false" | "False" | "FALSE" => return false.into(),
        _ => {}
    }
    // `parse` also takes `inf`, `nan` and their like, which are text here.
    let looks_like_a_number = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'));
    if !looks_like_a_number || !text.ends_with(|c: char| c.is_ascii_digit() || c == '.') {
        return text.into();
    }
    let whole = text.parse::<i64>().map(Number::from).or_else(|_| text.parse::<u64>().map(Number::from)).ok();
    whole.or_else(|| Number::from_f64(text.parse().ok()?)).map_or_else(|| text.into(), Json::Number)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    #[test]
    fn texts_without_quotes_have_types() {
        let text = "a: 1\nb: -0.5\nc: \"1\"\nd: yes\ne: true\nf: ~\ng: [1.2.3, v1, -x, .inf, 1e3]\nh: {i: 18446744073709551615}\n";
        let documents = super::super::load(&Arc::from("f.yaml"), text.as_bytes()).expect("YAML");
        assert_eq!(
            documents[0].root.to_json(),
            json!({
                "a": 1, "b": -0.5, "c": "1", "d": "yes", "e": true, "f": null,
                "g": ["1.2.3", "v1", "-x", ".inf", 1000.0], "h": { "i": u64::MAX }
            })
        );
    }
}
