//! Plans for tests, from the steps of a workflow as JSON.

use serde_json::{Value, json};

use super::Plan;
use crate::diagnostic::{Diagnostic, Severity};
use crate::workflow::subworkflow::expand;
use crate::workflow::{Source, parse};

/// The plan of a workflow with these steps, or what is wrong with it. A step without a `type` is of the type `fake`; one with
/// `"finally": true` stands in that list.
pub(crate) fn try_plan(steps: Value) -> Result<Plan, Vec<Diagnostic>> {
    let Value::Array(mut steps) = steps else { panic!("a list of steps") };
    let mut finally = Vec::new();
    steps.retain_mut(|step| {
        let members = step.as_object_mut().expect("a step is an object");
        members.entry("type").or_insert_with(|| json!("fake"));
        let stays = members.shift_remove("finally").is_none();
        if !stays {
            finally.push(step.take());
        }
        stays
    });
    let document = json!({ "name": "test", "inputs": { "colour": "blue" }, "steps": steps, "finally": finally });
    let (workflow, problems) = parse(&Source::from_text("workflow.json", document.to_string()));
    let errors: Vec<_> = problems.into_iter().filter(|problem| problem.severity == Severity::Error).collect();
    if errors.is_empty() { Plan::build(workflow.expect("no errors")) } else { Err(errors) }
}

/// The plan of this workflow, whose steps may run these files. Steps without a `type` are of the type `fake`.
pub(crate) fn nested(workflow: Value, files: &[(&str, Value)]) -> Plan {
    let typed = |mut workflow: Value| {
        for list in ["steps", "finally"] {
            for step in workflow.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                step.as_object_mut().expect("a step is an object").entry("type").or_insert_with(|| json!("fake"));
            }
        }
        workflow.to_string()
    };
    let (workflow, problems) = parse(&Source::from_text("workflow.json", typed(workflow)));
    assert_eq!(problems, []);
    let expanded = expand(workflow.expect("no errors"), "workflow.json", &mut |_, named| {
        let (_, content) = files.iter().find(|(name, _)| *name == named).expect("the file is there");
        Ok(Source::from_text(named, typed(content.clone())))
    });
    assert_eq!(expanded.problems, []);
    Plan::build(expanded.workflow).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// The plan of a workflow with these steps.
pub(crate) fn plan(steps: Value) -> Plan {
    try_plan(steps).unwrap_or_else(|problems| panic!("{problems:#?}"))
}
