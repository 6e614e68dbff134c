//! References in a permission: `{config.key.sub}` is a value of the step's config, `{env.NAME}` a variable of the job.
//! `{config.url|env.CI_SERVER_URL|https://gitlab.com}` is the first of these that there is: a config key, a variable, or, at
//! the end, a text.

use std::collections::BTreeMap;

use serde_json::Value;

const CONFIG: &str = "config.";
const VARIABLE: &str = "env.";

/// The job's variables that a reference can name.
pub type Variables = BTreeMap<String, String>;

/// What references stand for.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a> {
    /// The step's config.
    pub config: &'a Value,
    /// The JSON Pointers of the strings in `config` that hold text from a step's output.
    pub derived: &'a [String],
    /// The job's variables.
    pub variables: &'a Variables,
}

/// Whether a text refers to anything at all.
pub fn has_references(text: &str) -> bool {
    next_reference(text).is_some()
}

/// What a text with references comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// A text.
    Text {
        /// With every reference replaced.
        text: String,
        /// Who decided what stands there; of several the one that counts least. `None` for a text without references.
        by: Option<By>,
    },
    /// There is no value, so nothing is meant.
    Nothing,
    /// The value there is not a text.
    NotText,
    /// A template decides, when the step runs.
    Later,
}

/// Who decided what a reference stands for. In this order each counts for less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// Whoever wrote the workflow or gave its inputs.
    Config,
    /// Whoever set the job's variables.
    Environment,
    /// Whoever wrote the permission: the text that stands in when there is nothing else.
    Permission,
    /// A step, by its output.
    Output,
}

/// Fills in the references of a text.
pub fn resolve(template: &str, values: &Values<'_>) -> Resolved {
    let mut text = String::new();
    let mut by = None;
    let mut rest = template;
    while let Some((before, reference, after)) = next_reference(rest) {
        text.push_str(before);
        match first(reference, values) {
            Found::Text(value, whose) => {
                text.push_str(value);
                by = by.max(Some(whose));
            }
            Found::Nothing => return Resolved::Nothing,
            Found::NotText => return Resolved::NotText,
            Found::Later => return Resolved::Later,
        }
        rest = after;
    }
    text.push_str(rest);
    Resolved::Text { text, by }
}

/// A reference for people: `` `url` ``, or `` `url`, else `CI_SERVER_URL` ``. A text that is more than a reference is shown
/// as it is.
pub fn shown(text: &str) -> String {
    match next_reference(text) {
        Some(("", reference, "")) => {
            let name = |one: &str| {
                let name = one.strip_prefix(CONFIG).or_else(|| one.strip_prefix(VARIABLE)).unwrap_or(one);
                format!("`{name}`")
            };
            reference.split('|').map(name).collect::<Vec<_>>().join(", else ")
        }
        _ => format!("`{text}`"),
    }
}

/// A config that has a template wherever these texts refer to it, for looking at what they mean before there is a config.
pub fn unknown_config<'a>(texts: impl IntoIterator<Item = &'a str>) -> Value {
    let mut config = Value::Object(serde_json::Map::new());
    for text in texts {
        let mut rest = text;
        while let Some((_, reference, after)) = next_reference(rest) {
            reference.split('|').filter_map(|one| one.strip_prefix(CONFIG)).for_each(|path| mark(&mut config, path));
            rest = after;
        }
    }
    config
}

/// Puts a template at a path.
fn mark(config: &mut Value, path: &str) {
    let mut place = config;
    for key in path.split('.') {
        if !place.is_object() {
            *place = Value::Object(serde_json::Map::new());
        }
        place = &mut place[key];
    }
    if place.is_null() {
        *place = Value::from("{{ known later }}");
    }
}

/// The text before the first reference, what stands in its braces, and the text after it.
fn next_reference(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    loop {
        let start = from + text[from..].find('{')?;
        let inner = &text[start + 1..];
        if inner.starts_with(CONFIG) || inner.starts_with(VARIABLE) {
            let end = inner.find('}')?;
            return Some((&text[..start], &inner[..end], &inner[end + 1..]));
        }
        from = start + 1;
    }
}

enum Found<'a> {
    Text(&'a str, By),
    Nothing,
    NotText,
    Later,
}

/// The first alternative that there is. An empty text is none, unless nothing comes after it.
fn first<'a>(reference: &'a str, values: &Values<'a>) -> Found<'a> {
    let mut alternatives = reference.split('|').peekable();
    while let Some(alternative) = alternatives.next() {
        let found = one(alternative, values);
        let empty = matches!(found, Found::Nothing | Found::Text("", _));
        if !empty || alternatives.peek().is_none() {
            return found;
        }
    }
    Found::Nothing
}

fn one<'a>(alternative: &'a str, values: &Values<'a>) -> Found<'a> {
    if let Some(name) = alternative.strip_prefix(VARIABLE) {
        return match values.variables.get(name) {
            Some(value) if !value.is_empty() => Found::Text(value, By::Environment),
            _ => Found::Nothing,
        };
    }
    let Some(path) = alternative.strip_prefix(CONFIG) else { return Found::Text(alternative, By::Permission) };
    let pointer: String =
        path.split('.').map(|key| format!("/{}", key.replace('~', "~0").replace('/', "~1"))).collect();
    match values.config.pointer(&pointer) {
        None | Some(Value::Null) => Found::Nothing,
        Some(Value::String(value)) if value.contains("{{") => Found::Later,
        Some(Value::String(value)) => {
            let derived = values.derived.iter().any(|other| covers(other, &pointer));
            Found::Text(value, if derived { By::Output } else { By::Config })
        }
        Some(_) => Found::NotText,
    }
}

/// One of the two places is the other, or within it.
fn covers(one: &str, other: &str) -> bool {
    let within = |inner: &str, outer: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    within(one, other) || within(other, one)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with(template: &str, config: &Value, derived: &[&str], variables: &[(&str, &str)]) -> Resolved {
        let derived: Vec<String> = derived.iter().map(|&pointer| pointer.to_owned()).collect();
        let variables = variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        resolve(template, &Values { config, derived: &derived, variables: &variables })
    }

    fn text(template: &str, config: &Value, derived: &[&str]) -> Option<(String, Option<By>)> {
        match with(template, config, derived, &[("SERVER", "https://gl.example"), ("EMPTY", "")]) {
            Resolved::Text { text, by } => Some((text, by)),
            _ => None,
        }
    }

    #[test]
    fn references_take_their_values() {
        let config = json!({ "server": { "host": "a.b" }, "n": 7, "later": "{{env.X}}", "none": null, "{x": "no" });
        let host = Some(("https://a.b:8443/".into(), Some(By::Config)));
        assert_eq!(text("https://{config.server.host}:8443/", &config, &[]), host);
        assert_eq!(text("plain {x} {", &config, &[""]), Some(("plain {x} {".into(), None)));
        assert_eq!(with("{config.n}", &config, &[], &[]), Resolved::NotText);
        assert_eq!(with("{config.later}", &config, &[], &[]), Resolved::Later);
        for missing in ["{config.none}", "{config.nowhere}", "{env.NONE}", "{env.EMPTY}"] {
            assert_eq!(with(missing, &config, &[], &[("EMPTY", "")]), Resolved::Nothing, "{missing}");
        }
    }

    #[test]
    fn variables_are_texts_and_never_templates() {
        assert_eq!(text("{env.SERVER}", &json!({}), &[""]), Some(("https://gl.example".into(), Some(By::Environment))));
        let braces = with("{env.X}", &json!({}), &[], &[("X", "{{ y }} {config.z}")]);
        let as_it_is = Resolved::Text { text: "{{ y }} {config.z}".into(), by: Some(By::Environment) };
        assert_eq!(braces, as_it_is, "a value is not looked into");
    }

    #[test]
    fn the_first_alternative_that_there_is_counts() {
        let template = "{config.url|env.EMPTY|env.SERVER|https://gitlab.com}";
        let found = |config: Value| text(template, &config, &[]);
        assert_eq!(found(json!({ "url": "https://own" })), Some(("https://own".into(), Some(By::Config))));
        for config in [json!({}), json!({ "url": null }), json!({ "url": "" })] {
            assert_eq!(found(config), Some(("https://gl.example".into(), Some(By::Environment))));
        }
        let last = with(template, &json!({}), &[], &[]);
        assert_eq!(last, Resolved::Text { text: "https://gitlab.com".into(), by: Some(By::Permission) });
        assert_eq!(with(template, &json!({ "url": "{{ x }}" }), &[], &[]), Resolved::Later);
    }

    #[test]
    fn of_several_references_the_least_trusted_counts() {
        let config = json!({ "host": "h" });
        let by = |derived: &[&str]| text("{env.SERVER}/{config.host}", &config, derived).map(|(_, by)| by);
        assert_eq!(by(&[]), Some(Some(By::Environment)));
        assert_eq!(by(&["/host"]), Some(Some(By::Output)));
    }

    #[test]
    fn before_there_is_a_config_all_of_it_is_known_later() {
        let texts = ["{config.url|env.X}", "https://{config.server.host}:1", "plain"];
        let config = unknown_config(texts);
        for text in &texts[..2] {
            assert_eq!(with(text, &config, &[], &[]), Resolved::Later, "{text}");
        }
    }

    #[test]
    fn what_holds_text_of_an_output_is_known() {
        let config = json!({ "url": "x", "url_2": "y" });
        for derived in ["/url", "", "/url/0"] {
            assert_eq!(text("{config.url}", &config, &[derived]), Some(("x".into(), Some(By::Output))), "{derived:?}");
        }
        assert_eq!(text("{config.url}", &config, &["/url_2"]), Some(("x".into(), Some(By::Config))));
    }

    #[test]
    fn a_reference_is_shown_by_its_names() {
        assert_eq!(shown("{config.url}"), "`url`");
        assert_eq!(shown("{config.url|env.A|https://b}"), "`url`, else `A`, else `https://b`");
        assert_eq!(shown("https://{config.host}"), "`https://{config.host}`");
    }
}
