//! What can be said about `foreach` and `matrix`, and about the templates that refer to items, before anything runs.

use serde_json::Value;

use crate::diagnostic::{Diagnostic, Place};
use crate::workflow::fan_out::{FanOut, Kind};
use crate::workflow::model::Step;
use crate::workflow::suggest;
use crate::workflow::template::{self, Key, Part, Path, Reference, Template};

/// Everything about a step's items.
pub(super) fn check(step: &Step, problems: &mut Vec<Diagnostic>) {
    if let Some(fan_out) = &step.fan_out {
        check_list(step, fan_out, problems);
    }
    let in_config = template::references(&step.config);
    problems.extend(in_config.filter_map(|reference| of_config(step, &reference)));
}

fn check_list(step: &Step, fan_out: &FanOut, problems: &mut Vec<Diagnostic>) {
    let base = step.pointer(fan_out.kind.field());
    let before = problems.len();
    problems.extend(template::check(&fan_out.over, &[]).into_iter().map(|problem| problem.into_diagnostic(&base)));
    problems.extend(template::references(&fan_out.over).filter(|reference| is_of_item(&reference.path)).map(
        |reference| {
            let place = Place::within(format!("{base}{}", reference.pointer), reference.offset);
            let message = format!("`{}` can't say what the items are", reference.path);
            Diagnostic::error("no-items", place, message)
                .with_hint("it is for the step's config, which is filled in for each item")
        },
    ));
    if problems.len() > before {
        return;
    }
    let mut lists: Vec<(String, &Value)> = match (&fan_out.over, fan_out.kind) {
        (Value::Object(axes), Kind::Matrix) => {
            axes.iter().map(|(name, axis)| (crate::workflow::json::member(&base, name).pointer, axis)).collect()
        }
        (list, _) => vec![(base.clone(), list)],
    };
    lists.retain(|(_, list)| matches!(list, Value::String(text) if !is_one_template(text)));
    if let Some((pointer, _)) = lists.into_iter().next() {
        let message = "this is text, and never becomes a list";
        problems.push(
            Diagnostic::error("items", Place::value(pointer), message)
                .with_hint("write [...], or one template that gives a list and nothing beside it"),
        );
    } else if template::references(&fan_out.over).next().is_none()
        && let Err(error) = fan_out.items(fan_out.over.clone())
    {
        let place = Place::value(format!("{base}{}", error.pointer));
        problems.push(Diagnostic { hint: error.hint, ..Diagnostic::error("items", place, error.message) });
    }
}

fn is_one_template(text: &str) -> bool {
    let parts = Template::parse(text).map(|template| template.parts);
    matches!(parts.as_deref(), Ok([Part::Expression(_)]))
}

fn is_of_item(path: &Path) -> bool {
    matches!(path, Path::Item(_) | Path::Index | Path::Matrix(_))
}

/// A template of the config that refers to an item the step doesn't have.
fn of_config(step: &Step, reference: &Reference) -> Option<Diagnostic> {
    let path = &reference.path;
    let (message, hint) = match (path, step.fan_out.as_deref()) {
        (path, _) if !is_of_item(path) => return None,
        (_, None) => (
            format!("there is no `{path}` here: the step `{}` has neither `foreach` nor `matrix`", step.id),
            r"give it one, e.g. `foreach`: [...]; for text that is meant for another program, write `\{{`".to_owned(),
        ),
        (Path::Item(_), Some(FanOut { kind: Kind::Matrix, .. })) => (
            format!("there is no `{path}` here: the step `{}` has a `matrix`", step.id),
            "a value of an axis is `{{matrix.AXIS}}`, the whole combination `{{matrix}}`".to_owned(),
        ),
        (Path::Matrix(_), Some(FanOut { kind: Kind::Foreach, .. })) => (
            format!("there is no `{path}` here: the step `{}` has `foreach`", step.id),
            "its item is `{{item}}`, or a part of it `{{item.key}}`".to_owned(),
        ),
        (Path::Matrix(keys), Some(fan_out)) => unknown_axis(keys, fan_out)?,
        _ => return None,
    };
    let place = Place::within(format!("{}{}", step.pointer("config"), reference.pointer), reference.offset);
    Some(Diagnostic::error("no-items", place, message).with_hint(hint))
}

fn unknown_axis(keys: &[Key], fan_out: &FanOut) -> Option<(String, String)> {
    let name = match keys.first()? {
        Key::Name(name) => name.clone(),
        Key::Index(index) => index.to_string(),
    };
    let axes = fan_out.axes()?;
    if axes.contains(&name.as_str()) {
        return None;
    }
    let hint = match suggest::nearest(&name, axes.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are {}", suggest::list(axes.iter().copied(), 20)),
    };
    Some((format!("the matrix has no axis `{name}`"), hint))
}
