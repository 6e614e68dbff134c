//! Fills the values in.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::expression::Expression;
use super::grammar::{Part, Template, TemplateError};
use super::scope::{Lack, Scope, evaluate, into_text};
use super::script::{self, ScriptError, Unportable};
use super::{child, has_templates};
use crate::description::ScriptProperty;

/// A config with its templates filled in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rendered {
    /// The config. May hold secret values.
    pub value: Value,
    /// Environment variables that the scripts in it refer to (name, value).
    pub bindings: Vec<(String, String)>,
    /// JSON Pointers, into `value`, of the strings that hold text from a step's output or from a decision on an approval.
    pub derived: Vec<String>,
}

/// A config whose templates can't be filled in. Names no value, only where values were looked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RenderError {
    /// JSON Pointer, into the config, of the string.
    pub pointer: String,
    /// Bytes into the string.
    pub offset: usize,
    /// What is wrong: one sentence without a full stop.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// The sort of problem.
    pub kind: RenderErrorKind,
}

/// The sort of problem a [`RenderError`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenderErrorKind {
    /// Not a template; validation finds these.
    Syntax,
    /// There is no such value.
    Missing,
    /// There is no such step among those this one depends on; validation finds these.
    UnknownStep,
    /// There are no items; validation finds these.
    Item,
    /// The value is of a type that can't be used so.
    Type,
    /// The template stands where a script has no safe way to refer to a value; validation finds these, but for those that
    /// come with the text of a `raw` value.
    Script,
    /// An environment variable can't carry the value.
    Unportable,
}

/// Fills in a step's config. In the scripts among its properties, values go into environment variables and quoted
/// references to them into the text.
///
/// # Errors
/// The first template that can't be filled in.
pub fn render(config: &Value, scripts: &[ScriptProperty], scope: &impl Scope) -> Result<Rendered, RenderError> {
    let mut renderer = Renderer { scope, derived: Vec::new(), bindings: Bindings::default() };
    let value = match config {
        Value::Object(members) => {
            let mut rendered = Map::with_capacity(members.len());
            for (name, value) in members {
                let pointer = child("", name);
                let value = match script::active(config, scripts, name) {
                    Some(property) => renderer.script(value, &pointer, script::dialect(config, property))?,
                    None => renderer.value(value, &pointer)?,
                };
                rendered.insert(name.clone(), value);
            }
            still_no_script(config, scripts, &rendered)?;
            Value::Object(rendered)
        }
        other => renderer.value(other, "")?,
    };
    Ok(Rendered { value, bindings: renderer.bindings.list, derived: renderer.derived })
}

/// What kept a property from being a script is there only until its template turns out null: then plain text with values in
/// it would run as code.
fn still_no_script(
    config: &Value,
    scripts: &[ScriptProperty],
    rendered: &Map<String, Value>,
) -> Result<(), RenderError> {
    let gone = scripts.iter().filter_map(|property| property.unless.as_ref()).find(|unless| {
        config.get(unless.as_str()).is_some_and(|value| !value.is_null())
            && rendered.get(unless.as_str()).is_none_or(Value::is_null)
    });
    match gone {
        Some(unless) => Err(RenderError {
            pointer: child("", unless),
            offset: 0,
            message: format!("`{unless}` is null"),
            hint: Some(format!("give `{unless}` a value with `default`, e.g. `default([])`, or take it away")),
            kind: RenderErrorKind::Type,
        }),
        None => Ok(()),
    }
}

/// Fills in a value that holds no scripts, such as an input's default.
///
/// # Errors
/// The first template that can't be filled in.
pub fn render_value(value: &Value, scope: &impl Scope) -> Result<Value, RenderError> {
    Renderer { scope, derived: Vec::new(), bindings: Bindings::default() }.value(value, "")
}

struct Renderer<'s, S> {
    scope: &'s S,
    derived: Vec<String>,
    bindings: Bindings,
}

impl<S: Scope> Renderer<'_, S> {
    fn value(&mut self, value: &Value, pointer: &str) -> Result<Value, RenderError> {
        match value {
            Value::String(text) if has_templates(text) => self.text(text, pointer),
            Value::Array(elements) => elements
                .iter()
                .enumerate()
                .map(|(index, element)| self.value(element, &child(pointer, index)))
                .collect::<Result<_, _>>()
                .map(Value::Array),
            Value::Object(members) => members
                .iter()
                .map(|(name, member)| Ok((name.clone(), self.value(member, &child(pointer, name))?)))
                .collect::<Result<_, _>>()
                .map(Value::Object),
            other => Ok(other.clone()),
        }
    }

    fn text(&mut self, text: &str, pointer: &str) -> Result<Value, RenderError> {
        let template = Template::parse(text).map_err(|error| syntax_error(error, pointer))?;
        if let [Part::Expression(expression)] = template.parts.as_slice() {
            let value = self.evaluate(expression, pointer)?;
            if self.scope.is_derived(&expression.path) {
                strings_of(&value, pointer.to_owned(), &mut self.derived);
            }
            return Ok(value);
        }
        let mut rendered = String::with_capacity(text.len());
        let mut derived = false;
        for part in &template.parts {
            match part {
                Part::Text { text, .. } => rendered.push_str(text),
                Part::Expression(expression) => {
                    derived |= self.scope.is_derived(&expression.path);
                    rendered.push_str(&into_text(self.evaluate(expression, pointer)?));
                }
            }
        }
        if derived {
            self.derived.push(pointer.to_owned());
        }
        Ok(Value::String(rendered))
    }

    fn evaluate(&self, expression: &Expression, pointer: &str) -> Result<Value, RenderError> {
        if expression.is_args() {
            return Err(error_at(pointer, expression.offset, script::args_outside()));
        }
        evaluate(expression, self.scope).map_err(|lack| error_at(pointer, expression.offset, lack))
    }

    fn script(&mut self, value: &Value, pointer: &str, dialect: script::Dialect) -> Result<Value, RenderError> {
        let rendered = script::render(value, pointer, &dialect, &mut self.bindings, self.scope)
            .map_err(|ScriptError { pointer, offset, lack }| error_at(&pointer, offset, lack))?;
        self.derived.extend(rendered.derived);
        Ok(rendered.value)
    }
}

/// The values that scripts refer to, and the variables that carry them.
#[derive(Default)]
pub(super) struct Bindings {
    list: Vec<(String, String)>,
    known: HashMap<String, usize>,
}

impl Bindings {
    /// The name of the variable that carries the value of `expression` (with `args`, one element of it).
    pub(super) fn bind(&mut self, expression: String, value: String) -> Result<String, Unportable> {
        if let Some(index) = self.known.get(&expression) {
            return Ok(Self::name(*index));
        }
        let index = self.list.len();
        let name = Self::name(index);
        script::check_portable(&name, &value)?;
        self.list.push((name.clone(), value));
        self.known.insert(expression, index);
        Ok(name)
    }

    fn name(index: usize) -> String {
        format!("SHIRO_VALUE_{}", index + 1)
    }
}

/// The pointers of all strings in a value.
fn strings_of(value: &Value, pointer: String, found: &mut Vec<String>) {
    match value {
        Value::String(_) => found.push(pointer),
        Value::Array(elements) => {
            elements.iter().enumerate().for_each(|(index, element)| strings_of(element, child(&pointer, index), found));
        }
        Value::Object(members) => {
            members.iter().for_each(|(name, member)| strings_of(member, child(&pointer, name), found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn error_at(pointer: &str, offset: usize, Lack { kind, message, hint }: Lack) -> RenderError {
    RenderError { pointer: pointer.to_owned(), offset, message, hint, kind }
}

fn syntax_error(TemplateError { offset, message, hint }: TemplateError, pointer: &str) -> RenderError {
    RenderError { pointer: pointer.to_owned(), offset, message, hint, kind: RenderErrorKind::Syntax }
}
