//! From a template and values to a text. Nothing is included, nothing is read, and a template that never ends is ended.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior};
use serde_json::{Map, Value};
use shiro_step::Failure;

/// How many operations a template may take.
const FUEL: u64 = 10_000_000;

/// The text. A name that there is no value for is a mistake; `{{ name | default("x") }}` allows it.
pub(crate) fn render(name: &str, template: &str, values: &Map<String, Value>) -> Result<String, Failure> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    // The last line's end is part of a file.
    let syntax = SyntaxConfig::builder().keep_trailing_newline(true).build();
    environment.set_syntax(syntax.map_err(|error| Failure::permanent("template", error.to_string()))?);
    environment.set_fuel(Some(FUEL));
    let result = environment.render_named_str(name, template, Serde(values));
    result.map_err(|error| {
        let place = error.line().map_or_else(|| name.to_owned(), |line| format!("{name}, line {line}"));
        let what =
            error.detail().map_or_else(|| error.kind().to_string(), |detail| format!("{}: {detail}", error.kind()));
        let hint = match error.kind() {
            ErrorKind::UndefinedError => " (`values` has to hold it, or `| default(\"...\")` stand behind it)",
            ErrorKind::OutOfFuel => " (it takes too long)",
            _ => "",
        };
        Failure::permanent("template", format!("{place}: {what}{hint}"))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rendered(template: &str) -> Result<String, Failure> {
        let values = json!({ "name": "a<b", "list": [1, 2], "map": { "k": true }, "evil": "{{ name }}" });
        render("t", template, values.as_object().unwrap())
    }

    #[test]
    fn fills_in_values_once_and_as_they_are() {
        for (template, text) in [
            ("{{ name }}\n", "a<b\n"),
            ("{% for n in list %}{{ n }};{% endfor %}", "1;2;"),
            ("{% if map.k %}yes{% endif %}", "yes"),
            ("{{ list | join('-') }} {{ nothing | default('x') }}", "1-2 x"),
            ("{{ evil }}", "{{ name }}"),
        ] {
            assert_eq!(rendered(template).unwrap(), text);
        }
    }

    #[test]
    fn says_where_a_template_is_wrong() {
        for (template, said) in [
            ("a\n{{ nothing }}", "t, line 2"),
            ("{% for %}", "t, line 1"),
            ("{% include 'x' %}", "t, line 1"),
            ("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "too long"),
        ] {
            let failure = rendered(template).unwrap_err();
            assert!(failure.message().contains(said), "{template}: {failure}");
        }
    }
}
