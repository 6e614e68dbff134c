//! `include`: files of the same repository are read and merged below what includes them; others are named and left out.
//! Their number, depth and size are bounded, as GitLab bounds them.

use std::sync::Arc;

use super::super::Platform;
use super::super::check::{Subject, duplicate};
use super::super::finding::{Finding, Place};
use super::super::glob;
use super::merge::{Budget, merge_maps};
use crate::yaml::{self, Map, Node, Value};

/// GitLab's own limit for one pipeline.
const MAX_FILES: usize = 150;
/// Of all included files together.
const MAX_BYTES: usize = 16 << 20;
/// How deep includes may include.
const MAX_DEPTH: usize = 20;

/// Reads what a configuration includes.
pub(super) struct Includes<'a> {
    pub(super) subject: &'a Subject<'a>,
    pub(super) findings: &'a mut Vec<Finding>,
    pub(super) budget: &'a mut Budget,
    /// The files that are being read, outermost first.
    pub(super) open: Vec<String>,
    pub(super) files: usize,
    pub(super) bytes: usize,
}

impl Includes<'_> {
    /// The configuration on top of all that it includes.
    pub(super) fn expand(&mut self, config: &Map) -> Map {
        let mut below = Map::default();
        for item in config.get("include").map(Node::elements).unwrap_or_default() {
            self.item(item, &mut below);
        }
        merge_maps(&below, config, self.budget)
    }

    fn item(&mut self, item: &Node, below: &mut Map) {
        if let Some(path) = item.text() {
            return if path.starts_with("http://") || path.starts_with("https://") {
                self.not_followed(&item.place, "remote", path);
            } else {
                self.local(path, item, below);
            };
        }
        if let Some(paths) = item.get("local") {
            for path in paths.elements().iter().filter_map(Node::text) {
                self.local(path, item, below);
            }
            return;
        }
        for kind in ["project", "remote", "template", "component", "artifact"] {
            if let Some(what) = item.get(kind) {
                return self.not_followed(&item.place, kind, what.text().unwrap_or_default());
            }
        }
        self.findings.push(Finding::error("include", &item.place, "this includes nothing").hint("write `local: FILE`"));
    }

    fn not_followed(&mut self, place: &Place, kind: &str, what: &str) {
        let message = format!("`include: {kind}: {what}` is not in this repository: what it defines is not seen here");
        let hint = "GitLab shows the whole: Build > Pipeline editor > Full configuration. Save it and check that";
        self.findings.push(Finding::info("include-not-followed", place, message).hint(hint));
    }

    fn local(&mut self, path: &str, item: &Node, below: &mut Map) {
        let path = path.trim_start_matches('/');
        if path.contains('$') {
            return self.not_followed(&item.place, "local", path);
        }
        if !glob::is_pattern(path) {
            return self.file(path, item, below);
        }
        let found = self.subject.files.matching(path);
        if found.is_empty() {
            let message = format!("no file of the repository matches `{path}`");
            self.findings.push(Finding::warning("include", &item.place, message));
        }
        for path in found {
            self.file(&path, item, below);
        }
    }

    fn file(&mut self, path: &str, item: &Node, below: &mut Map) {
        let error = |message: String| Finding::error("include", &item.place, message);
        if self.open.iter().any(|open| open == path) {
            return self.findings.push(error(format!("`{path}` includes itself")));
        }
        if self.open.len() >= MAX_DEPTH || self.files >= MAX_FILES || self.bytes > MAX_BYTES {
            let message = format!(
                "more is included than GitLab takes: {MAX_FILES} files, {MAX_DEPTH} deep, {} MiB in all",
                MAX_BYTES >> 20
            );
            let finding = error(message);
            // Once: every further one would say the same.
            if !self.findings.iter().any(|known| known.message == finding.message) {
                self.findings.push(finding);
            }
            return;
        }
        self.files += 1;
        let bytes = match self.subject.files.read(path) {
            Ok(bytes) => bytes,
            Err(why) => {
                let hint = "paths begin at the repository's root";
                return self.findings.push(error(format!("`{path}` can't be included: {why}")).hint(hint));
            }
        };
        self.bytes += bytes.len();
        let mut documents = match yaml::load(&Arc::from(path), &bytes) {
            Ok(documents) => documents,
            Err(problem) => return self.findings.push(Finding::unreadable(*problem)),
        };
        for (second, first, key) in documents.iter().flat_map(|document| &document.duplicates) {
            self.findings.push(duplicate(Platform::Gitlab, second, first, key));
        }
        let Some(last) = documents.pop() else { return };
        let root = match documents.first().and_then(|header| header.root.get("spec")) {
            Some(spec) => Inputs::of(spec, item).fill(&last.root),
            None => last.root,
        };
        let Some(map) = root.map() else {
            return self.findings.push(Finding::error("yaml", &root.place, "a CI file is a mapping at its top"));
        };
        self.open.push(path.to_owned());
        let expanded = self.expand(map);
        self.open.pop();
        *below = merge_maps(below, &expanded, self.budget);
    }
}

/// What `$[[ inputs.NAME ]]` stands for in an included file.
struct Inputs(Vec<(String, String)>);

impl Inputs {
    /// From the file's own defaults, and what the include gives.
    fn of(spec: &Node, item: &Node) -> Self {
        let declared = spec.get("inputs").and_then(Node::map);
        let values = declared.into_iter().flat_map(Map::iter).filter_map(|entry| {
            let given = item.get("inputs").and_then(|inputs| inputs.get(&entry.key));
            let value = given.or_else(|| entry.node.get("default"))?.text()?;
            Some((entry.key.to_string(), value.to_owned()))
        });
        Self(values.collect())
    }

    /// The document with every known input filled in. What has no value, or one that is no text, stays as it is.
    fn fill(&self, node: &Node) -> Node {
        let value = match &node.value {
            Value::Scalar { text, plain } => Value::Scalar { text: self.fill_text(text), plain: *plain },
            Value::List(items) => Value::List(items.iter().map(|item| self.fill(item)).collect()),
            Value::Map(map) => Value::Map(Arc::new(
                map.iter()
                    .map(|entry| {
                        let mut entry = entry.clone();
                        entry.key = self.fill_text(&entry.key);
                        entry.node = self.fill(&entry.node);
                        entry
                    })
                    .collect(),
            )),
        };
        Node { value, ..node.clone() }
    }

    fn fill_text(&self, text: &Arc<str>) -> Arc<str> {
        if !text.contains("$[[") {
            return Arc::clone(text);
        }
        let mut filled = String::new();
        let mut rest: &str = text;
        while let Some(at) = rest.find("$[[") {
            let Some(end) = rest[at..].find("]]") else { break };
            let name = rest[at + 3..at + end].trim();
            // A function may follow: `inputs.name | expand_vars`.
            let name = name.strip_prefix("inputs.").and_then(|name| name.split(['|', ' ']).next());
            let value = name.and_then(|name| self.0.iter().find(|(known, _)| known == name));
            filled.push_str(&rest[..at]);
            filled.push_str(value.map_or(&rest[at..at + end + 2], |(_, value)| value));
            rest = &rest[at + end + 2..];
        }
        filled.push_str(rest);
        Arc::from(filled)
    }
}
