//! What Slack answered.

use std::time::Duration;

use serde_json::Value;
use shiro_notify::presentable;
use shiro_step::Failure;

/// Whether the message was taken. Slack's reason is in the answer's body: a word such as `channel_not_found`.
pub(crate) fn check(status: u16, retry_after: Option<Duration>, body: &str, webhook_url: &str) -> Result<(), Failure> {
    let refusal = refusal(body);
    if status == 200 && refusal.is_none() {
        return Ok(());
    }
    let reason = refusal.unwrap_or_else(|| body.to_owned());
    let reason = presentable(&reason, webhook_url);
    let code = if is_code(&reason) { reason.clone() } else { format!("http_{status}") };
    let mut message = format!("Slack did not take the message: HTTP {status}");
    if !reason.is_empty() {
        message += &format!(", {reason}");
    }
    if let Some(advice) = advice(&reason) {
        message += &format!(" ({advice})");
    }
    let passing = status == 429 || status >= 500 || matches!(&*reason, "ratelimited" | "rate_limited");
    let failure = if passing { Failure::transient(code, message) } else { Failure::permanent(code, message) };
    Err(match retry_after.filter(|_| passing) {
        Some(wait) => failure.retry_after(wait),
        None => failure,
    })
}

/// The reason in a JSON answer that says `"ok": false`, as Slack's web API and some work-alikes send with any status.
fn refusal(body: &str) -> Option<String> {
    let answer: Value = serde_json::from_str(body).ok()?;
    (answer.get("ok") == Some(&Value::Bool(false)))
        .then(|| answer.get("error").and_then(Value::as_str).unwrap_or("refused").to_owned())
}

fn is_code(reason: &str) -> bool {
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    reason.starts_with(|c: char| c.is_ascii_lowercase()) && reason.len() <= 64 && reason.chars().all(word)
}

fn advice(reason: &str) -> Option<&'static str> {
    match reason {
        "channel_not_found" => Some("there is no such channel, or the webhook may not post to it"),
        "channel_is_archived" => Some("the channel is archived: choose another in `channel`"),
        "invalid_token" | "no_active_hooks" | "no_service" | "no_service_id" | "no_team" | "team_disabled" => {
            Some("the webhook does not exist any more: create a new one and update `webhook_url`")
        }
        "action_prohibited" | "posting_to_general_channel_denied" => Some("the workspace's administrators forbid it"),
        "user_not_found" => Some("there is no such user"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use shiro_step::FailureKind::{Permanent, Transient};

    use super::*;

    const URL: &str = "https://hooks.slack.com/services/T0000000/B0000000/s3cr3ts3cr3t";

    fn failure(status: u16, body: &str) -> Failure {
        check(status, Some(Duration::from_secs(30)), body, URL).unwrap_err()
    }

    #[test]
    fn only_200_is_a_yes() {
        assert!(check(200, None, "ok", URL).is_ok());
        assert!(check(200, None, "", URL).is_ok());
        assert!(check(200, None, r#"{"ok":true}"#, URL).is_ok());
        assert_eq!(failure(204, "").code(), "http_204");
        assert_eq!(failure(200, r#"{"ok":false,"error":"channel_not_found"}"#).code(), "channel_not_found");
    }

    #[test]
    fn a_reason_becomes_the_code() {
        let no = failure(404, "channel_not_found\n");
        assert_eq!((no.kind(), no.code()), (Permanent, "channel_not_found"));
        assert_eq!(
            no.message(),
            "Slack did not take the message: HTTP 404, channel_not_found (there is no such channel, or the webhook may \
             not post to it)"
        );
        assert_eq!(failure(400, "Bad thing: x").code(), "http_400");
    }

    #[test]
    fn what_passes_is_worth_another_attempt() {
        for (status, kind, wait) in [
            (429, Transient, Some(30)),
            (500, Transient, Some(30)),
            (503, Transient, Some(30)),
            (302, Permanent, None),
            (400, Permanent, None),
            (403, Permanent, None),
            (410, Permanent, None),
        ] {
            let failure = failure(status, "");
            assert_eq!((failure.kind(), failure.wait().map(|wait| wait.as_secs())), (kind, wait), "{status}");
        }
    }

    #[test]
    fn an_answer_cannot_give_the_webhook_away() {
        let failure = failure(404, "Cannot POST /services/T0000000/B0000000/s3cr3ts3cr3t");
        for secret in ["T0000000", "B0000000", "s3cr3ts3cr3t"] {
            assert!(!failure.message().contains(secret), "{failure}");
        }
        assert!(!failure.message().contains("hooks.slack.com"), "{failure}");
    }

    #[test]
    fn an_answer_is_one_short_line() {
        let message = failure(500, &format!("\n<h1>\x1b[2J{}</h1>\nmore", "x".repeat(900))).message().to_owned();
        assert_eq!(message.lines().count(), 1);
        assert!(message.chars().count() < 300, "{message}");
        assert!(!message.contains('\x1b'));
    }
}
