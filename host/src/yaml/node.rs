//! A YAML value with its place. Cloning is cheap: what an alias stands for is shared, never copied.

use std::collections::HashMap;
use std::sync::Arc;

use super::problem::Place;

/// A value.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it stands. For an alias, where what it stands for does.
    pub place: Place,
    /// Its own tag (`!reference`), without the exclamation mark.
    pub tag: Option<Arc<str>>,
    /// What it is.
    pub value: Value,
}

/// What a node is.
#[derive(Clone, Debug)]
pub enum Value {
    /// A scalar.
    Scalar {
        /// The text as it was written.
        text: Arc<str>,
        /// It had no quotes, so that it may mean a number or a truth value.
        plain: bool,
    },
    /// A list.
    List(Arc<[Node]>),
    /// A mapping.
    Map(Arc<Map>),
}

/// A member of a mapping.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key's text.
    pub key: Arc<str>,
    /// Where the key stands.
    pub place: Place,
    /// The value.
    pub node: Node,
}

/// A mapping, in the order of the text.
#[derive(Clone, Debug, Default)]
pub struct Map {
    entries: Vec<Entry>,
    index: HashMap<Arc<str>, usize>,
}

impl Map {
    /// The member of this name.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.index.get(key).map(|index| &self.entries[*index])
    }

    /// The value of the member of this name. A `null` is as good as none.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.node).filter(|node| !node.is_null())
    }

    /// Every member.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds a member, or replaces the one of that name. Returns the one that was there.
    pub fn put(&mut self, entry: Entry) -> Option<Entry> {
        match self.index.get(&entry.key) {
            Some(&index) => Some(std::mem::replace(&mut self.entries[index], entry)),
            None => {
                self.index.insert(Arc::clone(&entry.key), self.entries.len());
                self.entries.push(entry);
                None
            }
        }
    }
}

impl FromIterator<Entry> for Map {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        let mut map = Self::default();
        for entry in entries {
            map.put(entry);
        }
        map
    }
}

impl Node {
    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            Value::List(_) | Value::Map(_) => None,
        }
    }

    /// The text that stands without quotes.
    fn plain(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, plain: true } => Some(text),
            _ => None,
        }
    }

    /// It says nothing.
    pub fn is_null(&self) -> bool {
        self.tag.is_none() && matches!(self.plain(), Some("" | "~" | "null" | "Null" | "NULL"))
    }

    /// A truth value, as YAML 1.1 writes them, which is what both systems take where one is expected.
    pub fn truth(&self) -> Option<bool> {
        match self.plain()?.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" => Some(true),
            "false" | "no" | "off" => Some(false),
            _ => None,
        }
    }

    /// The members of a mapping.
    pub fn map(&self) -> Option<&Map> {
        match &self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The value of a mapping's member.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.map()?.get(key)
    }

    /// The elements of a list.
    pub fn list(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(list) => Some(list),
            _ => None,
        }
    }

    /// The elements of a list, or the one value that stands in place of a list.
    pub fn elements(&self) -> &[Node] {
        self.list().unwrap_or(std::slice::from_ref(self))
    }
}
