//! Makes text from outside safe to show on one line.

use std::borrow::Cow;

use crate::secret::visible::{Piece, is_all_plain, pieces};

const RESET: &str = "\u{1b}[0m";
/// GitHub's older form of a command: the runner looks for it anywhere in a line.
const GITHUB_COMMAND: &str = "##[";

/// How the line is read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clean {
    /// Colours of the text's own are kept, and end with the line.
    pub(super) color: bool,
    /// GitHub's commands are broken.
    pub(super) github: bool,
}

impl Clean {
    /// Appends the text as it is safe to show: without escape sequences, line ends and overwriting; with `U+FFFD` for other
    /// control characters and those that turn the direction of text. It is not safe at the beginning of a line, where a CI
    /// system may read `::` as a command: the caller writes something of its own before it.
    pub(super) fn push(self, out: &mut Vec<u8>, text: &str) {
        let start = out.len();
        if is_all_plain(text) && !text.contains('\n') {
            out.extend_from_slice(text.as_bytes());
        } else {
            self.push_pieces(out, text);
        }
        if self.github {
            break_commands(out, start);
        }
    }

    fn push_pieces(self, out: &mut Vec<u8>, text: &str) {
        let mut styled = false;
        let text = text.trim_end_matches(['\r', '\n']);
        for piece in pieces(text) {
            match piece {
                Piece::Text(text) if !text.contains('\n') => out.extend_from_slice(text.as_bytes()),
                Piece::Text(text) => out.extend(text.bytes().map(|byte| if byte == b'\n' { b' ' } else { byte })),
                Piece::Style(sequence) if self.color => {
                    styled = true;
                    out.extend_from_slice(sequence.as_bytes());
                }
                Piece::Control('\r') => out.push(b' '),
                // Joins the parts of an emoji or shapes a script's letters.
                Piece::Invisible(c @ ('\u{200c}' | '\u{200d}')) => {
                    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                }
                Piece::Control(_) => out.extend_from_slice("\u{fffd}".as_bytes()),
                Piece::Style(_) | Piece::Escape(_) | Piece::Invisible(_) => {}
            }
        }
        if styled {
            out.extend_from_slice(RESET.as_bytes());
        }
    }

    /// The text as [`Clean::push`] writes it, and such that it may stand at the beginning of a line.
    pub(super) fn line_start(self, text: &str) -> Cow<'_, str> {
        let text = self.text(text);
        match self.github && text.trim_start().starts_with("::") {
            true => Cow::Owned(text.replacen("::", ": :", 1)),
            false => text,
        }
    }

    /// The text as [`Clean::push`] writes it.
    pub(super) fn text(self, text: &str) -> Cow<'_, str> {
        if is_all_plain(text) && !text.contains('\n') && !(self.github && text.contains(GITHUB_COMMAND)) {
            return Cow::Borrowed(text);
        }
        let mut out = Vec::with_capacity(text.len());
        self.push(&mut out, text);
        Cow::Owned(String::from_utf8_lossy(&out).into_owned())
    }
}

/// In what stands from `start` on.
fn break_commands(out: &mut Vec<u8>, start: usize) {
    let mut from = start;
    while let Some(at) = memchr::memmem::find(&out[from..], GITHUB_COMMAND.as_bytes()) {
        out.insert(from + at + 1, b' ');
        from += at + 2;
    }
}

/// At most `longest` characters, the last one an ellipsis if there were more.
pub(super) fn shortened(text: &str, longest: usize) -> Cow<'_, str> {
    if text.len() <= longest || text.chars().nth(longest).is_none() {
        return Cow::Borrowed(text);
    }
    let kept = text.char_indices().nth(longest.saturating_sub(1)).map_or(text.len(), |(at, _)| at);
    Cow::Owned(format!("{}…", &text[..kept]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_a_terminal_is_taken_out() {
        for (text, safe) in [
            ("plain\ttext", "plain\ttext"),
            ("a\u{1b}[31mred\u{1b}[0m", "ared"),
            ("a\u{1b}[2J\u{1b}]0;t\u{7}b\u{1b}c", "ab"),
            ("good\rbad", "good bad"),
            ("end\r", "end"),
            ("two\nlines", "two lines"),
            ("bell\u{7} c1\u{85} bidi\u{202e}", "bell\u{fffd} c1\u{fffd} bidi\u{fffd}"),
            ("\u{1b}[0Ksection_start:1:x\r\u{1b}[0KTitle", "section_start:1:x Title"),
            ("zero\u{200b}width 👩\u{200d}🚀", "zerowidth 👩\u{200d}🚀"),
        ] {
            assert_eq!(Clean::default().text(text), safe);
        }
    }

    #[test]
    fn colours_end_with_the_line() {
        let clean = Clean { color: true, github: false };
        assert_eq!(clean.text("\u{1b}[31mred\u{1b}[K"), "\u{1b}[31mred\u{1b}[0m");
    }

    #[test]
    fn commands_for_github_are_broken() {
        let clean = Clean { color: false, github: true };
        assert_eq!(clean.text("x ##[error]a ##\u{1b}[1m[b"), "x # #[error]a # #[b");
        assert_eq!(clean.text("#####["), "#### #[");
        assert_eq!(clean.line_start(" ::error::x"), " : :error::x");
        assert_eq!(Clean::default().text("##[error]"), "##[error]");
    }

    #[test]
    fn long_text_is_cut_at_a_character() {
        assert_eq!(shortened("äöü", 3), "äöü");
        assert_eq!(shortened("äöüß", 3), "äö…");
    }
}
