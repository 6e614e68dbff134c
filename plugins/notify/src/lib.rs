//! What the step types that post messages to a webhook have in common. Its URL is a secret: whoever knows it can post.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use shiro_step::Failure;

/// How long a service has to answer.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// How many bytes of an answer are looked at.
pub const EXCERPT: usize = 2048;

/// What stands at the end of a text that was cut.
pub const ELLIPSIS: char = '…';

/// How many characters of a reason are shown.
const SHOWN: usize = 200;

/// Parts of the webhook's path that are shorter than this are no secret.
const SECRET_PART: usize = 6;

/// What a step returns of a message that was taken.
#[derive(Serialize, JsonSchema)]
#[schemars(description = "")]
pub struct Output {
    /// Always true.
    sent: bool,
    /// The message as it stood in the config.
    message: String,
    /// The HTTP status of the answer.
    status: u16,
}

/// Of a message, which was taken with this status.
pub fn sent(message: String, status: u16) -> Output {
    Output { sent: true, message, status }
}

/// The URL that a key holds, if it holds one: a web page's, as others will follow it.
pub fn web<'a>(url: Option<&'a str>, key: &str) -> Result<Option<&'a str>, Failure> {
    match url.filter(|url| !url.is_empty()) {
        Some(url) if !url.starts_with("https://") && !url.starts_with("http://") => {
            Err(Failure::invalid_config(format!("`{key}` has to begin with https:// or http://")))
        }
        url => Ok(url),
    }
}

/// Markdown in which no link hides its address, [cut] to a limit.
pub fn without_links(text: &str, limit: usize) -> (String, bool) {
    cut(text, limit, |c| match c {
        '[' => Some("\\["),
        ']' => Some("\\]"),
        _ => None,
    })
}

/// Whether a status is worth another attempt.
pub fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 425 | 429) || status >= 500
}

/// The failure of a message that a service did not take: transient if that may pass, no earlier than the service says.
pub fn refused(service: &str, status: u16, wait: Option<Duration>, body: &str, webhook_url: &str) -> Failure {
    let reason = presentable(body, webhook_url);
    let mut message = format!("{service} did not take the message: HTTP {status}");
    if !reason.is_empty() {
        message += &format!(", {reason}");
    }
    let code = format!("http_{status}");
    if !is_passing(status) {
        return Failure::permanent(code, message);
    }
    let failure = Failure::transient(code, message);
    match wait {
        Some(wait) => failure.retry_after(wait),
        None => failure,
    }
}

/// The first line, short, and without any part of the webhook's path: error pages like to repeat it.
pub fn presentable(reason: &str, webhook_url: &str) -> String {
    let line = reason.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim();
    let mut line: String = line.chars().filter(|c| !c.is_control()).collect();
    let path = webhook_url.split_once("://").map_or(webhook_url, |(_, rest)| rest);
    let secrets = path.split(['/', '?', '&', '=', '#']).skip(1).filter(|part| part.len() >= SECRET_PART);
    for secret in secrets {
        line = line.replace(secret, "***");
    }
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}{ELLIPSIS}", &line[..end]),
        None => line,
    }
}

/// A text with at most `limit` UTF-16 units, which is the strictest way to count, and whether its end was left out. Each
/// character takes the place of what `shown` makes of it, and is never cut in two.
pub fn cut(text: &str, limit: usize, shown: impl Fn(char) -> Option<&'static str>) -> (String, bool) {
    let length = |c: char| shown(c).map_or(c.len_utf16(), str::len);
    let whole: usize = text.chars().map(length).sum();
    let room = if whole <= limit { whole } else { limit.saturating_sub(ELLIPSIS.len_utf16()) };
    let mut kept = String::with_capacity(text.len());
    let mut used = 0;
    for c in text.chars() {
        used += length(c);
        if used > room {
            kept.push(ELLIPSIS);
            return (kept, true);
        }
        match shown(c) {
            Some(escaped) => kept.push_str(escaped),
            None => kept.push(c),
        }
    }
    (kept, false)
}

#[cfg(test)]
mod tests {
    use shiro_step::FailureKind::{Permanent, Transient};

    use super::*;

    const URL: &str = "https://hooks.example.com/services/T0000000/s3cr3ts3cr3t?key=hunter22";

    #[test]
    fn what_passes_is_worth_another_attempt() {
        for (status, kind, wait) in [
            (429, Transient, Some(30)),
            (503, Transient, Some(30)),
            (408, Transient, Some(30)),
            (302, Permanent, None),
            (404, Permanent, None),
        ] {
            let failure = refused("It", status, Some(Duration::from_secs(30)), "", URL);
            assert_eq!((failure.kind(), failure.wait().map(|wait| wait.as_secs())), (kind, wait), "{status}");
            assert_eq!(failure.code(), format!("http_{status}"));
        }
    }

    #[test]
    fn an_answer_is_one_short_line_and_gives_nothing_away() {
        let page = format!("\n<h1>\x1b[2J{URL} {}</h1>\nmore", "x".repeat(900));
        let message = refused("It", 404, None, &page, URL).message().to_owned();
        for secret in ["T0000000", "s3cr3ts3cr3t", "hunter22", "\x1b", "more"] {
            assert!(!message.contains(secret), "{message}");
        }
        assert!(message.chars().count() < 300, "{message}");
    }

    #[test]
    fn a_text_ends_visibly_and_whole() {
        let plain = |_: char| None;
        assert_eq!(cut("abc", 3, plain), ("abc".to_owned(), false));
        assert_eq!(cut("abcd", 3, plain), ("ab…".to_owned(), true));
        assert_eq!(cut("a😀b", 3, plain), ("a…".to_owned(), true));
        let escaped = |c: char| (c == '[').then_some("\\[");
        assert_eq!(cut("a[b", 4, escaped), ("a\\[b".to_owned(), false));
        assert_eq!(cut("a[b", 3, escaped), ("a…".to_owned(), true));
    }
}
