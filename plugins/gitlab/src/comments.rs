//! Comments on a merge request and on lines of its changes.
//! <https://docs.gitlab.com/api/discussions/#create-new-merge-request-thread>, <https://docs.gitlab.com/api/notes/>

use serde_json::{Map, Value, json};
use shiro_forge::api::Refusal;
use shiro_forge::comment::{self, Comment};
use shiro_forge::diff::Place;
use shiro_forge::inline::{self, Fate, Progress, Target};
use shiro_forge::marker::{Marker, Posted};
use shiro_step::{Failure, context, log};

use crate::config::{ApiType, Settings};
use crate::instance::Instance;
use crate::merge::{self, Version};
use crate::output::Output;

/// `post_comment`.
pub(crate) fn post(gitlab: &Instance, settings: &Settings) -> Result<Output, Failure> {
    let body = settings.body.as_deref().unwrap_or_default();
    if body.trim().is_empty() {
        return Err(Failure::invalid_config("`body` is empty"));
    }
    let merge_request = merge::path(gitlab, settings)?;
    let marker = Marker::new(&[body], &context::idempotency_key());
    if posted(gitlab, &merge_request)?.has(&marker, settings.dedup.unwrap_or(false)) {
        return Ok(Output::done("the comment was there already"));
    }
    let text = marker.mark(&text(body, settings));
    let note = gitlab.api.write("POST", &format!("{merge_request}/notes"), &json!({ "body": text }))?;
    Ok(Output { created: true, ..Output::info("posted a comment", note) })
}

/// `post_inline_comments`.
pub(crate) fn post_inline(gitlab: &Instance, settings: &Settings) -> Result<Output, Failure> {
    let comments = comment::read(settings.output_format, settings.body.as_deref(), settings.comments.as_ref())?;
    let mut progress = Progress::default();
    if comments.is_empty() {
        log::info("there are no comments to post");
        return Ok(Output::progress(&progress));
    }
    let merge_request = merge::path(gitlab, settings)?;
    let there = posted(gitlab, &merge_request)?;
    let poster = Poster { gitlab, settings, merge_request: &merge_request, key: context::idempotency_key() };
    let dedup = settings.dedup.unwrap_or(true);
    let (old, new): (Vec<&Comment>, Vec<&Comment>) =
        comments.iter().partition(|comment| there.has(&inline::marker(comment, &poster.key), dedup));
    old.into_iter().for_each(|comment| progress.note(comment, Fate::Skipped));
    let version = match settings.api_type {
        ApiType::Discussions if !new.is_empty() => Some(merge::version(gitlab, &merge_request)?),
        _ => None,
    };
    for comment in new {
        match poster.post(comment, version.as_ref()) {
            Ok(fate) => progress.note(comment, fate),
            // What was posted so far is marked: another attempt goes on from here.
            Err(refusal) => {
                let so_far = Output { success: false, ..Output::progress(&progress) };
                return Err(Failure::from(refusal).output(&so_far));
            }
        }
    }
    Ok(Output::progress(&progress))
}

/// What the comments that are there say of where they come from.
fn posted(gitlab: &Instance, merge_request: &str) -> Result<Posted, Failure> {
    let notes = gitlab.api.list(&format!("{merge_request}/notes"), &[])?;
    Ok(Posted::of(notes.iter().filter_map(|note| note.get("body")?.as_str())))
}

struct Poster<'a> {
    gitlab: &'a Instance,
    settings: &'a Settings,
    merge_request: &'a str,
    key: String,
}

impl Poster<'_> {
    fn post(&self, comment: &Comment, version: Option<&Version>) -> Result<Fate, Refusal> {
        let Some(version) = version else {
            self.note(comment)?;
            return Ok(Fate::Posted);
        };
        let Some(target) = inline::locate(&version.files, comment) else {
            self.note(comment)?;
            return Ok(Fate::PostedWithoutLine);
        };
        let text = inline::marker(comment, &self.key).mark(&text(&comment.comment, self.settings));
        let body = json!({ "body": text, "position": position(version, &target) });
        match self.gitlab.api.write("POST", &format!("{}/discussions", self.merge_request), &body) {
            Ok(_) => Ok(Fate::Posted),
            Err(refusal) if refusal.is(&[400, 422]) && (refusal.says("line_code") || refusal.says("position")) => {
                log::warn(format!("GitLab takes no comment at {}:{}: it stands without", comment.file, comment.line));
                self.note(comment)?;
                Ok(Fate::PostedWithoutLine)
            }
            Err(refusal) => Err(refusal),
        }
    }

    fn note(&self, comment: &Comment) -> Result<(), Refusal> {
        let text = inline::marker(comment, &self.key).mark(&text(&inline::with_place(comment), self.settings));
        let path = format!("{}/notes", self.merge_request);
        self.gitlab.api.write("POST", &path, &json!({ "body": text })).map(drop)
    }
}

/// A position as GitLab wants it: an added line has `new_line` only, a removed one `old_line` only, one that did not change
/// both.
fn position(version: &Version, target: &Target<'_>) -> Value {
    let Place { old, new, .. } = target.place;
    let mut position = Map::new();
    for (key, value) in [
        ("position_type", "text"),
        ("base_sha", &version.base),
        ("start_sha", &version.start),
        ("head_sha", &version.head),
        ("old_path", &target.file.old_path),
        ("new_path", &target.file.new_path),
    ] {
        position.insert(key.to_owned(), value.into());
    }
    for (key, line) in [("old_line", old), ("new_line", new)] {
        position.extend(line.map(|line| (key.to_owned(), line.into())));
    }
    Value::Object(position)
}

/// A text as it is posted.
pub(crate) fn text(text: &str, settings: &Settings) -> String {
    if settings.quick_actions { text.to_owned() } else { without_commands(text) }
}

/// A text in which no line is a command to GitLab (a quick action): `/merge` would merge, with the token's rights. Markdown
/// does not show the backslash.
fn without_commands(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut at_start = true;
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        if c == '/' && at_start && characters.peek().is_some_and(char::is_ascii_alphabetic) {
            escaped.push('\\');
        }
        at_start = matches!(c, '\n' | '\r') || (at_start && c.is_whitespace());
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use shiro_forge::diff::Patch;
    use shiro_forge::inline::ChangedFile;

    use super::*;

    #[test]
    fn a_position_has_the_lines_that_there_are() {
        let file = ChangedFile {
            old_path: "old.rs".into(),
            new_path: "new.rs".into(),
            patch: Some(Patch::parse("@@ -1,2 +1,2 @@\n-a\n+b\n c\n")),
            ..ChangedFile::default()
        };
        let version = Version { base: "B".into(), start: "S".into(), head: "H".into(), files: vec![file] };
        let at = |line, side| {
            let comment = Comment { file: "new.rs".into(), line, comment: "x".into(), side };
            position(&version, &inline::locate(&version.files, &comment).unwrap())
        };
        let common = json!({
            "position_type": "text", "base_sha": "B", "start_sha": "S", "head_sha": "H", "old_path": "old.rs",
            "new_path": "new.rs"
        });
        let with = |lines: Value| {
            let mut all = common.clone();
            all.as_object_mut().unwrap().extend(lines.as_object().unwrap().clone());
            all
        };
        assert_eq!(at(1, comment::Side::New), with(json!({ "new_line": 1 })));
        assert_eq!(at(1, comment::Side::Old), with(json!({ "old_line": 1 })));
        assert_eq!(at(2, comment::Side::New), with(json!({ "old_line": 2, "new_line": 2 })));
        assert_eq!(at(9, comment::Side::New), with(json!({ "old_line": 9, "new_line": 9 })));
    }

    #[test]
    fn no_line_is_a_command() {
        let text = "/merge\nok /approve\n  /label ~x\r/close\n```\n/assign @me\n```\n// a comment\n/* another */\n/ 2";
        assert_eq!(
            without_commands(text),
            "\\/merge\nok /approve\n  \\/label ~x\r\\/close\n```\n\\/assign @me\n```\n// a comment\n/* another */\n/ 2"
        );
        assert_eq!(without_commands("{{env.TOKEN}} $(id)"), "{{env.TOKEN}} $(id)");
    }
}
