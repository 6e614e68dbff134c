//! What came back.

use std::collections::BTreeMap;

use shiro_step::http::Response;

/// How many characters of an unexpected answer stand in a message.
const SHOWN: usize = 300;

/// The headers, names in lower case; several of one name are joined by a comma. `set-cookie` is left out: it is a credential.
pub fn headers(response: &Response) -> BTreeMap<String, String> {
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in response.headers().iter().filter(|(name, _)| name != "set-cookie") {
        let value = String::from_utf8_lossy(value);
        headers
            .entry(name.clone())
            .and_modify(|have| {
                have.push_str(", ");
                have.push_str(&value);
            })
            .or_insert_with(|| value.into_owned());
    }
    headers
}

/// Where an answer leads that is a redirect, for messages: nothing follows it.
pub fn redirects(status: u16, location: Option<&str>) -> Option<String> {
    let location = location.filter(|_| (300..400).contains(&status))?;
    Some(format!("it redirects to {}, which is not followed: ask there", line(location)))
}

/// The beginning of a text, on one line and without control characters.
pub fn line(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let shown: String = words.chars().filter(|c| !c.is_control()).take(SHOWN + 1).collect();
    match shown.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &shown[..end]),
        None => shown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_shown_on_one_line_and_not_for_ever() {
        assert_eq!(line("no\n\x1b[31m way "), "no [31m way");
        assert_eq!(line(&"ü".repeat(1000)).chars().count(), SHOWN + 1);
        assert!(redirects(302, Some("https://b/")).expect("it does").contains("redirects to https://b/"));
        assert_eq!((redirects(200, Some("https://b/")), redirects(302, None)), (None, None));
    }
}
