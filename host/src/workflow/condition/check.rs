//! The static check of a condition: which names and functions it may use, and what it refers to.

use cel::common::ast::operators::{IN, INDEX};
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SourceInfo};

use super::{ConditionError, REWORK, Reference, References};
use crate::workflow::suggest;

/// Deeper expressions are refused, so that neither reading nor evaluating one can exhaust a thread's stack.
const MAX_DEPTH: usize = 64;
/// A macro within a macro is enough for a list of lists; more would let a short text cost a lot of time.
const MAX_NESTED_MACROS: usize = 2;

const ROOTS: &[&str] = &["inputs", "env", "steps", "approval", "rework", "run", "workflow"];
/// In templates they are what a step with `foreach` or `matrix` is run for.
const ITEM_NAMES: &[&str] = &["item", "index", "matrix"];
const STATUS_FUNCTIONS: &[&str] = &["success", "failure", "always", "rejected", "expired"];
/// These say what to do when an approval was refused.
const REFUSAL_FUNCTIONS: &[&str] = &["rejected", "expired"];
const FUNCTIONS: &[&str] = &[
    "success",
    "failure",
    "always",
    "rejected",
    "expired",
    "outcome",
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "string",
    "int",
    "uint",
    "double",
    "bool",
    "bytes",
    "type",
    "dyn",
    "has",
    "all",
    "exists",
    "exists_one",
    "map",
    "filter",
];
const TYPES: &[&str] = &["int", "uint", "double", "bool", "string", "bytes", "list", "map", "null_type", "type"];

/// Under this name stand only the variables that exist; under `env` a missing one is the empty text.
pub(super) const EXISTING_ENV: &str = "@env";

pub(super) struct Checked {
    pub references: References,
    pub admits_failure: bool,
    pub admits_refusal: bool,
    /// The steps of which `steps.ID.output` is asked for.
    pub whole_outputs: Vec<String>,
}

/// Checks the expression and makes presence tests on `env` ask for the variables that exist.
pub(super) fn check(text: &str, source: &SourceInfo, expression: &mut IdedExpr) -> Result<Checked, ConditionError> {
    let mut walk = Walk {
        text,
        source,
        locals: Vec::new(),
        macros: 0,
        depth: 0,
        checked: Checked {
            references: References::default(),
            admits_failure: false,
            admits_refusal: false,
            whole_outputs: Vec::new(),
        },
    };
    walk.expression(expression)?;
    Ok(walk.checked)
}

struct Walk<'a> {
    text: &'a str,
    source: &'a SourceInfo,
    /// The variables of the macros around this point.
    locals: Vec<String>,
    macros: usize,
    depth: usize,
    checked: Checked,
}

impl Walk<'_> {
    fn expression(&mut self, expression: &mut IdedExpr) -> Result<(), ConditionError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(too_deep());
        }
        let offset = self.offset(expression);
        match &mut expression.expr {
            Expr::Unspecified | Expr::Literal(_) => {}
            Expr::Ident(name) => self.bare_name(name, offset)?,
            Expr::Select(select) => match root_of(&select.operand) {
                Some(root) => {
                    let offset = self.offset(&select.operand).or(offset);
                    self.refer(root, &select.field, offset)?;
                    if select.test {
                        ask_for_existing(&mut select.operand);
                    }
                }
                None => {
                    if let ("output", Some(step)) = (select.field.as_str(), step_of(&select.operand)) {
                        self.checked.whole_outputs.push(step.to_owned());
                    }
                    self.expression(&mut select.operand)?;
                }
            },
            Expr::Call(call) => self.call(call, offset)?,
            Expr::Comprehension(comprehension) => self.comprehension(comprehension, offset)?,
            Expr::List(list) => list.elements.iter_mut().try_for_each(|element| self.expression(element))?,
            Expr::Map(map) => {
                for entry in &mut map.entries {
                    if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                        self.expression(&mut entry.key)?;
                        self.expression(&mut entry.value)?;
                    }
                }
            }
            Expr::Struct(object) => {
                return Err(ConditionError::new(format!("there is no type `{}` here", object.type_name)).at(offset));
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn call(&mut self, call: &mut CallExpr, offset: Option<usize>) -> Result<(), ConditionError> {
        // `root['name']` and `'name' in root` are references like `root.name` and `has(root.name)`.
        match (call.func_name.as_str(), &mut call.args[..]) {
            (INDEX, [operand, name]) | (IN, [name, operand]) if root_of(operand).is_some() => {
                return self.bracketed(operand, name, call.func_name == IN, offset);
            }
            _ => {}
        }
        if is_name(&call.func_name) {
            // cel gives the place of the parenthesis.
            let name = offset.filter(|offset| self.text[..*offset].ends_with(&call.func_name));
            self.function(call, name.map(|offset| offset - call.func_name.len()).or(offset))?;
        }
        if let Some(target) = &mut call.target {
            self.expression(target)?;
        }
        call.args.iter_mut().try_for_each(|argument| self.expression(argument))
    }

    fn bracketed(
        &mut self,
        operand: &mut IdedExpr,
        name: &IdedExpr,
        asks_for_presence: bool,
        offset: Option<usize>,
    ) -> Result<(), ConditionError> {
        let Some(root) = root_of(operand) else { return Ok(()) };
        let offset = self.offset(operand).or(offset);
        let name = literal(name).ok_or_else(|| written_out(root).at(offset))?;
        self.refer(root, name, offset)?;
        if asks_for_presence {
            ask_for_existing(operand);
        }
        Ok(())
    }

    fn function(&mut self, call: &CallExpr, offset: Option<usize>) -> Result<(), ConditionError> {
        let name = call.func_name.as_str();
        if !FUNCTIONS.contains(&name) {
            let error = ConditionError::new(format!("there is no function `{name}`")).at(offset);
            return Err(match suggest::nearest(name, FUNCTIONS.iter().copied()) {
                Some(near) => error.with_hint(format!("did you mean `{near}()`?")),
                None => error.with_hint(format!("there are {}", suggest::list(FUNCTIONS.iter().copied(), usize::MAX))),
            });
        }
        if STATUS_FUNCTIONS.contains(&name) {
            self.checked.admits_failure = true;
            self.checked.admits_refusal |= REFUSAL_FUNCTIONS.contains(&name);
            if !call.args.is_empty() || call.target.is_some() {
                return Err(ConditionError::new(format!("`{name}()` takes no argument"))
                    .at(offset)
                    .with_hint("`outcome('ID')` is how one step ended, e.g. `outcome('test') == 'failed'`"));
            }
        } else if name == "outcome" {
            self.checked.admits_failure = true;
            let (None, [argument]) = (&call.target, &call.args[..]) else {
                return Err(ConditionError::new("`outcome()` takes one step id")
                    .at(offset)
                    .with_hint("outcome('test')"));
            };
            let step = literal(argument).ok_or_else(|| {
                ConditionError::new("the step id in `outcome()` is written out").at(offset).with_hint("outcome('test')")
            })?;
            let offset = self.offset(argument).or(offset);
            note(&mut self.checked.references.steps, step, offset);
        }
        Ok(())
    }

    fn comprehension(&mut self, inner: &mut ComprehensionExpr, offset: Option<usize>) -> Result<(), ConditionError> {
        self.macros += 1;
        if self.macros > MAX_NESTED_MACROS {
            return Err(ConditionError::new("more than two loops (`all`, `exists`, `map` ...) within each other")
                .at(offset)
                .with_hint("let a step compute it, and compare its output"));
        }
        self.expression(&mut inner.iter_range)?;
        self.expression(&mut inner.accu_init)?;
        let before = self.locals.len();
        self.locals.push(inner.accu_var.clone());
        for variable in std::iter::once(&inner.iter_var).chain(&inner.iter_var2) {
            if ROOTS.contains(&variable.as_str()) {
                return Err(ConditionError::new(format!("`{variable}` is taken: it is what a path begins with"))
                    .at(offset)
                    .with_hint("give the loop's variable another name"));
            }
            self.locals.push(variable.clone());
        }
        self.expression(&mut inner.loop_cond)?;
        self.expression(&mut inner.loop_step)?;
        self.expression(&mut inner.result)?;
        self.locals.truncate(before);
        self.macros -= 1;
        Ok(())
    }

    /// A name that nothing is selected from.
    fn bare_name(&self, name: &str, offset: Option<usize>) -> Result<(), ConditionError> {
        if self.locals.iter().any(|local| local == name) || TYPES.contains(&name) {
            return Ok(());
        }
        if ROOTS.contains(&name) {
            return Err(written_out(name).at(offset));
        }
        let error = ConditionError::new(format!("there is no variable `{name}`")).at(offset);
        if ITEM_NAMES.contains(&name) {
            return Err(error.with_hint(
                "`if` decides about the step as a whole, before there are items: leave items out in the list itself, e.g. with a \
                 step of the type `json`",
            ));
        }
        Err(match self.what_was_meant(name, offset) {
            Some(hint) => error.with_hint(hint),
            None => error.with_hint(format!("a path begins with {}", suggest::list(ROOTS.iter().copied(), usize::MAX))),
        })
    }

    fn what_was_meant(&self, name: &str, offset: Option<usize>) -> Option<String> {
        // `steps.my-step.key` reads as a subtraction.
        let before = self.text.get(..offset?)?;
        if before.ends_with('-') && before.contains('.') {
            return Some(format!("a name with a hyphen is written in brackets: `steps['...-{name}'].key`"));
        }
        if FUNCTIONS.contains(&name) {
            return Some(format!("did you mean `{name}()`?"));
        }
        suggest::nearest(name, ROOTS.iter().copied()).map(|near| format!("did you mean `{near}`?"))
    }

    fn refer(&mut self, root: &'static str, name: &str, offset: Option<usize>) -> Result<(), ConditionError> {
        let references = &mut self.checked.references;
        let (list, fields): (_, &[&str]) = match root {
            "inputs" => (Some(&mut references.inputs), &[]),
            "env" => (Some(&mut references.env), &[]),
            "steps" => (Some(&mut references.steps), &[]),
            "approval" => (Some(&mut references.approvals), &[]),
            "run" => (None, &["id"]),
            "rework" => (None, REWORK),
            _ => (None, &["name"]),
        };
        if let Some(list) = list {
            note(list, name, offset);
            return Ok(());
        }
        if fields.contains(&name) {
            return Ok(());
        }
        Err(ConditionError::new(format!("`{root}` has no `{name}`"))
            .at(offset)
            .with_hint(format!("there is `{root}.{}`", fields.join(&format!("`, `{root}.")))))
    }

    fn offset(&self, expression: &IdedExpr) -> Option<usize> {
        let (start, _) = self.source.offset_for(expression.id)?;
        let start = start as usize;
        self.text.is_char_boundary(start).then_some(start)
    }
}

pub(super) fn too_deep() -> ConditionError {
    ConditionError::new("the condition is nested too deeply").with_hint("let a step compute it, and compare its output")
}

fn note(list: &mut Vec<Reference>, name: &str, offset: Option<usize>) {
    if !list.iter().any(|reference| reference.name == name) {
        list.push(Reference { name: name.to_owned(), offset: offset.unwrap_or(0) });
    }
}

/// Which root the expression is, if it is nothing else. Macro variables can't have such a name.
fn root_of(expression: &IdedExpr) -> Option<&'static str> {
    let Expr::Ident(name) = &expression.expr else { return None };
    ROOTS.iter().find(|root| *root == name).copied()
}

/// The step whose output the expression is: `steps.ID` or `steps['ID']`.
fn step_of(expression: &IdedExpr) -> Option<&str> {
    match &expression.expr {
        Expr::Select(select) if root_of(&select.operand) == Some("steps") => Some(&select.field),
        Expr::Call(call) => match &call.args[..] {
            [operand, name] if call.func_name == INDEX && root_of(operand) == Some("steps") => literal(name),
            _ => None,
        },
        _ => None,
    }
}

fn literal(expression: &IdedExpr) -> Option<&str> {
    match &expression.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

fn ask_for_existing(operand: &mut IdedExpr) {
    if let Expr::Ident(name) = &mut operand.expr
        && name == "env"
    {
        EXISTING_ENV.clone_into(name);
    }
}

fn written_out(root: &str) -> ConditionError {
    let example = match root {
        "steps" | "approval" => "ID",
        "run" => "id",
        "workflow" => "name",
        "rework" => "note",
        _ => "NAME",
    };
    ConditionError::new(format!("after `{root}` comes a name that is written out"))
        .with_hint(format!("`{root}.{example}` or `{root}['{example}']`"))
}

/// Operators and what macros expand to have names that no function can have.
fn is_name(function: &str) -> bool {
    function.starts_with(|c: char| c.is_ascii_alphabetic())
}
