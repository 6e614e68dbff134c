//! `foreach`, `matrix` and `max_parallel` of a step.

use serde_json::{Map, Value};

use super::fields::Fields;
use crate::diagnostic::{Diagnostic, Place};
use crate::workflow::fan_out::{EXCLUDE, FanOut, INCLUDE, Kind, MAX_ITEMS};
use crate::workflow::json;

/// What a step is run for, if it is not run just once.
pub(super) fn read(fields: &mut Fields<'_>) -> Option<FanOut> {
    let (foreach, matrix) = (fields.take("foreach"), fields.take("matrix"));
    let has_items = foreach.is_some() || matrix.is_some();
    let written = fields.members.get("max_parallel").is_some_and(|value| !value.is_null());
    // The limit fits what `whole` takes.
    let max_parallel = fields.whole("max_parallel", 1, MAX_ITEMS as u32).map(|most| most as usize);
    if written && !has_items {
        let place = fields.place("max_parallel");
        fields.report(
            Diagnostic::error("no-items", place, "`max_parallel` is for a step with `foreach` or `matrix`")
                .with_hint("`settings.jobs`, or `-jobs N`, says how many steps run at once"),
        );
    }
    if foreach.is_some() && matrix.is_some() {
        let place = fields.place("matrix");
        fields.report(
            Diagnostic::error("contradiction", place, "a step has `foreach` or `matrix`, not both")
                .with_hint("an axis of a matrix may be any list: \"matrix\": { \"item\": [...], \"os\": [...] }"),
        );
        return None;
    }
    let (kind, over) = match (foreach, matrix) {
        (Some(list), _) => (Kind::Foreach, read_foreach(fields, list)?),
        (None, Some(matrix)) => (Kind::Matrix, read_matrix(fields, matrix)?),
        (None, None) => return None,
    };
    Some(FanOut::new(kind, over, max_parallel))
}

/// A list, or a template that becomes one.
fn read_foreach(fields: &mut Fields<'_>, list: Value) -> Option<Value> {
    match list {
        Value::Array(_) | Value::String(_) => Some(list),
        other => {
            fields.wrong_type("foreach", "a list, or a template that gives one", &other);
            None
        }
    }
}

fn read_matrix(fields: &mut Fields<'_>, matrix: Value) -> Option<Value> {
    let Value::Object(axes) = matrix else {
        fields.wrong_type("matrix", "an object whose members are lists", &matrix);
        return None;
    };
    let pointer = format!("{}/matrix", fields.pointer);
    let mut right = true;
    let mut wrong = |place: Place, message: String| {
        fields.problems.push(
            Diagnostic::error("wrong-type", place, message)
                .with_hint("\"matrix\": { \"os\": [\"linux\", \"macos\"], \"version\": \"{{steps.versions.list}}\" }"),
        );
        right = false;
    };
    if !axes.keys().any(|name| name != EXCLUDE) {
        wrong(Place::value(pointer.clone()), "the matrix has no axis".to_owned());
    }
    for (name, axis) in &axes {
        let place = json::member(&pointer, name);
        match axis {
            Value::String(_) => {}
            Value::Array(list) if name == INCLUDE || name == EXCLUDE => {
                if let Some((index, other)) = list.iter().enumerate().find(|(_, item)| !is_object(item)) {
                    let place = Place::value(format!("{}/{index}", place.pointer));
                    wrong(place, format!("`{name}` holds objects, not {}", json::kind(other)));
                }
            }
            Value::Array(_) => {}
            other => {
                wrong(place, format!("`{name}` is a list, or a template that gives one, not {}", json::kind(other)))
            }
        }
    }
    right.then(|| Value::Object(Map::from_iter(axes)))
}

fn is_object(value: &Value) -> bool {
    // A template may become one.
    value.is_object() || value.is_string()
}
