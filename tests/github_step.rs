//! The step type `github`, against a stand-in that checks what the documentation says.

use serde_json::{Value, json};

use crate::support::forge::{Forge, Trouble, none};
use crate::support::http::Answer;
use crate::support::{Outcome, Project};

const TOKEN: &str = "ghs_a-token-for-tests";

/// A job of a pull request on this GitHub.
fn job(forge: &Forge, workflow: Option<&Value>) -> Project {
    let mut project = workflow.map_or_else(Project::new, Project::with_workflow);
    for (name, value) in [
        ("CI", "true"),
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_API_URL", forge.server.url("").as_str()),
        ("GITHUB_REPOSITORY", "acme/app"),
        ("GITHUB_REF", "refs/pull/7/merge"),
        ("GITHUB_SHA", &"d".repeat(40)),
        ("GITHUB_TOKEN", TOKEN),
    ] {
        project.env(name, value);
    }
    project
}

fn step(forge: &Forge, config: Value) -> (Outcome, Value) {
    job(forge, None).step("github", &config)
}

/// What the step returns, which has to succeed.
#[track_caller]
fn ok(forge: &Forge, config: Value) -> Value {
    let (outcome, output) = step(forge, config);
    outcome.exits(0).does_not_say(TOKEN);
    output
}

/// A workflow of one step that is tried up to three times.
fn workflow(config: Value) -> Value {
    json!({ "name": "w", "steps": [
        { "id": "post", "type": "github", "config": config, "retry": { "max_attempts": 3, "delay": "10ms", "max_delay": "90s" } }
    ] })
}

const THREE: &str = "src/a.rs:2: first\nsrc/a.rs:4: second\nsrc/gone.rs:1: third\n";

#[test]
fn a_comment_is_an_issue_comment_with_a_hidden_mark() {
    let forge = Forge::github(none);
    let output = ok(&forge, json!({ "operation": "post_comment", "body": "{{env.GITHUB_TOKEN}} $(id)\n/merge" }));
    assert_eq!((&output["created"], &output["url"]), (&json!(true), &json!("https://gh/c/1")));
    let asked = &forge.asked("POST", "/comments")[0];
    assert_eq!(asked.line(), "POST /repos/acme/app/issues/7/comments");
    for (name, value) in [
        ("authorization", format!("Bearer {TOKEN}").as_str()),
        ("accept", "application/vnd.github+json"),
        ("x-github-api-version", "2022-11-28"),
        ("user-agent", "shiro"),
    ] {
        assert_eq!(asked.header(name), value, "{name}");
    }
    assert_eq!(forge.texts(), ["{{env.GITHUB_TOKEN}} $(id)\n/merge"]);
    ok(&forge, json!({ "operation": "post_comment", "body": "{{env.GITHUB_TOKEN}} $(id)\n/merge" }));
    assert_eq!(forge.texts().len(), 1, "the same step of the same run has posted it");
}

#[test]
fn the_pull_request_is_found() {
    let forge = Forge::github(none);
    let config = json!({ "operation": "post_comment", "body": "x", "dedup": true });
    let found = |variables: &[(&str, &str)]| {
        let mut project = job(&forge, None);
        project.write(
            "runner/event.json",
            r#"{ "issue": { "number": 7, "pull_request": {} }, "comment": { "body": "{{x}}" } }"#,
        );
        for (name, value) in variables {
            project.env(name, value.replace("EVENT", &project.join("runner/event.json").display().to_string()));
        }
        project.step("github", &config).0
    };
    found(&[]).exits(0);
    found(&[("GITHUB_REF", "refs/heads/x"), ("GITHUB_PR_NUMBER", "7")]).exits(0);
    found(&[("GITHUB_REF", "refs/heads/main"), ("GITHUB_EVENT_PATH", "EVENT"), ("GITHUB_SHA", "")]).exits(0);
    let seen = forge.asked("GET", "/pulls").len();
    assert_eq!(seen, 0);
    // A push: the one that is open for its commit.
    found(&[("GITHUB_REF", "refs/heads/feature")]).exits(0);
    assert_eq!(
        forge.asked("GET", "/pulls")[0].path,
        format!("/repos/acme/app/commits/{}/pulls?per_page=100", "d".repeat(40))
    );
    found(&[("GITHUB_REF", "refs/heads/x"), ("GITHUB_SHA", "")])
        .exits(1)
        .says("[github.no_pull_request]")
        .says("on: pull_request");
    found(&[("GITHUB_PR_NUMBER", "7/files")]).exits(2);
}

#[test]
fn comments_are_one_review_of_the_newest_commit() {
    let forge = Forge::github(none);
    let body = format!("{THREE}src/a.rs:9: below\nother.rs:1: elsewhere\n");
    let output = ok(&forge, json!({ "operation": "post_inline_comments", "body": body }));
    assert_eq!((&output["posted_count"], &output["url"]), (&json!(5), &json!("https://gh/r/1")));
    let reviews = forge.asked("POST", "/pulls/7/reviews");
    assert_eq!(reviews.len(), 1);
    let review = reviews[0].json();
    assert_eq!((&review["event"], &review["commit_id"]), (&json!("COMMENT"), &json!("e".repeat(40))));
    let text = review["body"].as_str().expect("text");
    assert!(text.starts_with("AI Code Review\n\n`src/a.rs:9`\n\nbelow\n\n<!-- shiro:"), "{text}");
    assert!(text.contains("\n\n`other.rs:1`\n\nelsewhere\n\n<!-- shiro:"), "{text}");
    let comments: Vec<Value> = review["comments"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|comment| {
            let mut comment = comment.clone();
            let body = comment.as_object_mut().expect("an object").remove("body").expect("it has one");
            assert!(body.as_str().is_some_and(|body| body.contains("<!-- shiro:")), "{body}");
            comment
        })
        .collect();
    assert_eq!(
        comments,
        [
            json!({ "path": "src/a.rs", "side": "RIGHT", "line": 2 }),
            json!({ "path": "src/a.rs", "side": "RIGHT", "line": 4 }),
            json!({ "path": "src/gone.rs", "side": "LEFT", "line": 1 }),
        ]
    );
    // Again, from another run: all of it is there, also what has no line of its own.
    let config = workflow(json!({ "operation": "post_inline_comments", "body": body }));
    job(&forge, Some(&config)).shiro("run").exits(0);
    assert_eq!(forge.asked("POST", "/pulls/7/reviews").len(), 1);
    let one_more = ok(&forge, json!({ "operation": "post_inline_comments", "body": format!("{body}src/a.rs:3: new") }));
    assert_eq!((&one_more["posted_count"], &one_more["skipped_count"]), (&json!(1), &json!(5)));
}

#[test]
fn a_review_that_github_refuses_is_posted_one_by_one() {
    let forge = Forge::github(none);
    let body = "src/a.rs:2: fine\nsrc/a.rs:3: unlucky\nother.rs:1: elsewhere\n";
    let output = ok(&forge, json!({ "operation": "post_inline_comments", "body": body }));
    let fates: Vec<&str> = output["comments"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| one["status"].as_str().expect("text"))
        .collect();
    assert_eq!(fates, ["posted", "posted_without_line", "posted_without_line"]);
    assert_eq!(forge.texts(), ["fine", "`src/a.rs:3`\n\nunlucky", "`other.rs:1`\n\nelsewhere"]);
    assert_eq!(forge.asked("POST", "/pulls/7/comments")[0].json()["commit_id"], json!("e".repeat(40)));
}

#[test]
fn what_failed_in_the_middle_goes_on_where_it_stopped() {
    // The review is refused, the first comment posted, and then GitHub has enough.
    let limited: Trouble = |number, asked| {
        let third = asked.method == "POST" && number == 3;
        let message = json!({ "message": "You have exceeded a secondary rate limit. Please wait a few minutes." });
        third.then(|| (Answer::json(403, &message).header("retry-after", "1"), false))
    };
    let body = "src/a.rs:2: one\nsrc/a.rs:3: unlucky two\nsrc/a.rs:4: three\n";
    let forge = Forge::github(limited);
    job(&forge, Some(&workflow(json!({ "operation": "post_inline_comments", "body": body })))).shiro("run").exits(0);
    let mut texts = forge.texts();
    texts.sort();
    assert_eq!(texts, ["`src/a.rs:3`\n\nunlucky two", "one", "three"], "each once");
    let lost: Trouble = |number, asked| (asked.method == "POST" && number == 1).then(|| (Answer::new(502, ""), true));
    let forge = Forge::github(lost);
    job(&forge, Some(&workflow(json!({ "operation": "post_inline_comments", "body": THREE })))).shiro("run").exits(0);
    assert_eq!(forge.asked("POST", "/reviews").len(), 1, "the review was there");
}

#[test]
fn rate_limits_say_when_to_come_back() {
    let used_up: Trouble = |_, _| {
        Some((
            Answer::json(403, &json!({ "message": "API rate limit exceeded" }))
                .header("x-ratelimit-remaining", "0")
                .header("x-ratelimit-reset", "4102444800"),
            false,
        ))
    };
    let forge = Forge::github(used_up);
    let config = workflow(json!({ "operation": "post_comment", "body": "x" }));
    // The limit ends in another century: beyond `max_delay`, so there is no further attempt.
    job(&forge, Some(&config)).shiro("run").exits(1).says("GitHub takes no more requests for now");
    assert_eq!(forge.server.received().len(), 1);
    let forbidden: Trouble = |_, _| {
        Some((
            Answer::json(403, &json!({ "message": "Resource not accessible by integration" }))
                .header("x-ratelimit-remaining", "4999"),
            false,
        ))
    };
    let forge = Forge::github(forbidden);
    job(&forge, Some(&config))
        .shiro("run")
        .exits(1)
        .says("Resource not accessible by integration")
        .says("`pull-requests: write`");
    assert_eq!(forge.server.received().len(), 1, "a refusal is no rate limit");
    let soon: Trouble = |number, _| (number == 1).then(|| (Answer::new(429, "").header("retry-after", "1"), false));
    let forge = Forge::github(soon);
    let started = std::time::Instant::now();
    job(&forge, Some(&config)).shiro("run").exits(0);
    assert!(started.elapsed() >= std::time::Duration::from_secs(1));
}

#[test]
fn the_diff_is_text_and_has_a_limit() {
    let forge = Forge::github(none);
    let output = ok(&forge, json!({ "operation": "get_diff" }));
    assert!(
        output["diff"].as_str().is_some_and(|diff| diff.starts_with("diff --git a/src/a.rs") && diff.contains("+2b"))
    );
    assert_eq!(output["truncated"], false);
    let output = ok(&forge, json!({ "operation": "get_diff", "max_bytes": 10 }));
    assert_eq!(
        (&output["diff"], &output["truncated"]),
        (&json!("diff --git\n[the rest of the diff is left out]\n"), &json!(true))
    );
    let large = Forge::github(|_, _| Some((Answer::json(406, &json!({ "message": "too_large" })), false)));
    let (outcome, _) = step(&large, json!({ "operation": "get_diff" }));
    outcome.exits(1).says("`git.diff`");
}

#[test]
fn releases_statuses_and_workflows() {
    let forge = Forge::github(none);
    ok(
        &forge,
        json!({ "operation": "create_release", "tag_name": "v1", "name": "One", "body": "# Notes", "draft": true, "generate_release_notes": true }),
    );
    assert_eq!(
        forge.asked("POST", "/releases")[0].json(),
        json!({ "tag_name": "v1", "name": "One", "body": "# Notes", "draft": true, "generate_release_notes": true, "target_commitish": "d".repeat(40) })
    );
    let there = ok(&forge, json!({ "operation": "create_release", "tag_name": "taken", "name": "Mine" }));
    assert_eq!(there["created"], false);
    let (outcome, _) = step(&forge, json!({ "operation": "create_release", "tag_name": "taken", "name": "Other" }));
    outcome.exits(1).says("[github.release_exists]");
    ok(&forge, json!({ "operation": "create_release", "tag_name": "taken", "name": "Other", "update": true }));
    assert_eq!(forge.asked("PATCH", "/releases/3")[0].json(), json!({ "name": "Other" }));

    // In a pull request's job the commit is the pull request's own, and not the trial merge.
    ok(
        &forge,
        json!({ "operation": "set_commit_status", "state": "failed", "description": "ü".repeat(200), "target_url": "https://x" }),
    );
    let asked = &forge.asked("POST", &format!("/statuses/{}", "e".repeat(40)))[0].json();
    assert_eq!(
        (&asked["state"], &asked["context"], &asked["target_url"]),
        (&json!("failure"), &json!("shiro"), &json!("https://x"))
    );
    assert_eq!(asked["description"].as_str().map(|text| text.chars().count()), Some(140));
    let mut push = job(&forge, None);
    push.env("GITHUB_REF", "refs/heads/main");
    let (outcome, _) =
        push.step("github", &json!({ "operation": "set_commit_status", "state": "success", "context": "ci" }));
    outcome.exits(0);
    assert_eq!(
        forge.asked("POST", &format!("/statuses/{}", "d".repeat(40)))[0].json(),
        json!({ "state": "success", "context": "ci" })
    );

    let dispatch =
        json!({ "operation": "dispatch_workflow", "workflow": "deploy.yml", "ref": "main", "inputs": { "n": 1 } });
    ok(&forge, dispatch.clone());
    assert_eq!(forge.asked("POST", "/dispatches")[0].json(), json!({ "ref": "main", "inputs": { "n": "1" } }));
    let lost = Forge::github(|_, _| Some((Answer::new(502, ""), true)));
    job(&lost, Some(&workflow(dispatch))).shiro("run").exits(1).says("whether the workflow was started is not known");
    assert_eq!(lost.server.received().len(), 1);
}

#[test]
fn pull_requests_are_made_or_found() {
    let forge = Forge::github(none);
    let output = ok(
        &forge,
        json!({
            "operation": "create_pull_request", "title": "T", "head": "feature", "base": "main", "body": "B", "draft": true,
            "labels": ["a"], "reviewers": ["ann"]
        }),
    );
    assert_eq!((&output["created"], &output["url"]), (&json!(true), &json!("https://gh/pull/8")));
    assert_eq!(
        forge.asked("POST", "/app/pulls")[0].json(),
        json!({ "title": "T", "head": "feature", "base": "main", "body": "B", "draft": true })
    );
    assert_eq!(forge.asked("POST", "/issues/8/labels")[0].json(), json!({ "labels": ["a"] }));
    assert_eq!(forge.asked("POST", "/pulls/8/requested_reviewers")[0].json(), json!({ "reviewers": ["ann"] }));
    let output =
        ok(&forge, json!({ "operation": "create_pull_request", "title": "T", "head": "taken", "base": "main" }));
    assert_eq!((&output["created"], &output["info"]["number"]), (&json!(false), &json!(5)));
    assert!(forge.asked("GET", "/app/pulls")[0].path.ends_with("?state=open&head=acme%3Ataken&base=main"));
}

#[test]
fn it_reaches_its_own_github_and_no_other() {
    let forge = Forge::github(none);
    let config = json!({ "operation": "post_comment", "body": "x" });
    let project = job(&forge, Some(&workflow(config.clone())));
    project
        .shiro("run -dry-run")
        .exits(0)
        .says(&format!("Granted: network requests to {}", forge.server.url("")))
        .does_not_say("api.github.com");
    let mut without = job(&forge, Some(&workflow(config)));
    without.env("GITHUB_API_URL", "");
    without.shiro("run -dry-run").exits(0).says("Granted: network requests to https://api.github.com:443");
    without.env("GITHUB_TOKEN", "");
    without.shiro("run").exits(1).says("(github.no_token").says("secrets.GITHUB_TOKEN");
    let mut traversal = job(&forge, None);
    traversal.env("GITHUB_REPOSITORY", "acme/../../user");
    let (outcome, _) = traversal.step("github", &json!({ "operation": "post_comment", "body": "x" }));
    outcome.exits(2);
    assert!(forge.server.received().is_empty());
}
