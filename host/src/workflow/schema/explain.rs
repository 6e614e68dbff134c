//! What a schema's error says to a person.

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use serde_json::Value;

use super::Problem;
use crate::workflow::{json, suggest};

/// Adds what there is to say about an error.
pub(super) fn explain(error: &ValidationError<'_>, schema: &Value, problems: &mut Vec<Problem>) {
    let pointer = error.instance_path().as_str();
    let at = |message: String, hint: Option<String>| Problem { pointer: pointer.to_owned(), key: false, message, hint };
    match error.kind() {
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            let known = known_properties(error, schema);
            problems.extend(unexpected.iter().map(|name| unknown_key(pointer, name, &known)));
        }
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => match only_branch(context, pointer) {
            Some(branch) => branch.iter().for_each(|error| explain(error, schema, problems)),
            None => {
                let (message, hint) = match named_values(context, pointer) {
                    Some(values) => not_among(&Value::Array(values), error.instance()),
                    None => (no_branch(context, pointer, error.instance()), None),
                };
                problems.push(at(message, hint));
            }
        },
        Kind::Enum { options } => {
            let (message, hint) = not_among(options, error.instance());
            problems.push(at(message, hint));
        }
        Kind::Required { property } => {
            let message = format!("needs {}, which is missing", name(property));
            problems.push(at(message, described(error, schema, property)));
        }
        Kind::PropertyNames { error } => {
            let mut inner = Vec::new();
            explain(error, schema, &mut inner);
            problems.extend(
                inner.into_iter().map(|problem| at(format!("has a key that {}", problem.message), problem.hint)),
            );
        }
        _ => problems.push(at(sentence(error), None)),
    }
}

fn sentence(error: &ValidationError<'_>) -> String {
    let items = |count: &u64| if *count == 1 { "1 item".to_owned() } else { format!("{count} items") };
    let characters = |count: &u64| if *count == 1 { "1 character".to_owned() } else { format!("{count} characters") };
    match error.kind() {
        Kind::Type { kind } => match error.instance().as_ref() {
            Value::Number(number) if !number.is_i64() && types(kind).contains("whole") => {
                format!("must be {}, not a fraction", types(kind))
            }
            other => format!("must be {}, not {}", types(kind), json::kind(other)),
        },
        Kind::Constant { expected_value } => format!("must be {expected_value}"),
        Kind::MinLength { limit: 1 } | Kind::MinItems { limit: 1 } | Kind::MinProperties { limit: 1 } => {
            "must not be empty".to_owned()
        }
        Kind::MinLength { limit } => format!("must have at least {}", characters(limit)),
        Kind::MaxLength { limit } => format!("must have at most {}", characters(limit)),
        Kind::MinItems { limit } => format!("must have at least {}", items(limit)),
        Kind::MaxItems { limit } => format!("must have at most {}", items(limit)),
        Kind::AdditionalItems { limit } => format!("must have at most {}", items(&(*limit as u64))),
        Kind::MinProperties { limit } => format!("must have at least {limit} keys"),
        Kind::MaxProperties { limit } => format!("must have at most {limit} keys"),
        Kind::Minimum { limit } => format!("must be at least {limit}"),
        Kind::Maximum { limit } => format!("must be at most {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("must be more than {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("must be less than {limit}"),
        Kind::MultipleOf { multiple_of } => format!("must be a multiple of {multiple_of}"),
        Kind::Pattern { pattern } => format!("must match the pattern `{pattern}`"),
        Kind::Format { format } => format!("must be {}", format_name(format)),
        Kind::UniqueItems => "must not hold the same item twice".to_owned(),
        Kind::Contains => "lacks an item that must be there".to_owned(),
        Kind::FalseSchema => "is not allowed here".to_owned(),
        Kind::UnevaluatedItems { .. } => "has more items than are allowed".to_owned(),
        Kind::Not { .. } => "is just what it must not be".to_owned(),
        Kind::OneOfMultipleValid { .. } => "has more than one of the forms of which it may have one".to_owned(),
        other => format!("does not match its schema ({})", other.keyword()),
    }
}

fn unknown_key(pointer: &str, name: &str, known: &[&str]) -> Problem {
    let hint = match suggest::nearest(name, known.iter().copied()) {
        Some(near) => Some(format!("did you mean `{near}`?")),
        None if known.is_empty() => None,
        None => Some(format!("there are {}", suggest::list(known.iter().copied(), 20))),
    };
    let pointer = format!("{pointer}/{}", json::escape(name));
    Problem { pointer, key: true, message: "is not known here".to_owned(), hint }
}

/// The properties that the schema next to the failed keyword declares.
fn known_properties<'s>(error: &ValidationError<'_>, schema: &'s Value) -> Vec<&'s str> {
    let properties = beside(error, schema).and_then(|schema| schema.get("properties")?.as_object());
    properties.into_iter().flatten().map(|(name, _)| name.as_str()).collect()
}

/// What the schema says a missing property is for.
fn described(error: &ValidationError<'_>, schema: &Value, property: &Value) -> Option<String> {
    let property = beside(error, schema)?.get("properties")?.get(property.as_str()?)?;
    let description = property.get("description")?.as_str()?;
    let first = description.lines().next().unwrap_or_default().trim_end_matches('.');
    Some(format!("{}: {first}", property_type(property)))
}

fn property_type(property: &Value) -> String {
    match property.get("type") {
        Some(Value::String(name)) => with_article(name),
        _ => "a value".to_owned(),
    }
}

/// The schema that holds the failed keyword.
fn beside<'s>(error: &ValidationError<'_>, schema: &'s Value) -> Option<&'s Value> {
    let (parent, _) = error.schema_path().as_str().rsplit_once('/')?;
    schema.pointer(parent)
}

/// The one branch that the value was meant for: the only one whose type it has.
fn only_branch<'e>(
    context: &'e [Vec<ValidationError<'static>>],
    pointer: &str,
) -> Option<&'e [ValidationError<'static>]> {
    let mut fitting = context.iter().filter(|branch| !branch.iter().any(|error| is_type_error(error, pointer)));
    let branch = fitting.next()?;
    fitting.next().is_none().then_some(branch)
}

fn is_type_error(error: &ValidationError<'_>, pointer: &str) -> bool {
    matches!(error.kind(), Kind::Type { .. } | Kind::FalseSchema) && error.instance_path().as_str() == pointer
}

/// The values of a choice in which each stands with its own description.
fn named_values(context: &[Vec<ValidationError<'static>>], pointer: &str) -> Option<Vec<Value>> {
    let value = |branch: &Vec<ValidationError<'static>>| {
        branch.iter().find_map(|error| match error.kind() {
            Kind::Constant { expected_value } if error.instance_path().as_str() == pointer => {
                Some(Value::clone(expected_value))
            }
            _ => None,
        })
    };
    context.iter().map(value).collect()
}

/// What to say when a value fits none of several branches.
fn no_branch(context: &[Vec<ValidationError<'static>>], pointer: &str, instance: &Value) -> String {
    let missing: Option<Vec<String>> = context
        .iter()
        .map(|branch| match &branch[..] {
            [error] if error.instance_path().as_str() == pointer => match error.kind() {
                Kind::Required { property } => Some(name(property)),
                _ => None,
            },
            _ => None,
        })
        .collect();
    if let Some(missing) = missing {
        return format!("needs one of {}, and has none", missing.join(", "));
    }
    let expected: Option<Vec<String>> = context
        .iter()
        .map(|branch| {
            branch.iter().find(|error| is_type_error(error, pointer)).and_then(|error| match error.kind() {
                Kind::Type { kind } => Some(types(kind)),
                _ => None,
            })
        })
        .collect();
    match expected {
        Some(mut expected) => {
            expected.dedup();
            format!("must be {}, not {}", expected.join(" or "), json::kind(instance))
        }
        None => "has none of the forms that it may have".to_owned(),
    }
}

fn not_among(options: &Value, instance: &Value) -> (String, Option<String>) {
    let options = options.as_array().map_or(&[][..], Vec::as_slice);
    let shown: Vec<String> = options.iter().take(20).map(Value::to_string).collect();
    let more = options.len().saturating_sub(shown.len());
    let more = if more > 0 { format!(" or {more} others") } else { String::new() };
    let hint = instance
        .as_str()
        .and_then(|text| suggest::nearest(text, options.iter().filter_map(Value::as_str)))
        .map(|near| format!("did you mean \"{near}\"?"));
    let message = match &shown[..] {
        [one] if more.is_empty() => format!("must be {one}"),
        _ => format!("must be one of {}{more}", shown.join(", ")),
    };
    (message, hint)
}

fn types(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(single) => with_article(&single.to_string()),
        TypeKind::Multiple(several) => {
            several.iter().map(|one| with_article(&one.to_string())).collect::<Vec<_>>().join(" or ")
        }
    }
}

fn with_article(name: &str) -> String {
    match name {
        "integer" => "a whole number".to_owned(),
        "array" | "object" => format!("an {name}"),
        "null" => "null".to_owned(),
        _ => format!("a {name}"),
    }
}

fn format_name(format: &str) -> String {
    match format {
        "uri" => "a URL with its scheme, e.g. https://example.com/path".to_owned(),
        "uri-reference" => "a URL or a path".to_owned(),
        "email" => "an e-mail address".to_owned(),
        "date" => "a date such as 2026-01-31".to_owned(),
        "date-time" => "a time such as 2026-01-31T12:00:00Z".to_owned(),
        "hostname" => "a host name".to_owned(),
        "ipv4" | "ipv6" => "an IP address".to_owned(),
        "regex" => "a regular expression".to_owned(),
        other => format!("of the format `{other}`"),
    }
}

fn name(property: &Value) -> String {
    format!("`{}`", property.as_str().unwrap_or_default())
}
