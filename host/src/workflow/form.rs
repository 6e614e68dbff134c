//! Forms: what an approver fills in on the command line, by the form's JSON Schema.

use serde_json::{Map, Value};

use super::inputs::{self, GivenValue, InputError};
use super::model::Input;
use super::suggest;

/// The form with these fields filled in. The schema of a field says what its text means, as for inputs. Whether the whole
/// matches the form is not checked here.
pub fn fill(form: &Value, given: &[(String, String)]) -> Result<Value, InputError> {
    let none = Map::new();
    let properties = form.get("properties").and_then(Value::as_object).unwrap_or(&none);
    let mut filled = Map::new();
    for (name, text) in given {
        let schema = properties.get(name);
        if schema.is_none() && !properties.is_empty() {
            let names: Vec<&str> = properties.keys().map(String::as_str).collect();
            let hint = match suggest::nearest(name, names.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there are {}", suggest::list(names, 20)),
            };
            return Err(InputError { message: format!("the form has no field `{name}`"), hint: Some(hint) });
        }
        let field = Input { name: name.clone(), default: None, required: false, schema: schema.cloned() };
        let value = inputs::convert(&field, GivenValue::Text(text.clone())).map_err(|error| InputError {
            message: format!("-form {name}: what was given is not JSON, which its type needs"),
            hint: error.hint.map(|hint| hint.replace("-input", "-form")),
        })?;
        filled.insert(name.clone(), value);
    }
    Ok(Value::Object(filled))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_s_schema_says_what_its_text_means() {
        let form = json!({ "type": "object", "properties": {
            "ticket": { "type": "string" }, "replicas": { "type": "integer" }, "ready": { "type": "boolean" }
        } });
        let given = |pairs: &[(&str, &str)]| {
            let pairs: Vec<_> = pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
            fill(&form, &pairs)
        };
        assert_eq!(
            given(&[("ticket", "12"), ("replicas", "3"), ("ready", "true")]).unwrap(),
            json!({ "ticket": "12", "replicas": 3, "ready": true })
        );
        assert_eq!(given(&[("tickt", "x")]).unwrap_err().hint.unwrap(), "did you mean `ticket`?");
        let wrong = given(&[("replicas", "three")]).unwrap_err();
        assert_eq!(wrong.hint.unwrap(), "-form replicas=3");
        assert_eq!(fill(&json!({ "type": "object" }), &[("any".into(), "x".into())]).unwrap(), json!({ "any": "x" }));
    }
}
