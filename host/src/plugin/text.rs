//! Texts that come from a component, made short enough to be shown.

use std::borrow::Cow;

/// The text, or its beginning and `…` if it has more bytes than this.
pub(super) fn cut(text: &str, bytes: usize) -> Cow<'_, str> {
    if text.len() <= bytes {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("{}…", &text[..text.floor_char_boundary(bytes)]))
}

/// The same, with control characters as they are written in source code.
pub(super) fn shown(text: &str) -> String {
    const BYTES: usize = 200;
    cut(text, BYTES).escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(cut("short", 5), "short");
        assert_eq!(cut("ééé", 3), "é…");
        assert_eq!(cut("ééé", 0), "…");
        assert_eq!(shown("a\u{1b}[0m"), "a\\u{1b}[0m");
        assert!(shown(&"\u{1}".repeat(100_000)).len() < 2000);
    }
}
