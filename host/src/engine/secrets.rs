//! Config values that are secret by their type's schema (`writeOnly`): known to the masking before anything runs, as far as
//! they don't depend on what steps give out.

use std::sync::Arc;

use serde_json::Value;

use super::scope::{ItemOf, StepScope, Surroundings};
use super::state::RunState;
use crate::description::Description;
use crate::event::{Notice, Tell};
use crate::id::StepId;
use crate::secret::{Added, Secrets};
use crate::workflow::StepTypes;
use crate::workflow::model::Step;
use crate::workflow::template;

/// Registers what is known before any step has run. A value that can't be rendered now is registered when its step starts.
pub(super) fn register_known(surroundings: &Surroundings, state: &RunState, types: &StepTypes, tell: &dyn Tell) {
    let plan = &surroundings.plan;
    for step in plan.steps() {
        if let Some(items) = state.items_at(step) {
            register_items(
                surroundings,
                types,
                plan.step(step),
                items.values(),
                StepScope::without_steps(surroundings),
            );
        }
    }
    let scope = StepScope::without_steps(surroundings);
    for step in plan.steps().map(|step| plan.step(step)) {
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
/// secret costs more the more there are.
pub(super) fn register_items(
    surroundings: &Surroundings,
    types: &StepTypes,
    step: &Step,
    items: &Arc<[Value]>,
    mut scope: StepScope<'_>,
) {
    let Some(info) = types.loaded.get(&step.step_type) else { return };
    let names = info.description.secrets();
    let values: Vec<(&String, &Value)> = names.iter().filter_map(|name| Some((name, step.config.get(name)?))).collect();
    if values.is_empty() {
        return;
    }
    for (index, _) in (0..).zip(items.iter()) {
        // A secret that is missing now is reported when the item starts.
        let Ok(of_item) = scope.at_item(&ItemOf { index, values: Arc::clone(items) }) else { continue };
        for (name, value) in &values {
            if let Ok(value) = template::render_value(value, of_item) {
                add(&surroundings.secrets, &step.id.item(index), name, &value);
            }
        }
    }
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
