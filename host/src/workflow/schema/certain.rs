//! Which errors hold whatever the templates in a value turn out to be.

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use serde_json::Value;

use crate::workflow::template::{self, Part, Template};

/// Whether the value fails for this reason whatever its templates become. Errs on the side of no: the value is checked
/// again, in full, once they have values.
pub(super) fn is_certain(error: &ValidationError<'_>, root: &Value) -> bool {
    if is_conditional(error) && holds_template(root) {
        return false;
    }
    let instance = error.instance().as_ref();
    match error.kind() {
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
            context.iter().all(|branch| branch.iter().any(|error| is_certain(error, root)))
        }
        // The keys of an object and the number of an array's items are as they are written.
        Kind::Required { .. }
        | Kind::AdditionalProperties { .. }
        | Kind::PropertyNames { .. }
        | Kind::MinProperties { .. }
        | Kind::MaxProperties { .. }
        | Kind::MinItems { .. }
        | Kind::MaxItems { .. }
        | Kind::AdditionalItems { .. } => true,
        Kind::Type { kind } => match instance {
            Value::String(text) => match shape(text) {
                Shape::Plain => true,
                Shape::Text => !allows_string(kind),
                Shape::Template => false,
            },
            _ => true,
        },
        _ => !holds_template(instance),
    }
}

/// The part of the schema that found it applies only under a condition that templates may have a say in.
fn is_conditional(error: &ValidationError<'_>) -> bool {
    let path = error.evaluation_path().as_str();
    path.split('/').any(|segment| {
        matches!(segment, "then" | "else" | "dependentSchemas" | "unevaluatedProperties" | "unevaluatedItems")
    })
}

fn allows_string(kind: &TypeKind) -> bool {
    match kind {
        TypeKind::Single(single) => single.to_string() == "string",
        TypeKind::Multiple(several) => several.iter().any(|one| one.to_string() == "string"),
    }
}

/// The value, or something in it, is not known yet.
fn holds_template(value: &Value) -> bool {
    match value {
        Value::String(text) => shape(text) != Shape::Plain,
        Value::Array(items) => items.iter().any(holds_template),
        Value::Object(members) => members.values().any(holds_template),
        _ => false,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// No template.
    Plain,
    /// A text with a template in it: it stays a text.
    Text,
    /// One template and nothing else: it becomes whatever its value is.
    Template,
}

/// A template that can't be read is reported by whoever reads it, so nothing more needs to be said of its value.
fn shape(text: &str) -> Shape {
    if !template::has_templates(text) {
        return Shape::Plain;
    }
    match Template::parse(text).as_ref().map(|template| &template.parts[..]) {
        Ok([Part::Expression(_)]) | Err(_) => Shape::Template,
        Ok(_) => Shape::Text,
    }
}
