//! Steps: each is read as soon as its text has been, and they are linked when all have been.

use std::collections::{HashMap, HashSet};
use std::mem;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::fields::Fields;
use super::{approval, fan_out, permissions};
use crate::diagnostic::{Diagnostic, Place};
use crate::id::{Digest, StepId, StepType};
use crate::workflow::condition::Condition;
use crate::workflow::model::{Approval, Retry, Role, Step, StepList};
use crate::workflow::{digest, json, suggest};

pub(crate) const STEP_FIELDS: &[&str] = &[
    "id",
    "type",
    "config",
    "depends_on",
    "if",
    "foreach",
    "matrix",
    "max_parallel",
    "timeout",
    "retry",
    "continue_on_error",
    "pause",
    "approval",
    "quiet",
    "save_output",
    "idempotent",
    "permissions",
];
const RETRY_FIELDS: &[&str] = &["max_attempts", "delay", "backoff", "max_delay"];

/// In bytes. Ids are part of paths, log lines and commands.
const MAX_ID: usize = 128;
const MAX_ATTEMPTS: u32 = 1000;
const MAX_BACKOFF: f64 = 100.0;
/// Comparing a name with a hundred thousand others takes its time, so only the first few unknown names get a suggestion.
const MAX_SUGGESTIONS: usize = 20;

/// The steps that have been read so far.
#[derive(Default)]
pub(super) struct Steps {
    /// Of all elements of `steps`, for the workflow's digest.
    pub(super) digests: Vec<Digest>,
    steps: Vec<Step>,
    /// Every id that was mentioned, so that equal ids share their text, and what it stands for.
    ids: HashMap<StepId, Defined>,
    types: HashSet<StepType>,
    /// A condition such as `always()` may stand on many steps. Those of `finally` are others.
    conditions: HashMap<String, Condition>,
    final_conditions: HashMap<String, Condition>,
    problems: Vec<Diagnostic>,
    /// Nothing: shared by all.
    origin: Arc<str>,
}

#[derive(Clone, Copy, Default)]
struct Defined {
    /// Where the first step with this id stands.
    first: Option<(StepList, usize)>,
    /// That step could be understood.
    kept: bool,
}

impl Steps {
    pub(super) fn is_empty(&self) -> bool {
        self.digests.is_empty()
    }

    /// Reads one element of a list. Gives its digest.
    pub(super) fn read(&mut self, list: StepList, index: usize, value: Value) -> Digest {
        let digest = self.read_step(list, index, value);
        if list == StepList::Steps {
            self.digests.push(digest);
        }
        digest
    }

    fn read_step(&mut self, list: StepList, index: usize, value: Value) -> Digest {
        let pointer = list.pointer(index);
        let Value::Object(mut members) = value else {
            let message = format!("a step is an object, not {}", json::kind(&value));
            self.problems.push(Diagnostic::error("wrong-type", Place::value(pointer), message));
            return digest::of(&value);
        };
        digest::strip_annotations(&mut members);
        for name in ["retry", "approval"] {
            if let Some(Value::Object(inner)) = members.get_mut(name) {
                digest::strip_annotations(inner);
            }
        }
        let value = Value::Object(members);
        let digest = digest::of_step(list, &value);
        let Value::Object(members) = value else { return digest };

        let mut problems = mem::take(&mut self.problems);
        let mut fields = Fields::new(pointer, members, STEP_FIELDS, &mut problems);
        if let Some(step) = self.read_fields(&mut fields, (list, index), digest) {
            self.steps.push(step);
        }
        self.problems = problems;
        digest
    }

    fn read_fields(&mut self, fields: &mut Fields<'_>, at: (StepList, usize), digest: Digest) -> Option<Step> {
        let (list, index) = at;
        let id = self.read_id(fields, at);
        let step_type = self.read_type(fields);
        let config = Value::Object(fields.object("config").unwrap_or_default());
        let depends_on = fields.strings("depends_on").into_iter().map(|name| self.intern(name)).collect();
        let condition = self.read_condition(fields, list);
        let fan_out = fan_out::read(fields).map(Arc::new);
        let timeout = fields.duration("timeout").filter(|timeout| !timeout.is_zero());
        let retry = read_retry(fields);
        let permissions = permissions::read_member(fields, "permissions").map(Arc::new).into_iter().collect();
        let approval = read_approval(fields, list).map(Arc::new);
        let mut flag = |name, default| fields.boolean(name).unwrap_or(default);
        let step = Step {
            role: Role::Plain,
            within: None,
            origin: Arc::clone(&self.origin),
            list,
            index,
            continue_on_error: flag("continue_on_error", false),
            approval,
            quiet: flag("quiet", false),
            save_output: flag("save_output", true),
            idempotent: flag("idempotent", false),
            id: id?,
            step_type: step_type?,
            config,
            depends_on,
            condition,
            fan_out,
            timeout,
            retry,
            permissions,
            digest,
        };
        self.ids.entry(step.id.clone()).or_default().kept = true;
        Some(step)
    }

    /// A step that has an earlier one's id is kept, so that what else is wrong with it is reported too.
    fn read_id(&mut self, fields: &mut Fields<'_>, (list, index): (StepList, usize)) -> Option<StepId> {
        if fields.members.get("id").is_none_or(Value::is_null) {
            fields.missing("id", "each step has an `id` of its own, which others name in `depends_on`");
            return None;
        }
        let text = fields.string("id")?;
        let valid = check_id(&text).map_err(|problem| {
            let place = fields.place("id");
            fields.report(Diagnostic { place, ..*problem });
        });
        let id = self.intern(text);
        let defined = self.ids.entry(id.clone()).or_default();
        if let Some((list, first)) = defined.first {
            let place = fields.place("id");
            fields.report(
                Diagnostic::error("duplicate-id", place, format!("two steps have the id `{id}`"))
                    .with_related("the first is here", Place::value(format!("{}/id", list.pointer(first))))
                    .with_hint("give one of them another id"),
            );
        } else {
            defined.first = Some((list, index));
        }
        valid.ok().map(|()| id)
    }

    fn read_type(&mut self, fields: &mut Fields<'_>) -> Option<StepType> {
        if fields.members.get("type").is_none_or(Value::is_null) {
            fields.missing(
                "type",
                "\"type\": \"shell\" runs a command; `shiro plugin list` shows the step types there are",
            );
            return None;
        }
        let text = fields.string("type")?;
        if let Some(known) = self.types.get(text.as_str()) {
            return Some(known.clone());
        }
        // A type of one's own is a file of that name.
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if text.is_empty() || text.len() > MAX_ID || text.starts_with('.') || !text.chars().all(allowed) {
            let place = fields.place("type");
            fields.report(
                Diagnostic::error("invalid-type", place, "this can't be the name of a step type")
                    .with_hint("it consists of ASCII letters, digits, `.`, `_` and `-`, e.g. `slack.notify`"),
            );
            return None;
        }
        let step_type = StepType::new(text);
        self.types.insert(step_type.clone());
        Some(step_type)
    }

    fn read_condition(&mut self, fields: &mut Fields<'_>, list: StepList) -> Option<Condition> {
        let text = match (fields.take("if"), list) {
            (Some(Value::String(text)), _) => text,
            (Some(Value::Bool(constant)), _) => constant.to_string(),
            (Some(other), _) => {
                fields.wrong_type("if", "a condition in a string", &other);
                return None;
            }
            (None, StepList::Steps) => return None,
            (None, StepList::Finally) => "always()".to_owned(),
        };
        let (conditions, parse): (_, fn(&str) -> _) = match list {
            StepList::Steps => (&mut self.conditions, Condition::parse),
            StepList::Finally => (&mut self.final_conditions, Condition::parse_finally),
        };
        if let Some(known) = conditions.get(&text) {
            return Some(known.clone());
        }
        match parse(&text) {
            Ok(condition) => {
                conditions.insert(text, condition.clone());
                Some(condition)
            }
            Err(error) => {
                let place = Place { offset: error.offset.unwrap_or(0), ..fields.place("if") };
                let problem = Diagnostic::error("condition", place, error.message);
                fields.report(Diagnostic { hint: error.hint, ..problem });
                None
            }
        }
    }

    fn intern(&mut self, name: String) -> StepId {
        if let Some((known, _)) = self.ids.get_key_value(name.as_str()) {
            return known.clone();
        }
        let id = StepId::new(name);
        self.ids.insert(id.clone(), Defined::default());
        id
    }

    /// Links the steps: what a step depends on must be there.
    pub(super) fn finish(mut self, problems: &mut Vec<Diagnostic>) -> Vec<Step> {
        problems.append(&mut self.problems);
        let names: Vec<&str> =
            self.ids.iter().filter(|(_, defined)| defined.first.is_some()).map(|(id, _)| id.as_str()).collect();
        let mut suggestions = MAX_SUGGESTIONS;
        for step in &mut self.steps {
            let base = step.pointer("depends_on");
            let place = |index| Place::value(format!("{base}/{index}"));
            let named = mem::take(&mut step.depends_on);
            let mut seen = Seen::default();
            let mut kept = Vec::with_capacity(named.len());
            for (index, id) in named.iter().enumerate() {
                let defined = self.ids.get(id.as_str()).copied().unwrap_or_default();
                if id.as_str().is_empty() {
                    // Reported when it was read.
                } else if defined.first.is_none() {
                    problems.push(unknown_dependency(place(index), id, &names, suggestions > 0));
                    suggestions = suggestions.saturating_sub(1);
                } else if defined.first.is_some_and(|(list, _)| list != step.list) {
                    problems.push(other_list(place(index), step.list, id));
                } else if let Some(first) = seen.first(&named, index) {
                    problems.push(
                        Diagnostic::warning("duplicate-dependency", place(index), format!("`{id}` is named twice"))
                            .with_related("it is first here", place(first)),
                    );
                } else if defined.kept {
                    kept.push(id.clone());
                }
            }
            step.depends_on = kept;
        }
        self.steps.shrink_to_fit();
        self.steps
    }
}

/// Finds what was named before. Most steps depend on a few others; only a long list is worth a table.
#[derive(Default)]
struct Seen<'a> {
    firsts: HashMap<&'a str, usize>,
}

impl<'a> Seen<'a> {
    /// Where the id at `index` was named first, if that was earlier. To be asked for each index in order.
    fn first(&mut self, ids: &'a [StepId], index: usize) -> Option<usize> {
        let id = ids[index].as_str();
        if ids.len() <= 16 {
            return ids[..index].iter().position(|earlier| earlier.as_str() == id);
        }
        let first = *self.firsts.entry(id).or_insert(index);
        (first < index).then_some(first)
    }
}

fn unknown_dependency(place: Place, id: &StepId, names: &[&str], suggest: bool) -> Diagnostic {
    let problem = Diagnostic::error("unknown-dependency", place, format!("there is no step `{id}`"));
    match suggest.then(|| suggest::nearest(id.as_str(), names.iter().copied())).flatten() {
        Some(near) => problem.with_hint(format!("did you mean `{near}`?")),
        None => problem,
    }
}

/// `steps` come first, and `finally` after all of them: neither waits for a step of the other.
fn other_list(place: Place, list: StepList, id: &StepId) -> Diagnostic {
    let (message, hint) = match list {
        StepList::Steps => (
            format!("`{id}` is a step of `finally`, which comes after all of `steps`"),
            "move one of them to the other's list".to_owned(),
        ),
        StepList::Finally => (
            format!("`{id}` is no step of `finally`, and all of `steps` comes before it anyway"),
            format!("leave it out; an `if` can ask how it went: outcome('{id}') == 'succeeded'"),
        ),
    };
    Diagnostic::error("finally-dependency", place, message).with_hint(hint)
}

/// Nothing waits at the end of a run.
fn read_approval(fields: &mut Fields<'_>, list: StepList) -> Option<Approval> {
    let has_rule = fields.members.get("approval").is_some_and(|approval| !approval.is_null());
    let name = if has_rule { "approval" } else { "pause" };
    let approval = approval::read(fields)?;
    if list == StepList::Steps {
        return Some(approval);
    }
    let place = fields.place(name);
    let message = "a step of `finally` can't wait for an approval: nothing comes after it that could be held back";
    let hint = "let a step of `steps` wait; here, an `if` can ask what came of it: rejected(), expired()";
    fields.report(Diagnostic::error("finally-approval", place, message).with_hint(hint));
    None
}

/// A step's id consists of ASCII letters, digits, `_` and `-`, so that `steps.ID.key` reads in one way only.
fn check_id(id: &str) -> Result<(), Box<Diagnostic>> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let wrong = id.chars().find(|c| !allowed(*c));
    let (message, hint) = if id.is_empty() {
        ("the step's id is empty".to_owned(), None)
    } else if id.len() > MAX_ID {
        (format!("the step's id is longer than {MAX_ID} bytes"), None)
    } else if let Some(wrong) = wrong {
        let better: String = id.trim().chars().map(|c| if allowed(c) { c } else { '-' }).collect();
        let example = match better.trim_matches('-') {
            "" => String::new(),
            better => format!(", e.g. `{better}`"),
        };
        let hint = format!("it consists of ASCII letters, digits, `_` and `-`{example}");
        (format!("a step's id can't hold `{}`", wrong.escape_debug()), Some(hint))
    } else if id.starts_with('-') {
        ("a step's id can't begin with `-`".to_owned(), Some("on a command line it would be an option".to_owned()))
    } else {
        return Ok(());
    };
    Err(Box::new(Diagnostic { hint, ..Diagnostic::error("invalid-id", Place::default(), message) }))
}

/// Zero means the default, as it always has.
fn read_retry(fields: &mut Fields<'_>) -> Retry {
    let default = Retry::default();
    let members: Map<String, Value> = match fields.take("retry") {
        None => return default,
        Some(Value::Object(members)) => members,
        Some(other) => {
            let place = fields.place("retry");
            let message = format!("`retry` is an object, not {}", json::kind(&other));
            fields.report(
                Diagnostic::error("wrong-type", place, message)
                    .with_hint("write { \"max_attempts\": 3, \"delay\": \"2s\" }"),
            );
            return default;
        }
    };
    let pointer = format!("{}/retry", fields.pointer);
    let mut fields = Fields::new(pointer, members, RETRY_FIELDS, fields.problems);
    Retry {
        max_attempts: fields.whole("max_attempts", 0, MAX_ATTEMPTS).filter(|n| *n > 0).unwrap_or(default.max_attempts),
        delay: fields.duration("delay").unwrap_or(default.delay),
        backoff: read_backoff(&mut fields).unwrap_or(default.backoff),
        max_delay: fields.duration("max_delay").filter(|delay| !delay.is_zero()).unwrap_or(default.max_delay),
    }
}

fn read_backoff(fields: &mut Fields<'_>) -> Option<f64> {
    let backoff = fields.number("backoff")?;
    if backoff == 0.0 {
        return None;
    }
    if !(1.0..=MAX_BACKOFF).contains(&backoff) {
        fields.out_of_range("backoff", &format!("a number from 1 to {MAX_BACKOFF}"));
        return None;
    }
    Some(backoff)
}
