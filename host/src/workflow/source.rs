//! The text of a file, and where in it things stand.
//!
//! Reading a workflow keeps no positions: a valid one needs none. They are looked up in the text once there is something
//! to show, from the JSON Pointers in the diagnostics.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use super::locate::Locator;
use crate::diagnostic::{Diagnostic, Place, Position};

/// A larger file is refused. A hundred thousand steps take a quarter of it.
pub const MAX_BYTES: u64 = 64 << 20;

/// A file's name and text.
#[derive(Clone, Debug)]
pub struct Source {
    name: String,
    text: String,
    /// The files that it refers to.
    parts: Vec<Source>,
}

impl Source {
    /// Text that is at hand. The name is what diagnostics show in front of the line.
    pub fn from_text(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into(), parts: Vec::new() }
    }

    /// The same with the files that it refers to: what is to be located may be in one of them.
    pub fn with_parts(self, parts: Vec<Source>) -> Self {
        Self { parts, ..self }
    }

    /// Bytes that are at hand: they must be UTF-8 and at most [`MAX_BYTES`].
    pub fn from_bytes(name: impl Into<String>, bytes: Vec<u8>) -> Result<Self, Box<Diagnostic>> {
        if bytes.len() as u64 > MAX_BYTES {
            let message = format!("the file is larger than {} MiB", MAX_BYTES >> 20);
            return Err(Box::new(Diagnostic::error("too-large", Place::default(), message)));
        }
        String::from_utf8(bytes)
            .map(|text| Self::from_text(name, text))
            .map_err(|error| Box::new(not_utf8(error.as_bytes())))
    }

    /// Reads a file: the one place of this module that does.
    pub fn read(path: &Path) -> Result<Self, Box<Diagnostic>> {
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| {
                if let Ok(metadata) = file.metadata() {
                    bytes.reserve_exact(usize::try_from(metadata.len().min(MAX_BYTES)).unwrap_or(0) + 1);
                }
                file.take(MAX_BYTES + 1).read_to_end(&mut bytes)
            })
            .map_err(|error| {
                Box::new(Diagnostic::error("unreadable", Place::default(), format!("can't be read: {error}")))
            })?;
        Self::from_bytes(path.display().to_string(), bytes)
    }

    /// The file's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Fills in the positions that are missing. A pointer that leads nowhere gets the position of the nearest value above.
    pub fn locate(&self, diagnostics: &mut [Diagnostic]) {
        self.locate_in(None, diagnostics);
        for part in &self.parts {
            part.locate_in(Some(&part.name), diagnostics);
        }
    }

    /// Those of the places that are in this file.
    fn locate_in(&self, file: Option<&str>, diagnostics: &mut [Diagnostic]) {
        let places: Vec<&mut Place> = diagnostics
            .iter_mut()
            .flat_map(|diagnostic| {
                std::iter::once(&mut diagnostic.place).chain(diagnostic.related.as_mut().map(|(_, place)| place))
            })
            .filter(|place| place.position.is_none() && place.file() == file)
            .collect();
        if places.is_empty() {
            return;
        }
        let mut locator = Locator::new(places.iter().map(|place| place.local()));
        locator.search(&self.text);
        let mut found: Vec<(usize, &mut Place)> = Vec::with_capacity(places.len());
        for place in places {
            if let Some(offset) = locator.offset(&self.text, place) {
                found.push((offset, place));
            }
        }
        found.sort_by_key(|(offset, _)| *offset);
        let mut lines = Lines::new(&self.text);
        for (offset, place) in found {
            place.position = Some(lines.position(offset));
        }
    }

    /// One error for each of these pointers to a member whose name was there before, with both places. A pointer that comes
    /// twice means the third of that name, and so on.
    pub(super) fn duplicate_keys(&self, pointers: &[String]) -> Vec<Diagnostic> {
        if pointers.is_empty() {
            return Vec::new();
        }
        let mut locator = Locator::new(pointers.iter().map(String::as_str));
        locator.search(&self.text);
        let mut diagnostics = Vec::new();
        for (index, pointer) in pointers.iter().enumerate() {
            let nth = pointers[..index].iter().filter(|earlier| *earlier == pointer).count();
            let keys: &[Range<usize>] = locator.keys(pointer);
            let place = |key: Option<&Range<usize>>| Place {
                position: key.map(|key| Lines::new(&self.text).position(key.start)),
                ..Place::key(pointer.clone())
            };
            let name = pointer.rsplit('/').next().unwrap_or_default().replace("~1", "/").replace("~0", "~");
            diagnostics.push(
                Diagnostic::error("duplicate-key", place(keys.get(nth + 1)), format!("`{name}` is there twice"))
                    .with_related("it is first here", place(keys.first()))
                    .with_hint("remove one of them"),
            );
        }
        diagnostics
    }

    /// A syntax error at a byte offset.
    pub(super) fn syntax_error(&self, offset: usize, message: impl Into<String>) -> Diagnostic {
        let place = Place { position: Some(Lines::new(&self.text).position(offset)), ..Place::default() };
        Diagnostic::error("syntax", place, message)
    }

    /// The byte offset of a line and a column in bytes, both from 1.
    pub(super) fn offset_of_line(&self, line: usize, column: usize) -> usize {
        let start: usize = self.text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        let mut offset = (start + column.saturating_sub(1)).min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    }
}

fn not_utf8(bytes: &[u8]) -> Diagnostic {
    let diagnostic = Diagnostic::error("not-utf8", Place::default(), "the file is not UTF-8 text");
    match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => diagnostic.with_hint("it looks like UTF-16: save it as UTF-8"),
        [0, b'a', b's', b'm', ..] => diagnostic.with_hint("it looks like WebAssembly: a workflow is a JSON file"),
        _ => diagnostic.with_hint("save it as UTF-8"),
    }
}

/// Turns byte offsets into lines and columns; offsets that come in rising order cost one pass in all.
struct Lines<'a> {
    text: &'a str,
    offset: usize,
    position: Position,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, offset: 0, position: Position { line: 1, column: 1 } }
    }

    fn position(&mut self, offset: usize) -> Position {
        let passed = &self.text[self.offset..offset];
        if let Some(last) = passed.rfind('\n') {
            let lines = passed.bytes().filter(|byte| *byte == b'\n').count();
            self.position.line = self.position.line.saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
            self.position.column = 1;
            self.advance(&passed[last + 1..]);
        } else {
            self.advance(passed);
        }
        self.offset = offset;
        self.position
    }

    fn advance(&mut self, passed: &str) {
        let characters = u32::try_from(passed.chars().count()).unwrap_or(u32::MAX);
        self.position.column = self.position.column.saturating_add(characters);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn located(text: &str, place: Place) -> Option<(u32, u32)> {
        let mut diagnostics = [Diagnostic::error("test", place, "")];
        Source::from_text("w.json", text).locate(&mut diagnostics);
        diagnostics[0].place.position.map(|position| (position.line, position.column))
    }

    const TEXT: &str = "{\n  \"ü\": \"é\", \"steps\": [\n    { \"a/b\": 1, \"c~d\": [true, {\"x\": null}] },\n    \"t\\u00e9\\n\\ud83d\\ude00{{x\"\n  ]\n}\n";

    #[test]
    fn finds_keys_values_and_places_within_strings() {
        for (place, expected) in [
            (Place::key("/ü"), (2, 3)),
            (Place::value("/ü"), (2, 8)),
            (Place::key("/steps"), (2, 13)),
            (Place::value("/steps"), (2, 22)),
            (Place::value("/steps/0"), (3, 5)),
            (Place::key("/steps/0/a~1b"), (3, 7)),
            (Place::value("/steps/0/c~0d/0"), (3, 25)),
            (Place::value("/steps/0/c~0d/1/x"), (3, 37)),
            (Place::value("/steps/1"), (4, 5)),
            (Place::within("/steps/1", 1), (4, 7)),
            (Place::within("/steps/1", 3), (4, 13)),
            (Place::within("/steps/1", 4), (4, 15)),
            (Place::within("/steps/1", 8), (4, 27)),
            (Place::within("/steps/1", 10), (4, 29)),
            (Place::within("/steps/1", 99), (4, 30)),
        ] {
            assert_eq!(located(TEXT, place.clone()), Some(expected), "{place:?}");
        }
    }

    #[test]
    fn what_is_missing_is_shown_at_what_should_hold_it() {
        assert_eq!(located(TEXT, Place::value("/steps/0/id")), Some((3, 5)));
        assert_eq!(located(TEXT, Place::value("/steps/7/id")), Some((2, 22)));
        assert_eq!(located(TEXT, Place::value("")), Some((1, 1)));
    }

    #[test]
    fn text_that_is_not_json_gives_no_position_and_no_panic() {
        for text in
            ["", "{", "{\"a\"", "{\"a\": [1,", "{\"a\" 1}", "nope", "{\"a\": \"\\u12\"}", "[[[[", "]", "{\"a\":}"]
        {
            located(text, Place::within("/a/0", 3));
        }
    }

    #[test]
    fn both_places_of_a_second_position_are_found() {
        let mut diagnostics =
            [Diagnostic::error("test", Place::value("/b"), "").with_related("there", Place::value("/a"))];
        Source::from_text("w.json", "{\"a\": 1,\n \"b\": 2}").locate(&mut diagnostics);
        assert_eq!(diagnostics[0].place.position, Some(Position { line: 2, column: 7 }));
        assert_eq!(diagnostics[0].related.as_ref().unwrap().1.position, Some(Position { line: 1, column: 7 }));
    }

    #[test]
    fn what_is_in_a_file_that_it_refers_to_is_found_there() {
        let part = Source::from_text("part.json", "{\n \"a\": 1}");
        let whole = Source::from_text("w.json", "{\"a\": 1}").with_parts(vec![part]);
        let mut diagnostics =
            ["/a", "part.json#/a", "gone.json#/a"].map(|pointer| Diagnostic::error("test", Place::value(pointer), ""));
        whole.locate(&mut diagnostics);
        let positions = diagnostics.map(|diagnostic| diagnostic.place.position.map(|position| position.line));
        assert_eq!(positions, [Some(1), Some(2), None]);
    }

    #[test]
    fn bytes_that_are_not_text_are_refused_with_a_hint() {
        for (bytes, hint) in [
            (&b"\xff\xfe{\0}\0"[..], "it looks like UTF-16: save it as UTF-8"),
            (b"\0asm\x0d\0\x01\0\xff", "it looks like WebAssembly: a workflow is a JSON file"),
            (b"{\"name\": \"\xe9\"}", "save it as UTF-8"),
        ] {
            let error = Source::from_bytes("w.json", bytes.to_vec()).unwrap_err();
            assert_eq!((error.code, error.hint.as_deref()), ("not-utf8", Some(hint)));
        }
        let large = vec![b' '; usize::try_from(MAX_BYTES).unwrap() + 1];
        assert_eq!(Source::from_bytes("w.json", large).unwrap_err().code, "too-large");
    }

    #[test]
    fn a_file_that_is_not_there_is_a_diagnostic() {
        let directory = tempfile::tempdir().unwrap();
        let error = Source::read(&directory.path().join("w.json")).unwrap_err();
        assert_eq!(error.code, "unreadable");
        assert!(error.message.contains("No such file"), "{}", error.message);
        assert_eq!(Source::read(directory.path()).unwrap_err().code, "unreadable");
        let path = directory.path().join("w.json");
        std::fs::write(&path, "{}").unwrap();
        assert_eq!(Source::read(&path).unwrap().text(), "{}");
    }
}
