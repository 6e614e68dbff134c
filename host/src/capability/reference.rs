//! `{config.key.sub}` in a permission: a value of the step's config.

use serde_json::Value;

const OPENING: &str = "{config.";

/// Whether a text refers to the config at all.
pub fn refers_to_config(text: &str) -> bool {
    text.contains(OPENING)
}

/// What a text with references comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// A text.
    Text {
        /// With every reference replaced.
        text: String,
        /// The keys it refers to, e.g. `webhook_url`; none for a text without references.
        keys: Vec<String>,
        /// Part of it came out of a step's output.
        derived: bool,
    },
    /// The config has no value there, so nothing is meant.
    Nothing,
    /// The value there is not a text: the key.
    NotText(String),
    /// A template decides, when the step runs: the keys.
    Later(Vec<String>),
}

/// Fills in the references of a text. `derived` are the JSON Pointers of the strings in `config` that hold text from a
/// step's output.
pub fn resolve(template: &str, config: &Value, derived: &[String]) -> Resolved {
    let mut text = String::new();
    let mut keys = Vec::new();
    let mut from_output = false;
    let mut rest = template;
    while let Some((before, reference)) = rest.split_once(OPENING) {
        let Some((path, after)) = reference.split_once('}') else { break };
        let pointer: String =
            path.split('.').map(|key| format!("/{}", key.replace('~', "~0").replace('/', "~1"))).collect();
        text.push_str(before);
        match config.pointer(&pointer) {
            None | Some(Value::Null) => return Resolved::Nothing,
            Some(Value::String(value)) => text.push_str(value),
            Some(_) => return Resolved::NotText(path.to_owned()),
        }
        from_output |= derived.iter().any(|other| covers(other, &pointer));
        keys.push(path.to_owned());
        rest = after;
    }
    text.push_str(rest);
    if !keys.is_empty() && text.contains("{{") {
        return Resolved::Later(keys);
    }
    Resolved::Text { text, keys, derived: from_output }
}

/// A config that has a template wherever these texts refer to it, for looking at what they mean before there is a config.
pub fn unknown_config<'a>(texts: impl IntoIterator<Item = &'a str>) -> Value {
    let mut config = Value::Object(serde_json::Map::new());
    for text in texts {
        for reference in text.split(OPENING).skip(1) {
            let Some((path, _)) = reference.split_once('}') else { continue };
            let mut place = &mut config;
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
    }
    config
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

    fn text(template: &str, config: &Value, derived: &[&str]) -> Option<(String, bool)> {
        let derived: Vec<String> = derived.iter().map(|&pointer| pointer.to_owned()).collect();
        match resolve(template, config, &derived) {
            Resolved::Text { text, derived, .. } => Some((text, derived)),
            _ => None,
        }
    }

    #[test]
    fn references_take_their_values() {
        let config = json!({ "server": { "host": "a.b" }, "n": 7, "later": "{{env.X}}", "none": null });
        assert_eq!(text("https://{config.server.host}:8443/", &config, &[]), Some(("https://a.b:8443/".into(), false)));
        assert_eq!(text("plain", &config, &[""]), Some(("plain".into(), false)));
        assert_eq!(resolve("{config.n}", &config, &[]), Resolved::NotText("n".into()));
        assert_eq!(resolve("{config.later}", &config, &[]), Resolved::Later(vec!["later".into()]));
        for missing in ["{config.none}", "{config.nowhere}"] {
            assert_eq!(resolve(missing, &config, &[]), Resolved::Nothing);
        }
    }

    #[test]
    fn before_there_is_a_config_all_is_known_later() {
        let texts = ["{config.url}", "https://{config.server.host}:1", "plain"];
        let config = unknown_config(texts);
        for text in &texts[..2] {
            assert!(matches!(resolve(text, &config, &[]), Resolved::Later(_)), "{text}");
        }
    }

    #[test]
    fn what_holds_text_of_an_output_is_known() {
        let config = json!({ "url": "x", "url_2": "y" });
        for derived in ["/url", "", "/url/0"] {
            assert_eq!(text("{config.url}", &config, &[derived]), Some(("x".into(), true)), "{derived:?}");
        }
        assert_eq!(text("{config.url}", &config, &["/url_2"]), Some(("x".into(), false)));
    }
}
