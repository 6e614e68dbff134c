//! A config value that is used as text.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// A config value that is used as text: a string as it is, and any other JSON value but `null` as its JSON text.
///
/// A template that stands alone keeps its value's type, so where a step wants text, users can end up with a number: take a
/// `Text` instead of a `String` wherever a template is likely.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Text(String);

impl Text {
    /// The text.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self(text)),
            Value::Null => Err(serde::de::Error::custom("expected text, not null")),
            other => Ok(Self(other.to_string())),
        }
    }
}

impl JsonSchema for Text {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number", "boolean", "object", "array"] })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn takes_anything_but_null() {
        let text = |value| serde_json::from_value::<Text>(value).map(Text::into_string);
        assert_eq!(text(json!("a b")).unwrap(), "a b");
        assert_eq!(text(json!(1.5)).unwrap(), "1.5");
        assert_eq!(text(json!(true)).unwrap(), "true");
        assert_eq!(text(json!({ "b": [1], "a": 2 })).unwrap(), r#"{"b":[1],"a":2}"#);
        assert!(text(json!(null)).is_err());
    }
}
