//! `if`: a CEL expression that decides whether a step runs.
//!
//! Variables: `inputs.NAME`, `env.NAME`, `steps.ID.key`, `approval.STEP.field`, `rework.note`, `run.id`, `workflow.name`; a
//! name that is no identifier is written `steps['my-step'].key`. What follows `inputs`, `env`, `steps` and `approval` is always written
//! out, so everything that a condition refers to is known before the run.
//!
//! * `env.NAME` of a variable that is not set is the empty text, as CI systems have it; `has(env.NAME)` tells the two apart.
//! * `steps.ID` is the step's output, and `steps.ID[0]` part of one that is a list. `steps.ID.output` is all of it where it has
//!   no key of that name.
//! * `success()`: nothing this step depends on failed, was rejected or expired, or was skipped for that. `failure()`: something
//!   did fail. `rejected()`, `expired()`: an approval before this step was refused, or not given in time. `always()`: true.
//!   `outcome('ID')`: `succeeded`, `failed`, `skipped`, `cancelled`, `rejected` or `expired`.
//! * Behind an approval that was refused, only a condition with `rejected()` or `expired()` is asked at all.
//!
//! A condition that uses none of these functions means `success() && (condition)`; on a step of `finally`, it means no more
//! than it says.

mod check;
mod evaluate;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use cel::common::ast::IdedExpr;
use cel::parser::{ParseErrors, Parser};

pub use evaluate::{Before, Facts, StepFacts};

/// A longer expression is refused: it belongs in a step.
pub const MAX_LENGTH: usize = 1000;

/// What there is under `rework`: empty, and 0, while nobody has asked for any.
pub const REWORK: &[&str] = &["note", "by", "step", "count"];

/// A parsed condition: cheap to clone.
#[derive(Clone)]
pub struct Condition(Arc<Parsed>);

struct Parsed {
    text: String,
    expression: IdedExpr,
    references: References,
    /// Or it is a step's of `finally`.
    admits_failure: bool,
    admits_refusal: bool,
    /// The steps of which `steps.ID.output` is asked for.
    whole_outputs: Vec<String>,
}

/// What a condition refers to, each once, in order of appearance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct References {
    /// Inputs.
    pub inputs: Vec<Reference>,
    /// Environment variables.
    pub env: Vec<Reference>,
    /// Steps whose output or outcome is asked for.
    pub steps: Vec<Reference>,
    /// Steps whose approval is asked for.
    pub approvals: Vec<Reference>,
}

/// A name, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The input, variable or step.
    pub name: String,
    /// Bytes into the expression.
    pub offset: usize,
}

/// Why a condition can't be read, or has no answer. Holds no value of an input, a variable or an output.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConditionError {
    /// What is wrong: one sentence without a full stop.
    pub message: String,
    /// Bytes into the expression, where it is known.
    pub offset: Option<usize>,
    /// What to do next.
    pub hint: Option<String>,
}

impl ConditionError {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), offset: None, hint: None }
    }

    fn at(mut self, offset: Option<usize>) -> Self {
        self.offset = offset;
        self
    }

    fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl Condition {
    /// Reads an expression, and checks all that can be checked without values: its variables, functions and size.
    pub fn parse(text: &str) -> Result<Self, ConditionError> {
        Self::read(text, false)
    }

    /// The same on a step of `finally`, which is asked whatever came before it.
    pub fn parse_finally(text: &str) -> Result<Self, ConditionError> {
        Self::read(text, true)
    }

    fn read(text: &str, in_any_case: bool) -> Result<Self, ConditionError> {
        if text.trim().is_empty() {
            return Err(ConditionError::new("the condition is empty").with_hint("leave `if` out, or write `success()`"));
        }
        if text.len() > MAX_LENGTH {
            return Err(ConditionError::new(format!("the condition is longer than {MAX_LENGTH} bytes"))
                .with_hint("let a step compute it, and compare its output"));
        }
        let (mut expression, source) = Parser::new()
            .max_recursion_depth(64)
            .parse_with_source_info(text)
            .map_err(|errors| syntax_error(text, &errors))?;
        let checked = check::check(text, &source, &mut expression)?;
        Ok(Self(Arc::new(Parsed {
            text: text.to_owned(),
            expression,
            references: checked.references,
            admits_failure: in_any_case || checked.admits_failure,
            admits_refusal: checked.admits_refusal,
            whole_outputs: checked.whole_outputs,
        })))
    }

    /// As the user wrote it.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// What it refers to.
    pub fn references(&self) -> &References {
        &self.0.references
    }

    /// It uses one of the functions that ask how things went, or stands in `finally`, so it is asked even when something the
    /// step depends on did not succeed. Any other condition is false then.
    pub fn admits_failure(&self) -> bool {
        self.0.admits_failure
    }

    /// It uses `rejected()` or `expired()`, so it is asked even behind an approval that was refused.
    pub fn admits_refusal(&self) -> bool {
        self.0.admits_refusal
    }

    /// The answer. Whatever is not true or false is an error, as is a key that an output doesn't have.
    pub fn evaluate(&self, facts: &Facts<'_>) -> Result<bool, ConditionError> {
        if !facts.before.success() && !self.admits_failure() {
            return Ok(false);
        }
        evaluate::evaluate(&self.0, facts)
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Condition").field(&self.0.text).finish()
    }
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.0.text == other.0.text && self.0.admits_failure == other.0.admits_failure
    }
}

fn syntax_error(text: &str, errors: &ParseErrors) -> ConditionError {
    if errors.errors.iter().any(|error| error.msg.contains("Recursion limit")) {
        return check::too_deep();
    }
    let first = errors.errors.first();
    let (line, column) = first.map_or((0, 0), |error| error.pos);
    let offset = offset_of(text, line, column);
    let rest = offset.map_or("", |offset| &text[offset..]);
    let message = match first.map(|error| error.msg.trim_start_matches("Syntax error: ")) {
        Some(detail) if detail.starts_with("reserved identifier") => detail.to_owned(),
        _ if offset.is_some() && rest.trim().is_empty() => "the condition ends in the middle".to_owned(),
        _ if !rest.is_empty() => format!("unexpected `{}`", first_token(rest)),
        Some(detail) => detail.to_owned(),
        None => "not a CEL expression".to_owned(),
    };
    let error = ConditionError::new(message).at(offset);
    match syntax_hint(text, rest) {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

/// What people write who know another expression language.
fn syntax_hint(text: &str, rest: &str) -> Option<&'static str> {
    let word = |word: &str| text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|part| part == word);
    if text.contains("{{") {
        Some("a condition is an expression already: leave out the braces")
    } else if rest.starts_with('=') && !rest.starts_with("==") || text.contains("===") {
        Some("two values are compared with `==`")
    } else if word("and") || word("or") || word("not") {
        Some("write `&&`, `||` and `!`")
    } else if text.contains('$') {
        Some("an environment variable is `env.NAME`")
    } else {
        None
    }
}

/// The word or the character that `rest` begins with.
fn first_token(rest: &str) -> &str {
    let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    let end = if word == 0 { rest.chars().next().map_or(0, char::len_utf8) } else { word };
    &rest[..end]
}

/// The byte offset of a line and column, both from 1, the column in characters.
fn offset_of(text: &str, line: isize, column: isize) -> Option<usize> {
    let line = usize::try_from(line).ok()?.checked_sub(1)?;
    let column = usize::try_from(column).ok()?.checked_sub(1)?;
    let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let characters = text[start..].char_indices().nth(column);
    Some(characters.map_or(text.len(), |(offset, _)| start + offset))
}
