//! A problem in the user's input: what, where, and what to do about it.

use std::fmt;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth a look; nothing is refused.
    Warning,
    /// The input is refused.
    Error,
}

/// Line and column in a file, both counted from 1; the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
}

/// Where in a JSON document: a JSON Pointer (RFC 6901), and whether the key or the value is meant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Place {
    /// The JSON Pointer; empty for the whole document. In a file that the document refers to, after its name and `#`.
    pub pointer: String,
    /// The member's name is meant, not its value (an unknown field).
    pub key: bool,
    /// Bytes into the decoded string value (a template within it), 0 for its start.
    pub offset: usize,
    /// Filled in from the source text when the diagnostic is shown.
    pub position: Option<Position>,
}

impl Place {
    /// The value at this pointer.
    pub fn value(pointer: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), ..Self::default() }
    }

    /// The name of the member at this pointer.
    pub fn key(pointer: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), key: true, ..Self::default() }
    }

    /// The file that the document refers to, if it is in one.
    pub fn file(&self) -> Option<&str> {
        self.split().0
    }

    /// The JSON Pointer within its file.
    pub fn local(&self) -> &str {
        self.split().1
    }

    fn split(&self) -> (Option<&str>, &str) {
        match self.pointer.split_once('#') {
            // A pointer by itself is empty or begins so; `#` may stand in the names that it is made of.
            Some((file, local)) if !self.pointer.starts_with('/') => (Some(file), local),
            _ => (None, &self.pointer),
        }
    }

    /// The character at `offset` bytes of the string at this pointer.
    pub fn within(pointer: impl Into<String>, offset: usize) -> Self {
        Self { pointer: pointer.into(), offset, ..Self::default() }
    }
}

/// One problem. `Display` gives the lines a person reads, without the file's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// A stable name for machines and tests, e.g. `unknown-field`.
    pub code: &'static str,
    /// What is wrong: one sentence without a full stop.
    pub message: String,
    /// Where.
    pub place: Place,
    /// A second place that matters (where it was first defined), and what it is.
    pub related: Option<(String, Place)>,
    /// What to do next.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// An error at a place.
    pub fn error(code: &'static str, place: Place, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, code, message: message.into(), place, related: None, hint: None }
    }

    /// A warning at a place.
    pub fn warning(code: &'static str, place: Place, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, place, message) }
    }

    /// The same with a hint.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with a second place.
    pub fn with_related(mut self, what: impl Into<String>, place: Place) -> Self {
        self.related = Some((what.into(), place));
        self
    }

    /// The lines a person reads, `file` being the document's name: `file:line:column: error: message`, the pointer, the second place and the hint below.
    pub fn display<'a>(&'a self, file: &'a str) -> impl fmt::Display + 'a {
        fmt::from_fn(move |f| {
            write_place(f, file, &self.place)?;
            let severity = match self.severity {
                Severity::Warning => "warning",
                Severity::Error => "error",
            };
            write!(f, ": {severity}[{}]: {}", self.code, self.message)?;
            if !self.place.local().is_empty() {
                write!(f, "\n  at {}", self.place.local())?;
            }
            if let Some((what, place)) = &self.related {
                write!(f, "\n  ")?;
                write_place(f, file, place)?;
                write!(f, ": {what}")?;
            }
            if let Some(hint) = &self.hint {
                write!(f, "\n  hint: {}", hint.replace('\n', "\n        "))?;
            }
            Ok(())
        })
    }
}

fn write_place(f: &mut fmt::Formatter<'_>, file: &str, place: &Place) -> fmt::Result {
    f.write_str(place.file().unwrap_or(file))?;
    match place.position {
        Some(Position { line, column }) => write!(f, ":{line}:{column}"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_another_file_is_shown_there() {
        let mut diagnostic = Diagnostic::error("x", Place::value("parts/a.json#/steps/0/x#y"), "no");
        diagnostic.place.position = Some(Position { line: 2, column: 1 });
        assert_eq!(diagnostic.display("w.json").to_string(), "parts/a.json:2:1: error[x]: no\n  at /steps/0/x#y");
        let whole = Diagnostic::error("x", Place::value("a.json#"), "no");
        assert_eq!(whole.display("w.json").to_string(), "a.json: error[x]: no");
        for pointer in ["", "/a#b", "/steps/0"] {
            assert_eq!((Place::value(pointer).file(), Place::value(pointer).local()), (None, pointer));
        }
    }

    #[test]
    fn shows_file_line_column_pointer_and_hint() {
        let mut diagnostic =
            Diagnostic::error("unknown-field", Place::key("/steps/0/dependson"), "unknown field `dependson`")
                .with_hint("did you mean `depends_on`?");
        diagnostic.place.position = Some(Position { line: 3, column: 7 });
        assert_eq!(
            diagnostic.display("w.json").to_string(),
            "w.json:3:7: error[unknown-field]: unknown field `dependson`\n  at /steps/0/dependson\n  hint: did you mean `depends_on`?"
        );
    }
}
