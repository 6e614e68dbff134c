//! Items of a step with `foreach` or `matrix`.

use serde_json::{Value, json};

use super::*;
use crate::workflow::template::RenderErrorKind;

fn of(item: Value, derived: bool) -> Fixture {
    Fixture { item: Some((item, derived)), ..Fixture::new() }
}

#[test]
fn an_item_is_a_value_like_any_other() {
    let scope = of(json!({ "name": "a b", "deep": [{ "n": 1 }], "none": null }), false);
    let config = json!({ "whole": "{{item}}", "text": "{{index}}: {{item.name}}", "n": "{{item.deep[0].n}}",
        "d": "{{item.x | default('y')}}", "axis": "{{matrix.name}}" });
    let rendered = render(&config, &scope).unwrap();
    let whole = json!({ "name": "a b", "deep": [{ "n": 1 }], "none": null });
    assert_eq!(rendered.value, json!({ "whole": whole, "text": "4: a b", "n": 1, "d": "y", "axis": "a b" }));
    assert!(rendered.derived.is_empty());
    let error = render(&json!({ "x": "{{item.nam}}" }), &scope).unwrap_err();
    assert_eq!(error.message, "`item` has no `nam`");
    assert!(error.hint.unwrap().contains("did you mean `name`?"));
}

#[test]
fn an_item_never_becomes_code() {
    let hostile = "$(id); `id` \" ' {{env.TOKEN}}\n#";
    let scope = of(json!(hostile), false);
    let rendered = render(&json!({ "command": "echo {{item}} \"{{item}}\" '{{item}}' {{index}}" }), &scope).unwrap();
    let command = rendered.value["command"].as_str().unwrap();
    assert!(!command.contains("id") && command.contains("SHIRO_VALUE_1"), "{command}");
    let values: Vec<&str> = rendered.bindings.iter().map(|(_, value)| value.as_str()).collect();
    assert_eq!(values, [hostile, "4"]);
    // Nor is it expanded again.
    assert_eq!(render(&json!({ "x": "<{{item}}>" }), &scope).unwrap().value, json!({ "x": format!("<{hostile}>") }));
}

#[test]
fn an_item_from_a_step_is_derived_text_and_one_from_the_workflow_is_not() {
    let config =
        json!({ "url": "https://{{item.host}}/", "other": "{{index}}", "command": "curl {{item.host | raw}}" });
    for (derived, pointers) in [(true, vec!["/url", "/command"]), (false, vec![])] {
        let scope = of(json!({ "host": "10.0.0.1" }), derived);
        assert_eq!(render(&config, &scope).unwrap().derived, pointers);
    }
}

#[test]
fn where_there_is_no_item_that_is_an_error_that_no_default_hides() {
    for text in ["{{item}}", "{{index | default(0)}}", "{{matrix.os | default('x')}}"] {
        let error = render(&json!({ "x": text }), &Fixture::new()).unwrap_err();
        assert_eq!(error.kind, RenderErrorKind::Item, "{error:?}");
    }
}
