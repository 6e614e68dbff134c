//! What a step type says of itself: the document that a component's `describe` returns.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::capability::Permissions;

/// A step type's description. Its own schema is published in `wit/description.schema.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// The name users write in `type`, e.g. `slack.notify`.
    pub name: String,
    /// The plugin's version.
    pub version: String,
    /// One sentence.
    pub summary: String,
    /// JSON Schema (2020-12) of the config. `writeOnly: true` marks a secret; `contentMediaType: text/x-shellscript` marks
    /// a script (see [`Description::scripts`]).
    #[serde(default = "anything")]
    pub config_schema: Value,
    /// JSON Schema (2020-12) of the output.
    #[serde(default = "anything")]
    pub output_schema: Value,
    /// What it asks for.
    #[serde(default, skip_serializing_if = "Permissions::is_empty")]
    pub permissions: Permissions,
    /// An attempt that was cut off may run again: doing it twice is the same as doing it once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub idempotent: bool,
    /// What of its config may stand in the project's settings, once for all steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<SettingsRequest>,
}

/// Which entry of `.shiro/config.yaml` fills in what a step's config leaves out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingsRequest {
    /// The section: a mapping of names to entries, e.g. `models`.
    pub section: String,
    /// The config's key that names the entry; without it, the entry `default`, or the only one.
    pub selected_by: String,
    /// A key of the config that says itself what the entry would: with it, and no entry named, there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unless: Option<String>,
    /// Keys of an entry that have another name in the config.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub aliases: BTreeMap<String, String>,
}

fn anything() -> Value {
    json!(true)
}

/// A top-level property of the config that holds code for a shell: a string, or an array of lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptProperty {
    /// The property's name, e.g. `command`.
    pub name: String,
    /// The property that names the interpreter (`x-interpreter` in the schema), if there is one. Absent in a config means
    /// a POSIX shell or bash.
    pub interpreter: Option<String>,
    /// With this property present in the config, this one is no script (`x-unless` in the schema): `command` is a
    /// program's name once there are `args`.
    pub unless: Option<String>,
}

impl Description {
    /// The top-level config properties whose `contentMediaType` is `text/x-shellscript`.
    pub fn scripts(&self) -> Vec<ScriptProperty> {
        let text = |schema: &Value, key: &str| schema.get(key).and_then(Value::as_str).map(str::to_owned);
        self.properties()
            .filter(|(_, schema)| schema.get("contentMediaType").and_then(Value::as_str) == Some("text/x-shellscript"))
            .map(|(name, schema)| ScriptProperty {
                name: name.clone(),
                interpreter: text(schema, "x-interpreter"),
                unless: text(schema, "x-unless"),
            })
            .collect()
    }

    /// The top-level config properties that are `writeOnly`: secrets.
    pub fn secrets(&self) -> Vec<String> {
        self.properties()
            .filter(|(_, schema)| schema.get("writeOnly") == Some(&Value::Bool(true)))
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// The top-level output property that is marked `x-not-before`: a time (RFC 3339, in UTC) before which nothing that
    /// depends on the step starts.
    pub fn not_before(&self) -> Option<String> {
        let properties = self.output_schema.get("properties").and_then(Value::as_object)?;
        let marked = |schema: &Value| schema.get("x-not-before") == Some(&Value::Bool(true));
        properties.iter().find(|(_, schema)| marked(schema)).map(|(name, _)| name.clone())
    }

    fn properties(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.config_schema.get("properties").and_then(Value::as_object).into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_scripts_and_secrets_in_the_schema() {
        let description: Description = serde_json::from_value(json!({
            "name": "shell", "version": "1.0.0", "summary": "Runs a command.",
            "config_schema": { "properties": {
                "command": { "contentMediaType": "text/x-shellscript", "x-interpreter": "shell", "x-unless": "args" },
                "token": { "type": "string", "writeOnly": true },
                "shell": { "type": "string" }
            } },
            "output_schema": { "properties": {
                "exit_code": { "type": "integer" },
                "until": { "type": "string", "x-not-before": true }
            } }
        }))
        .unwrap();
        assert_eq!(
            description.scripts(),
            [ScriptProperty { name: "command".into(), interpreter: Some("shell".into()), unless: Some("args".into()) }]
        );
        assert_eq!(description.secrets(), ["token"]);
        assert!(description.permissions.is_empty());
        assert_eq!(description.not_before().as_deref(), Some("until"));
    }
}
