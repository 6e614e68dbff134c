//! From JSON Pointers to byte offsets, in one pass over the tokens of a text and without a tree of it.

use std::collections::HashMap;
use std::ops::Range;

use jsonc_parser::Scanner;
use jsonc_parser::tokens::Token;

use crate::diagnostic::Place;

/// Deeper text was refused before anyone could ask for a place in it.
const MAX_DEPTH: usize = 128;

/// The wanted pointers as a tree, and what was found of them.
pub(super) struct Locator {
    nodes: Vec<Node>,
}

#[derive(Default)]
struct Node {
    children: HashMap<String, usize>,
    /// The names of the members at this pointer, quotes included: more than one if a name is there twice.
    keys: Vec<Range<usize>>,
    /// The first value at this pointer.
    value: Option<Range<usize>>,
}

impl Locator {
    pub(super) fn new<'a>(pointers: impl Iterator<Item = &'a str>) -> Self {
        let mut locator = Self { nodes: vec![Node::default()] };
        for pointer in pointers {
            let mut node = 0;
            for segment in segments(pointer) {
                node = match locator.nodes[node].children.get(&segment) {
                    Some(child) => *child,
                    None => {
                        locator.nodes.push(Node::default());
                        let child = locator.nodes.len() - 1;
                        locator.nodes[node].children.insert(segment, child);
                        child
                    }
                };
            }
        }
        locator
    }

    /// Goes through the text. Where it is not JSON, the search ends and keeps what it found.
    pub(super) fn search(&mut self, text: &str) {
        let mut search = Search { nodes: &mut self.nodes, scanner: Scanner::new(text, &Default::default()) };
        if let Some(token) = search.next() {
            search.value(&token, Some(0), 0);
        }
    }

    /// The byte offset of a place, or of the nearest value above it that is there.
    pub(super) fn offset(&self, text: &str, place: &Place) -> Option<usize> {
        let mut node = &self.nodes[0];
        let mut whole = true;
        for segment in segments(place.local()) {
            match node.children.get(&segment).map(|child| &self.nodes[*child]) {
                Some(child) if child.value.is_some() => node = child,
                _ => {
                    whole = false;
                    break;
                }
            }
        }
        let value = node.value.clone()?;
        if whole && place.key {
            return Some(node.keys.first().map_or(value.start, |key| key.start));
        }
        if whole && place.offset > 0 {
            return Some(value.start + raw_offset(&text[value], place.offset));
        }
        Some(value.start)
    }

    /// Where the names of the members at this pointer stand.
    pub(super) fn keys(&self, pointer: &str) -> &[Range<usize>] {
        let mut node = 0;
        for segment in segments(pointer) {
            match self.nodes[node].children.get(&segment) {
                Some(child) => node = *child,
                None => return &[],
            }
        }
        &self.nodes[node].keys
    }
}

fn segments(pointer: &str) -> impl Iterator<Item = String> {
    pointer.split('/').skip(1).map(|segment| segment.replace("~1", "/").replace("~0", "~"))
}

struct Search<'n, 't> {
    nodes: &'n mut [Node],
    scanner: Scanner<'t>,
}

impl<'t> Search<'_, 't> {
    fn next(&mut self) -> Option<Token<'t>> {
        self.scanner.scan().ok().flatten()
    }

    fn range(&self) -> Range<usize> {
        self.scanner.token_start()..self.scanner.token_end()
    }

    /// Passes the value that begins with `token`. `None` ends the search.
    fn value(&mut self, token: &Token<'t>, node: Option<usize>, depth: usize) -> Option<()> {
        let start = self.scanner.token_start();
        if let Some(node) = node {
            // A search that ends inside still knows where this begins.
            self.nodes[node].value = Some(self.range());
        }
        match token {
            _ if depth > MAX_DEPTH => return None,
            Token::OpenBrace => self.members(node, depth)?,
            Token::OpenBracket => self.items(node, depth)?,
            Token::String(_) | Token::Number(_) | Token::Boolean(_) | Token::Null => {}
            _ => return None,
        }
        if let Some(node) = node {
            self.nodes[node].value = Some(start..self.scanner.token_end());
        }
        Some(())
    }

    fn members(&mut self, node: Option<usize>, depth: usize) -> Option<()> {
        loop {
            match self.next()? {
                Token::CloseBrace => return Some(()),
                Token::Comma => {}
                Token::String(name) => {
                    let key = self.range();
                    let mut child = node.and_then(|node| self.nodes[node].children.get(&*name).copied());
                    if let Some(known) = child {
                        self.nodes[known].keys.push(key);
                        if self.nodes[known].value.is_some() {
                            child = None;
                        }
                    }
                    let Token::Colon = self.next()? else { return None };
                    let first = self.next()?;
                    self.value(&first, child, depth + 1)?;
                }
                _ => return None,
            }
        }
    }

    fn items(&mut self, node: Option<usize>, depth: usize) -> Option<()> {
        let wanted = node.filter(|node| !self.nodes[*node].children.is_empty());
        let mut index = 0_usize;
        loop {
            match self.next()? {
                Token::CloseBracket => return Some(()),
                Token::Comma => index += 1,
                first => {
                    let child =
                        wanted.and_then(|node| self.nodes[node].children.get(index.to_string().as_str()).copied());
                    self.value(&first, child, depth + 1)?;
                }
            }
        }
    }
}

/// How far into the text of a string literal (quotes included) a byte of its decoded value stands.
fn raw_offset(literal: &str, decoded: usize) -> usize {
    let inner = literal.strip_prefix('"').unwrap_or(literal);
    let mut passed = 0;
    let mut rest = inner;
    while passed < decoded && !rest.is_empty() && !rest.starts_with('"') {
        let (raw, length) = unit(rest);
        passed += length;
        rest = &rest[raw..];
    }
    literal.len() - rest.len()
}

/// The bytes of the first character of a string literal's inside, written and decoded.
fn unit(text: &str) -> (usize, usize) {
    let hex = |start: usize| text.get(start..start + 4).and_then(|digits| u32::from_str_radix(digits, 16).ok());
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some('\\'), Some('u')) => match hex(2) {
            Some(0xd800..0xdc00) if text.get(6..8) == Some("\\u") => (12.min(text.len()), 4),
            Some(code) => (6, char::from_u32(code).map_or(3, char::len_utf8)),
            None => (2, 1),
        },
        (Some('\\'), Some(escaped)) => (1 + escaped.len_utf8(), 1),
        (Some(character), _) => (character.len_utf8(), character.len_utf8()),
        (None, _) => (0, 0),
    }
}
