//! JSON Schemas of configs and outputs.

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

/// No more problems than this are shown.
const PROBLEMS: usize = 10;

/// A compiled schema.
pub(super) struct Schema {
    /// `None` for a schema that anything matches.
    validator: Option<Validator>,
}

impl Schema {
    /// Compiles a schema (2020-12). References to other documents are not followed. The error says what is wrong with the
    /// schema.
    pub(super) fn new(schema: &Value) -> Result<Self, String> {
        if *schema == Value::Bool(true) {
            return Ok(Self { validator: None });
        }
        let built = jsonschema::options()
            .with_draft(Draft::Draft202012)
            // Linear in the text: a pattern can't be made to take for ever.
            .with_pattern_options(PatternOptions::regex())
            .offline()
            .build(schema);
        match built {
            Ok(validator) => Ok(Self { validator: Some(validator) }),
            Err(error) => Err(format!("at `{}`: {error}", error.instance_path())),
        }
    }

    /// The same for a schema that is known to be valid; one that isn't matches anything.
    pub(super) fn compiled(schema: &Value) -> Self {
        Self::new(schema).unwrap_or(Self { validator: None })
    }

    /// What is wrong with this value: one line for each problem, where and what, without the value itself, which may be
    /// secret.
    pub(super) fn problems(&self, value: &Value) -> Vec<String> {
        let Some(validator) = &self.validator else { return Vec::new() };
        let describe = |error: jsonschema::ValidationError<'_>| match error.instance_path().as_str() {
            "" => error.masked().to_string(),
            path => format!("`{path}`: {}", error.masked()),
        };
        validator.iter_errors(value).take(PROBLEMS).map(describe).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn says_where_and_what_but_not_the_value() {
        let schema = Schema::new(&json!({
            "type": "object",
            "required": ["text"],
            "properties": { "token": { "type": "string", "maxLength": 3 } }
        }))
        .unwrap();
        let problems = schema.problems(&json!({ "token": "hunter2" }));
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems.iter().any(|problem| problem.starts_with("`/token`: ")), "{problems:?}");
        assert!(problems.iter().any(|problem| problem.contains("text")), "{problems:?}");
        assert!(!problems.concat().contains("hunter2"), "{problems:?}");
        assert!(schema.problems(&json!({ "text": 1 })).is_empty());
    }

    #[test]
    fn a_schema_that_is_none_is_an_error() {
        assert!(Schema::new(&json!({ "type": "strnig" })).is_err());
        assert!(Schema::new(&json!({ "$ref": "https://example.com/schema.json" })).is_err());
        assert!(Schema::new(&json!(true)).unwrap().problems(&json!(1)).is_empty());
    }
}
