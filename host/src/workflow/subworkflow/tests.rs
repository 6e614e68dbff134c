use std::collections::HashMap;

use serde_json::json;

use super::super::model::{Role, Workflow};
use super::super::{Source, parse};
use super::*;

fn step(id: &str, file: &str) -> Value {
    json!({ "id": id, "type": "workflow", "config": { "file": file } })
}

fn workflow(steps: &[Value]) -> Value {
    json!({ "name": "w", "steps": steps })
}

/// Puts these files, by name, into the one called `main`.
fn expanded(files: &[(&str, Value)]) -> (Workflow, Vec<String>) {
    let files: HashMap<&str, String> = files.iter().map(|(name, content)| (*name, content.to_string())).collect();
    let source = Source::from_text("main", files["main"].clone());
    let (workflow, problems) = parse(&source);
    assert_eq!(problems, []);
    let Expanded { workflow, sources, mut problems } = expand(workflow.unwrap(), "main", &mut |_, named| {
        let text = files.get(named).ok_or_else(|| Unreadable::new("it is not there", None))?;
        Ok(Source::from_text(named, text.clone()))
    });
    source.with_parts(sources).locate(&mut problems);
    let show = |problem: &crate::diagnostic::Diagnostic| problem.display("main").to_string();
    (workflow, problems.iter().map(show).collect())
}

fn print(id: &str) -> Value {
    json!({ "id": id, "type": "print" })
}

#[test]
fn the_steps_of_a_file_stand_between_its_beginning_and_its_end() {
    let mut outer = step("a", "part");
    outer["depends_on"] = json!(["x"]);
    outer["quiet"] = true.into();
    outer["permissions"] = json!({ "network": [] });
    let inner = json!({ "name": "part", "secrets": ["B"], "outputs": { "o": 1 }, "finally": [print("z")], "steps": [
        { "id": "p", "type": "print", "depends_on": ["q"], "permissions": { "process": [] } }, step("q", "deep"),
    ] });
    let mut main = workflow(&[print("x"), outer, print("y")]);
    main["secrets"] = json!(["A"]);
    let (workflow, problems) = expanded(&[("main", main), ("part", inner), ("deep", workflow(&[print("r")]))]);
    assert_eq!(problems, [""; 0]);
    let ids: Vec<&str> = workflow.steps.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(ids, ["x", "a/.begin", "a/p", "a/q/.begin", "a/q/r", "a/q", "a/z", "a", "y"]);
    let find = |id: &str| workflow.steps.iter().find(|step| step.id.as_str() == id).unwrap();
    assert_eq!(find("a/p").depends_on[0].as_str(), "a/q");
    assert_eq!((find("a/.begin").depends_on.len(), find("a").depends_on.len()), (1, 0));
    assert!(find("a/q/r").quiet && !find("y").quiet);
    assert_eq!([find("x"), find("a/p"), find("a/q/r")].map(|step| step.permissions.len()), [0, 2, 1]);
    assert_eq!(find("a/p").pointer("id"), "part#/steps/0/id");
    assert_eq!(find("a/z").pointer("id"), "part#/finally/0/id");
    assert_eq!(find("a").pointer("config"), "part#/outputs");
    assert_eq!(find("a").pointer("id"), "/steps/1/id");
    assert!(matches!(find("a").role, Role::End { .. }) && matches!(find("a/q/.begin").role, Role::Begin { .. }));
    assert_eq!(workflow.secrets, ["A", "B"]);
    assert_eq!(
        workflow.subworkflows.iter().map(|sub| (sub.id.as_str(), sub.parent.is_some())).collect::<Vec<_>>(),
        [("a", false), ("a/q", true)]
    );
}

#[test]
fn what_is_inside_counts_in_the_digests() {
    let of = |inner: Value| {
        let (workflow, _) = expanded(&[
            ("main", workflow(&[step("a", "part")])),
            ("part", workflow(&[step("b", "deep")])),
            ("deep", inner),
        ]);
        let digests: HashMap<String, String> =
            workflow.steps.iter().map(|step| (step.id.to_string(), step.digest.to_string())).collect();
        (workflow.digest, digests)
    };
    let (one, same, other) =
        (of(workflow(&[print("c")])), of(workflow(&[print("c")])), of(json!({ "name": "v", "steps": [print("c")] })));
    assert_eq!(one, same);
    assert_ne!(one.0, other.0);
    assert_eq!(one.1["a/b/c"], other.1["a/b/c"]);
    assert_ne!(one.1["a/b"], other.1["a/b"], "what stands outside of the file's steps is the step's");
}

#[test]
fn a_file_that_is_used_twice_is_read_once_and_its_problems_are_told_once() {
    let part = json!({ "name": "part", "steps": [{ "id": "p", "typo": 1 }] });
    let (workflow, problems) = expanded(&[("main", workflow(&[step("a", "part"), step("b", "part")])), ("part", part)]);
    assert_eq!(problems.len(), 2, "{problems:#?}");
    assert!(problems.iter().all(|problem| problem.starts_with("part:1:")), "{problems:#?}");
    // They stand there as they are, so that what names them is no further problem.
    assert_eq!(workflow.steps.iter().map(|step| step.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn workflows_end() {
    let (_, problems) = expanded(&[("main", workflow(&[step("a", "main")]))]);
    assert!(problems[0].contains("without end: main -> main"), "{problems:#?}");
    let (_, problems) = expanded(&[
        ("main", workflow(&[step("a", "p")])),
        ("p", workflow(&[step("b", "q")])),
        ("q", workflow(&[step("c", "p")])),
    ]);
    assert!(problems[0].starts_with("q:1:") && problems[0].contains("without end: p -> q -> p"), "{problems:#?}");
    // One within another, too deep.
    let names: Vec<String> = (0..=MAX_DEPTH + 1).map(|depth| format!("f{depth}")).collect();
    let chain: Vec<(&str, Value)> =
        names.windows(2).map(|pair| (pair[0].as_str(), workflow(&[step("a", &pair[1])]))).collect();
    let mut files = vec![("main", workflow(&[step("a", "f0")]))];
    files.extend(chain);
    let (_, problems) = expanded(&files);
    assert_eq!(problems.len(), 1);
    assert!(problems[0].contains("at most 8 deep"), "{problems:#?}");
    // Each ten times the one within it: too many, and found out without making them all.
    let ten = |file: &str| workflow(&(0..10).map(|n| step(&format!("s{n}"), file)).collect::<Vec<_>>());
    let (workflow, problems) = expanded(&[
        ("main", ten("a")),
        ("a", ten("b")),
        ("b", ten("c")),
        ("c", ten("d")),
        ("d", ten("e")),
        ("e", ten("f")),
        ("f", workflow(&[print("x")])),
    ]);
    assert!(workflow.steps.len() <= MAX_STEPS + 10, "{}", workflow.steps.len());
    assert!(problems.iter().any(|problem| problem.contains("more than 100000 steps")), "{problems:#?}");
}

#[test]
fn inputs_are_held_against_what_the_file_takes() {
    let part = json!({ "name": "part", "steps": [print("p")], "inputs": {
        "size": { "type": "integer", "required": true }, "colour": { "type": "string", "enum": ["red"] }, "free": 1 } });
    let problems = |inputs: Value| {
        let mut outer = step("a", "part");
        outer["config"]["inputs"] = inputs;
        expanded(&[("main", workflow(&[outer])), ("part", part.clone())]).1
    };
    assert_eq!(problems(json!({ "size": 1, "colour": "{{ env.COLOUR }}", "free": [] })), [""; 0]);
    for (inputs, said) in [
        (json!({}), "the workflow's input `size` is required"),
        (json!({ "size": 1, "sise": 2 }), "did you mean `size`?"),
        (json!({ "size": "one" }), "/steps/0/config/inputs/size"),
        (json!({ "size": 1, "colour": "blue" }), "/steps/0/config/inputs/colour"),
    ] {
        let problems = problems(inputs);
        assert!(problems.len() == 1 && problems[0].contains(said), "{said}: {problems:#?}");
    }
}

#[test]
fn text_that_a_step_made_stays_so_inside() {
    let mut deep = step("b", "deep");
    deep["config"]["inputs"] = json!({ "x": "{{ inputs.host }}", "y": "{{ inputs.own }}" });
    let part = json!({ "name": "part", "inputs": { "host": "", "own": "" }, "steps": [deep] });
    let mut outer = step("a", "part");
    outer["config"]["inputs"] = json!({ "host": "see {{ steps.x.host }}", "own": "{{ env.HOST }}" });
    let deepest = json!({ "name": "deep", "inputs": { "x": "", "y": "" }, "steps": [print("p")] });
    let (workflow, _) = expanded(&[("main", workflow(&[print("x"), outer])), ("part", part), ("deep", deepest)]);
    let derived: Vec<Vec<&str>> =
        workflow.subworkflows.iter().map(|sub| sub.derived.iter().map(String::as_str).collect()).collect();
    assert_eq!(derived, [["host"], ["x"]]);
    let inputs = |keys: &[&str]| {
        super::super::template::Path::Inputs(
            keys.iter().map(|key| super::super::template::Key::Name((*key).into())).collect(),
        )
    };
    let of = &workflow.subworkflows[0].derived;
    assert!(inputs::is_derived(&inputs(&["host", "a"]), of) && inputs::is_derived(&inputs(&[]), of));
    assert!(!inputs::is_derived(&inputs(&["own"]), of));
}

#[test]
fn settings_inside_do_not_hold_and_that_is_said() {
    let part =
        json!({ "name": "part", "settings": { "jobs": 2 }, "not_secrets": ["A_KEY", "B_KEY"], "steps": [print("p")] });
    let mut main = workflow(&[step("a", "part")]);
    main["not_secrets"] = json!(["A_KEY"]);
    let (_, problems) = expanded(&[("main", main), ("part", part)]);
    let firsts: Vec<&str> = problems.iter().map(|problem| problem.lines().next().unwrap()).collect();
    assert_eq!(firsts.len(), 2, "{problems:#?}");
    assert!(firsts[0].contains("warning") && firsts[0].contains("these settings"), "{firsts:?}");
    assert!(firsts[1].contains("`B_KEY` is masked all the same"), "{firsts:?}");
}

#[test]
fn what_it_can_not_have_is_refused_with_what_to_do() {
    for (field, value) in [("retry", json!({ "max_attempts": 2 })), ("timeout", json!(5)), ("idempotent", json!(true))]
    {
        let mut outer = step("a", "part");
        outer[field] = value;
        let (_, problems) = expanded(&[("main", workflow(&[outer])), ("part", workflow(&[print("p")]))]);
        assert!(
            problems.len() == 1 && problems[0].contains(&format!("set `{field}` on the steps of its file")),
            "{problems:?}"
        );
    }
    for (field, value) in [("foreach", json!([1])), ("matrix", json!({ "x": [1] }))] {
        let mut outer = step("a", "part");
        outer[field] = value;
        let (_, problems) = expanded(&[("main", workflow(&[outer])), ("part", workflow(&[print("p")]))]);
        let said = format!("set `{field}` on the steps of its file, with the list as an input");
        assert!(problems.len() == 1 && problems[0].contains(&said), "{problems:?}");
    }
    for (file, said) in
        [("{{ env.F }}", "can't hold a template"), ("a#b", "can't hold `#`"), ("gone", "it is not there")]
    {
        let (_, problems) = expanded(&[("main", workflow(&[step("a", file)]))]);
        assert!(problems.len() == 1 && problems[0].contains(said), "{problems:?}");
    }
}

#[test]
fn the_type_is_described_like_a_component() {
    assert_eq!(description().name, TYPE);
    assert!(crate::workflow::TypeInfo::new(description().clone()).is_ok());
}
