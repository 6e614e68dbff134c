//! `foreach`, `matrix`, and the templates that refer to items.

use super::*;

fn items_report(fields: &str) -> String {
    step_report(&format!(r#""type": "print", {fields}"#))
}

#[test]
fn items_are_for_the_config_of_a_step_that_has_some() {
    for fine in [
        r#""foreach": [1, "{{inputs.region}}", { "a": 1 }], "config": { "message": "{{index}} {{item.a | default('')}}" }"#,
        r#""foreach": "{{inputs.region}}", "max_parallel": 3, "config": { "message": "{{item}}" }"#,
        r#""foreach": [], "config": { "message": "x" }"#,
        r#""matrix": { "os": ["a"], "v": "{{inputs.region}}" }, "config": { "message": "{{matrix.os}}{{matrix.v}}{{index}}" }"#,
        r#""matrix": { "os": ["a"], "include": [{ "os": "b", "image": 1 }] }, "config": { "message": "{{matrix.image | default(0)}}" }"#,
        r#""matrix": { "os": ["a"], "include": "{{inputs.region}}" }, "config": { "message": "{{matrix.anything}}" }"#,
    ] {
        assert_eq!(items_report(fine), "", "{fine}");
    }
    let report = items_report(
        r#"
"config": { "message": "hello {{item.name}}" }"#,
    );
    assert!(
        report.starts_with(
            "w.json:3:31: error[no-items]: there is no `item.name` here: the step `a` has neither `foreach` nor `matrix`\n"
        ),
        "{report}"
    );
    assert!(report.contains(
        r"hint: give it one, e.g. `foreach`: [...]; for text that is meant for another program, write `\{{`"
    ));
    for (fields, message, hint) in [
        (
            r#""matrix": { "os": [1] }, "config": { "message": "{{item}}" }"#,
            "there is no `item` here: the step `a` has a `matrix`",
            "`{{matrix.AXIS}}`",
        ),
        (
            r#""foreach": [1], "config": { "message": "{{matrix.os}}" }"#,
            "there is no `matrix.os` here: the step `a` has `foreach`",
            "`{{item}}`",
        ),
        (
            r#""matrix": { "os": [1], "version": [2] }, "config": { "message": "{{matrix.vresion}}" }"#,
            "the matrix has no axis `vresion`",
            "did you mean `version`?",
        ),
        (
            r#""foreach": ["{{item}}"], "config": { "message": "x" }"#,
            "`item` can't say what the items are",
            "filled in for each item",
        ),
        (
            r#""foreach": ["{{nothing}}"], "config": { "message": "x" }"#,
            "unknown name `nothing` in a template",
            "`inputs`",
        ),
        (r#""foreach": "a,b", "config": { "message": "x" }"#, "this is text, and never becomes a list", "[...]"),
        (
            r#""matrix": { "os": "x{{inputs.region}}" }, "config": { "message": "x" }"#,
            "this is text, and never becomes a list",
            "one template",
        ),
        (
            r#""matrix": { "os": [1], "include": ["x"] }, "config": { "message": "x" }"#,
            "`include` holds objects, not a string",
            "",
        ),
    ] {
        let report = items_report(fields);
        assert!(report.contains(message) && report.contains(hint), "{fields}: {report}");
        assert!(report.starts_with("w.json:2:"), "{report}");
    }
}

#[test]
fn too_many_combinations_are_found_before_the_run() {
    let axis: Vec<u32> = (0..400).collect();
    let matrix = json!({ "a": axis, "b": axis });
    let report = items_report(&format!(r#""matrix": {matrix}, "config": {{ "message": "x" }}"#));
    assert!(report.contains("error[items]: a step has at most 100000 items, and these are 160000"), "{report}");
}

#[test]
fn an_input_knows_no_items() {
    let report = report(
        r#"{"name":"w","inputs":{"a":"{{item}}"},"steps":[{"id":"a","type":"print","config":{"message":"x"}}]}"#,
    );
    assert!(report.contains("an input's default can't refer to an item"), "{report}");
}
