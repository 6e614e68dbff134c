//! From text to nodes. Bounded are the size of a text, how deep it nests, and how many values it has once every alias stands
//! for itself, which is what a "billion laughs" multiplies.

use std::collections::HashMap;
use std::sync::Arc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Tag};

use super::node::{Entry, Map, Node, Value};
use super::problem::{Place, Problem};
use crate::diagnostic::Position;

/// A larger file is refused: GitLab's own limit.
pub const MAX_BYTES: usize = 2 << 20;
/// Deeper nesting is refused: GitLab's own limit.
const MAX_DEPTH: usize = 100;
/// More values, aliases expanded, are refused.
const MAX_VALUES: usize = 200_000;

/// One document of a file.
#[derive(Debug)]
pub struct Document {
    /// The value at its top.
    pub root: Node,
    /// Keys that stand twice in a mapping: the second place, the first one, and the key. The last one counts.
    pub duplicates: Vec<(Place, Place, Arc<str>)>,
}

/// Reads every document of a file. The problem says what is wrong with it, and where.
pub fn load(file: &Arc<str>, bytes: &[u8]) -> Result<Vec<Document>, Box<Problem>> {
    let text = text(file, bytes)?;
    let mut loader = Loader { file: Arc::clone(file), ..Loader::default() };
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| syntax(file, text, &error))?;
        let place = loader.place(&span.start);
        loader.take(event, place)?;
    }
    Ok(loader.documents)
}

fn text<'a>(file: &Arc<str>, bytes: &'a [u8]) -> Result<&'a str, Box<Problem>> {
    let start = Place::start_of(file);
    if bytes.len() > MAX_BYTES {
        let message = format!("the file is larger than {} MiB", MAX_BYTES >> 20);
        return Err(Box::new(Problem::new(&start, message)));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        let position = Position { line: u32::try_from(line).unwrap_or(u32::MAX), column: 1 };
        let problem = Problem::new(&Place { position, ..start }, "the file is not UTF-8 text");
        Box::new(match bytes {
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => problem.hint("it looks like UTF-16: save it as UTF-8"),
            _ => problem.hint("save it as UTF-8"),
        })
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

fn syntax(file: &Arc<str>, text: &str, error: &ScanError) -> Box<Problem> {
    let position = position(error.marker());
    let line = text.lines().nth(position.line.saturating_sub(1) as usize).unwrap_or_default();
    let place = Place { file: Arc::clone(file), position };
    // The parser has a limit of its own for what stands in brackets.
    if error.info().contains("recursion limit") {
        return too_deep(&place);
    }
    let problem = Problem::new(&place, format!("this is not YAML: {}", error.info()));
    let indent: String = line.chars().take_while(|c| c.is_whitespace()).collect();
    Box::new(if indent.contains('\t') || error.info().contains("tab") {
        problem.hint("indent with spaces: YAML allows no tabs there")
    } else if line.contains(": ") && (line.contains('{') || line.contains('*') || line.matches(": ").count() > 1) {
        problem.hint("text with `: `, braces or asterisks needs quotes around it")
    } else {
        problem
    })
}

fn position(marker: &Marker) -> Position {
    let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    Position { line: number(marker.line()), column: number(marker.col()).saturating_add(1) }
}

/// A list or mapping that is not complete yet.
struct Open {
    place: Place,
    tag: Option<Arc<str>>,
    anchor: usize,
    content: Content,
    size: Size,
}

enum Content {
    List(Vec<Node>),
    Map {
        map: Map,
        /// The key whose value comes next.
        key: Option<(Arc<str>, Place)>,
        /// What `<<` brings in.
        merged: Vec<Node>,
    },
}

/// What a value amounts to when aliases stand for themselves.
#[derive(Clone, Copy, Default)]
struct Size {
    values: usize,
    depth: usize,
}

impl Size {
    const ONE: Self = Self { values: 1, depth: 1 };

    fn add(&mut self, child: Self) {
        self.values = self.values.saturating_add(child.values);
        self.depth = self.depth.max(child.depth + 1);
    }
}

#[derive(Default)]
struct Loader {
    file: Arc<str>,
    open: Vec<Open>,
    anchors: HashMap<usize, (Node, Size)>,
    duplicates: Vec<(Place, Place, Arc<str>)>,
    /// Values of the whole file so far.
    values: usize,
    documents: Vec<Document>,
}

impl Loader {
    fn place(&self, marker: &Marker) -> Place {
        Place { file: Arc::clone(&self.file), position: position(marker) }
    }

    fn take(&mut self, event: Event<'_>, place: Place) -> Result<(), Box<Problem>> {
        match event {
            Event::SequenceStart(anchor, tag) => self.begin(place, anchor, tag.as_deref(), Content::List(Vec::new())),
            Event::MappingStart(anchor, tag) => {
                let map = Content::Map { map: Map::default(), key: None, merged: Vec::new() };
                self.begin(place, anchor, tag.as_deref(), map)
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(open) => {
                    let (anchor, size) = (open.anchor, open.size);
                    self.put(close(open)?, anchor, size)
                }
                None => Ok(()),
            },
            Event::Scalar(text, style, anchor, tag) => {
                let is_text = tag.as_deref().is_some_and(|tag| tag.is_yaml_core_schema() && tag.suffix == "str");
                let plain = style == ScalarStyle::Plain && !is_text;
                let value = Value::Scalar { text: Arc::from(&*text), plain };
                self.count(1, &place)?;
                self.put(Node { place, tag: tag.as_deref().and_then(own_tag), value }, anchor, Size::ONE)
            }
            Event::Alias(id) => {
                let Some((node, size)) = self.anchors.get(&id).cloned() else {
                    return Err(Box::new(Problem::new(&place, "an alias stands within what it stands for")));
                };
                if self.open.len() + size.depth > MAX_DEPTH {
                    return Err(too_deep(&place));
                }
                self.count(size.values, &place)?;
                self.put(node, 0, size)
            }
            Event::DocumentEnd | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::Nothing => {
                Ok(())
            }
        }
    }

    fn begin(&mut self, place: Place, anchor: usize, tag: Option<&Tag>, content: Content) -> Result<(), Box<Problem>> {
        if self.open.len() >= MAX_DEPTH {
            return Err(too_deep(&place));
        }
        self.count(1, &place)?;
        self.open.push(Open { place, tag: tag.and_then(own_tag), anchor, content, size: Size::ONE });
        Ok(())
    }

    fn count(&mut self, values: usize, place: &Place) -> Result<(), Box<Problem>> {
        self.values = self.values.saturating_add(values);
        if self.values > MAX_VALUES {
            let message = format!("the file has more than {MAX_VALUES} values once its aliases are expanded");
            return Err(Box::new(Problem::new(place, message)));
        }
        Ok(())
    }

    /// A value is complete: it goes into what is open, or is a document.
    fn put(&mut self, node: Node, anchor: usize, size: Size) -> Result<(), Box<Problem>> {
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), size));
        }
        let Some(open) = self.open.last_mut() else {
            let duplicates = std::mem::take(&mut self.duplicates);
            self.documents.push(Document { root: node, duplicates });
            return Ok(());
        };
        open.size.add(size);
        match &mut open.content {
            Content::List(items) => items.push(node),
            Content::Map { map, key, merged } => match key.take() {
                None => *key = Some(key_of(&node)?),
                Some((name, _)) if &*name == "<<" => merged.push(node),
                Some((name, place)) => {
                    if let Some(first) = map.put(Entry { key: Arc::clone(&name), place: place.clone(), node }) {
                        self.duplicates.push((place, first.place, name));
                    }
                }
            },
        }
        Ok(())
    }
}

fn too_deep(place: &Place) -> Box<Problem> {
    Box::new(Problem::new(place, format!("the file nests deeper than {MAX_DEPTH} levels")))
}

fn key_of(node: &Node) -> Result<(Arc<str>, Place), Box<Problem>> {
    match &node.value {
        Value::Scalar { text, .. } => Ok((Arc::clone(text), node.place.clone())),
        _ => {
            let problem = Problem::new(&node.place, "a key must be a text");
            Err(Box::new(problem.hint("a text that begins with `{` or `[` needs quotes around it")))
        }
    }
}

fn own_tag(tag: &Tag) -> Option<Arc<str>> {
    (tag.handle == "!").then(|| Arc::from(tag.suffix.as_str()))
}

fn close(open: Open) -> Result<Node, Box<Problem>> {
    let Open { place, tag, content, .. } = open;
    let value = match content {
        Content::List(items) => Value::List(items.into()),
        Content::Map { mut map, merged, .. } => {
            for node in merged.iter().flat_map(Node::elements) {
                let Some(other) = node.map() else {
                    return Err(Box::new(Problem::new(&node.place, "`<<` takes a mapping or a list of them")));
                };
                for entry in other.iter() {
                    if map.entry(&entry.key).is_none() {
                        map.put(entry.clone());
                    }
                }
            }
            Value::Map(Arc::new(map))
        }
    };
    Ok(Node { place, tag, value })
}
