//! Failures of a step that the engine itself finds. Boxed, so that the results they travel in stay small.

use std::any::Any;

use crate::id::StepId;
use crate::outcome::{Failure, FailureClass};
use crate::secret::{MissingSecret, Trouble};
use crate::workflow::condition::ConditionError;
use crate::workflow::fan_out::ItemsError;
use crate::workflow::inputs::InputError;
use crate::workflow::schema::Problem;
use crate::workflow::template::RenderError;

/// A value that the journal refers to can't be had now.
pub(super) fn missing_secret(missing: &MissingSecret) -> Box<Failure> {
    let failure = Failure::new(FailureClass::State, "secret", missing.to_string());
    Box::new(match (missing.trouble, missing.name.strip_prefix("env:")) {
        (Trouble::Missing, Some(variable)) => {
            failure.with_hint(format!("set `{variable}` in this job as it was set in the job before, and run again"))
        }
        (Trouble::Changed, Some(variable)) => {
            failure.with_hint(format!("give `{variable}` the value it had before, or start over with `-fresh`"))
        }
        _ => failure.with_hint("start over with `-fresh`"),
    })
}

/// A template of the config that stands at the pointer `config` has no value.
pub(super) fn template(config: &str, error: &RenderError) -> Box<Failure> {
    let place = place(&format!("{config}{}", error.pointer), Some(error.offset));
    let message = format!("{} ({place})", error.message);
    Box::new(Failure { hint: error.hint.clone(), ..Failure::new(FailureClass::Config, "template", message) })
}

/// The condition at this pointer has no answer.
pub(super) fn condition(pointer: &str, error: &ConditionError) -> Box<Failure> {
    let message = format!("{} ({})", error.message, place(pointer, error.offset));
    Box::new(Failure { hint: error.hint.clone(), ..Failure::new(FailureClass::Config, "condition", message) })
}

/// The inputs of the workflow that the step at this pointer runs are wrong.
pub(super) fn inputs(pointer: &str, errors: &[InputError]) -> Box<Failure> {
    let messages: Vec<&str> = errors.iter().map(|error| error.message.as_str()).collect();
    let message = format!("{} (at {pointer})", messages.join("\n"));
    let hint = errors.iter().find_map(|error| error.hint.clone());
    Box::new(Failure { hint, ..Failure::new(FailureClass::Config, "inputs", message) })
}

/// A step of the workflow that this step runs failed, or what begins that.
pub(super) fn inside(step: &StepId, failure: Option<&Failure>) -> Box<Failure> {
    match failure {
        Some(failure) if step.is_begin() => Box::new(failure.clone()),
        failure => {
            let class = failure.map_or(FailureClass::Step, |failure| failure.class);
            Box::new(Failure::new(class, "workflow", format!("`{step}` failed")))
        }
    }
}

/// With its templates filled in, the config that stands at the pointer `config` does not match its type's schema.
pub(super) fn config(config: &str, problems: Vec<Problem>) -> Option<Box<Failure>> {
    let mut hint = None;
    let mut messages: Vec<String> = Vec::new();
    for problem in problems {
        let diagnostic = problem.diagnostic("config", config, "the config");
        messages.push(format!("{} ({})", diagnostic.message, diagnostic.place.pointer));
        hint = hint.or(diagnostic.hint);
    }
    let message = match messages.as_slice() {
        [] => return None,
        [one] => format!("with its templates filled in, the config is wrong: {one}"),
        many => {
            format!("with its templates filled in, the config is wrong in {} places:\n{}", many.len(), many.join("\n"))
        }
    };
    Some(Box::new(Failure { hint, ..Failure::new(FailureClass::Config, "config", message) }))
}

/// The output is larger than an output may be.
pub(super) fn large_output(limit: usize) -> Box<Failure> {
    let message = format!("the step's output is larger than {} as JSON, so it can't be kept", size(limit));
    let failure = Failure::new(FailureClass::Limit, "output-size", message);
    Box::new(
        failure.with_hint(
            "set \"save_output\": false on the step, or let it write to a file and give out the file's name",
        ),
    )
}

/// What stands at the pointer `field` gives no items.
pub(super) fn items(field: &str, error: &ItemsError) -> Box<Failure> {
    let message = format!("{} ({})", error.message, place(&format!("{field}{}", error.pointer), None));
    let (class, code) = match error.is_limit {
        true => (FailureClass::Limit, "items"),
        false => (FailureClass::Config, "items"),
    };
    Box::new(Failure { hint: error.hint.clone(), ..Failure::new(class, code, message) })
}

/// Items of the step failed: this one first, and so many in all.
pub(super) fn failed_items((first, failure, failed): (&StepId, &Failure, usize), all: usize) -> Box<Failure> {
    let count = if failed == 1 { format!("one of {all} items") } else { format!("{failed} of {all} items") };
    let message = match failed {
        1 => format!("{count} failed, `{first}`: {}", failure.message),
        _ => format!("{count} failed, `{first}` first: {}", failure.message),
    };
    Box::new(Failure { hint: failure.hint.clone(), ..Failure::new(failure.class, failure.code.clone(), message) })
}

/// With this item's, the outputs are larger than an output may be.
pub(super) fn large_outputs(limit: usize) -> Box<Failure> {
    let message =
        format!("the outputs of the step's items are larger than {} as JSON, so their list can't be kept", size(limit));
    Box::new(Failure::new(FailureClass::Limit, "output-size", message).with_hint(
        "set \"save_output\": false on the step, or let each item write to a file and give out the file's name",
    ))
}

/// The run was stopped before the attempt did anything.
pub(super) fn not_begun() -> Box<Failure> {
    Box::new(Failure::new(FailureClass::Step, "not-begun", "the run was stopped before the step began"))
}

/// Something panicked that should not have.
pub(super) fn panic(payload: &(dyn Any + Send)) -> Box<Failure> {
    let text = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let message = format!("shiro panicked while it ran the step: {}", text.unwrap_or("it gave no reason"));
    let failure = Failure::new(FailureClass::Internal, "panic", message);
    Box::new(failure.with_hint("this is a bug in shiro: please report it with this message"))
}

fn place(pointer: &str, offset: Option<usize>) -> String {
    match offset {
        None | Some(0) => format!("at {pointer}"),
        Some(offset) => format!("at {pointer}, byte {offset}"),
    }
}

fn size(bytes: usize) -> String {
    match bytes {
        bytes if bytes >= 1 << 20 => format!("{} MiB", bytes >> 20),
        bytes if bytes >= 1 << 10 => format!("{} KiB", bytes >> 10),
        bytes => format!("{bytes} bytes"),
    }
}
