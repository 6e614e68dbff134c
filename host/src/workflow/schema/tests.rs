use serde_json::{Value, json};

use super::Validator;

fn schema() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["message"],
        "properties": {
            "message": { "type": "string", "minLength": 1, "description": "What to print. Any text." },
            "level": { "enum": ["info", "warning", "error"] },
            "count": { "type": "integer", "minimum": 1, "maximum": 10 },
            "url": { "type": "string", "format": "uri", "writeOnly": true },
            "tag": { "type": "string", "pattern": "^v[0-9]+$", "maxLength": 5 },
            "script": { "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] },
            "env": { "type": "object", "additionalProperties": { "type": "string" } },
            "list": { "type": "array", "minItems": 1, "uniqueItems": true, "items": { "$ref": "#/$defs/item" } },
            "mode": { "anyOf": [
                { "oneOf": [
                    { "type": "string", "const": "fast", "description": "Soon." },
                    { "type": "string", "const": "thorough", "description": "Well." }
                ] },
                { "type": "null" }
            ] },
            "maybe": { "anyOf": [{ "$ref": "#/$defs/item" }, { "type": "null" }] }
        },
        "$defs": { "item": {
            "type": "object", "required": ["file"], "additionalProperties": false,
            "properties": { "file": { "type": "string" }, "line": { "type": ["integer", "null"] } }
        } }
    })
}

/// Each problem as `pointer message | hint`, `#` for a place that is a key.
fn lines(problems: Vec<super::Problem>) -> Vec<String> {
    problems
        .into_iter()
        .map(|problem| {
            let key = if problem.key { "#" } else { "" };
            let hint = problem.hint.map_or(String::new(), |hint| format!(" | {hint}"));
            format!("{key}{} {}{hint}", problem.pointer, problem.message)
        })
        .collect()
}

fn check(config: Value) -> Vec<String> {
    lines(Validator::new(&schema()).unwrap().check(&config))
}

#[test]
fn each_error_says_where_what_and_what_next() {
    for (config, expected) in [
        (json!({ "message": "x", "level": "info", "script": ["a"], "maybe": null }), vec![]),
        (json!({}), vec![" needs `message`, which is missing | a string: What to print. Any text"]),
        (
            json!({ "message": "x", "levle": "info", "zzz": 1 }),
            vec![
                "#/levle is not known here | did you mean `level`?",
                "#/zzz is not known here | there are `message`, `level`, `count`, `url`, `tag`, `script`, `env`, `list`, `mode`, `maybe`",
            ],
        ),
        (json!({ "message": 3 }), vec!["/message must be a string, not a number"]),
        (json!({ "message": "" }), vec!["/message must not be empty"]),
        (
            json!({ "message": "x", "mode": "thorugh" }),
            vec!["/mode must be one of \"fast\", \"thorough\" | did you mean \"thorough\"?"],
        ),
        (
            json!({ "message": "x", "level": "warnin" }),
            vec!["/level must be one of \"info\", \"warning\", \"error\" | did you mean \"warning\"?"],
        ),
        (
            json!({ "message": "x", "count": 0, "tag": "latest" }),
            vec![
                "/count must be at least 1",
                "/tag must have at most 5 characters",
                "/tag must match the pattern `^v[0-9]+$`",
            ],
        ),
        (json!({ "message": "x", "count": 1.5 }), vec!["/count must be a whole number, not a fraction"]),
        (
            json!({ "message": "x", "url": "hooks.slack.com" }),
            vec!["/url must be a URL with its scheme, e.g. https://example.com/path"],
        ),
        (json!({ "message": "x", "script": 5 }), vec!["/script must be a string or an array, not a number"]),
        (json!({ "message": "x", "script": ["a", 5] }), vec!["/script/1 must be a string, not a number"]),
        (json!({ "message": "x", "env": { "A": 1 } }), vec!["/env/A must be a string, not a number"]),
        (json!({ "message": "x", "list": [] }), vec!["/list must not be empty"]),
        (
            json!({ "message": "x", "list": [{ "flie": "a" }] }),
            vec!["#/list/0/flie is not known here | did you mean `file`?", "/list/0 needs `file`, which is missing"],
        ),
        (
            json!({ "message": "x", "maybe": { "file": "a", "line": "3" } }),
            vec!["/maybe/line must be null or a whole number, not a string"],
        ),
        (json!([]), vec![" must be an object, not an array"]),
    ] {
        let mut found = check(config.clone());
        found.sort();
        let mut expected = expected;
        expected.sort_unstable();
        assert_eq!(found, expected, "{config}");
    }
}

#[test]
fn one_of_several_keys_must_be_there() {
    let schema = json!({ "anyOf": [{ "required": ["command"] }, { "required": ["script"] }] });
    assert_eq!(
        lines(Validator::new(&schema).unwrap().check(&json!({}))),
        [" needs one of `command`, `script`, and has none"]
    );
}

#[test]
fn what_a_template_will_become_is_not_judged() {
    for (config, expected) in [
        (json!({ "message": "{{inputs.x}}", "count": "{{inputs.n}}", "level": "{{inputs.level}}" }), vec![]),
        (json!({ "message": "x", "list": "{{steps.a.files}}", "script": "{{steps.a.lines}}" }), vec![]),
        (json!({ "message": "x", "url": "{{env.URL}}", "tag": "{{env.TAG}}", "maybe": "{{steps.a.item}}" }), vec![]),
        // Text with a template in it stays text.
        (json!({ "message": "{{inputs.x}}!", "tag": "version {{env.TAG}}", "url": "{{env.HOST}}/path" }), vec![]),
        (json!({ "message": "x", "count": "{{inputs.n}}0" }), vec!["/count must be a whole number, not a string"]),
        (
            json!({ "message": "x", "script": ["echo {{inputs.x}}", 1] }),
            vec!["/script/1 must be a string, not a number"],
        ),
        // A list of templates may or may not have the same item twice.
        (json!({ "message": "x", "list": ["{{inputs.a}}", "{{inputs.a}}"] }), vec![]),
        // Keys are as they are.
        (
            json!({ "message": "{{inputs.x}}", "levle": "{{inputs.level}}" }),
            vec!["#/levle is not known here | did you mean `level`?"],
        ),
        // What is escaped is no template, but it will be another text.
        (json!({ "message": "x", "tag": "\\{{x" }), vec![]),
    ] {
        assert_eq!(check(config.clone()), expected, "{config}");
    }
}

#[test]
fn a_condition_within_a_schema_waits_for_its_templates() {
    let schema = json!({
        "if": { "properties": { "mode": { "const": "file" } }, "required": ["mode"] },
        "then": { "required": ["path"] },
        "else": { "required": ["text"] }
    });
    let validator = Validator::new(&schema).unwrap();
    assert_eq!(lines(validator.check(&json!({ "mode": "file" }))), [" needs `path`, which is missing"]);
    assert_eq!(lines(validator.check(&json!({ "mode": "{{inputs.mode}}", "path": "x" }))), [""; 0]);
    assert_eq!(
        lines(validator.check_resolved(&json!({ "mode": "{{x}}", "path": "x" }))),
        [" needs `text`, which is missing"]
    );
}

#[test]
fn a_resolved_value_is_checked_in_full() {
    let validator = Validator::new(&schema()).unwrap();
    assert_eq!(
        lines(validator.check_resolved(&json!({ "message": "{{x}}", "count": "{{x}}" }))),
        ["/count must be a whole number, not a string"]
    );
}

#[test]
fn no_message_holds_a_value() {
    let validator = Validator::new(&schema()).unwrap();
    let secret = "hunter2-hunter2";
    for config in [
        json!({ "message": [secret] }),
        json!({ "message": "x", "url": secret, "tag": secret, "level": secret, "count": secret }),
        json!({ "message": "x", "script": { "a": secret }, "maybe": secret, "list": [{ "file": secret }, { "file": secret }] }),
        json!(secret),
    ] {
        let problems = validator.check_resolved(&config);
        assert!(!problems.is_empty());
        assert!(!format!("{problems:?}").contains("hunter2"), "{problems:?}");
    }
}

#[test]
fn a_schema_that_is_none_or_needs_the_network_is_refused() {
    for (schema, part) in [
        (json!({ "type": "strng" }), "at /type"),
        (json!({ "properties": 3 }), "at /properties"),
        (json!({ "$ref": "https://example.com/schema.json" }), "not a JSON Schema"),
        (json!({ "$ref": "file:///etc/passwd" }), "not a JSON Schema"),
        (json!({ "pattern": "(" }), "not a JSON Schema"),
        (json!(3), "not a JSON Schema"),
    ] {
        let error = Validator::new(&schema).unwrap_err();
        assert!(error.contains(part), "{schema}: {error}");
    }
    assert!(Validator::new(&json!(true)).is_ok());
    assert!(Validator::new(&json!({ "$schema": "https://json-schema.org/draft/2020-12/schema" })).is_ok());
}
