//! The answer of a condition, from the facts of a run.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use cel::{Context, Env, ExecutionError};
use serde_json::Value;

use super::check::EXISTING_ENV;
use super::{ConditionError, Parsed};
use crate::outcome::Outcome;
use crate::workflow::suggest;

/// What a condition may ask about. Only what it refers to is looked up.
pub struct Facts<'a> {
    /// What went wrong with what the step depends on, directly or not.
    pub before: Before,
    /// The resolved inputs: an object.
    pub inputs: &'a Value,
    /// The run's id.
    pub run: &'a str,
    /// The workflow's name.
    pub workflow: &'a str,
    /// The value of an environment variable, if it is set.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// How a step ended; `None` while it has not.
    pub step: &'a dyn Fn(&str) -> Option<StepFacts<'a>>,
    /// What is known of a step's approval, as templates see it; `None` if there was none.
    pub approval: &'a dyn Fn(&str) -> Option<Value>,
    /// What was asked to be done again, as templates see it.
    pub rework: &'a Value,
}

/// What went wrong with what a step depends on, directly or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Before {
    /// Something failed, or was skipped for a failure.
    pub failed: bool,
    /// An approval was rejected.
    pub rejected: bool,
    /// An approval was not given in time.
    pub expired: bool,
}

impl Before {
    /// An approval was refused.
    pub fn refused(self) -> bool {
        self.rejected || self.expired
    }

    /// Nothing went wrong.
    pub fn success(self) -> bool {
        !self.failed && !self.refused()
    }

    /// What went wrong with either.
    pub fn or(self, other: Self) -> Self {
        Self {
            failed: self.failed || other.failed,
            rejected: self.rejected || other.rejected,
            expired: self.expired || other.expired,
        }
    }
}

/// A step that has ended.
pub struct StepFacts<'a> {
    /// How it ended.
    pub outcome: Outcome,
    /// Its output, if it left one.
    pub output: Option<Cow<'a, Value>>,
}

static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

pub(super) fn evaluate(parsed: &Parsed, facts: &Facts<'_>) -> Result<bool, ConditionError> {
    let references = &parsed.references;
    let steps: Vec<_> = references.steps.iter().map(|step| (step.name.as_str(), (facts.step)(&step.name))).collect();
    let mut context = Context::with_env(Arc::clone(&ENV));
    declare_functions(&mut context, facts, &steps)?;
    declare_variables(&mut context, parsed, facts, &steps);
    match cel::Value::resolve(&parsed.expression, &context) {
        Ok(cel::Value::Bool(answer)) => Ok(answer),
        Ok(other) => {
            Err(ConditionError::new(format!("the condition gives a {}, not true or false", type_name(&other)))
                .with_hint("compare it with something: `... == 'x'`"))
        }
        Err(error) => Err(explain(&error, &steps)),
    }
}

fn declare_functions(
    context: &mut Context<'_, '_>,
    facts: &Facts<'_>,
    steps: &[(&str, Option<StepFacts<'_>>)],
) -> Result<(), ConditionError> {
    let before = facts.before;
    let outcomes: HashMap<String, &'static str> = steps
        .iter()
        .map(|(id, step)| ((*id).to_owned(), step.as_ref().map_or("", |step| outcome_name(step.outcome))))
        .collect();
    let outcome = move |id: Arc<String>| outcomes.get(id.as_str()).copied().unwrap_or_default().to_owned();
    [
        context.add_function("success", move || before.success()),
        context.add_function("failure", move || before.failed),
        context.add_function("rejected", move || before.rejected),
        context.add_function("expired", move || before.expired),
        context.add_function("always", || true),
        context.add_function("outcome", outcome),
    ]
    .into_iter()
    .collect::<Result<(), _>>()
    .map_err(|error| ConditionError::new(error.to_string()))
}

fn declare_variables(
    context: &mut Context<'_, '_>,
    parsed: &Parsed,
    facts: &Facts<'_>,
    steps: &[(&str, Option<StepFacts<'_>>)],
) {
    let Parsed { references, whole_outputs, .. } = parsed;
    let mut existing = HashMap::new();
    let mut env = HashMap::new();
    for variable in &references.env {
        let value = (facts.env)(&variable.name);
        if let Some(value) = &value {
            existing.insert(variable.name.clone(), cel::Value::from(value.as_str()));
        }
        env.insert(variable.name.clone(), cel::Value::from(value.unwrap_or_default()));
    }
    let inputs: HashMap<_, _> = references
        .inputs
        .iter()
        .filter_map(|input| Some((input.name.clone(), to_cel(facts.inputs.get(&input.name)?))))
        .collect();
    let output = |id: &str, step: Option<&StepFacts<'_>>| output(step, whole_outputs.iter().any(|whole| whole == id));
    let outputs: HashMap<_, _> = steps.iter().map(|(id, step)| ((*id).to_owned(), output(id, step.as_ref()))).collect();
    let approvals: HashMap<_, _> = references
        .approvals
        .iter()
        .filter_map(|step| Some((step.name.clone(), to_cel(&(facts.approval)(&step.name)?))))
        .collect();
    context.add_variable_from_value("env", env);
    context.add_variable_from_value(EXISTING_ENV, existing);
    context.add_variable_from_value("inputs", inputs);
    context.add_variable_from_value("steps", outputs);
    context.add_variable_from_value("approval", approvals);
    context.add_variable_from_value("rework", to_cel(facts.rework));
    context.add_variable_from_value("run", HashMap::from([("id", facts.run)]));
    context.add_variable_from_value("workflow", HashMap::from([("name", facts.workflow)]));
}

/// The step's output as an expression sees it: with `output` for the whole where it has no key of that name. A list can't have
/// that beside its elements: it has it where the expression asks for it.
fn output(step: Option<&StepFacts<'_>>, asks_for_whole: bool) -> cel::Value {
    let Some(output) = step.and_then(|step| step.output.as_deref()) else {
        return HashMap::<String, cel::Value>::new().into();
    };
    let Value::Object(members) = output else {
        if output.is_array() && !asks_for_whole {
            return to_cel(output);
        }
        return HashMap::from([("output", to_cel(output))]).into();
    };
    let whole: HashMap<String, cel::Value> = members.iter().map(|(key, value)| (key.clone(), to_cel(value))).collect();
    let mut keys = whole.clone();
    keys.entry("output".to_owned()).or_insert_with(|| whole.into());
    keys.into()
}

/// JSON has one kind of number: whole numbers become `int`, so that arithmetic with literals works.
fn to_cel(value: &Value) -> cel::Value {
    match value {
        Value::Null => cel::Value::Null,
        Value::Bool(value) => cel::Value::Bool(*value),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), _, _) => cel::Value::Int(number),
            (None, Some(number), _) => cel::Value::UInt(number),
            (None, None, number) => cel::Value::Float(number.unwrap_or(f64::NAN)),
        },
        Value::String(text) => cel::Value::from(text.as_str()),
        Value::Array(items) => cel::Value::List(Arc::new(items.iter().map(to_cel).collect())),
        Value::Object(members) => {
            members.iter().map(|(key, value)| (key.clone(), to_cel(value))).collect::<HashMap<_, _>>().into()
        }
    }
}

/// Says what went wrong without any value: cel's own texts would show them, and one may be a secret.
fn explain(error: &ExecutionError, steps: &[(&str, Option<StepFacts<'_>>)]) -> ConditionError {
    match error {
        ExecutionError::NoSuchKey(key) => missing_key(key, steps),
        ExecutionError::NoSuchOverload(error) if error.function().starts_with('_') => ConditionError::new(format!(
            "`{}` can't be applied to {}",
            error.function().replace(['_', '@'], ""),
            error.argument_types().join(" and ")
        ))
        .with_hint("convert one of them: `int(...)`, `string(...)`"),
        ExecutionError::NoSuchOverload(error) => ConditionError::new(format!(
            "`{}()` can't be applied to {}",
            error.function(),
            error.argument_types().join(", ")
        )),
        ExecutionError::UnsupportedBinaryOperator(operator, ..) => {
            ConditionError::new(format!("`{}` can't be applied to values of these types", sign(operator)))
                .with_hint("convert one of them: `int(...)`, `string(...)`")
        }
        ExecutionError::UndeclaredReference(name) => ConditionError::new(format!("there is no `{name}`")),
        ExecutionError::IndexOutOfBounds(_) => {
            ConditionError::new("a list has fewer elements than the condition asks for")
                .with_hint("`size(list)` is how many there are")
        }
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
            ConditionError::new("a division by zero")
        }
        ExecutionError::Overflow(..) => ConditionError::new("a number is too large"),
        ExecutionError::FunctionError { function, .. } => {
            ConditionError::new(format!("`{function}()` can't be applied to this value"))
        }
        _ => ConditionError::new("a value has a type that the condition can't use"),
    }
}

fn missing_key(key: &str, steps: &[(&str, Option<StepFacts<'_>>)]) -> ConditionError {
    let without_output = steps.iter().find(|(_, step)| step.as_ref().is_none_or(|step| step.output.is_none()));
    if let Some((id, step)) = without_output {
        let why = step.as_ref().map_or("has not ended", |step| match step.outcome {
            Outcome::Succeeded | Outcome::Rejected | Outcome::Expired => "left no output",
            Outcome::Failed => "failed and left no output",
            Outcome::Skipped => "was skipped",
            Outcome::Cancelled => "was cancelled",
        });
        return ConditionError::new(format!("there is no `{key}`: the step `{id}` {why}")).with_hint(format!(
            "`has(steps['{id}'].{key})` asks whether there is one; `outcome('{id}')` is how it ended"
        ));
    }
    let keys: Vec<&str> = steps
        .iter()
        .filter_map(|(_, step)| step.as_ref()?.output.as_deref()?.as_object())
        .flat_map(|output| output.keys().map(String::as_str))
        .collect();
    let error = ConditionError::new(format!("there is no `{key}`"));
    match suggest::nearest(key, keys.iter().copied()) {
        Some(near) => error.with_hint(format!("did you mean `{near}`?")),
        None if keys.is_empty() => error.with_hint(format!("`has(... .{key})` asks whether there is one")),
        None => error.with_hint(format!("there are {}", suggest::list(keys, 20))),
    }
}

fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Succeeded => "succeeded",
        Outcome::Failed => "failed",
        Outcome::Skipped => "skipped",
        Outcome::Cancelled => "cancelled",
        Outcome::Rejected => "rejected",
        Outcome::Expired => "expired",
    }
}

fn type_name(value: &cel::Value) -> &'static str {
    match value {
        cel::Value::Int(_) | cel::Value::UInt(_) | cel::Value::Float(_) => "number",
        cel::Value::String(_) => "text",
        cel::Value::List(_) => "list",
        cel::Value::Map(_) => "map",
        cel::Value::Null => "null",
        _ => "value of another type",
    }
}

/// cel calls the arithmetic operators by words in its errors.
fn sign(operator: &str) -> &str {
    match operator {
        "add" => "+",
        "sub" => "-",
        "mul" => "*",
        "div" => "/",
        "rem" => "%",
        other => other,
    }
}
