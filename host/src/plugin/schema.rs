//! JSON Schemas of configs and outputs.

mod cost;

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

use self::cost::{Cost, cost};
use super::text::cut;

/// No more problems than this are shown.
const PROBLEMS: usize = 10;

/// Checks of one value with its schema: about a second.
const CHECKS: u64 = 50_000_000;
/// A pattern, compiled.
const PATTERN_BYTES: usize = 1 << 20;

/// And no more of each: names of keys may be long.
const PROBLEM_BYTES: usize = 1 << 10;

/// A compiled schema.
pub(super) struct Schema {
    /// `None` for a schema that anything matches.
    validator: Option<Validator>,
    cost: Cost,
}

impl Schema {
    /// Compiles a schema (2020-12). References to other documents are not followed. The error says what is wrong with the
    /// schema.
    pub(super) fn new(schema: &Value) -> Result<Self, String> {
        if *schema == Value::Bool(true) {
            return Ok(Self { validator: None, cost: Cost::default() });
        }
        let cost = cost(schema)?;
        let built = jsonschema::options()
            .with_draft(Draft::Draft202012)
            // Linear in the text: a pattern can't be made to take for ever.
            .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_BYTES))
            .offline()
            .build(schema);
        match built {
            Ok(validator) => Ok(Self { validator: Some(validator), cost }),
            Err(error) => Err(format!("at `{}`: {error}", error.instance_path())),
        }
    }

    /// The same for a schema that is known to be valid; one that isn't matches anything.
    pub(super) fn compiled(schema: &Value) -> Self {
        Self::new(schema).unwrap_or(Self { validator: None, cost: Cost::default() })
    }

    /// What is wrong with this value: one line for each problem, where and what, without the value itself, which may be
    /// secret.
    pub(super) fn problems(&self, value: &Value) -> Vec<String> {
        let Some(validator) = &self.validator else { return Vec::new() };
        let size = Size::of(value);
        if size.values.saturating_mul(self.cost.checks) > CHECKS {
            return vec![format!("it has {} values, which are too many to check with this schema", size.values)];
        }
        if validator.is_valid(value) {
            return Vec::new();
        }
        // All problems are found before the first is told, and a schema that holds itself may find each again and again.
        let again = self.cost.loops.saturating_pow(size.depth).max(1);
        if size.values.saturating_mul(self.cost.checks).saturating_mul(again) > CHECKS / 500 {
            return vec!["it does not match, and is too large to say where".to_owned()];
        }
        let describe = |error: jsonschema::ValidationError<'_>| {
            let problem = match error.instance_path().as_str() {
                "" => error.masked().to_string(),
                path => format!("`{path}`: {}", error.masked()),
            };
            cut(&problem, PROBLEM_BYTES).into_owned()
        };
        validator.iter_errors(value).take(PROBLEMS).map(describe).collect()
    }
}

/// How much there is of a value.
#[derive(Clone, Copy)]
struct Size {
    values: u64,
    depth: u32,
}

impl Size {
    fn of(value: &Value) -> Self {
        let inner = |sizes: &mut dyn Iterator<Item = Self>| {
            let start = Self { values: 1, depth: 0 };
            sizes.fold(start, |all, one| Self { values: all.values + one.values, depth: all.depth.max(one.depth + 1) })
        };
        match value {
            Value::Array(items) => inner(&mut items.iter().map(Self::of)),
            Value::Object(members) => inner(&mut members.values().map(Self::of)),
            _ => Self { values: 1, depth: 0 },
        }
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
    fn a_value_that_is_too_large_to_explain_is_still_refused() {
        let schema = Schema::new(&json!({ "items": { "type": "string" } })).unwrap();
        assert!(schema.problems(&json!(vec!["x"; 100_000])).is_empty());
        assert_eq!(schema.problems(&json!(vec![1; 100])).len(), PROBLEMS);
        let problems = schema.problems(&json!(vec![1; 100_000]));
        assert_eq!(problems.len(), 1);
        assert!(problems[0].contains("too large to say where"), "{problems:?}");
    }

    #[test]
    fn a_schema_that_is_none_is_an_error() {
        assert!(Schema::new(&json!({ "type": "strnig" })).is_err());
        assert!(Schema::new(&json!({ "$ref": "https://example.com/schema.json" })).is_err());
        assert!(Schema::new(&json!(true)).unwrap().problems(&json!(1)).is_empty());
    }
}
