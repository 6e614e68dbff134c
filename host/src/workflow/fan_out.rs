//! `foreach` and `matrix`: what the items are that a step is run for. Pure.

use serde_json::{Map, Value};

use super::json;
use super::size::length;
use super::template::{self, Key, Path};

/// A step has at most this many items.
pub const MAX_ITEMS: usize = 100_000;

/// All items of a step together are at most this long as JSON, in bytes.
pub const MAX_BYTES: usize = 16 << 20;

/// Combinations of a matrix that are added, or completed.
pub const INCLUDE: &str = "include";

/// Combinations of a matrix that are left out.
pub const EXCLUDE: &str = "exclude";

/// The items that a step is run for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FanOut {
    /// Which of the two it is.
    pub kind: Kind,
    /// As written, templates unresolved: for `foreach` a list, or a string with a template; for `matrix` an object of such.
    pub over: Value,
    /// At most this many items are begun and not ended.
    pub max_parallel: Option<usize>,
    /// The axes that hold text from a step's output or from a person; for `foreach`, something is in it if the items do.
    derived: Vec<String>,
}

/// How the items are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `foreach`: one after the other.
    Foreach,
    /// `matrix`: every combination of the values of its axes.
    Matrix,
}

impl Kind {
    /// The step's field.
    pub fn field(self) -> &'static str {
        match self {
            Self::Foreach => "foreach",
            Self::Matrix => "matrix",
        }
    }
}

/// Why a step has no items.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ItemsError {
    /// JSON Pointer, into the field.
    pub pointer: String,
    /// What is wrong: one sentence without a full stop. Holds no value.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// There are too many, or they are too long.
    pub is_limit: bool,
}

impl ItemsError {
    fn new(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), message: message.into(), hint: None, is_limit: false }
    }

    fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    fn too_many(count: Option<usize>) -> Self {
        let count = count.map_or_else(|| "more than can be counted".to_owned(), |count| count.to_string());
        Self { is_limit: true, ..Self::new("", format!("a step has at most {MAX_ITEMS} items, and these are {count}")) }
            .with_hint("let each item stand for several of what there is to do, e.g. for a file with a list")
    }

    fn too_long() -> Self {
        let message = format!("the items of a step are at most {} MiB as JSON, and these are longer", MAX_BYTES >> 20);
        Self { is_limit: true, ..Self::new("", message) }
            .with_hint("let the items be names, and each step read what belongs to its name")
    }
}

impl FanOut {
    /// Of the field as it is written.
    pub fn new(kind: Kind, over: Value, max_parallel: Option<usize>) -> Self {
        let is_derived = |value: &Value| template::references(value).any(|reference| reference.path.is_derived());
        let derived = match (&over, kind) {
            (Value::Object(axes), Kind::Matrix) => {
                axes.iter().filter(|(_, axis)| is_derived(axis)).map(|(name, _)| name.clone()).collect()
            }
            (over, _) if is_derived(over) => vec![Kind::Foreach.field().to_owned()],
            _ => Vec::new(),
        };
        Self { kind, over, max_parallel, derived }
    }

    /// Text that an item has under this path was made by a step or by a person during the run.
    pub fn is_derived(&self, path: &Path) -> bool {
        match path {
            Path::Item(_) => !self.derived.is_empty(),
            Path::Matrix(keys) => {
                let of_axis = |axis: &String| match keys.first() {
                    Some(Key::Name(name)) => axis == name || axis == INCLUDE,
                    _ => true,
                };
                self.derived.iter().any(of_axis)
            }
            _ => false,
        }
    }

    /// The names that `{{matrix.NAME}}` may have; `None` where only the run shows them.
    pub fn axes(&self) -> Option<Vec<&str>> {
        let axes = self.over.as_object()?;
        let mut names: Vec<&str> = axes.keys().map(String::as_str).filter(|name| !is_special(name)).collect();
        match axes.get(INCLUDE) {
            None => {}
            Some(Value::Array(more)) => {
                for item in more {
                    names.extend(item.as_object()?.keys().map(String::as_str));
                }
            }
            Some(_) => return None,
        }
        Some(names)
    }

    /// The items, from what was written with its templates filled in: for `matrix` an object each.
    ///
    /// # Errors
    /// What was filled in is no list, or the items are too many or too long.
    pub fn items(&self, filled_in: Value) -> Result<Vec<Value>, ItemsError> {
        match self.kind {
            Kind::Foreach => {
                let items = list("", Kind::Foreach.field(), filled_in)?;
                within_limits(items)
            }
            Kind::Matrix => matrix(filled_in),
        }
    }
}

fn is_special(name: &str) -> bool {
    name == INCLUDE || name == EXCLUDE
}

fn list(pointer: &str, name: &str, value: Value) -> Result<Vec<Value>, ItemsError> {
    let error = |hint: &str| {
        ItemsError::new(pointer, format!("`{name}` is a list, but this is {}", json::kind(&value))).with_hint(hint)
    };
    match value {
        Value::Array(items) => Ok(items),
        Value::Null => Err(error("`{{ ... | default([]) }}` allows that: the step is run for no item")),
        Value::Object(_) => Err(error(
            "name the list within it, e.g. `{{steps.ID.key}}`; a step of the type `json` makes lists of objects",
        )),
        Value::String(_) => Err(error(
            "a step of the type `json` makes lists of text: { \"text\": ..., \"query\": \".\" }, then `{{steps.ID.value}}`",
        )),
        _ => Err(error("write [...], or a template that gives a list")),
    }
}

fn within_limits(items: Vec<Value>) -> Result<Vec<Value>, ItemsError> {
    if items.len() > MAX_ITEMS {
        return Err(ItemsError::too_many(Some(items.len())));
    }
    let mut bytes = 0;
    for item in &items {
        bytes += length(item);
        if bytes > MAX_BYTES {
            return Err(ItemsError::too_long());
        }
    }
    Ok(items)
}

/// Every combination, the values of the first axis changing slowest; without those of `exclude`, then with those of `include`.
fn matrix(filled_in: Value) -> Result<Vec<Value>, ItemsError> {
    let Value::Object(members) = filled_in else {
        return Err(ItemsError::new("", "`matrix` is an object whose members are lists"));
    };
    let mut axes: Vec<(String, Vec<Value>)> = Vec::new();
    let (mut include, mut exclude) = (Vec::new(), Vec::new());
    for (name, axis) in members {
        let pointer = json::member("", &name).pointer;
        let values = list(&pointer, &name, axis)?;
        match name.as_str() {
            INCLUDE => include = objects(&pointer, INCLUDE, values)?,
            EXCLUDE => exclude = objects(&pointer, EXCLUDE, values)?,
            _ => axes.push((name, values)),
        }
    }
    check_product(&axes)?;
    let mut combinations = product(&axes);
    combinations.retain(|combination| !exclude.iter().any(|left_out| contains(combination, left_out)));
    if !include.is_empty() {
        add(&mut combinations, include, &axes);
    }
    within_limits(combinations.into_iter().map(Value::Object).collect())
}

fn objects(pointer: &str, name: &str, values: Vec<Value>) -> Result<Vec<Map<String, Value>>, ItemsError> {
    let object = |(index, value): (usize, Value)| match value {
        Value::Object(object) => Ok(object),
        other => {
            let message = format!("`{name}` holds objects, not {}", json::kind(&other));
            Err(ItemsError::new(format!("{pointer}/{index}"), message))
        }
    };
    values.into_iter().enumerate().map(object).collect()
}

/// Before anything is made: so many lists of so many values are easily too much.
fn check_product(axes: &[(String, Vec<Value>)]) -> Result<(), ItemsError> {
    let count = axes.iter().try_fold(1_usize, |count, (_, values)| count.checked_mul(values.len()));
    let count = match count {
        Some(count) if count <= MAX_ITEMS => count,
        // An empty axis makes everything empty, whatever the others are.
        _ if axes.iter().any(|(_, values)| values.is_empty()) => 0,
        count => return Err(ItemsError::too_many(count)),
    };
    let mut bytes = 0_usize;
    for (_, values) in axes.iter().filter(|(_, values)| !values.is_empty()) {
        let axis: usize = values.iter().map(length).sum();
        bytes = bytes.saturating_add(axis.saturating_mul(count / values.len()));
    }
    if bytes > MAX_BYTES { Err(ItemsError::too_long()) } else { Ok(()) }
}

fn product(axes: &[(String, Vec<Value>)]) -> Vec<Map<String, Value>> {
    if axes.is_empty() || axes.iter().any(|(_, values)| values.is_empty()) {
        return Vec::new();
    }
    axes.iter().fold(vec![Map::new()], |combinations, (name, values)| {
        let with_each = |combination: &Map<String, Value>| -> Vec<Map<String, Value>> {
            let with = |value: &Value| {
                let mut combination = combination.clone();
                combination.insert(name.clone(), value.clone());
                combination
            };
            values.iter().map(with).collect()
        };
        combinations.iter().flat_map(with_each).collect()
    })
}

fn contains(combination: &Map<String, Value>, part: &Map<String, Value>) -> bool {
    part.iter().all(|(name, value)| combination.get(name) == Some(value))
}

/// As GitHub Actions does it: what an object of `include` says is added to every combination none of whose axes it
/// contradicts; if there is no such combination, it is one of its own.
/// (<https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax#jobsjob_idstrategymatrixinclude>)
fn add(combinations: &mut Vec<Map<String, Value>>, include: Vec<Map<String, Value>>, axes: &[(String, Vec<Value>)]) {
    let made_of_axes = combinations.len();
    for more in include {
        let agrees = |combination: &Map<String, Value>| {
            axes.iter().all(|(name, _)| more.get(name).is_none_or(|value| combination.get(name) == Some(value)))
        };
        let mut added = false;
        for combination in combinations[..made_of_axes].iter_mut().filter(|combination| agrees(combination)) {
            combination.extend(more.clone());
            added = true;
        }
        if !added {
            combinations.push(more);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn items(kind: Kind, value: Value) -> Result<Vec<Value>, ItemsError> {
        FanOut::new(kind, Value::Null, None).items(value)
    }

    fn matrix(value: Value) -> Vec<Value> {
        items(Kind::Matrix, value).unwrap()
    }

    #[test]
    fn a_list_is_taken_as_it_is() {
        assert_eq!(items(Kind::Foreach, json!([1, "a", null, { "b": [] }])).unwrap().len(), 4);
        assert_eq!(items(Kind::Foreach, json!([])).unwrap(), Vec::<Value>::new());
    }

    #[test]
    fn what_is_no_list_is_named_and_never_shown() {
        for (value, what, hint) in [
            (json!({ "secret": 1 }), "an object", "name the list within it"),
            (json!("secret"), "a string", "`json`"),
            (json!(null), "null", "default([])"),
            (json!(7), "a number", "[...]"),
        ] {
            let error = items(Kind::Foreach, value).unwrap_err();
            assert!(error.message.contains(what) && !error.message.contains("secret"), "{error:?}");
            assert!(error.hint.as_deref().unwrap().contains(hint) && !error.is_limit, "{error:?}");
        }
        let error = items(Kind::Matrix, json!({ "os": ["a"], "a/b": {} })).unwrap_err();
        assert_eq!(error.pointer, "/a~1b");
    }

    #[test]
    fn a_matrix_is_the_product_of_its_axes_with_the_first_one_slowest() {
        assert_eq!(
            matrix(json!({ "os": ["linux", "macos"], "version": [1, 2] })),
            [
                json!({ "os": "linux", "version": 1 }),
                json!({ "os": "linux", "version": 2 }),
                json!({ "os": "macos", "version": 1 }),
                json!({ "os": "macos", "version": 2 }),
            ]
        );
        assert!(matrix(json!({ "os": ["linux"], "version": [] })).is_empty());
    }

    #[test]
    fn combinations_are_left_out_completed_and_added() {
        let made = matrix(json!({
            "os": ["linux", "macos"], "version": [1, 2],
            "exclude": [{ "os": "macos", "version": 1 }],
            "include": [{ "os": "linux", "image": "debian" }, { "os": "windows", "version": 2 }, { "colour": "blue" }]
        }));
        assert_eq!(
            made,
            [
                json!({ "os": "linux", "version": 1, "image": "debian", "colour": "blue" }),
                json!({ "os": "linux", "version": 2, "image": "debian", "colour": "blue" }),
                json!({ "os": "macos", "version": 2, "colour": "blue" }),
                json!({ "os": "windows", "version": 2 }),
            ]
        );
        assert_eq!(matrix(json!({ "include": [{ "os": "linux" }] })), [json!({ "os": "linux" })]);
    }

    #[test]
    fn too_much_is_refused_before_it_is_made() {
        let axis: Vec<u32> = (0..1000).collect();
        let cube = json!({ "a": axis, "b": axis, "c": axis, "d": axis, "e": axis, "f": axis, "g": axis });
        assert!(items(Kind::Matrix, cube.clone()).unwrap_err().is_limit);
        let mut nothing = cube;
        nothing["z"] = json!([]);
        assert!(matrix(nothing).is_empty());
        let long = "x".repeat(1 << 20);
        let wide: Vec<u32> = (0..100).collect();
        assert!(items(Kind::Matrix, json!({ "long": [long], "wide": wide })).unwrap_err().is_limit);
        assert!(items(Kind::Foreach, json!(vec![0; MAX_ITEMS])).is_ok());
        assert!(items(Kind::Foreach, json!(vec![0; MAX_ITEMS + 1])).unwrap_err().is_limit);
        assert!(items(Kind::Foreach, json!(vec![long; 17])).unwrap_err().is_limit);
    }

    #[test]
    fn knows_which_axes_come_out_of_steps() {
        let keys = |name: &str| vec![Key::Name(name.to_owned())];
        let over = json!({ "host": ["{{inputs.host}}"], "version": "{{steps.list.versions}}" });
        let fan_out = FanOut::new(Kind::Matrix, over, None);
        assert!(!fan_out.is_derived(&Path::Matrix(keys("host"))));
        assert!(fan_out.is_derived(&Path::Matrix(keys("version"))) && fan_out.is_derived(&Path::Matrix(vec![])));
        let fan_out = FanOut::new(Kind::Foreach, json!("{{steps.list.hosts}}"), None);
        assert!(fan_out.is_derived(&Path::Item(vec![])) && !fan_out.is_derived(&Path::Index));
        let fan_out = FanOut::new(Kind::Foreach, json!("{{inputs.hosts}}"), None);
        assert!(!fan_out.is_derived(&Path::Item(vec![])));
    }
}
