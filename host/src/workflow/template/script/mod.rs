//! Scripts: a value never becomes code.
//!
//! ```text
//! lines --Script--> text with holes --scan--> for each hole: how to quote, or why not --> text with references
//!                                     |
//!                                     command, expansion, heredoc: what the shell reads
//!                                     review, interpreters: what a command does with it
//! ```
//!
//! A template becomes a reference to an environment variable that carries the value, quoted for the place it stands in. The
//! shell never parses a value; what is left to prevent is a place where it evaluates the text of a variable once more
//! (arithmetic, subscripts, names that builtins take), and those are refused.

mod advice;
mod command;
mod expansion;
mod heredoc;
mod interpreters;
mod review;
mod scan;
mod word;

use serde_json::Value;

use super::check::{TemplateProblem, syntax_problem};
use super::expression::{Expression, Path};
use super::grammar::{Part, Template, TemplateError};
use super::render::{Bindings, RenderErrorKind};
use super::scope::{Lack, Scope, evaluate, into_text};
use super::{child, has_templates};
use crate::description::ScriptProperty;
use crate::diagnostic::Severity;

pub(super) use advice::args_outside;

/// The language of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// No interpreter is named: bash, or `sh` where there is none.
    Default,
    Bash,
    /// `sh`, whatever it is: dash, busybox.
    Posix,
    Ksh,
    Zsh,
    /// Not a shell, or not known to be one.
    Other(String),
    /// Named by a template.
    Unknown,
}

impl Dialect {
    fn named(interpreter: &str) -> Self {
        match interpreter.rsplit('/').next().unwrap_or(interpreter) {
            "bash" => Self::Bash,
            "sh" | "dash" | "ash" | "busybox" => Self::Posix,
            "ksh" | "ksh93" | "mksh" => Self::Ksh,
            "zsh" => Self::Zsh,
            _ => Self::Other(interpreter.to_owned()),
        }
    }

    /// Its builtins read numbers as arithmetic expressions: `[ x -eq 1 ]`, `exit x`, `printf %d x`.
    fn evaluates_operands(&self) -> bool {
        matches!(self, Self::Ksh | Self::Zsh)
    }
}

/// How a reference is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quoting {
    /// Outside quotes.
    Word,
    /// In double quotes, or in a here-document.
    Double,
    /// In single quotes.
    Single,
    /// In `$'...'`.
    Ansi,
    /// In a comment.
    Comment,
}

impl Quoting {
    fn reference(self, names: &[String]) -> String {
        let each = |write: fn(&str) -> String| names.iter().map(|name| write(name)).collect::<Vec<_>>().join(" ");
        match self {
            Self::Word => each(|name| format!("\"${{{name}}}\"")),
            Self::Double | Self::Comment => each(|name| format!("${{{name}}}")),
            Self::Single => each(|name| format!("'\"${{{name}}}\"'")),
            Self::Ansi => each(|name| format!("'\"${{{name}}}\"$'")),
        }
    }
}

/// Why no reference can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    Arithmetic,
    Subscript,
    Backtick,
    QuotedHereDocument,
    /// A variable's name is expected.
    Name,
    /// A variable that the shell evaluates.
    Evaluated,
    /// `${x/a/b}` and the like.
    Replace,
    /// `${x=word}` outside quotes.
    Assign,
    /// Behind `>&` or `<&`.
    Descriptor,
    /// Within braces that may be expanded.
    Brace,
    /// Behind a `$`.
    Dollar,
    /// In `$"..."`.
    Locale,
    /// In `$'...'` of a shell that may not know it.
    Ansi,
    /// In an array of ksh.
    Array,
    /// In a comparison of numbers within `[[ ... ]]`.
    Comparison,
    /// In a `test` whose shape depends on values.
    Test,
    /// As the format of `printf`.
    Format,
    /// As the first argument of `set`.
    Option,
    /// `args` where there is no word of its own.
    ArgsPlace,
}

/// What the script does with a value that the shell itself does not.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Warning {
    /// Hands it to an interpreter as code.
    Nested(String),
    /// Runs the program it names.
    Command,
    /// Takes it as a format.
    Format,
}

/// The longest `NAME=value` that Linux passes to a program, without the NUL at its end.
const LONGEST_VARIABLE: usize = 128 * 1024 - 1;

/// The script property of this name, if it is a script in this config: not once `unless` is there.
pub(super) fn active<'p>(config: &Value, scripts: &'p [ScriptProperty], name: &str) -> Option<&'p ScriptProperty> {
    let absent = |key: &String| config.get(key).is_none_or(Value::is_null);
    scripts.iter().find(|property| property.name == name && property.unless.as_ref().is_none_or(absent))
}

/// The language of a script property, from the property that names its interpreter.
pub(super) fn dialect(config: &Value, property: &ScriptProperty) -> Dialect {
    match property.interpreter.as_ref().and_then(|key| config.get(key)) {
        None | Some(Value::Null) => Dialect::Default,
        Some(Value::String(name)) if !has_templates(name) => Dialect::named(name),
        Some(_) => Dialect::Unknown,
    }
}

/// Problems of the templates in a script.
pub(super) fn check(value: &Value, pointer: &str, dialect: &Dialect) -> Vec<TemplateProblem> {
    let Some(lines) = Lines::of(value, pointer) else {
        return match contains_templates(value) {
            true => vec![advice::no_script(pointer)],
            false => Vec::new(),
        };
    };
    if !lines.0.iter().any(|(_, text)| has_templates(text)) {
        return Vec::new();
    }
    let (templates, errors) = lines.parse();
    if !errors.is_empty() {
        return errors.into_iter().map(|(line, error)| syntax_problem(error, &lines.0[line].0)).collect();
    }
    let script = match Script::build(&templates, |_, _| Ok::<_, ()>(None)) {
        Ok(script) => script,
        Err(_) => return Vec::new(),
    };
    let problem = |(line, offset): (usize, usize), severity, (code, message, hint)| TemplateProblem {
        pointer: lines.0[line].0.clone(),
        offset,
        severity,
        code,
        message,
        hint: Some(hint),
    };
    let mut problems: Vec<_> = script
        .judge(dialect)
        .into_iter()
        .map(|judgement| match judgement {
            Judgement::Refused { at, advice } => problem(at, Severity::Error, advice),
            Judgement::Warned { at, advice } => problem(at, Severity::Warning, advice),
        })
        .collect();
    problems.dedup();
    problems
}

/// A script with its templates filled in.
pub(super) struct RenderedScript {
    pub(super) value: Value,
    pub(super) derived: Vec<String>,
}

/// What went wrong, and where.
pub(super) struct ScriptError {
    pub(super) pointer: String,
    pub(super) offset: usize,
    pub(super) lack: Lack,
}

/// Fills in a script: values into `bindings`, references to them into the text.
pub(super) fn render(
    value: &Value,
    pointer: &str,
    dialect: &Dialect,
    bindings: &mut Bindings,
    scope: &impl Scope,
) -> Result<RenderedScript, ScriptError> {
    let Some(lines) = Lines::of(value, pointer) else {
        if !contains_templates(value) {
            return Ok(RenderedScript { value: value.clone(), derived: Vec::new() });
        }
        let TemplateProblem { pointer, offset, message, hint, .. } = advice::no_script(pointer);
        return Err(ScriptError { pointer, offset, lack: Lack { kind: RenderErrorKind::Type, message, hint } });
    };
    if !lines.0.iter().any(|(_, text)| has_templates(text)) {
        return Ok(RenderedScript { value: value.clone(), derived: Vec::new() });
    }
    let fail = |line: usize, offset: usize, lack: Lack| ScriptError { pointer: lines.0[line].0.clone(), offset, lack };
    let (templates, errors) = lines.parse();
    if let Some((line, TemplateError { offset, message, hint })) = errors.into_iter().next() {
        return Err(fail(line, offset, Lack { kind: RenderErrorKind::Syntax, message, hint }));
    }
    let script = Script::build(&templates, |line, expression| {
        let text = into_text(evaluate(expression, scope).map_err(|lack| fail(line, expression.offset, lack))?);
        match text.bytes().any(is_control) {
            true => Err(fail(line, expression.offset, advice::control_in_raw())),
            false => Ok(Some(text)),
        }
    })?;
    let refused = script.judge(dialect).into_iter().find_map(|judgement| match judgement {
        Judgement::Refused { at, advice } => Some((at, advice)),
        Judgement::Warned { .. } => None,
    });
    if let Some(((line, offset), (_, message, hint))) = refused {
        return Err(fail(line, offset, Lack { kind: RenderErrorKind::Script, message, hint: Some(hint) }));
    }
    let quoting = script.quoting(dialect);
    let references = script
        .holes
        .iter()
        .zip(quoting)
        .map(|(hole, quoting)| {
            let bound = evaluate(hole.expression, scope).and_then(|value| bind(hole.expression, value, bindings));
            bound.map(|names| quoting.reference(&names)).map_err(|lack| fail(hole.line, hole.expression.offset, lack))
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(script.assemble(&templates, &lines, value, &references, |path| scope.is_derived(path)))
}

/// Puts a value into variables: one, or with `args` one for each element.
fn bind(expression: &Expression, value: Value, bindings: &mut Bindings) -> Result<Vec<String>, Lack> {
    let key = expression.to_string();
    let values = match (expression.is_args(), value) {
        (true, Value::Array(elements)) => {
            elements.into_iter().enumerate().map(|(index, element)| (format!("{key}[{index}]"), element)).collect()
        }
        (true, other) => return Err(advice::args_of(expression, &other)),
        (false, value) => vec![(key, value)],
    };
    values
        .into_iter()
        .map(|(key, value)| bindings.bind(key, into_text(value)))
        .collect::<Result<Vec<_>, Unportable>>()
        .map_err(|why| advice::unportable(expression, why))
}

/// Why an environment variable can't carry a value.
pub(super) enum Unportable {
    Nul,
    TooLong,
}

/// Checks that a variable of this name can carry the value.
pub(super) fn check_portable(name: &str, value: &str) -> Result<(), Unportable> {
    if value.contains('\0') {
        Err(Unportable::Nul)
    } else if name.len() + 1 + value.len() > LONGEST_VARIABLE {
        Err(Unportable::TooLong)
    } else {
        Ok(())
    }
}

fn contains_templates(value: &Value) -> bool {
    match value {
        Value::String(text) => has_templates(text),
        Value::Array(elements) => elements.iter().any(contains_templates),
        Value::Object(members) => members.values().any(contains_templates),
        _ => false,
    }
}

fn is_control(byte: u8) -> bool {
    byte <= word::TAINTED
}

/// The lines of a script with their pointers: one for a string.
struct Lines<'v>(Vec<(String, &'v str)>);

impl<'v> Lines<'v> {
    fn of(value: &'v Value, pointer: &str) -> Option<Self> {
        match value {
            Value::String(text) => Some(Self(vec![(pointer.to_owned(), text)])),
            Value::Array(elements) => {
                let lines = elements.iter().enumerate();
                lines
                    .map(|(index, line)| Some((child(pointer, index), line.as_str()?)))
                    .collect::<Option<_>>()
                    .map(Self)
            }
            _ => None,
        }
    }

    fn parse(&self) -> (Vec<Template>, Vec<(usize, TemplateError)>) {
        let mut templates = Vec::with_capacity(self.0.len());
        let mut errors = Vec::new();
        for (line, (_, text)) in self.0.iter().enumerate() {
            match Template::parse(text) {
                Ok(template) => templates.push(template),
                Err(error) => errors.push((line, error)),
            }
        }
        (templates, errors)
    }
}

/// A script as one text, each template in it a byte.
struct Script<'t> {
    text: Vec<u8>,
    holes: Vec<Hole<'t>>,
    /// Where pieces of the text came from: its offset, the line, the offset there; in order.
    pieces: Vec<(usize, usize, usize)>,
    /// Text of the `raw` templates, in order.
    pasted: Vec<String>,
    /// Where a control character stands that would be taken for something else.
    control: Option<usize>,
}

struct Hole<'t> {
    line: usize,
    expression: &'t Expression,
}

/// A line, and bytes into it.
type At = (usize, usize);

enum Judgement {
    Refused { at: At, advice: advice::Advice },
    Warned { at: At, advice: advice::Advice },
}

impl<'t> Script<'t> {
    /// Joins the lines. `paste` gives the text of a `raw` template, if it is known.
    fn build<E>(
        templates: &'t [Template],
        mut paste: impl FnMut(usize, &Expression) -> Result<Option<String>, E>,
    ) -> Result<Self, E> {
        let mut script =
            Self { text: Vec::new(), holes: Vec::new(), pieces: Vec::new(), pasted: Vec::new(), control: None };
        for (line, template) in templates.iter().enumerate() {
            if line > 0 {
                script.text.push(b'\n');
            }
            script.pieces.push((script.text.len(), line, 0));
            for part in &template.parts {
                match part {
                    Part::Text { text, offset } => {
                        script.pieces.push((script.text.len(), line, *offset));
                        if let Some(at) = text.bytes().position(is_control) {
                            script.control.get_or_insert(script.text.len() + at);
                        }
                        script.text.extend_from_slice(text.as_bytes());
                    }
                    Part::Expression(expression) => {
                        script.pieces.push((script.text.len(), line, expression.offset));
                        if !expression.is_raw() {
                            script.text.push(word::HOLE);
                            script.holes.push(Hole { line, expression });
                        } else if let Some(text) = paste(line, expression)? {
                            script.text.extend_from_slice(text.as_bytes());
                            script.pasted.push(text);
                        } else {
                            script.text.push(word::OPAQUE);
                        }
                    }
                }
            }
        }
        Ok(script)
    }

    /// Where a byte of the text came from.
    fn source(&self, at: usize) -> At {
        let piece = self.pieces.partition_point(|(start, ..)| *start <= at).saturating_sub(1);
        let (start, line, offset) = self.pieces[piece];
        match self.text.get(start) {
            Some(&(word::HOLE | word::OPAQUE)) => (line, offset),
            _ => (line, offset + (at - start)),
        }
    }

    fn scan(&self, dialect: &Dialect) -> scan::Scan {
        let args: Vec<bool> = self.holes.iter().map(|hole| hole.expression.is_args()).collect();
        scan::scan(&self.text, &args, dialect)
    }

    /// All that is to be said about the places of the templates.
    fn judge(&self, dialect: &Dialect) -> Vec<Judgement> {
        if self.holes.is_empty() {
            return Vec::new();
        }
        let at = |hole: &Hole| (hole.line, hole.expression.offset);
        if matches!(dialect, Dialect::Other(_) | Dialect::Unknown) {
            let refused =
                |hole| Judgement::Refused { at: at(hole), advice: advice::language(hole.expression, dialect) };
            return self.holes.iter().map(refused).collect();
        }
        if let Some(control) = self.control {
            let advice = advice::uncertain("a control character", self.holes[0].expression);
            return vec![Judgement::Refused { at: self.source(control), advice }];
        }
        let scan = self.scan(dialect);
        let mut judgements = Vec::new();
        for (hole, outcome) in self.holes.iter().zip(&scan.holes) {
            if let Err(refusal) = outcome {
                judgements.push(Judgement::Refused {
                    at: at(hole),
                    advice: advice::refused(*refusal, hole.expression, dialect),
                });
            }
        }
        if let Some(uncertain) = scan.uncertain {
            let advice = advice::uncertain(uncertain.why, self.holes[0].expression);
            judgements.push(Judgement::Refused { at: self.source(uncertain.at), advice });
        }
        for (index, warning) in &scan.warnings {
            let hole = &self.holes[*index];
            if scan.holes[*index].as_ref().is_ok_and(|quoting| *quoting != Quoting::Comment) {
                judgements.push(Judgement::Warned { at: at(hole), advice: advice::warned(warning, hole.expression) });
            }
        }
        judgements
    }

    /// How each reference is to be written, nothing having been refused.
    fn quoting(&self, dialect: &Dialect) -> Vec<Quoting> {
        self.scan(dialect).holes.into_iter().filter_map(Result::ok).collect()
    }

    /// The lines with references and pasted text in the place of templates.
    fn assemble(
        &self,
        templates: &[Template],
        lines: &Lines<'_>,
        source: &Value,
        references: &[String],
        is_derived: impl Fn(&Path) -> bool,
    ) -> RenderedScript {
        let (mut references, mut pasted) = (references.iter(), self.pasted.iter());
        let mut derived = Vec::new();
        let mut texts = Vec::with_capacity(templates.len());
        for (template, (pointer, _)) in templates.iter().zip(&lines.0) {
            let mut text = String::new();
            for part in &template.parts {
                let piece = match part {
                    Part::Text { text, .. } => Some(text),
                    Part::Expression(expression) if expression.is_raw() => pasted.next(),
                    Part::Expression(_) => references.next(),
                };
                text.push_str(piece.map_or("", String::as_str));
            }
            if template.expressions().any(|expression| expression.is_raw() && is_derived(&expression.path)) {
                derived.push(pointer.clone());
            }
            texts.push(Value::String(text));
        }
        let value = match source {
            Value::Array(_) => Value::Array(texts),
            _ => texts.pop().unwrap_or_default(),
        };
        RenderedScript { value, derived }
    }
}
