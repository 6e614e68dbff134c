//! `foreach`, `matrix` and `max_parallel`.

use super::*;
use crate::workflow::fan_out::Kind;

#[test]
fn what_a_step_is_run_for_is_read() {
    let workflow = clean(&json!({ "name": "w", "steps": [
        { "id": "a", "type": "print", "foreach": [1, "{{inputs.x}}"], "max_parallel": 3 },
        { "id": "b", "type": "print", "matrix": { "os": ["linux"], "v": "{{inputs.v}}", "exclude": [{ "os": "linux" }] } },
        { "id": "c", "type": "print", "foreach": null, "matrix": null, "max_parallel": null },
    ] }));
    let fan_out = |step: usize| workflow.steps[step].fan_out.as_deref();
    let a = fan_out(0).unwrap();
    assert_eq!((a.kind, &a.over, a.max_parallel), (Kind::Foreach, &json!([1, "{{inputs.x}}"]), Some(3)));
    let b = fan_out(1).unwrap();
    assert_eq!((b.kind, b.max_parallel, b.axes()), (Kind::Matrix, None, Some(vec!["os", "v"])));
    assert!(fan_out(2).is_none());
    let digest = |foreach: Value| {
        clean(&json!({ "name": "w", "steps": [{ "id": "a", "type": "print", "foreach": foreach }] })).steps[0].digest
    };
    assert_ne!(digest(json!([1])), digest(json!([2])));
}

#[test]
fn what_can_be_no_list_is_reported_with_its_place() {
    for (fields, place, message, hint) in [
        (r#""foreach": { "a": [] }"#, "2:12", "`foreach` is a list, or a template that gives one, not an object", ""),
        (r#""foreach": 3"#, "2:12", "not a number", ""),
        (r#""matrix": ["os"]"#, "2:11", "`matrix` is an object whose members are lists, not an array", ""),
        (r#""matrix": {}"#, "2:11", "the matrix has no axis", "\"os\""),
        (r#""matrix": { "exclude": [] }"#, "2:11", "the matrix has no axis", ""),
        (r#""matrix": { "os": 1 }"#, "2:19", "`os` is a list, or a template that gives one, not a number", "\"os\""),
        (r#""matrix": { "os": [], "exclude": [{}, 7] }"#, "2:39", "`exclude` holds objects, not a number", ""),
        (r#""foreach": [], "matrix": { "os": [] }"#, "2:26", "a step has `foreach` or `matrix`, not both", "any list"),
        (r#""max_parallel": 2"#, "2:17", "`max_parallel` is for a step with `foreach` or `matrix`", "`settings.jobs`"),
        (r#""foreach": [], "max_parallel": 0"#, "2:32", "`max_parallel` is a whole number from 1 to 100000", ""),
        (r#""for_each": []"#, "2:1", "there is no field `for_each` here", "did you mean `foreach`?"),
    ] {
        let report = step_report(fields);
        assert!(report.starts_with(&format!("w.json:{place}: ")), "{fields}: {report}");
        assert!(report.contains(message) && report.contains(hint), "{fields}: {report}");
        assert_eq!(report.matches("error[").count(), 1, "{report}");
    }
}
