//! The project's settings (`.shiro/config.yaml`): what stands once for many steps. A step type says which section it takes
//! entries of; an entry fills in what a step's config leaves out, before the config is checked.
//!
//! What is filled in is part of what the step means: it counts in the step's digest and in the workflow's.

use serde_json::{Map, Value, json};

use super::model::{Step, Workflow};
use super::validate::StepTypes;
use super::{digest, suggest};
use crate::description::SettingsRequest;
use crate::diagnostic::{Diagnostic, Place};

/// The entry that is taken when none is named.
const DEFAULT: &str = "default";

/// The settings of a project.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// The file, there or not, as it is shown.
    pub file: String,
    /// Its sections.
    pub sections: Map<String, Value>,
}

/// Fills in what the steps' configs leave out. Places have no position yet.
pub fn apply(workflow: &mut Workflow, types: &StepTypes, settings: &Settings) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    let mut used = Map::new();
    for step in &mut workflow.steps {
        let Some(info) = types.loaded.get(&step.step_type) else { continue };
        let Some(request) = &info.description.settings else { continue };
        match settings.entry(request, step) {
            Ok(None) => {}
            Ok(Some((name, entry))) => {
                let known = info.description.config_schema.get("properties").and_then(Value::as_object);
                let filled = fill_in(step, request, entry, known);
                match filled {
                    Ok(()) => {
                        step.digest = digest::of(&json!({ "step": step.digest.to_string(), "settings": entry }));
                        used.insert(step.id.to_string(), entry.clone());
                    }
                    Err(message) => {
                        let entry = format!("{}.{name}", request.section);
                        let message = format!("`{entry}` in {} {message}", settings.file);
                        problems.push(Diagnostic::error("settings", Place::value(step.pointer("config")), message));
                    }
                }
            }
            Err(problem) => problems.push(*problem),
        }
    }
    if !used.is_empty() {
        workflow.digest = digest::of(&json!({ "workflow": workflow.digest.to_string(), "settings": used }));
    }
    problems
}

impl Settings {
    /// The entry that a step takes, and its name.
    fn entry<'a>(
        &'a self,
        request: &SettingsRequest,
        step: &Step,
    ) -> Result<Option<(&'a str, &'a Value)>, Box<Diagnostic>> {
        let says = |key: &str| step.config.get(key).filter(|value| !value.is_null() && *value != "");
        let section = self.sections.get(&request.section).and_then(Value::as_object);
        let entries = || section.into_iter().flatten().map(|(name, entry)| (name.as_str(), entry));
        let Some(selected) = says(&request.selected_by) else {
            if request.unless.as_deref().and_then(says).is_some() {
                return Ok(None);
            }
            return match section.and_then(|section| section.get_key_value(DEFAULT)) {
                Some((name, entry)) => Ok(Some((name, entry))),
                None if entries().count() <= 1 => Ok(entries().next()),
                None => {
                    let place = Place::value(step.pointer("config"));
                    let message =
                        format!("{} has several `{}`, and none is called `{DEFAULT}`", self.file, request.section);
                    let names = suggest::list(entries().map(|(name, _)| name), 10);
                    let hint = format!("say which in `{}`: {names}", request.selected_by);
                    Err(Box::new(Diagnostic::error("settings", place, message).with_hint(hint)))
                }
            };
        };
        let place = Place::value(step.pointer(&format!("config/{}", request.selected_by)));
        let Some(selected) = selected.as_str().filter(|name| !name.contains("{{")) else {
            let message = format!("`{}` must be a name, known before the run", request.selected_by);
            return Err(Box::new(Diagnostic::error("settings", place, message)));
        };
        if let Some(found) = entries().find(|(name, _)| *name == selected) {
            return Ok(Some(found));
        }
        let message = format!("there is no entry `{selected}` in `{}` of {}", request.section, self.file);
        let hint = match suggest::nearest(selected, entries().map(|(name, _)| name)) {
            Some(near) => format!("did you mean `{near}`?"),
            None if entries().next().is_some() => {
                format!("there are {}", suggest::list(entries().map(|(name, _)| name), 10))
            }
            None => format!("write it there:\n{}:\n  {selected}:\n    ...", request.section),
        };
        Err(Box::new(Diagnostic::error("settings", place, message).with_hint(hint)))
    }
}

/// The error reads after the entry's name.
fn fill_in(
    step: &mut Step,
    request: &SettingsRequest,
    entry: &Value,
    known: Option<&Map<String, Value>>,
) -> Result<(), String> {
    let Some(entry) = entry.as_object() else { return Err("is no mapping".to_owned()) };
    let Some(config) = step.config.as_object_mut() else { return Ok(()) };
    for (key, value) in entry {
        let name = request.aliases.get(key).map_or(key.as_str(), String::as_str);
        if name == request.selected_by {
            continue;
        }
        if let Some(known) = known.filter(|known| !known.contains_key(name)) {
            let near = suggest::nearest(name, known.keys().map(String::as_str));
            let hint = near.map_or_else(String::new, |near| format!(": did you mean `{near}`?"));
            return Err(format!("has `{key}`, which `{}` does not know{hint}", step.step_type));
        }
        // What the step says itself wins.
        let says_nothing = config.get(name).is_none_or(|own| own.is_null() || *own == "");
        if says_nothing {
            config.insert(name.to_owned(), value.clone());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::{Source, TypeInfo, parse};

    fn types() -> StepTypes {
        let description = json!({
            "name": "ask", "version": "1.0.0", "summary": "Asks.",
            "config_schema": { "properties": { "provider": {}, "type": {}, "url": {}, "key": {}, "prompt": {} } },
            "settings": {
                "section": "models", "selected_by": "provider", "unless": "type", "aliases": { "provider": "type" }
            },
        });
        let info = TypeInfo::new(serde_json::from_value(description).unwrap()).unwrap();
        StepTypes { loaded: [(crate::id::StepType::new("ask"), info)].into(), ..StepTypes::default() }
    }

    fn settings(models: Value) -> Settings {
        let sections = json!({ "models": models });
        Settings { file: ".shiro/config.yaml".into(), sections: sections.as_object().unwrap().clone() }
    }

    fn applied(config: Value, models: Value) -> Result<(Value, String), String> {
        let workflow = json!({ "name": "w", "steps": [{ "id": "a", "type": "ask", "config": config }] });
        let (workflow, _) = parse(&Source::from_text("w.json", workflow.to_string()));
        let mut workflow = workflow.expect("a workflow");
        let problems = apply(&mut workflow, &types(), &settings(models));
        match problems.first() {
            Some(problem) => Err(format!("{} {}", problem.message, problem.hint.as_deref().unwrap_or_default())),
            None => Ok((workflow.steps[0].config.clone(), workflow.digest.to_string())),
        }
    }

    #[test]
    fn an_entry_fills_in_what_is_left_out() {
        let models = json!({ "default": { "provider": "x", "url": "u", "key": "k" }, "other": { "url": "o" } });
        let config = |config| applied(config, models.clone()).map(|(config, _)| config);
        assert_eq!(config(json!({ "url": "mine" })).unwrap(), json!({ "url": "mine", "type": "x", "key": "k" }));
        assert_eq!(config(json!({ "provider": "other" })).unwrap(), json!({ "provider": "other", "url": "o" }));
        assert_eq!(config(json!({ "type": "own" })).unwrap(), json!({ "type": "own" }));
        assert_eq!(config(json!({ "url": "" })).unwrap()["url"], "u");
    }

    #[test]
    fn the_only_entry_needs_no_name() {
        assert_eq!(applied(json!({}), json!({ "one": { "url": "o" } })).unwrap().0, json!({ "url": "o" }));
        assert_eq!(applied(json!({}), json!({})).unwrap().0, json!({}));
    }

    #[test]
    fn what_is_filled_in_counts_in_the_digests() {
        let digest = |url: &str| applied(json!({}), json!({ "one": { "url": url } })).unwrap().1;
        assert_ne!(digest("a"), digest("b"));
        assert_eq!(digest("a"), digest("a"));
    }

    #[test]
    fn mistakes_are_explained() {
        for (config, models, said) in [
            (json!({ "provider": "fats" }), json!({ "fast": {} }), "did you mean `fast`"),
            (json!({ "provider": "x" }), json!({}), "write it there:\nmodels:\n  x:"),
            (json!({ "provider": "{{env.P}}" }), json!({ "a": {} }), "known before the run"),
            (json!({}), json!({ "a": {}, "b": {} }), "say which in `provider`: `a`, `b`"),
            (json!({}), json!({ "a": { "urll": 1 } }), "`models.a` in .shiro/config.yaml has `urll`"),
            (json!({}), json!({ "a": 1 }), "is no mapping"),
        ] {
            let problem = applied(config, models).unwrap_err();
            assert!(problem.contains(said), "{problem}");
        }
    }
}
