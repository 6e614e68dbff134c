//! What can be said about the templates of a config before there are any values.

use serde_json::Value;

use super::expression::Path;
use super::grammar::{Template, TemplateError};
use super::{child, has_templates, script};
use crate::description::ScriptProperty;
use crate::diagnostic::{Diagnostic, Place, Severity};

/// A problem with a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateProblem {
    /// JSON Pointer, into the config, of the string.
    pub pointer: String,
    /// Bytes into the string.
    pub offset: usize,
    /// How bad it is.
    pub severity: Severity,
    /// A stable name: `template-syntax`, `template-filter`, `template-key`; in scripts `template-unsafe` (no safe reference
    /// here), `template-uncertain` (how the shell reads the script can't be told), `template-language` (not a shell), and
    /// the warnings `template-nested` (the text goes on to another interpreter) and `template-command` (a value says what
    /// runs).
    pub code: &'static str,
    /// What is wrong: one sentence without a full stop.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
}

impl TemplateProblem {
    /// The same as a diagnostic of the document in which the config stands at the pointer `config`.
    pub fn into_diagnostic(self, config: &str) -> Diagnostic {
        let pointer = format!("{config}{}", self.pointer);
        let place = match self.code {
            KEY => Place::key(pointer),
            _ => Place::within(pointer, self.offset),
        };
        Diagnostic { severity: self.severity, hint: self.hint, ..Diagnostic::error(self.code, place, self.message) }
    }

    fn error(code: &'static str, pointer: &str, offset: usize, message: String, hint: Option<String>) -> Self {
        Self { pointer: pointer.to_owned(), offset, severity: Severity::Error, code, message, hint }
    }
}

const KEY: &str = "template-key";

/// All problems of a config's templates that show without values: their syntax, and where they stand in scripts.
pub fn check(config: &Value, scripts: &[ScriptProperty]) -> Vec<TemplateProblem> {
    let mut problems = Vec::new();
    let Value::Object(members) = config else {
        check_value(config, "", &mut problems);
        return problems;
    };
    for (name, value) in members {
        let pointer = child("", name);
        check_key(name, &pointer, &mut problems);
        match script::active(config, scripts, name) {
            Some(property) => {
                problems.extend(script::check(value, &pointer, &script::dialect(config, property)));
            }
            None => check_value(value, &pointer, &mut problems),
        }
    }
    problems
}

fn check_value(value: &Value, pointer: &str, problems: &mut Vec<TemplateProblem>) {
    match value {
        Value::String(text) if has_templates(text) => check_text(text, pointer, problems),
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                check_value(element, &child(pointer, index), problems);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                let pointer = child(pointer, name);
                check_key(name, &pointer, problems);
                check_value(member, &pointer, problems);
            }
        }
        _ => {}
    }
}

fn check_key(name: &str, pointer: &str, problems: &mut Vec<TemplateProblem>) {
    if Template::parse(name).is_ok_and(|template| template.expressions().next().is_some()) {
        problems.push(TemplateProblem {
            severity: Severity::Warning,
            ..TemplateProblem::error(
                KEY,
                pointer,
                0,
                "templates are filled in only in values: this name stays as it is".into(),
                None,
            )
        });
    }
}

fn check_text(text: &str, pointer: &str, problems: &mut Vec<TemplateProblem>) {
    match Template::parse(text) {
        Ok(template) => {
            problems.extend(template.expressions().filter(|expression| expression.is_args()).map(|expression| {
                let lack = script::args_outside();
                TemplateProblem::error("template-filter", pointer, expression.offset, lack.message, lack.hint)
            }))
        }
        Err(error) => problems.push(syntax_problem(error, pointer)),
    }
}

pub(super) fn syntax_problem(TemplateError { offset, message, hint }: TemplateError, pointer: &str) -> TemplateProblem {
    TemplateProblem::error("template-syntax", pointer, offset, message, hint)
}

/// One use of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// JSON Pointer, into the value given, of the string that holds the template.
    pub pointer: String,
    /// Byte offset of the template in the string.
    pub offset: usize,
    /// What it refers to.
    pub path: Path,
    /// A missing value is no error.
    pub has_default: bool,
}

/// What the templates in the strings of a value (not in the names of its members) refer to, in order. Strings that can't
/// be read are left out: [`check`] reports them.
pub fn references(value: &Value) -> impl Iterator<Item = Reference> {
    let mut found = Vec::new();
    collect(value, String::new(), &mut found);
    found.into_iter()
}

fn collect(value: &Value, pointer: String, found: &mut Vec<Reference>) {
    match value {
        Value::String(text) if has_templates(text) => {
            let Ok(template) = Template::parse(text) else { return };
            found.extend(template.expressions().map(|expression| Reference {
                pointer: pointer.clone(),
                offset: expression.offset,
                path: expression.path.clone(),
                has_default: expression.has_default(),
            }));
        }
        Value::Array(elements) => {
            elements.iter().enumerate().for_each(|(index, element)| collect(element, child(&pointer, index), found));
        }
        Value::Object(members) => {
            members.iter().for_each(|(name, member)| collect(member, child(&pointer, name), found));
        }
        _ => {}
    }
}
