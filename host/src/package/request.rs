//! What a component asks for, as lines for people, and how two requests differ.

use serde_json::Value;

use crate::capability::Permissions;

/// One line for each thing that is asked for, e.g. `network  url https://example.com`.
pub fn lines(permissions: &Permissions) -> Vec<String> {
    let value = serde_json::to_value(permissions).expect("permissions are JSON");
    let mut lines = Vec::new();
    for (kind, asked) in value.as_object().into_iter().flatten() {
        match asked {
            Value::Array(each) => lines.extend(each.iter().map(|one| format!("{kind}  {}", detail(one)))),
            other => lines.push(format!("{kind}  {}", detail(other))),
        }
    }
    lines
}

fn detail(asked: &Value) -> String {
    match asked {
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| match value {
                Value::Bool(true) => Some(name.replace('_', " ")),
                Value::Bool(false) => None,
                value => Some(format!("{name} {}", plain(value))),
            };
            fields.iter().filter_map(field).collect::<Vec<_>>().join(", ")
        }
        other => plain(other),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What `now` asks for beyond what `before` did. Empty: it asks for no more.
pub fn more(now: &Permissions, before: &Permissions) -> Vec<String> {
    let known = lines(before);
    lines(now).into_iter().filter(|line| !known.contains(line)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn permissions(value: Value) -> Permissions {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn each_thing_is_a_line() {
        let asked = permissions(json!({ "network": [{ "url": "https://example.com" }],
            "process": [{ "program": "git", "inherit_environment": true }, { "program": "ls" }] }));
        assert_eq!(
            lines(&asked),
            ["network  url https://example.com", "process  program git, inherit environment", "process  program ls"]
        );
        assert!(lines(&Permissions::default()).is_empty());
    }

    #[test]
    fn more_is_what_was_not_asked_for_before() {
        let one = permissions(json!({ "process": [{ "program": "git" }] }));
        let two = permissions(json!({ "process": [{ "program": "git", "inherit_environment": true }] }));
        assert!(more(&one, &one).is_empty());
        assert_eq!(more(&two, &one), ["process  program git, inherit environment"]);
        assert!(more(&Permissions::default(), &one).is_empty());
    }
}
