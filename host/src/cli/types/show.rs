//! The documentation of a step type, made of its description: as text for a terminal, and as Markdown.

use std::fmt::Write as _;

use serde_json::Value;

use super::keys::{Key, code, keys};
use crate::description::Description;
use crate::secret::visible::visible;

/// What a step type is, for people.
pub(super) struct Document<'a> {
    /// The name users write.
    pub(super) name: &'a str,
    /// Its other names.
    pub(super) aliases: &'a [&'static str],
    pub(super) description: &'a Description,
}

impl Document<'_> {
    /// Plain text.
    pub(super) fn text(&self) -> String {
        let Description { version, summary, config_schema, output_schema, .. } = self.description;
        let mut text = format!("{} {version}: {summary}\n", self.name);
        if !self.aliases.is_empty() {
            let _ = writeln!(text, "  also {}", self.aliases.join(", "));
        }
        if let Some(more) = note(config_schema) {
            let _ = writeln!(text, "\n{more}");
        }
        for (title, schema) in [("config", config_schema), ("output", output_schema)] {
            let _ = writeln!(text, "\n{title}");
            let keys = keys(schema);
            if keys.is_empty() {
                text.push_str("  anything\n");
            }
            for key in keys {
                text.push_str(&text_of(&key, title == "config"));
            }
        }
        let _ = writeln!(text, "\nasks for");
        for line in self.asks() {
            let _ = writeln!(text, "  {line}");
        }
        shown(&text)
    }

    /// A page of Markdown.
    pub(super) fn markdown(&self) -> String {
        let Description { summary, config_schema, output_schema, idempotent, .. } = self.description;
        let mut page = format!("# `{}`\n\n{summary}\n", self.name);
        page.push_str("\n## Config\n\n");
        if !self.aliases.is_empty() {
            let names: Vec<String> = self.aliases.iter().map(|name| format!("`{name}`")).collect();
            let _ = writeln!(page, "The type is also called {}.\n", names.join(", "));
        }
        if let Some(more) = note(config_schema) {
            let _ = writeln!(page, "{more}\n");
        }
        table(&mut page, &keys(config_schema), true);
        page.push_str("\n## Output\n\n");
        table(&mut page, &keys(output_schema), false);
        page.push_str("\n## Permissions\n\n");
        for line in self.asks() {
            let _ = writeln!(page, "- {line}");
        }
        if *idempotent {
            page.push_str("\nA step that was cut off runs again by itself when the run goes on: it is idempotent.\n");
        }
        shown(&page)
    }

    /// What it asks for, one line each.
    fn asks(&self) -> Vec<String> {
        let lines = self.description.permissions.lines();
        if lines.is_empty() {
            return vec!["nothing".to_owned()];
        }
        lines.into_iter().map(|(kind, what)| format!("{kind}: {what}")).collect()
    }
}

/// What a component says of itself can't command the terminal.
fn shown(text: &str) -> String {
    text.lines().map(|line| visible(line).into_owned() + "\n").collect()
}

/// What a schema as a whole says.
fn note(schema: &Value) -> Option<&str> {
    schema.get("description").and_then(Value::as_str)
}

fn text_of(key: &Key, config: bool) -> String {
    let mut text = format!("  {}  ({}", key.name, key.kind.replace('`', ""));
    if config && key.required {
        text.push_str(", required");
    }
    if let Some(default) = &key.default {
        let _ = write!(text, ", default {default}");
    }
    text.push_str(")\n");
    for line in key.description.lines() {
        let _ = writeln!(text, "      {line}");
    }
    text
}

fn table(page: &mut String, keys: &[Key], config: bool) {
    if keys.is_empty() {
        page.push_str("Anything.\n");
        return;
    }
    page.push_str(if config {
        "| key | type | default | what it is |\n|---|---|---|---|\n"
    } else {
        "| key | type | what it is |\n|---|---|---|\n"
    });
    for key in keys {
        let Key { name, kind, required, default, description } = key;
        let default = match default {
            Some(default) => code(default),
            None if *required => "**required**".to_owned(),
            None => String::new(),
        };
        let cells = match config {
            true => vec![format!("`{name}`"), kind.clone(), default, description.clone()],
            false => vec![format!("`{name}`"), kind.clone(), description.clone()],
        };
        let cells: Vec<String> = cells.iter().map(|cell| cell_of(cell)).collect();
        let _ = writeln!(page, "| {} |", cells.join(" | "));
    }
}

/// Text that stays in its cell.
pub(super) fn cell_of(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn description() -> Description {
        serde_json::from_value(json!({
            "name": "a.b", "version": "1.2.3", "summary": "Does b.",
            "config_schema": { "properties": {
                "url": { "type": "string", "description": "Where to:\na|b." },
                "n": { "type": "integer", "default": 3 }
            }, "required": ["url"] },
            "output_schema": { "properties": { "ok": { "type": "boolean" } } },
            "permissions": { "network": [{ "url": "https://a.example" }] }
        }))
        .unwrap()
    }

    #[test]
    fn a_page_has_all_of_it() {
        let page = Document { name: "a.b", aliases: &["b"], description: &description() }.markdown();
        for line in [
            "# `a.b`",
            "Does b.",
            "The type is also called `b`.",
            "| `url` | string | **required** | Where to: a\\|b. |",
            "| `n` | integer | `3` |  |",
            "| `ok` | boolean |  |",
            "- network: requests to https://a.example:443",
        ] {
            assert!(page.lines().any(|have| have == line), "{line}\n{page}");
        }
    }

    #[test]
    fn so_has_the_text_and_it_commands_no_terminal() {
        let mut description = description();
        description.summary = "Does \u{1b}[2Jb.".to_owned();
        let text = Document { name: "a.b", aliases: &[], description: &description }.text();
        assert!(text.contains("  url  (string, required)\n      Where to:\n      a|b.\n"), "{text}");
        assert!(text.contains("  n  (integer, default 3)") && !text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn nothing_said_is_anything() {
        let bare: Description = serde_json::from_value(json!({ "name": "a", "version": "1", "summary": "s" })).unwrap();
        let page = Document { name: "a", aliases: &[], description: &bare }.markdown();
        assert!(page.contains("## Config\n\nAnything.") && page.contains("- nothing"), "{page}");
    }
}
