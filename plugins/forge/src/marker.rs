//! A hidden mark in what is posted: an HTML comment on its last line, which Markdown does not show.
//!
//! It holds two digests: of what is said and where, and of the run and step that said it. Whoever lists what was posted can
//! so tell that a comment is there already, and whether this very step posted it in an attempt that failed later.

use std::collections::HashSet;
use std::fmt;

use sha2::{Digest as _, Sha256};

const OPENING: &str = "<!-- shiro:";
const CLOSING: &str = " -->";

/// How many bytes of a digest count: enough that no two comments meet by accident.
const BYTES: usize = 10;

/// What one comment is known by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Marker {
    content: String,
    step: String,
}

impl Marker {
    /// Of a comment, by all that makes it one: file, line, text, and of the step that posts it, by its idempotency key.
    pub fn new(content: &[&str], idempotency_key: &str) -> Self {
        Self { content: digest(content), step: digest(&[idempotency_key]) }
    }

    /// The text with this mark at its end.
    pub fn mark(&self, text: &str) -> String {
        format!("{}\n\n{self}", text.trim_end())
    }

    /// The mark at a text's end. One elsewhere in it is part of what somebody wrote.
    pub fn of(text: &str) -> Option<Self> {
        let inner = text.trim_end().lines().next_back()?.trim().strip_prefix(OPENING)?.strip_suffix(CLOSING)?;
        let (content, step) = inner.split_once(' ')?;
        let hex = |digest: &str| digest.len() == 2 * BYTES && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
        (hex(content) && hex(step)).then(|| Self { content: content.to_owned(), step: step.to_owned() })
    }
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{OPENING}{} {}{CLOSING}", self.content, self.step)
    }
}

/// Each part with its length, so that no two lists of parts are one text.
fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().iter().take(BYTES).map(|byte| format!("{byte:02x}")).collect()
}

/// What was posted before.
#[derive(Debug, Default)]
pub struct Posted {
    markers: HashSet<Marker>,
    contents: HashSet<String>,
}

impl Posted {
    /// What the marks in these texts say.
    pub fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let markers: HashSet<Marker> = texts.into_iter().filter_map(Marker::of).collect();
        let contents = markers.iter().map(|marker| marker.content.clone()).collect();
        Self { markers, contents }
    }

    /// Whether this is there: posted by anyone with `dedup`, else by this step in this run.
    pub fn has(&self, marker: &Marker, dedup: bool) -> bool {
        self.markers.contains(marker) || (dedup && self.contents.contains(&marker.content))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marker(file: &str, line: &str, text: &str, key: &str) -> Marker {
        Marker::new(&[file, line, text], key)
    }

    #[test]
    fn a_mark_is_read_back_from_the_end_only() {
        let one = marker("a", "1", "x", "run/step");
        let text = one.mark("x\n");
        assert_eq!(text, format!("x\n\n{one}"));
        assert_eq!(Marker::of(&text), Some(one.clone()));
        assert_eq!(Marker::of(&format!("{text}\n\r\n ")), Some(one.clone()));
        assert_eq!(Marker::of(&format!("{text}\nmore")), None, "someone wrote below it");
        let other = marker("b", "2", "y", "run/step");
        let quoted = other.mark(&format!("a model wrote {one}"));
        assert_eq!(Marker::of(&quoted), Some(other));
        for text in ["", "x", "<!-- shiro: -->", "<!-- shiro:a b -->", "<!-- x -->"] {
            assert_eq!(Marker::of(text), None, "{text}");
        }
    }

    #[test]
    fn what_makes_a_comment_another() {
        let one = marker("a", "1", "x", "k");
        for other in [
            marker("b", "1", "x", "k"),
            marker("a", "2", "x", "k"),
            marker("a", "1", "y", "k"),
            marker("a1", "", "x", "k"),
        ] {
            assert_ne!(one.content, other.content);
        }
        assert_eq!(one, marker("a", "1", "x", "k"));
    }

    #[test]
    fn another_step_s_comment_counts_only_with_dedup() {
        let posted = Posted::of([marker("a", "1", "x", "run 1").mark("x").as_str(), "by a person"]);
        assert!(posted.has(&marker("a", "1", "x", "run 1"), false));
        assert!(posted.has(&marker("a", "1", "x", "run 2"), true));
        assert!(!posted.has(&marker("a", "1", "x", "run 2"), false));
        assert!(!posted.has(&marker("a", "2", "x", "run 1"), true));
    }
}
