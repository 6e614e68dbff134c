//! An answer with a status that says no.

use std::time::Duration;

use serde_json::Value;
use shiro_step::Failure;

use crate::service::{Question, text};

/// How many bytes of it are looked at.
pub(crate) const EXCERPT: usize = 4096;

/// How many characters of the service's words are shown.
const SHOWN: usize = 300;

/// Anthropic's "overloaded".
const OVERLOADED: u16 = 529;

/// Why there is no answer: whether to try again, and what to do about it.
pub(crate) fn failure(question: &Question, status: u16, retry_after: Option<Duration>, body: &str) -> Failure {
    let name = question.service.name();
    let mut message = format!("{name} does not answer: HTTP {status}");
    let said = said(body, question.key.as_deref());
    if !said.is_empty() {
        message += &format!(", {said}");
    }
    if let Some(advice) = advice(status) {
        message += &format!(" ({advice})");
    }
    let code = match status {
        401 | 403 => "unauthorized".to_owned(),
        429 => "rate_limited".to_owned(),
        _ => format!("http_{status}"),
    };
    if !matches!(status, 408 | 409 | 429 | 500..=599) {
        return Failure::permanent(code, message);
    }
    let failure = Failure::transient(code, message);
    retry_after.map_or_else(|| failure.clone(), |wait| failure.clone().retry_after(wait))
}

/// The service's own words, on one line, short, and without the key: some like to repeat it.
fn said(body: &str, key: Option<&str>) -> String {
    let message = serde_json::from_str::<Value>(body).ok().and_then(|answer| {
        ["/error/message", "/error", "/message", "/0/error/message"].iter().find_map(|pointer| text(&answer, pointer))
    });
    let message = message.unwrap_or_else(|| body.to_owned());
    let line = message.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let mut line: String = line.chars().filter(|c| !c.is_control()).collect();
    if let Some(key) = key.filter(|key| !key.is_empty()) {
        line = line.replace(key, "***");
    }
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

fn advice(status: u16) -> Option<&'static str> {
    match status {
        401 | 403 => Some("see that `api_key` is the service's, and may use the model"),
        404 => Some("see that `model` and `base_url` are right"),
        413 => Some("the prompt is too long for the service"),
        429 => Some("the service's limit is reached: `retry` on the step tries again later"),
        OVERLOADED => Some("the service is overloaded: `retry` on the step tries again later"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use shiro_step::FailureKind::{Permanent, Transient};

    use super::*;
    use crate::service::Service;
    use crate::service::testing::question;

    fn refused(status: u16, body: &str) -> Failure {
        failure(&question(Service::OpenAi), status, Some(Duration::from_secs(7)), body)
    }

    #[test]
    fn what_passes_is_worth_another_attempt() {
        for (status, kind, wait) in [
            (400, Permanent, None),
            (401, Permanent, None),
            (404, Permanent, None),
            (302, Permanent, None),
            (429, Transient, Some(7)),
            (500, Transient, Some(7)),
            (529, Transient, Some(7)),
        ] {
            let failure = refused(status, "");
            assert_eq!((failure.kind(), failure.wait().map(|wait| wait.as_secs())), (kind, wait), "{status}");
        }
    }

    #[test]
    fn the_service_s_words_are_shown_without_the_key() {
        for body in [
            r#"{"error":{"message":"bad key k3y\nmore"}}"#,
            r#"{"error":"bad key k3y"}"#,
            r#"[{"error":{"message":"bad key k3y"}}]"#,
            "\n bad key k3y\x1b[2J\n",
        ] {
            let failure = refused(401, body);
            assert!(failure.message().contains("bad key ***"), "{failure}");
            assert!(!failure.message().contains("k3y") && !failure.message().contains('\x1b'), "{failure}");
        }
        assert!(refused(500, &"x".repeat(4000)).message().chars().count() < 400);
    }
}
