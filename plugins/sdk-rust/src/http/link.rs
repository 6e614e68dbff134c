//! The `Link` header (RFC 8288), as far as paging needs it.

use super::url::Url;

/// The target of the first link with this relation type.
pub(super) fn find<'a>(header: &'a str, relation: &str) -> Option<&'a str> {
    let mut rest = header;
    loop {
        let (_, after) = rest.split_once('<')?;
        let (target, after) = after.split_once('>')?;
        let (parameters, next) = parameters(after);
        let is_it = |(name, value): &(&str, &str)| {
            name.eq_ignore_ascii_case("rel")
                && value.split_ascii_whitespace().any(|one| one.eq_ignore_ascii_case(relation))
        };
        // Of several `rel` the first counts.
        if parameters.iter().find(|(name, _)| name.eq_ignore_ascii_case("rel")).is_some_and(is_it) {
            return Some(target.trim());
        }
        rest = next;
    }
}

/// The parameters of a link, and what comes after it. Quoted values may hold commas and semicolons.
fn parameters(mut text: &str) -> (Vec<(&str, &str)>, &str) {
    let mut found = Vec::new();
    loop {
        text = text.trim_start();
        let Some(parameter) = text.strip_prefix(';') else { return (found, text.strip_prefix(',').unwrap_or(text)) };
        let parameter = parameter.trim_start();
        let end = parameter.find([';', ',', '=']).unwrap_or(parameter.len());
        let (name, after) = parameter.split_at(end);
        let (value, after) = match after.strip_prefix('=').map(str::trim_start) {
            None => ("", after),
            Some(value) => match value.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
                None => value.split_at(value.find([';', ',']).unwrap_or(value.len())),
            },
        };
        found.push((name.trim(), value.trim()));
        text = after;
    }
}

/// An absolute URL for a link's target, which may be relative to the URL that was asked. None for what no server means by a
/// next page: another scheme, or a path without a slash.
pub(super) fn resolve(asked: &str, target: &str) -> Option<String> {
    let lower = target.to_ascii_lowercase();
    if lower.starts_with("https://") || lower.starts_with("http://") {
        return Some(target.to_owned());
    }
    let url = Url::parse(asked).ok()?;
    let path = url.path_with_query.split('?').next().unwrap_or_default();
    match target.as_bytes() {
        [b'/', b'/', ..] => Some(format!("{}:{target}", if url.https { "https" } else { "http" })),
        [b'/', ..] => Some(format!("{}{target}", url.origin())),
        [b'?', ..] => Some(format!("{}{path}{target}", url.origin())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_relation_among_others() {
        let header = r#"<https://a/x?page=1>; rel="prev", <https://a/x?page=3&q=a,b;c>; title="a, b; rel=next"; rel="last next", <https://a/x?page=9>; rel=last"#;
        assert_eq!(find(header, "next"), Some("https://a/x?page=3&q=a,b;c"));
        assert_eq!(find(header, "prev"), Some("https://a/x?page=1"));
        assert_eq!(find(header, "last"), Some("https://a/x?page=3&q=a,b;c"));
        assert_eq!(find(header, "first"), None);
        assert_eq!(find("<u>; REL=Next", "next"), Some("u"));
        assert_eq!(find("<u>; rel=prev; rel=next", "next"), None, "of several the first counts");
    }

    #[test]
    fn what_is_no_link_leads_nowhere() {
        for header in
            ["", "next", "<u", "<u>", "<u>;", "<u>; rel", "<u>; rel=", "<u>; rel=\"", "u; rel=next", "<>,<>;,;<"]
        {
            assert_eq!(find(header, "next"), None, "{header}");
        }
    }

    #[test]
    fn a_target_may_be_relative() {
        let at = |target| resolve("https://a:8443/p/q?x=1", target);
        assert_eq!(at("?page=2").as_deref(), Some("https://a:8443/p/q?page=2"));
        assert_eq!(at("/r?page=2").as_deref(), Some("https://a:8443/r?page=2"));
        assert_eq!(at("//b/r").as_deref(), Some("https://b/r"));
        assert_eq!(at("HTTP://b/r").as_deref(), Some("HTTP://b/r"));
        for none in ["javascript:alert(1)", "file:///etc/passwd", "x", ""] {
            assert_eq!(at(none), None);
        }
    }
}
