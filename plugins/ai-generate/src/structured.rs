//! An answer that must match a schema.

use jsonschema::Validator;
use serde_json::Value;
use shiro_step::Failure;

/// How many things that are wrong with an answer are said.
const SHOWN: usize = 5;

/// What an answer has to match.
pub(crate) struct Checker(Validator);

impl Checker {
    pub(crate) fn new(schema: &Value) -> Result<Self, Failure> {
        let validator = jsonschema::draft202012::options().build(schema);
        validator
            .map(Self)
            .map_err(|error| Failure::invalid_config(format!("`response_schema` is no JSON Schema: {error}")))
    }

    /// The value that the answer's text is. Another attempt may give another answer.
    pub(crate) fn check(&self, content: &str, finish_reason: Option<&str>) -> Result<Value, Failure> {
        let wrong = |what: String| {
            let end = finish_reason.map_or_else(String::new, |reason| format!(" (it ended with `{reason}`)"));
            Failure::transient("response_schema", format!("the answer does not match `response_schema`: {what}{end}"))
                .output(&serde_json::json!({ "success": false, "content": content }))
        };
        let value: Value =
            serde_json::from_str(without_fence(content)).map_err(|error| wrong(format!("it is not JSON: {error}")))?;
        let mut problems: Vec<String> = self.0.iter_errors(&value).take(SHOWN).map(|error| told(&error)).collect();
        if problems.is_empty() {
            return Ok(value);
        }
        problems.dedup();
        Err(wrong(problems.join("; ")))
    }
}

fn told(error: &jsonschema::ValidationError<'_>) -> String {
    let place = error.instance_path().to_string();
    let place = if place.is_empty() { "the answer" } else { &place };
    // The value itself may be long, and stands in the output.
    format!("{place}: {}", error.masked_with("the value"))
}

/// Models like to put JSON into a block of Markdown, whatever they are told.
fn without_fence(content: &str) -> &str {
    let content = content.trim();
    let inner = content.strip_prefix("```json").or_else(|| content.strip_prefix("```"));
    inner.and_then(|inner| inner.strip_suffix("```")).unwrap_or(content)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shiro_step::FailureKind;

    use super::*;

    fn checker() -> Checker {
        Checker::new(&json!({
            "type": "object", "required": ["n"], "properties": { "n": { "type": "integer", "maximum": 9 } }
        }))
        .unwrap()
    }

    #[test]
    fn an_answer_that_matches_is_a_value() {
        assert_eq!(checker().check("{\"n\": 1}", None).unwrap(), json!({ "n": 1 }));
        assert_eq!(checker().check("```json\n{\"n\": 1}\n```\n", None).unwrap(), json!({ "n": 1 }));
    }

    #[test]
    fn an_answer_that_does_not_is_worth_another_try() {
        for (content, said) in
            [("nine", "not JSON"), ("{}", "required"), ("{\"n\": 10}", "/n"), ("{\"n\": \"s3cret\"}", "/n")]
        {
            let failure = checker().check(content, Some("length")).unwrap_err();
            assert_eq!(failure.kind(), FailureKind::Transient);
            assert!(failure.message().contains(said) && failure.message().contains("`length`"), "{failure}");
            assert!(!failure.message().contains("s3cret"), "{failure}");
        }
    }

    #[test]
    fn a_schema_that_is_none_is_the_user_s() {
        let failure = Checker::new(&json!({ "type": "objekt" })).map(|_| ()).unwrap_err();
        assert_eq!(failure.kind(), FailureKind::InvalidConfig);
    }
}
