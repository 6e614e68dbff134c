//! What Slack, GitLab, GitHub and the models' services may answer instead of what was hoped for. Each answer ends the attempt
//! with a reason; what may pass is worth another one, and no other.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::forge::{Forge, none};
use crate::support::http::{Answer, Received, Server, raw_server};
use crate::support::models;
use crate::support::slack;
use crate::support::{Outcome, Project};

const SECRET: &str = "the-secret-of-this-service";

/// A service, and the step that asks it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Service {
    Slack,
    Gitlab,
    Github,
    OpenAi,
    OpenRouter,
    Ollama,
    Gemini,
    Anthropic,
}

use Service::{Anthropic, Gemini, Github, Gitlab, Ollama, OpenAi, OpenRouter, Slack};

const ALL: [Service; 8] = [Slack, Gitlab, Github, OpenAi, OpenRouter, Ollama, Gemini, Anthropic];

impl Service {
    /// A workflow of one step that asks the service at this address, at most twice.
    fn project(self, url: &str, more: Value) -> Project {
        let model = |service: &str| json!({ "type": service, "base_url": url, "api_key": "{{env.API_KEY}}", "model": "m", "prompt": "x" });
        let (step_type, mut config) = match self {
            Slack => ("slack.notify", json!({ "webhook_url": format!("{url}/hook/{SECRET}"), "message": "x" })),
            Gitlab => ("gitlab", json!({ "operation": "get_user_info", "user_id": 5 })),
            Github => ("github", json!({ "operation": "post_comment", "body": "x" })),
            OpenAi => ("ai.generate", model("openai")),
            OpenRouter => ("ai.generate", model("openrouter")),
            Ollama => ("ai.generate", json!({ "type": "ollama", "base_url": url, "model": "m", "prompt": "x" })),
            Gemini => ("ai.generate", model("gemini")),
            Anthropic => ("ai.generate", model("anthropic")),
        };
        let mut step = json!({ "id": "ask", "retry": { "max_attempts": 2, "delay": 0.01, "max_delay": 90 } });
        for (key, value) in more.as_object().into_iter().flatten() {
            match key.as_str() {
                "step" => step["timeout"] = value.clone(),
                key => config[key] = value.clone(),
            }
        }
        (step["type"], step["config"]) = (step_type.into(), config);
        let mut project = Project::with_workflow(&json!({ "name": "w", "steps": [step] }));
        project.envs([
            ("API_KEY", SECRET),
            ("CI_API_V4_URL", &format!("{url}/api/v4")),
            ("CI_PROJECT_ID", "17"),
            ("GITLAB_TOKEN", SECRET),
            ("GITHUB_API_URL", url),
            ("GITHUB_REPOSITORY", "acme/app"),
            ("GITHUB_PR_NUMBER", "7"),
            ("GITHUB_TOKEN", SECRET),
        ]);
        project
    }

    /// What it answers when all is well.
    fn answer(self, asked: &Received) -> Answer {
        match self {
            Slack => slack::answer(asked),
            Gitlab => Answer::json(200, &json!({ "id": 5, "username": "ann" })),
            Github if asked.method == "GET" => Answer::json(200, &json!([])),
            Github => Answer::json(201, &json!({ "id": 1, "html_url": "https://gh/c/1" })),
            _ => models::answer(asked, "an answer"),
        }
    }

    /// How it says no.
    fn refusal(self, status: u16, why: &str) -> Answer {
        match self {
            Slack => Answer::new(status, why),
            Gitlab | Github => Answer::json(status, &json!({ "message": why })),
            Ollama => Answer::json(status, &json!({ "error": why })),
            _ => Answer::json(status, &json!({ "error": { "message": why, "code": status } })),
        }
    }

    /// Runs against a service whose first answer is this one, and says how it ended and how often it was asked.
    fn first(self, trouble: impl Fn() -> Answer + Send + Sync + 'static) -> (Outcome, usize) {
        let server = Server::start(move |number, asked| if number == 0 { trouble() } else { self.answer(asked) });
        let outcome = self.project(&server.url(""), json!({})).shiro("run").does_not_say(SECRET);
        let asked = server.received();
        assert!(asked.iter().all(|one| self == Slack || !one.path.contains(SECRET)), "{self:?}: a secret in a URL");
        // A step that asks several things of a service asks each again.
        (outcome, asked.iter().filter(|one| one.line() == asked[0].line()).count())
    }
}

#[test]
fn a_refusal_is_final_and_says_why() {
    for service in ALL {
        for status in [400, 401, 403, 404, 422] {
            let (outcome, asked) = service.first(move || service.refusal(status, "because\u{1b}[2J of that"));
            let outcome = outcome.exits(1).does_not_say("\u{1b}[2J");
            assert!(outcome.all().contains(&format!("HTTP {status}")), "{service:?} {status}\n{}", outcome.all());
            assert!(outcome.all().contains("of that"), "{service:?} {status}\n{}", outcome.all());
            assert_eq!(asked, 1, "{service:?} {status}");
        }
    }
}

#[test]
fn what_passes_is_tried_again() {
    for service in ALL {
        for status in [500, 502, 503, 529] {
            let (outcome, asked) = service.first(move || Answer::new(status, "<html>Bad Gateway</html>"));
            let outcome = outcome.exits(0);
            assert!(outcome.all().contains(&format!("HTTP {status}")), "{service:?}\n{}", outcome.all());
            assert_eq!(asked, 2, "{service:?} {status}");
        }
    }
}

#[test]
fn a_rate_limit_is_waited_for_as_long_as_it_says() {
    for service in ALL {
        let started = Instant::now();
        let (outcome, asked) = service.first(move || service.refusal(429, "slow down").header("retry-after", "1"));
        outcome.exits(0).says("HTTP 429");
        assert_eq!(asked, 2, "{service:?}");
        assert!(started.elapsed() >= Duration::from_secs(1), "{service:?} was asked again too soon");
        // Longer than the workflow waits: no further attempt, and the reason is what it said.
        let (outcome, asked) =
            service.first(move || service.refusal(429, "come back tomorrow").header("retry-after", "86400"));
        outcome.exits(1).says("come back tomorrow");
        assert_eq!(asked, 1, "{service:?}");
    }
}

#[test]
fn github_s_secondary_limits_are_no_refusals() {
    let secondary = || {
        Github.refusal(403, "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.")
    };
    let started = Instant::now();
    let (outcome, asked) = Github.first(move || secondary().header("retry-after", "1"));
    outcome.exits(0).says("GitHub takes no more requests for now");
    assert_eq!(asked, 2);
    assert!(started.elapsed() >= Duration::from_secs(1));
    // Where it does not say how long, a minute is the least: within `max_delay`, so the wait is announced.
    let server = Server::start(move |_, _| secondary());
    let project = Github.project(&server.url(""), json!({}));
    let mut child = project
        .command(crate::support::SHIRO)
        .arg("run")
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("shiro starts");
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().expect("a pipe")));
    let announced = lines.find_map(|line| line.ok().filter(|line| line.contains("next in")));
    child.kill().expect("it waits");
    child.wait().expect("it ends");
    assert!(announced.as_ref().is_some_and(|line| line.contains("next in 1m")), "{announced:?}");
}

#[test]
fn a_service_that_does_not_answer_is_not_waited_for() {
    for service in ALL {
        // No answer, and one that never ends.
        for answer in
            [&b""[..], b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"a\""]
        {
            let url = format!("http://127.0.0.1:{}", raw_server(answer, true));
            let started = Instant::now();
            let limit = if matches!(service, Slack | Gitlab | Github) { "step" } else { "timeout" };
            let outcome = service.project(&url, json!({ limit: "300ms" })).shiro("run").does_not_say(SECRET);
            assert!(matches!(outcome.code, Some(1 | 5)), "{service:?}\n{}", outcome.all());
            assert!(started.elapsed() < Duration::from_secs(25), "{service:?}");
            assert!(outcome.all().contains("attempt 1 of 2 failed"), "{service:?}: it may pass\n{}", outcome.all());
        }
    }
}

#[test]
fn an_answer_that_is_none_is_no_success() {
    for service in ALL {
        // A connection that is cut before the answer, within its head, and within its body; and what is no HTTP.
        for answer in [
            &b""[..],
            b"HTTP/1.1 200 OK\r\ncontent-le",
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"id\": 5, \"user",
            b"220 smtp.example.com ESMTP\r\n",
        ] {
            // Slack's status is its answer: a message that it has taken is not posted again for the sake of a word.
            if service == Slack && answer.ends_with(b"\"user") {
                continue;
            }
            let url = format!("http://127.0.0.1:{}", raw_server(answer, false));
            let outcome = service.project(&url, json!({})).shiro("run").exits(1).does_not_say(SECRET);
            assert!(outcome.all().contains("attempt 1 of 2 failed"), "{service:?}: it may pass\n{}", outcome.all());
        }
    }
}

#[test]
fn a_page_and_broken_json_are_no_answers() {
    // Slack's answer is a word: whatever comes with 200 is a yes, unless it says otherwise.
    for service in ALL.into_iter().filter(|service| *service != Slack) {
        for body in
            ["<!DOCTYPE html><title>Sign in</title>", "{\"id\": 5, \"choices\": [{\"mess", "\u{feff}", "null null"]
        {
            let server = Server::start(move |_, _| Answer::new(200, body));
            let outcome = service.project(&server.url(""), json!({})).shiro("run").does_not_say(SECRET);
            assert_eq!(outcome.code, Some(1), "{service:?} {body}\n{}", outcome.all());
        }
    }
    let says_no = Server::start(|_, _| Answer::json(200, &json!({ "ok": false, "error": "channel_not_found" })));
    Slack.project(&says_no.url(""), json!({})).shiro("run").exits(1).says("there is no such channel");
}

#[test]
fn json_without_what_it_should_hold_is_no_answer() {
    for service in [OpenAi, OpenRouter, Ollama, Gemini, Anthropic] {
        for body in ["{}", "[]", "7", "null", "{\"choices\":[],\"candidates\":[],\"content\":[]}"] {
            let (outcome, asked) = service.first(move || Answer::json(200, &serde_json::from_str(body).expect("JSON")));
            outcome.exits(0).says("answered without an answer");
            assert_eq!(asked, 2, "{service:?} {body}");
        }
    }
}

#[test]
fn a_huge_answer_is_a_failure_and_not_a_burden() {
    for service in ALL {
        let server = Server::start(|_, _| {
            Answer::new(200, format!("{{\"message\":\"{}\"}}", "x".repeat(48 << 20)))
                .header("content-type", "application/json")
        });
        let project = service.project(&server.url(""), json!({}));
        let run = format!("ulimit -d 700000; exec {} run", crate::support::SHIRO);
        let outcome = Outcome::of(project.command("sh").args(["-c", &run]).output().expect("sh starts"));
        let outcome = outcome.does_not_say(SECRET).does_not_say("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
        // Of Slack's answer no more is read than a word needs.
        assert_eq!(outcome.code, Some(i32::from(service != Slack)), "{service:?}\n{}", outcome.all());
        let huge = Server::start(|_, _| Answer::new(400, "y".repeat(48 << 20)));
        let refused = service.project(&huge.url(""), json!({})).shiro("run").exits(1);
        assert!(refused.all().len() < 20_000, "{service:?}: {} bytes", refused.all().len());
    }
}

#[test]
fn a_redirect_is_not_followed() {
    let elsewhere = Forge::gitlab(none);
    for service in ALL {
        let target = elsewhere.server.url("/api/v4/users/5");
        let server = Server::start(move |_, _| Answer::new(302, "").header("location", target.clone()));
        service.project(&server.url(""), json!({})).shiro("run").exits(1).says("302");
    }
    assert!(elsewhere.server.received().is_empty(), "no token went elsewhere");
}
