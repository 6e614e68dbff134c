//! The parts of an absolute http or https URL, as a request needs them.

/// An `http` or `https` URL in parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) https: bool,
    /// Host, and port if there is one.
    pub(crate) authority: String,
    /// Begins with a slash; the fragment is left out.
    pub(crate) path_with_query: String,
}

impl Url {
    /// What is wrong with the text is said without repeating it: a URL may hold a secret.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = text.split_once("://").ok_or("the URL does not begin with http:// or https://")?;
        let https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err("the URL does not begin with http:// or https://"),
        };
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err("the URL has a space, a line break or a control character in it");
        }
        let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.is_empty() {
            return Err("the URL has no host");
        }
        if authority.contains('@') {
            return Err("the URL has a user name or a password in it: pass them in a header");
        }
        if path.starts_with('\\') {
            return Err("the URL has a backslash after its host");
        }
        let path = path.split('#').next().unwrap_or_default();
        let path_with_query = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { https, authority: authority.to_owned(), path_with_query })
    }

    /// Scheme and authority: what may be shown.
    pub(crate) fn origin(&self) -> String {
        format!("{}://{}", if self.https { "https" } else { "http" }, self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_a_url_apart() {
        let parts = |text| Url::parse(text).map(|url| (url.origin(), url.path_with_query));
        for (text, origin, path) in [
            ("https://hooks.slack.com/services/T/B", "https://hooks.slack.com", "/services/T/B"),
            ("HTTP://[::1]:8080", "http://[::1]:8080", "/"),
            ("http://a?q=1#f", "http://a", "/?q=1"),
            ("https://a/p?x=/y#z", "https://a", "/p?x=/y"),
            ("https://a#f", "https://a", "/"),
        ] {
            assert_eq!(parts(text), Ok((origin.to_owned(), path.to_owned())), "{text}");
        }
    }

    #[test]
    fn refuses_what_could_mean_two_hosts() {
        for text in [
            "",
            "a/b",
            "ftp://a/",
            "https://",
            "https:///p",
            "https://u:p@a/",
            "https://a@b",
            "https://a b/",
            "https://a\n/",
            "https://a\\@b/",
            "https://?q",
        ] {
            assert!(Url::parse(text).is_err(), "{text:?}");
        }
    }
}
