//! What begins and ends a workflow that runs as a step: the engine does both itself.

use serde_json::{Map, Value};

use super::failures;
use super::frame::Frame;
use super::scope::{StepScope, Surroundings};
use crate::outcome::Failure;
use crate::plan::StepIndex;
use crate::workflow::model::{Role, Step};
use crate::workflow::subworkflow::{Subworkflow, inputs};
use crate::workflow::template;

/// What an attempt of this step puts out, if it begins or ends a workflow: its inputs, or its outputs. `scope` is the step's.
pub(super) fn attempt(
    surroundings: &Surroundings,
    step: StepIndex,
    scope: &StepScope<'_>,
) -> Option<Result<Value, Box<Failure>>> {
    let plan = &surroundings.plan;
    let definition = plan.step(step);
    match definition.role {
        Role::Plain => None,
        Role::Begin { .. } => {
            let inner = plan.begins(step).and_then(|group| plan.subworkflow(group))?;
            Some(begin(surroundings, step, definition, inner, scope))
        }
        Role::End { .. } => Some(end(definition, scope)),
    }
}

/// The values of the inputs within.
fn begin(
    surroundings: &Surroundings,
    step: StepIndex,
    definition: &Step,
    inner: &Subworkflow,
    scope: &StepScope<'_>,
) -> Result<Value, Box<Failure>> {
    let given = definition.config.get(inputs::KEY).unwrap_or(&Value::Null);
    let pointer = definition.pointer(&format!("config/{}", inputs::KEY));
    let given = template::render_value(given, scope).map_err(|error| failures::template(&pointer, &error))?;
    // Defaults see nothing but the environment, the run's id and the file's own name.
    let nothing = Frame::open(inner.name.clone(), &Value::Null, Default::default(), &surroundings.secrets);
    let early = StepScope::without_steps(surroundings, &nothing, step);
    inputs::resolve(inner, &given, &early).map_err(|errors| failures::inputs(&pointer, &errors))
}

/// What the workflow gives.
fn end(definition: &Step, scope: &StepScope<'_>) -> Result<Value, Box<Failure>> {
    if !definition.save_output {
        return Ok(Value::Null);
    }
    if definition.config.is_null() {
        let outputs: Map<String, Value> = scope.outputs().map(|(id, output)| (id.to_owned(), output.clone())).collect();
        return Ok(Value::Object(outputs));
    }
    template::render_value(&definition.config, scope)
        .map_err(|error| failures::template(&definition.pointer("config"), &error))
}
