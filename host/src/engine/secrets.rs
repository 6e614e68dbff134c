//! Config values that are secret by their type's schema (`writeOnly`): known to the masking before anything runs, as far as
//! they don't depend on what steps give out.

use serde_json::Value;

use super::frame::Frames;
use super::scope::{StepScope, Surroundings};
use super::state::RunState;
use crate::description::Description;
use crate::event::{Notice, Tell};
use crate::id::StepId;
use crate::secret::{Added, Secrets};
use crate::workflow::StepTypes;
use crate::workflow::model::Step;
use crate::workflow::template;

/// Registers what is known before any step has run. A value that can't be rendered now is registered when its step starts.
pub(super) fn register_known(
    surroundings: &Surroundings,
    frames: &mut Frames,
    state: &RunState,
    types: &StepTypes,
    tell: &dyn Tell,
) {
    let plan = &surroundings.plan;
    for index in plan.steps() {
        // Within a workflow that has not begun, `inputs` has no values yet.
        let Some(frame) = frames.begun(plan, state, &surroundings.secrets, index) else { continue };
        let (step, scope) = (plan.step(index), || StepScope::without_steps(surroundings, &frame, index));
        register_items(surroundings, types, step, scope(), || early_items(step, &scope()));
        if let Some(items) = state.items_at(index) {
            register_items(surroundings, types, step, scope(), || opened(surroundings, items.values()));
        }
    }
    for index in plan.steps() {
        let Some(frame) = frames.begun(plan, state, &surroundings.secrets, index) else { continue };
        let step = plan.step(index);
        let scope = StepScope::without_steps(surroundings, &frame, index);
        let Some(info) = types.loaded.get(&step.step_type) else { continue };
        for name in info.description.secrets() {
            let Some(value) = step.config.get(&name) else { continue };
            let Ok(value) = template::render_value(value, &scope) else { continue };
            for text in short(add(&surroundings.secrets, &step.id, &name, &value)) {
                tell.tell(Notice::Warning {
                    step: Some(&step.id),
                    message: &format!("`{text}` is secret, but too short to be told from other text: it is not masked"),
                });
            }
        }
    }
}

/// Registers what the items of a step make of its config, as far as the scope has it: before any of them runs, since each new
/// secret costs more the more there are. `items`: as they are, in order; asked for only where something in the config is
/// secret.
pub(super) fn register_items(
    surroundings: &Surroundings,
    types: &StepTypes,
    step: &Step,
    mut scope: StepScope<'_>,
    items: impl FnOnce() -> Vec<Option<Value>>,
) {
    let Some(info) = types.loaded.get(&step.step_type).filter(|_| step.fan_out.is_some()) else { return };
    let names = info.description.secrets();
    let values: Vec<(&String, &Value)> = names.iter().filter_map(|name| Some((name, step.config.get(name)?))).collect();
    if values.is_empty() {
        return;
    }
    for (index, item) in (0..).zip(items()).filter_map(|(index, item)| Some((index, item?))) {
        let of_item = scope.at_value(index, item);
        for (name, value) in &values {
            if let Ok(value) = template::render_value(value, of_item) {
                add(&surroundings.secrets, &step.id.item(index), name, &value);
            }
        }
    }
}

/// The items of a list that depends on no step: what is secret in them is known before the list is recorded.
fn early_items(step: &Step, scope: &StepScope<'_>) -> Vec<Option<Value>> {
    let items = step.fan_out.as_ref().and_then(|fan_out| {
        let filled_in = template::render_value(&fan_out.over, scope).ok()?;
        fan_out.items(filled_in).ok()
    });
    items.unwrap_or_default().into_iter().map(Some).collect()
}

/// Items as they were recorded; `None` for one with a secret that is missing now, which is reported when it starts.
pub(super) fn opened(surroundings: &Surroundings, items: &[Value]) -> Vec<Option<Value>> {
    items.iter().map(|item| surroundings.secrets.open(item).ok()).collect()
}

/// Registers a config's secret values, its templates filled in. `step`: or the item that it is filled in for.
pub(super) fn register(secrets: &Secrets, step: &StepId, description: &Description, config: &Value) {
    for name in description.secrets() {
        if let Some(value) = config.get(&name) {
            add(secrets, step, &name, value);
        }
    }
}

/// Every string in a value, under the name `config:STEP:/pointer`. Returns what became of each.
fn add(secrets: &Secrets, step: &StepId, name: &str, value: &Value) -> Vec<(String, Added)> {
    let mut added = Vec::new();
    let mut rest = vec![(format!("/{}", name.replace('~', "~0").replace('/', "~1")), value)];
    while let Some((pointer, value)) = rest.pop() {
        match value {
            Value::String(text) => {
                let result = secrets.add(&format!("config:{step}:{pointer}"), text);
                added.push((pointer, result));
            }
            Value::Array(items) => {
                rest.extend(items.iter().enumerate().map(|(index, item)| (format!("{pointer}/{index}"), item)));
            }
            Value::Object(fields) => rest.extend(
                fields
                    .iter()
                    .map(|(name, field)| (format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1")), field)),
            ),
            Value::Number(_) | Value::Bool(_) | Value::Null => {}
        }
    }
    added
}

fn short(added: Vec<(String, Added)>) -> impl Iterator<Item = String> {
    added.into_iter().filter(|(_, added)| *added == Added::TooShort).map(|(pointer, _)| pointer)
}
