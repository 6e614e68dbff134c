//! Reads the templates of a text.

use serde_json::Value;

use super::expression::{Expression, Filter, Key, Path, is_name_char};
use super::suggest;
use crate::workflow::condition::REWORK;

/// A text taken apart: what is literal, and what is to be filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    /// In order; no two texts follow each other unless an escape stood between them.
    pub parts: Vec<Part>,
}

/// A piece of a [`Template`].
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// Literal text.
    Text {
        /// The text.
        text: String,
        /// Byte offset of its start in the source.
        offset: usize,
    },
    /// Filled in.
    Expression(Expression),
}

/// A text whose templates can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    /// Byte offset in the text.
    pub offset: usize,
    /// What is wrong: one sentence without a full stop.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
}

const NAMESPACES: [&str; 10] =
    ["inputs", "env", "steps", "run", "workflow", "approval", "rework", "item", "index", "matrix"];
const FILTERS: [&str; 5] = ["default", "json", "raw", "trim", "args"];
const ESCAPE: &str = r"for text that is meant for another program, write `\{{` (in JSON: `\\{{`)";

impl Template {
    /// Takes the text apart. `\{{` is a literal `{{`; a `}}` on its own is text.
    ///
    /// # Errors
    /// The first thing that can't be read.
    pub fn parse(source: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let text = |from: usize, to: usize, parts: &mut Vec<Part>| {
            if from < to {
                parts.push(Part::Text { text: source[from..to].to_owned(), offset: from });
            }
        };
        let (mut start, mut at) = (0, 0);
        while let Some(found) = source[at..].find("{{").map(|found| at + found) {
            if found > start && source.as_bytes()[found - 1] == b'\\' {
                text(start, found - 1, &mut parts);
                (start, at) = (found, found + 2);
                continue;
            }
            text(start, found, &mut parts);
            let mut parser = Parser { source, at: found + 2, open: found };
            parts.push(Part::Expression(parser.expression()?));
            (start, at) = (parser.at, parser.at);
        }
        text(start, source.len(), &mut parts);
        Ok(Self { parts })
    }

    /// The expressions, in order.
    pub fn expressions(&self) -> impl Iterator<Item = &Expression> {
        self.parts.iter().filter_map(|part| match part {
            Part::Expression(expression) => Some(expression),
            Part::Text { .. } => None,
        })
    }
}

struct Parser<'a> {
    source: &'a str,
    at: usize,
    open: usize,
}

type Parsed<T> = Result<T, TemplateError>;

impl<'a> Parser<'a> {
    fn expression(&mut self) -> Parsed<Expression> {
        let path = self.path()?;
        let mut filters = Vec::new();
        loop {
            if self.eat("}}") {
                return Ok(Expression { path, filters, offset: self.open });
            }
            if !self.eat("|") {
                return Err(self.unexpected("expected `}}` or `|` and a filter"));
            }
            if let Some(last @ (Filter::Raw | Filter::Args)) = filters.last() {
                return Err(self.error(self.at, format!("`{last}` must be the last filter"), None));
            }
            filters.push(self.filter()?);
        }
    }

    fn path(&mut self) -> Parsed<Path> {
        self.skip_space();
        let start = self.at;
        let root = self.name();
        if root.is_empty() {
            return Err(self.no_path());
        }
        let root_end = self.at;
        if !NAMESPACES.contains(&root) {
            return Err(self.unknown_namespace(start, root));
        }
        let mut keys = self.keys()?;
        let named = |keys: &mut Vec<Key>| match (!keys.is_empty()).then(|| keys.remove(0))? {
            Key::Name(name) => Some(name),
            Key::Index(index) => Some(index.to_string()),
        };
        let missing = |what: &str, example: &str| {
            self.error(root_end, format!("`{root}` needs {what}"), Some(format!("write `{{{{{example}}}}}`")))
        };
        match root {
            "inputs" => Ok(Path::Inputs(keys)),
            "env" => {
                let name = named(&mut keys).ok_or_else(|| missing("a variable's name", "env.NAME"))?;
                match keys.is_empty() {
                    true => Ok(Path::Env(name)),
                    false => Err(self.error(start, "an environment variable is text, and has no parts".into(), None)),
                }
            }
            "steps" => {
                let id = named(&mut keys).ok_or_else(|| missing("a step's id", "steps.ID.key"))?;
                Ok(Path::Step { id, keys })
            }
            "approval" => {
                let step = named(&mut keys).ok_or_else(|| missing("a step's id", "approval.ID.field"))?;
                Ok(Path::Approval { step, keys })
            }
            "rework" => match keys.as_slice() {
                [] => Ok(Path::Rework(keys)),
                [Key::Name(name)] if REWORK.contains(&name.as_str()) => Ok(Path::Rework(keys)),
                _ => Err(self.error(start, format!("`rework` has only `{}`", REWORK.join("`, `")), None)),
            },
            "item" => Ok(Path::Item(keys)),
            "matrix" => Ok(Path::Matrix(keys)),
            "index" if keys.is_empty() => Ok(Path::Index),
            "index" => Err(self.error(start, "`index` is a number, and has no parts".into(), None)),
            "run" => self.only(start, root, "id", &keys).map(|()| Path::RunId),
            _ => self.only(start, root, "name", &keys).map(|()| Path::WorkflowName),
        }
    }

    fn only(&self, start: usize, root: &str, member: &str, keys: &[Key]) -> Parsed<()> {
        match keys {
            [Key::Name(name)] if name == member => Ok(()),
            _ => Err(self.error(
                start,
                format!("`{root}` has nothing but `{member}`"),
                Some(format!("write `{{{{{root}.{member}}}}}`")),
            )),
        }
    }

    fn keys(&mut self) -> Parsed<Vec<Key>> {
        let mut keys = Vec::new();
        loop {
            if self.eat(".") {
                self.skip_space();
                let name = self.name();
                if name.is_empty() {
                    return Err(self.unexpected("expected a name after `.`"));
                }
                keys.push(Key::Name(name.to_owned()));
            } else if self.eat("[") {
                self.skip_space();
                keys.push(self.bracketed()?);
                if !self.eat("]") {
                    return Err(self.unexpected("expected `]`"));
                }
            } else {
                return Ok(keys);
            }
        }
    }

    fn bracketed(&mut self) -> Parsed<Key> {
        if self.rest().starts_with(['\'', '"']) {
            return self.quoted().map(Key::Name);
        }
        let digits = self.rest().len() - self.rest().trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let Ok(index) = self.rest()[..digits].parse() else {
            return Err(self.unexpected("expected a number or a quoted name in `[...]`"));
        };
        self.at += digits;
        Ok(Key::Index(index))
    }

    fn filter(&mut self) -> Parsed<Filter> {
        self.skip_space();
        let start = self.at;
        let name = self.name();
        let filter = match name {
            "default" => {
                if !self.eat("(") {
                    return Err(self.error(
                        start,
                        "`default` needs a value".into(),
                        Some("write `default('text')` or any JSON value, e.g. `default(3)`".into()),
                    ));
                }
                let value = self.literal()?;
                if !self.eat(")") {
                    return Err(self.unexpected("expected `)`"));
                }
                return Ok(Filter::Default(value));
            }
            "json" => Filter::Json,
            "raw" => Filter::Raw,
            "trim" => Filter::Trim,
            "args" => Filter::Args,
            "" => return Err(self.unexpected("expected a filter after `|`")),
            _ => {
                let hint = suggest::hint(name, "filters", &FILTERS);
                return Err(self.error(start, format!("unknown filter `{name}`"), hint));
            }
        };
        if self.eat("(") {
            return Err(self.error(start, format!("`{name}` takes no value"), None));
        }
        Ok(filter)
    }

    /// A JSON value, or text in single quotes.
    fn literal(&mut self) -> Parsed<Value> {
        self.skip_space();
        if self.rest().starts_with('\'') {
            return self.quoted().map(Value::String);
        }
        // A value in a stream must be followed by white space unless it ends with a quote or a bracket.
        let scalar =
            self.rest().bytes().take_while(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte)).count();
        let source = if scalar > 0 { &self.rest()[..scalar] } else { self.rest() };
        let mut values = serde_json::Deserializer::from_str(source).into_iter::<Value>();
        match values.next() {
            Some(Ok(value)) => {
                self.at += values.byte_offset();
                Ok(value)
            }
            _ => Err(self.unexpected("expected a JSON value or text in quotes")),
        }
    }

    /// Text in double quotes (as in JSON) or in single quotes (`\'` and `\\` stand for themselves).
    fn quoted(&mut self) -> Parsed<String> {
        if self.rest().starts_with('"') {
            return match self.literal()? {
                Value::String(text) => Ok(text),
                _ => Err(self.unexpected("expected text in quotes")),
            };
        }
        let mut text = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((index, c)) = chars.next() {
            match c {
                '\'' => {
                    self.at += index + 1;
                    return Ok(text);
                }
                '\\' => match chars.next() {
                    Some((_, escaped @ ('\'' | '\\'))) => text.push(escaped),
                    Some((_, other)) => text.extend(['\\', other]),
                    None => break,
                },
                _ => text.push(c),
            }
        }
        Err(self.error(self.at, "the text in quotes has no end".into(), Some("close it with `'`".into())))
    }

    /// The name that begins here; empty if none does.
    fn name(&mut self) -> &'a str {
        let rest = self.rest();
        let name = &rest[..rest.len() - rest.trim_start_matches(is_name_char).len()];
        self.at += name.len();
        name
    }

    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn skip_space(&mut self) {
        self.at = self.source.len() - self.rest().trim_start().len();
    }

    fn eat(&mut self, token: &str) -> bool {
        self.skip_space();
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn error(&self, offset: usize, message: String, hint: Option<String>) -> TemplateError {
        TemplateError { offset, message, hint }
    }

    fn unknown_namespace(&self, start: usize, root: &str) -> TemplateError {
        if self.unclosed() {
            return self.no_end();
        }
        let hint = match suggest::nearest(root, NAMESPACES) {
            Some(near) => format!("did you mean `{near}`? a template begins with {}; {ESCAPE}", namespaces()),
            None => format!("a template begins with {}; {ESCAPE}", namespaces()),
        };
        self.error(start, format!("unknown name `{root}` in a template"), Some(hint))
    }

    /// Nothing like a path follows the `{{`.
    fn no_path(&self) -> TemplateError {
        let (message, hint) = match self.rest() {
            rest if rest.starts_with("{{") => {
                ("a template can't hold another one", format!("close the first one; {ESCAPE}"))
            }
            rest if rest.starts_with("}}") => ("the template is empty", format!("write `{{{{env.NAME}}}}`; {ESCAPE}")),
            _ if self.unclosed() => return self.no_end(),
            _ => ("not a template", format!("a template begins with {}; {ESCAPE}", namespaces())),
        };
        self.error(self.open, message.into(), Some(hint))
    }

    fn unexpected(&self, expected: &str) -> TemplateError {
        let rest = self.rest().trim_start();
        let at = self.source.len() - rest.len();
        if rest.starts_with("{{") {
            let hint = format!("close the first one with `}}}}` before it; {ESCAPE}");
            return self.error(at, "a template can't hold another one".into(), Some(hint));
        }
        if self.unclosed() {
            return self.no_end();
        }
        self.error(at, expected.into(), Some("a template is `{{ path | filter }}`".into()))
    }

    fn unclosed(&self) -> bool {
        !self.rest().contains("}}")
    }

    fn no_end(&self) -> TemplateError {
        self.error(self.open, "`{{` has no `}}`".into(), Some(format!("close it with `}}}}`; {ESCAPE}")))
    }
}

fn namespaces() -> String {
    NAMESPACES.map(|name| format!("`{name}`")).join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn expression(text: &str) -> Expression {
        let template = Template::parse(text).unwrap();
        template.expressions().next().unwrap().clone()
    }

    #[test]
    fn reads_every_kind_of_path_and_prints_it_back() {
        for (text, printed) in [
            ("{{inputs}}", "{{inputs}}"),
            ("{{ inputs.a.b[0] }}", "{{inputs.a.b[0]}}"),
            ("{{\tinputs . a [ 0 ]\n}}", "{{inputs.a[0]}}"),
            ("{{env.CI_COMMIT_REF_NAME}}", "{{env.CI_COMMIT_REF_NAME}}"),
            ("{{steps.build-image}}", "{{steps.build-image}}"),
            ("{{steps.deploy:eu/1.stdout}}", "{{steps.deploy:eu/1.stdout}}"),
            ("{{steps['my.id'].x[\"k l\"]}}", "{{steps[\"my.id\"].x[\"k l\"]}}"),
            ("{{run.id}}", "{{run.id}}"),
            ("{{workflow.name}}", "{{workflow.name}}"),
            ("{{approval.gate.by}}", "{{approval.gate.by}}"),
            ("{{ item }}", "{{item}}"),
            ("{{item['a b'][0]}}", "{{item[\"a b\"][0]}}"),
            ("{{index}}", "{{index}}"),
            ("{{matrix.os}}", "{{matrix.os}}"),
            ("{{env.X|default('a\\'b')|trim}}", "{{env.X | default(\"a'b\") | trim}}"),
            ("{{inputs.l | args}}", "{{inputs.l | args}}"),
            ("{{inputs.x | default({\"a\":{\"b\":1}}) | json}}", "{{inputs.x | default({\"a\":{\"b\":1}}) | json}}"),
        ] {
            let read = expression(text);
            assert_eq!(read.to_string(), printed);
            assert_eq!(expression(printed).filters, read.filters);
        }
        assert_eq!(expression("{{env.X | default(null)}}").filters, [Filter::Default(json!(null))]);
    }

    #[test]
    fn takes_text_apart_and_knows_where_the_pieces_stood() {
        let template = Template::parse(r"a \{{b}} {{run.id}}}}").unwrap();
        let text = |text: &str, offset| Part::Text { text: text.into(), offset };
        assert_eq!(
            template.parts,
            [
                text("a ", 0),
                text("{{b}} ", 3),
                Part::Expression(Expression { path: Path::RunId, filters: vec![], offset: 9 }),
                text("}}", 19),
            ]
        );
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        for (text, offset, message, hint) in [
            ("x {{env.A", 2, "has no `}}`", "close it"),
            ("{{ {{env.A}} }}", 0, "can't hold another", "close"),
            ("{{ env.A {{env.B}} }}", 9, "can't hold another", "close"),
            ("{{}}", 0, "empty", "env.NAME"),
            ("{{.Names}}", 0, "not a template", r"\{{"),
            ("{{ thing.name }}", 3, "unknown name `thing`", r"\{{"),
            ("{{ index.name }}", 3, "has no parts", ""),
            ("{{ step.a }}", 3, "unknown name `step`", "did you mean `steps`?"),
            ("{{ env.A | upper }}", 11, "unknown filter `upper`", "`default`"),
            ("{{ env.A | defualt('x') }}", 11, "unknown filter", "did you mean `default`?"),
            ("{{ env.A | default }}", 11, "needs a value", "default('text')"),
            ("{{ env.A | default(x) }}", 19, "JSON value", ""),
            ("{{ env.A | raw | trim }}", 16, "last filter", ""),
            ("{{ env.A | json() }}", 11, "takes no value", ""),
            ("{{ env }}", 6, "needs a variable's name", "env.NAME"),
            ("{{ env.A.b }}", 3, "has no parts", ""),
            ("{{ steps }}", 8, "needs a step's id", ""),
            ("{{ run.name }}", 3, "nothing but `id`", "{{run.id}}"),
            ("{{ inputs.a b }}", 12, "expected `}}`", ""),
            ("{{ inputs..b }}", 10, "expected a name", ""),
            ("{{ inputs[x] }}", 10, "expected a number", ""),
            ("{{ inputs['x] }}", 10, "has no end", ""),
        ] {
            let error = Template::parse(text).unwrap_err();
            assert_eq!(error.offset, offset, "{text}: {error:?}");
            assert!(error.message.contains(message), "{text}: {error:?}");
            assert!(error.hint.unwrap_or_default().contains(hint), "{text}");
        }
    }
}
