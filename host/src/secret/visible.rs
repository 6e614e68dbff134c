//! What of a text can be seen: text from outside may hold escape sequences and characters that show nothing, or show
//! something other than what is there.

use std::borrow::Cow;

/// A piece of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Characters that show as themselves; tabs and line ends among them.
    Text(&'a str),
    /// An escape sequence that sets colours and the like (SGR), whole.
    Style(&'a str),
    /// Any other escape sequence, whole.
    Escape(&'a str),
    /// A control character, or one that turns the direction of text.
    Control(char),
    /// A character of no width.
    Invisible(char),
}

/// Splits a text into its pieces: together they are the text.
pub fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let (piece, length) = if is_plain(first) {
            let length = rest.find(|c| !is_plain(c)).unwrap_or(rest.len());
            (Piece::Text(&rest[..length]), length)
        } else if first == ESCAPE || first == C1_SEQUENCE {
            escape(rest)
        } else if is_invisible(first) {
            (Piece::Invisible(first), first.len_utf8())
        } else {
            (Piece::Control(first), first.len_utf8())
        };
        rest = &rest[length..];
        Some(piece)
    })
}

/// The text without what can't be seen; the text itself when all of it can.
pub fn visible(text: &str) -> Cow<'_, str> {
    if is_all_plain(text) {
        return Cow::Borrowed(text);
    }
    let seen = pieces(text).filter_map(|piece| match piece {
        Piece::Text(text) => Some(text),
        _ => None,
    });
    Cow::Owned(seen.collect())
}

/// Every character shows as itself.
pub fn is_all_plain(text: &str) -> bool {
    // Without a branch in the loop, so that it is compiled to vector instructions: almost every text is plain ASCII.
    let ascii = text
        .bytes()
        .fold(true, |plain, byte| plain & ((b' '..0x7f).contains(&byte) | (byte == b'\t') | (byte == b'\n')));
    ascii || text.chars().all(is_plain)
}

const ESCAPE: char = '\u{1b}';
const C1_SEQUENCE: char = '\u{9b}';

fn is_plain(c: char) -> bool {
    match c {
        ' '..='~' | '\t' | '\n' => true,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' => false,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => false,
        c => !is_invisible(c),
    }
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
}

/// The escape sequence at the beginning of `text` and its length in bytes (ECMA-48; strings such as window titles end with
/// BEL or ST). One that never ends hides nothing: only its introducer counts.
fn escape(text: &str) -> (Piece<'_>, usize) {
    let bytes = text.as_bytes();
    let (kind, start) =
        if bytes[0] == 0x1b { (bytes.get(1).copied(), 2) } else { (Some(b'['), C1_SEQUENCE.len_utf8()) };
    let length = match kind {
        Some(b'[') => {
            let skip = |from: usize, set: std::ops::RangeInclusive<u8>| {
                bytes[from..].iter().position(|byte| !set.contains(byte)).map(|count| from + count)
            };
            let last = skip(start, 0x30..=0x3f).and_then(|at| skip(at, 0x20..=0x2f));
            match last.map(|at| (at, bytes[at])) {
                Some((at, b'm')) => {
                    let styles = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b';' | b':');
                    if bytes[start..at].iter().all(styles) && bytes[0] == 0x1b {
                        return (Piece::Style(&text[..=at]), at + 1);
                    }
                    at + 1
                }
                Some((at, 0x40..=0x7e)) => at + 1,
                _ => start,
            }
        }
        Some(b']' | b'P' | b'X' | b'^' | b'_') => {
            let bell = text.find('\u{7}').map(|at| at + 1);
            let terminator = text[2..].find("\u{1b}\\").map(|at| at + 4);
            bell.into_iter().chain(terminator).min().unwrap_or(2)
        }
        Some(0x20..=0x2f) => match bytes[1..].iter().position(|byte| !(0x20..=0x2f).contains(byte)) {
            Some(at) if bytes[1 + at].is_ascii_graphic() => at + 2,
            _ => 1,
        },
        Some(0x30..=0x7e) => 2,
        _ => 1,
    };
    (Piece::Escape(&text[..length]), length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_told_apart() {
        let text = "a\tb\u{1b}[1;31mred\u{1b}[0m\u{1b}[2K\u{1b}]0;title\u{7}x\u{1b}]8;;http://e\u{1b}\\l\u{9b}2J\r\u{202e}\u{200b}\u{1b}(B\u{1b}c.";
        let found: Vec<_> = pieces(text).collect();
        assert_eq!(
            found,
            [
                Piece::Text("a\tb"),
                Piece::Style("\u{1b}[1;31m"),
                Piece::Text("red"),
                Piece::Style("\u{1b}[0m"),
                Piece::Escape("\u{1b}[2K"),
                Piece::Escape("\u{1b}]0;title\u{7}"),
                Piece::Text("x"),
                Piece::Escape("\u{1b}]8;;http://e\u{1b}\\"),
                Piece::Text("l"),
                Piece::Escape("\u{9b}2J"),
                Piece::Control('\r'),
                Piece::Control('\u{202e}'),
                Piece::Invisible('\u{200b}'),
                Piece::Escape("\u{1b}(B"),
                Piece::Escape("\u{1b}c"),
                Piece::Text("."),
            ]
        );
    }

    #[test]
    fn a_sequence_that_never_ends_hides_nothing() {
        assert_eq!(visible("\u{1b}]0;deploy failed"), "0;deploy failed");
        assert_eq!(visible("\u{1b}[31"), "31");
        assert_eq!(visible("\u{1b}"), "");
        assert_eq!(visible("\u{1b}é"), "é");
        assert_eq!(visible("\u{1b}(é"), "(é");
    }

    #[test]
    fn what_can_be_seen_is_left_alone() {
        let text = "plain, tab\t, line\n, naïve, 日本語, 😀";
        assert!(is_all_plain(text));
        assert!(matches!(visible(text), Cow::Borrowed(_)));
    }

    proptest::proptest! {
        #[test]
        fn pieces_together_are_the_text(text in "[\u{1b}\\[\\]0-9;mK\\\\\u{7}a-c\u{9b}\u{202e}\u{200b}é(P]{0,40}") {
            let whole: String = pieces(&text)
                .map(|piece| match piece {
                    Piece::Text(text) | Piece::Style(text) | Piece::Escape(text) => text.to_owned(),
                    Piece::Control(c) | Piece::Invisible(c) => c.to_string(),
                })
                .collect();
            proptest::prop_assert_eq!(whole, text);
        }
    }
}
