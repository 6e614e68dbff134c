//! Templates outside scripts.

use serde_json::{Value, json};

use super::super::{RenderErrorKind, render_value};
use super::{Fixture, render};

fn value(text: &str) -> Value {
    render_value(&json!(text), &Fixture::new()).unwrap_or_else(|error| panic!("{text}: {error:?}"))
}

#[test]
fn a_template_alone_keeps_the_type_of_the_value() {
    assert_eq!(value("{{inputs.count}}"), json!(3));
    assert_eq!(value("{{ inputs.deep.er[0] }}"), json!({ "x": 1 }));
    assert_eq!(value("{{inputs.deep.er.0.x}}"), json!(1));
    assert_eq!(value("{{inputs.nothing}}"), json!(null));
    assert_eq!(value("{{inputs.list|json}}"), json!("[\"a b\",2,null]"));
    assert_eq!(value(" {{inputs.count}}"), json!(" 3"));
}

#[test]
fn inside_text_strings_go_as_they_are_and_the_rest_as_json() {
    assert_eq!(value("{{inputs.name}}-{{inputs.list}}-{{inputs.nothing}}"), json!("ann-[\"a b\",2,null]-null"));
    assert_eq!(value("{{run.id}} {{workflow.name}} {{approval.gate.by}}"), json!("run-1 w bob"));
    assert_eq!(value(r"\{{.Names}} {{inputs.name}} }}"), json!("{{.Names}} ann }}"));
    assert_eq!(value("no templates }} here"), json!("no templates }} here"));
}

#[test]
fn the_whole_output_of_a_step_is_called_output_unless_it_has_such_a_key() {
    assert_eq!(value("{{steps.build-image.output.tag}}"), json!("v1"));
    assert_eq!(value("{{steps.build-image.output}}"), value("{{steps.build-image}}"));
    assert_eq!(value("{{steps['my.id'].output}}"), json!({ "k": true }));
}

#[test]
fn text_from_a_value_is_not_expanded_again() {
    assert_eq!(value("{{steps.build-image.stdout}}"), json!("{{env.TOKEN}}"));
    assert_eq!(value("x{{steps.build-image.stdout}}"), json!("x{{env.TOKEN}}"));
}

#[test]
fn filters_apply_in_order_and_default_stands_in_for_missing_and_null() {
    assert_eq!(value("{{env.NOPE | trim | default(' x ')}}"), json!(" x "));
    assert_eq!(value("{{env.NOPE | default(' x ') | trim}}"), json!("x"));
    assert_eq!(value("{{inputs.nothing | default(3)}}"), json!(3));
    assert_eq!(value("{{steps.skipped.tag | default({\"a\":[]})}}"), json!({ "a": [] }));
    assert_eq!(value("{{inputs.name | raw}}"), json!("ann"));
}

#[test]
fn errors_list_what_there_is_and_hold_no_value() {
    for (text, kind, message, hint) in [
        (
            "{{inputs.nam}}",
            RenderErrorKind::Missing,
            "`inputs` has no `nam`",
            "did you mean `name`? it has: `name`, `count`",
        ),
        ("{{inputs.deep.er[3]}}", RenderErrorKind::Missing, "past the end", "one element: [0]"),
        ("{{inputs.deep.er.x}}", RenderErrorKind::Missing, "is an array", "`inputs.deep.er[0]`"),
        ("{{inputs.name.x}}", RenderErrorKind::Missing, "is text, and has no parts", ""),
        ("a {{env.TOKN}}", RenderErrorKind::Missing, "`TOKN` is not set", "did you mean `TOKEN`?"),
        ("{{steps.build-image.tagg}}", RenderErrorKind::Missing, "no `tagg`", "did you mean `tag`?"),
        ("{{steps.skipped}}", RenderErrorKind::Missing, "it was skipped", "default"),
        ("{{steps.build-imag.tag|default(1)}}", RenderErrorKind::UnknownStep, "no step", "did you mean `build-image`?"),
        ("{{approval.other}}", RenderErrorKind::Missing, "nobody has decided", "pause"),
        ("{{inputs.count|trim}}", RenderErrorKind::Type, "is a number", "json"),
        ("{{inputs.list|args}}", RenderErrorKind::Type, "for shell scripts", "args"),
        ("{{inputs.name", RenderErrorKind::Syntax, "no `}}`", "close"),
    ] {
        let error = render_value(&json!({ "a/b": [text] }), &Fixture::new()).unwrap_err();
        assert_eq!(error.pointer, "/a~1b/0");
        assert_eq!(error.offset, text.find("{{").unwrap());
        assert_eq!(error.kind, kind, "{text}");
        assert!(error.message.contains(message), "{text}: {error:?}");
        assert!(error.hint.clone().unwrap_or_default().contains(hint), "{text}: {error:?}");
        assert!(!format!("{error:?}").contains("s3cret"));
    }
}

#[test]
fn knows_which_strings_hold_text_made_during_the_run() {
    let config = json!({
        "url": "https://{{steps.build-image.tag}}.example",
        "plain": "{{inputs.name}}",
        "headers": "{{steps.build-image}}",
        "by": ["{{approval.gate.by}}", "{{env.TOKEN}}"],
    });
    let rendered = render(&config, &Fixture::new()).unwrap();
    let mut derived = rendered.derived;
    derived.sort();
    assert_eq!(derived, ["/by/0", "/headers/stdout", "/headers/tag", "/url"]);
    assert!(rendered.bindings.is_empty());
}
