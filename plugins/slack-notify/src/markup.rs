//! Text as Slack reads it: `&`, `<` and `>` are control characters, and every field has a limit.

use std::borrow::Cow;

/// Text that Slack shows as it is, with at most `limit` characters, and whether its end was left out. The limit holds for
/// the escaped text, in UTF-16 units, which is the strictest way to count; neither an escape nor a character is cut in two.
pub(crate) fn escape(text: &str, limit: usize) -> (String, bool) {
    shiro_notify::cut(text, limit, entity)
}

/// The same without a limit.
pub(crate) fn escape_all(text: &str) -> Cow<'_, str> {
    match text.contains(['&', '<', '>']) {
        true => escape(text, usize::MAX).0.into(),
        false => text.into(),
    }
}

fn entity(c: char) -> Option<&'static str> {
    match c {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_mentioned_and_no_link_is_hidden() {
        let text = "<!here> <@U1> <https://evil.example|Approve> R&D";
        assert_eq!(escape(text, 1000).0, "&lt;!here&gt; &lt;@U1&gt; &lt;https://evil.example|Approve&gt; R&amp;D");
    }

    #[test]
    fn a_text_at_its_limit_is_whole() {
        assert_eq!(escape("abc", 3), ("abc".to_owned(), false));
        assert_eq!(escape("a<", 5), ("a&lt;".to_owned(), false));
        assert_eq!(escape("", 0), (String::new(), false));
    }

    #[test]
    fn a_longer_one_ends_visibly() {
        assert_eq!(escape("abcd", 3), ("ab…".to_owned(), true));
    }

    #[test]
    fn neither_an_escape_nor_a_character_is_cut() {
        assert_eq!(escape("a<b", 5), ("a…".to_owned(), true));
        // Two UTF-16 units.
        assert_eq!(escape("a😀b", 3), ("a…".to_owned(), true));
        assert_eq!(escape("é😀b", 4), ("é😀b".to_owned(), false));
        for limit in 1..40 {
            let (cut, _) = escape("<&>é€😀 <&>é€😀", limit);
            assert!(cut.encode_utf16().count() <= limit, "{limit}: {cut}");
            let rest = cut.replace("&lt;", "").replace("&gt;", "").replace("&amp;", "");
            assert!(!rest.contains('&'), "{limit}: {cut}");
        }
    }
}
