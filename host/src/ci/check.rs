//! The check of one CI file: which system it is for, its jobs, and what the rules say about them.

use std::sync::Arc;

use super::finding::{Finding, Report};
use super::gates::Gates;
use super::invocation::{Flags, Invocation};
use super::repository::Files;
use super::{Platform, github, gitlab};
use crate::yaml::{self, Document, Node};

/// What a CI file is checked against.
pub struct Subject<'a> {
    /// The CI file, as it was named.
    pub file: &'a str,
    /// Where the workflow waits for people.
    pub gates: &'a Gates,
    /// The workflow's file, as it was named.
    pub workflow: &'a str,
    /// It is the one that is found when none is named.
    pub is_default: bool,
    /// Which flags of shiro take a value.
    pub flags: &'a Flags,
    /// What the file may include.
    pub files: &'a dyn Files,
}

impl Subject<'_> {
    /// The call is about this workflow, as far as can be seen.
    pub(super) fn is_meant(&self, call: &Invocation) -> bool {
        let Some(named) = &call.workflow else { return self.is_default };
        let plain = |path: &str| path.trim_start_matches("./").to_owned();
        let (named, own) = (plain(named), plain(self.workflow));
        let ends = |long: &str, short: &str| long.strip_suffix(short).is_some_and(|rest| rest.ends_with('/'));
        named == own || ends(&named, &own) || ends(&own, &named) || named.contains('$')
    }
}

/// Checks the text of a CI file.
pub fn check(subject: &Subject<'_>, bytes: &[u8]) -> Report {
    let file: Arc<str> = Arc::from(subject.file);
    let named = platform_of_name(subject.file);
    let mut documents = match yaml::load(&file, bytes) {
        Ok(documents) => documents,
        Err(error) => return Report::new(file, named.unwrap_or(Platform::Gitlab), vec![Finding::unreadable(*error)]),
    };
    let platform = named.unwrap_or_else(|| platform_of_keys(&documents));
    let mut findings = Vec::new();
    for (second, first, key) in documents.iter().flat_map(|document| &document.duplicates) {
        findings.push(duplicate(platform, second, first, key));
    }
    match documents.pop().map(|document| document.root) {
        Some(root) if root.map().is_some() => match platform {
            Platform::Gitlab => gitlab::check(subject, &root, &mut findings),
            Platform::Github => github::check(subject, &root, &mut findings),
        },
        Some(root) => findings.push(Finding::error("yaml", &root.place, "a CI file is a mapping at its top")),
        None => {
            findings.push(Finding::error("yaml", &super::finding::Place::start_of(&file), "the file is empty"));
        }
    }
    Report::new(file, platform, findings)
}

/// A key that stands twice: GitLab takes the last one without a word, GitHub refuses the file.
pub(super) fn duplicate(
    platform: Platform,
    second: &super::finding::Place,
    first: &super::finding::Place,
    key: &str,
) -> Finding {
    const RULE: &str = "duplicate-key";
    let message = format!("`{key}` is there twice: first at {first}");
    match platform {
        Platform::Gitlab => Finding::warning(RULE, second, message).hint("GitLab takes only the last one: join them"),
        Platform::Github => Finding::error(RULE, second, message).hint("join them"),
    }
}

fn platform_of_name(file: &str) -> Option<Platform> {
    let path = file.replace('\\', "/");
    if path.ends_with(".gitlab-ci.yml") || path.ends_with(".gitlab-ci.yaml") {
        Some(Platform::Gitlab)
    } else if path.contains(".github/workflows/") {
        Some(Platform::Github)
    } else {
        None
    }
}

fn platform_of_keys(documents: &[Document]) -> Platform {
    let has = |root: &Node, key: &str| root.get(key).is_some();
    match documents.last().map(|document| &document.root) {
        Some(root) if has(root, "on") && root.get("jobs").is_some_and(|jobs| jobs.map().is_some()) => Platform::Github,
        _ => Platform::Gitlab,
    }
}
