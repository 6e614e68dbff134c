//! What stands between `{{` and `}}`: a path to a value, and filters.

use std::fmt;

use serde_json::Value;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Path {
    /// `inputs.a.b[0]`; without keys, all inputs.
    Inputs(Vec<Key>),
    /// `env.NAME`
    Env(String),
    /// `steps.ID.a.b[0]`; without keys, the whole output.
    Step {
        /// The step's id.
        id: String,
        /// Into its output.
        keys: Vec<Key>,
    },
    /// `run.id`
    RunId,
    /// `workflow.name`
    WorkflowName,
    /// `approval.STEP.field`; without keys, the whole decision.
    Approval {
        /// The id of the step that was approved.
        step: String,
        /// Into the decision.
        keys: Vec<Key>,
    },
    /// `rework.note`: what was asked to be done again; without keys, all of it.
    Rework(Vec<Key>),
    /// `item.a.b`: of a step with `foreach`; without keys, the whole item.
    Item(Vec<Key>),
    /// `index`: of a step with `foreach` or `matrix`, which item it is, from 0.
    Index,
    /// `matrix.AXIS`: of a step with `matrix`; without keys, the whole combination.
    Matrix(Vec<Key>),
}

/// One level down.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// A member of an object (or, if it is a number, an element of an array).
    Name(String),
    /// An element of an array, from 0.
    Index(usize),
}

/// What is done to a value, in the order written.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// `default(x)`: in place of a value that is missing or null.
    Default(Value),
    /// `json`: the value as compact JSON text.
    Json,
    /// `trim`: text without the white space around it.
    Trim,
    /// `raw`: in a script, pasted as it is, as code.
    Raw,
    /// `args`: in a script, one quoted word for each element.
    Args,
}

/// A template: `{{ path | filter }}`.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression {
    /// Where the value comes from.
    pub path: Path,
    /// What is done to it.
    pub filters: Vec<Filter>,
    /// Byte offset of its `{{` in the string it stands in.
    pub offset: usize,
}

impl Expression {
    /// A missing value is no error: the template says what stands in for it.
    pub fn has_default(&self) -> bool {
        self.filters.iter().any(|filter| matches!(filter, Filter::Default(_)))
    }

    pub(super) fn is_raw(&self) -> bool {
        self.filters.contains(&Filter::Raw)
    }

    pub(super) fn is_args(&self) -> bool {
        self.filters.contains(&Filter::Args)
    }
}

impl Path {
    /// Text from here was made by a step or by a person during the run, not by the workflow's author. Of an item, that
    /// depends on where the list came from.
    pub fn is_derived(&self) -> bool {
        matches!(self, Path::Step { .. } | Path::Approval { .. } | Path::Rework(_))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (root, name, keys): (_, Option<&str>, &[Key]) = match self {
            Path::Inputs(keys) => ("inputs", None, keys),
            Path::Env(name) => ("env", Some(name), &[]),
            Path::Step { id, keys } => ("steps", Some(id), keys),
            Path::RunId => return f.write_str("run.id"),
            Path::WorkflowName => return f.write_str("workflow.name"),
            Path::Approval { step, keys } => ("approval", Some(step), keys),
            Path::Rework(keys) => ("rework", None, keys),
            Path::Item(keys) => ("item", None, keys),
            Path::Index => return f.write_str("index"),
            Path::Matrix(keys) => ("matrix", None, keys),
        };
        f.write_str(root)?;
        if let Some(name) = name {
            write_name(f, name)?;
        }
        keys.iter().try_for_each(|key| fmt::Display::fmt(key, f))
    }
}

/// With what leads to it: `.name`, `["any name"]` or `[0]`.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Key::Name(name) => write_name(f, name),
            Key::Index(index) => write!(f, "[{index}]"),
        }
    }
}

fn write_name(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    if !name.is_empty() && name.chars().all(is_name_char) { write!(f, ".{name}") } else { write!(f, "[{name:?}]") }
}

/// Characters of a name that needs no brackets: all but those that mean something here, white space and controls.
pub(super) fn is_name_char(c: char) -> bool {
    !c.is_whitespace() && !c.is_control() && !".,[](){}|'\"\\`".contains(c)
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Filter::Default(value) => write!(f, "default({value})"),
            Filter::Json => f.write_str("json"),
            Filter::Trim => f.write_str("trim"),
            Filter::Raw => f.write_str("raw"),
            Filter::Args => f.write_str("args"),
        }
    }
}

/// As one would write it: the same text for the same meaning.
impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{{{}", self.path)?;
        self.filters.iter().try_for_each(|filter| write!(f, " | {filter}"))?;
        f.write_str("}}")
    }
}
