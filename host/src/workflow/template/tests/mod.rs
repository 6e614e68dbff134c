//! Tests of the module as a whole.

mod items;
mod plain;
mod problems;
mod references;
mod shells;

use std::borrow::Cow;

use serde_json::{Value, json};

use super::{Item, Path, RenderError, Rendered, Scope, StepLookup, TemplateProblem};
use crate::description::ScriptProperty;

/// A scope whose values are in the struct.
pub(super) struct Fixture {
    pub(super) inputs: Value,
    pub(super) steps: Value,
    rework: Value,
    /// The item, and whether it comes out of a step.
    pub(super) item: Option<(Value, bool)>,
}

impl Fixture {
    pub(super) fn new() -> Self {
        Self {
            inputs: json!({ "name": "ann", "count": 3, "list": ["a b", 2, null], "nothing": null, "deep": { "er": [{ "x": 1 }] } }),
            steps: json!({
                "build-image": { "tag": "v1", "stdout": "{{env.TOKEN}}", "exit_code": 0 },
                "my.id": { "output": { "k": true } },
            }),
            rework: json!({ "note": "less of it", "by": "bob", "step": "gate", "count": 1 }),
            item: None,
        }
    }

    /// One input, `v`.
    pub(super) fn of(value: impl Into<Value>) -> Self {
        Self { inputs: json!({ "v": value.into() }), ..Self::new() }
    }
}

impl Scope for Fixture {
    fn inputs(&self) -> &Value {
        &self.inputs
    }

    fn env(&self, name: &str) -> Option<String> {
        (name == "TOKEN").then(|| "s3cret-value".into())
    }

    fn env_names(&self) -> Vec<String> {
        vec!["TOKEN".into(), "HOME".into()]
    }

    fn step(&self, id: &str) -> StepLookup<'_> {
        match (id, self.steps.get(id)) {
            (_, Some(output)) => StepLookup::Output(Cow::Borrowed(output)),
            ("skipped", _) => StepLookup::NoOutput("it was skipped".into()),
            _ => StepLookup::Unknown,
        }
    }

    fn step_ids(&self) -> Vec<String> {
        vec!["build-image".into(), "my.id".into(), "skipped".into()]
    }

    fn run_id(&self) -> &str {
        "run-1"
    }

    fn workflow_name(&self) -> &str {
        "w"
    }

    fn approval(&self, step: &str) -> Option<Cow<'_, Value>> {
        (step == "gate").then(|| Cow::Owned(json!({ "by": "bob" })))
    }

    fn rework(&self) -> &Value {
        &self.rework
    }

    fn item(&self) -> Option<Item<'_>> {
        self.item.as_ref().map(|(value, _)| Item { index: 4, value })
    }

    fn is_derived(&self, path: &Path) -> bool {
        path.is_derived() || matches!((path, &self.item), (Path::Item(_), Some((_, true))))
    }
}

/// The shell step's script properties.
pub(super) fn scripts() -> Vec<ScriptProperty> {
    ["command", "script"]
        .map(|name| ScriptProperty {
            name: name.into(),
            interpreter: Some("shell".into()),
            unless: (name == "command").then(|| "args".into()),
        })
        .into()
}

pub(super) fn render(config: &Value, scope: &Fixture) -> Result<Rendered, RenderError> {
    super::render(config, &scripts(), scope)
}

pub(super) fn check(config: &Value) -> Vec<TemplateProblem> {
    super::check(config, &scripts())
}

/// The text of a script after rendering, the value being `v`.
pub(super) fn script(text: &str, shell: Option<&str>) -> String {
    let mut config = json!({ "command": text });
    if let Some(shell) = shell {
        config["shell"] = shell.into();
    }
    let rendered = render(&config, &Fixture::of("v")).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    rendered.value["command"].as_str().unwrap().to_owned()
}
