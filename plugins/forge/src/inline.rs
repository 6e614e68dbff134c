//! Comments on lines: where they go, and what became of them.

use schemars::JsonSchema;
use serde::Serialize;

use crate::comment::{Comment, Side};
use crate::diff::{Patch, Place};
use crate::marker::Marker;

/// A file that a merge request changes.
#[derive(Clone, Debug, Default)]
pub struct ChangedFile {
    /// Its name before; the same as after unless it was renamed.
    pub old_path: String,
    /// Its name after.
    pub new_path: String,
    /// The file is new.
    pub added: bool,
    /// The file is gone.
    pub deleted: bool,
    /// Its changes; none where the service does not show them.
    pub patch: Option<Patch>,
}

/// Where a comment stands in the changes.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The file.
    pub file: &'a ChangedFile,
    /// The line.
    pub place: Place,
}

/// Where a comment stands. None if its file is not changed, or its line is not in it.
pub fn locate<'a>(files: &'a [ChangedFile], comment: &Comment) -> Option<Target<'a>> {
    let file = files
        .iter()
        .find(|file| file.new_path == comment.file)
        .or_else(|| files.iter().find(|file| file.old_path == comment.file))?;
    let patch = file.patch.as_ref()?;
    // Of a file that is gone only the old version has lines.
    let place = match comment.side {
        Side::New if !file.deleted => patch.of_new(comment.line),
        _ => patch.of_old(comment.line),
    }?;
    // A new file has no line but those that are shown, and so has one that is gone.
    (place.shown || !(file.added || file.deleted)).then_some(Target { file, place })
}

/// The text of a comment where it can't stand at its line: it names the place.
pub fn with_place(comment: &Comment) -> String {
    let file: String = comment.file.chars().map(|c| if c.is_control() || c == '`' { '?' } else { c }).collect();
    format!("`{file}:{}`\n\n{}", comment.line, comment.comment)
}

/// The mark of a comment.
pub fn marker(comment: &Comment, idempotency_key: &str) -> Marker {
    let side = match comment.side {
        Side::New => "",
        Side::Old => "old",
    };
    Marker::new(&[&comment.file, &comment.line.to_string(), side, &comment.comment], idempotency_key)
}

/// What became of a comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It was posted at its line.
    Posted,
    /// It was posted without a line, which the changes don't show: its text names the place.
    PostedWithoutLine,
    /// It was there already.
    Skipped,
}

/// A comment and what became of it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Done {
    /// The file.
    file: String,
    /// The line.
    line: u32,
    /// The text.
    comment: String,
    /// What became of it.
    status: Fate,
}

/// What became of comments so far.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Progress {
    /// Each comment that was dealt with.
    pub comments: Vec<Done>,
}

impl Progress {
    /// Notes what became of a comment.
    pub fn note(&mut self, comment: &Comment, status: Fate) {
        let Comment { file, line, comment, .. } = comment.clone();
        self.comments.push(Done { file, line, comment, status });
    }

    /// How many were posted.
    pub fn posted(&self) -> usize {
        self.comments.len() - self.skipped()
    }

    /// How many were there already.
    pub fn skipped(&self) -> usize {
        self.comments.iter().filter(|done| done.status == Fate::Skipped).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(old_path: &str, new_path: &str, patch: &str) -> ChangedFile {
        ChangedFile {
            old_path: old_path.into(),
            new_path: new_path.into(),
            patch: Some(Patch::parse(patch)),
            ..ChangedFile::default()
        }
    }

    fn comment(file: &str, line: u32, side: Side) -> Comment {
        Comment { file: file.into(), line, comment: "x".into(), side }
    }

    #[test]
    fn a_comment_stands_in_the_file_it_names() {
        let files = [
            file("old.rs", "new.rs", "@@ -1,2 +1,2 @@\n-a\n+b\n c\n"),
            ChangedFile { added: true, ..file("made.rs", "made.rs", "@@ -0,0 +1 @@\n+a\n") },
            ChangedFile { deleted: true, ..file("gone.rs", "gone.rs", "@@ -1 +0,0 @@\n-a\n") },
            ChangedFile { patch: None, ..file("big.bin", "big.bin", "") },
        ];
        let at = |name: &str, line, side| locate(&files, &comment(name, line, side)).map(|target| target.place);
        assert_eq!(at("new.rs", 1, Side::New), Some(Place { old: None, new: Some(1), shown: true }));
        assert_eq!(at("new.rs", 1, Side::Old), Some(Place { old: Some(1), new: None, shown: true }));
        assert_eq!(
            at("old.rs", 2, Side::New),
            Some(Place { old: Some(2), new: Some(2), shown: true }),
            "by its old name"
        );
        assert_eq!(at("new.rs", 9, Side::New), Some(Place { old: Some(9), new: Some(9), shown: false }));
        assert_eq!(at("made.rs", 1, Side::New).map(|place| place.new), Some(Some(1)));
        assert_eq!(at("made.rs", 2, Side::New), None, "a new file has no other line");
        assert_eq!(at("gone.rs", 1, Side::New), Some(Place { old: Some(1), new: None, shown: true }));
        for (name, line) in [("gone.rs", 2), ("big.bin", 1), ("other.rs", 1), ("new.rs", 0)] {
            assert_eq!(at(name, line, Side::New), None, "{name}:{line}");
        }
    }

    #[test]
    fn a_place_in_text_is_one_line_of_code() {
        let text = with_place(&comment("a`\n/merge", 3, Side::New));
        assert_eq!(text, "`a??/merge:3`\n\nx");
    }
}
