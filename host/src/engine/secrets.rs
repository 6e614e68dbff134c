//! Config values that are secret by their type's schema (`writeOnly`): known to the masking before anything runs, as far as
//! they don't depend on what steps give out.

use serde_json::Value;

use super::scope::{StepScope, Surroundings};
use crate::description::Description;
use crate::event::{Notice, Tell};
use crate::secret::{Added, Secrets};
use crate::workflow::StepTypes;
use crate::workflow::model::Step;
use crate::workflow::template;

/// Registers what is known before any step has run. A value that can't be rendered now is registered when its step starts.
pub(super) fn register_known(surroundings: &Surroundings, types: &StepTypes, tell: &dyn Tell) {
    let plan = &surroundings.plan;
    let scope = StepScope::without_steps(surroundings);
    for step in plan.steps().map(|step| plan.step(step)) {
        let Some(info) = types.loaded.get(&step.step_type) else { continue };
        for name in info.description.secrets() {
            let Some(value) = step.config.get(&name) else { continue };
            let Ok(value) = template::render_value(value, &scope) else { continue };
            for text in short(add(&surroundings.secrets, step, &name, &value)) {
                tell.tell(Notice::Warning {
                    step: Some(&step.id),
                    message: &format!("`{text}` is secret, but too short to be told from other text: it is not masked"),
                });
            }
        }
    }
}

/// Registers a config's secret values, its templates filled in.
pub(super) fn register(secrets: &Secrets, step: &Step, description: &Description, config: &Value) {
    for name in description.secrets() {
        if let Some(value) = config.get(&name) {
            add(secrets, step, &name, value);
        }
    }
}

/// Every string in a value, under the name `config:STEP:/pointer`. Returns what became of each.
fn add(secrets: &Secrets, step: &Step, name: &str, value: &Value) -> Vec<(String, Added)> {
    let mut added = Vec::new();
    let mut rest = vec![(format!("/{}", name.replace('~', "~0").replace('/', "~1")), value)];
    while let Some((pointer, value)) = rest.pop() {
        match value {
            Value::String(text) => {
                let result = secrets.add(&format!("config:{}:{pointer}", step.id), text);
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
