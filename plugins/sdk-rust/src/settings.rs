//! What a step type takes from the project's settings.

use std::collections::BTreeMap;

use serde::Serialize;

/// Which entry of `.shiro/config.yaml` fills in what a step's config leaves out, so that it stands there once for all steps.
///
/// ```
/// use shiro_step::Settings;
///
/// let settings = Settings::section("models", "provider").unless("type").alias("provider", "type");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Settings {
    section: String,
    selected_by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    unless: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    aliases: BTreeMap<String, String>,
}

impl Settings {
    /// Entries of this section, a mapping of names to entries. The config's key `selected_by` names the entry; without it, it
    /// is the one called `default`, or the only one.
    pub fn section(section: impl Into<String>, selected_by: impl Into<String>) -> Self {
        Self { section: section.into(), selected_by: selected_by.into(), unless: None, aliases: BTreeMap::new() }
    }

    /// With this key in the config, and no entry named, there is none: the config says all of it itself.
    pub fn unless(mut self, key: impl Into<String>) -> Self {
        self.unless = Some(key.into());
        self
    }

    /// A key of an entry that has another name in the config.
    pub fn alias(mut self, in_entry: impl Into<String>, in_config: impl Into<String>) -> Self {
        self.aliases.insert(in_entry.into(), in_config.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_document_that_the_schema_describes() {
        let settings = Settings::section("models", "provider").unless("type").alias("provider", "type");
        assert_eq!(
            serde_json::to_value(settings).unwrap(),
            serde_json::json!({
                "section": "models", "selected_by": "provider", "unless": "type", "aliases": { "provider": "type" }
            })
        );
    }
}
