//! The step type `gitlab`, against a stand-in that checks what the documentation says.

use serde_json::{Value, json};

use crate::support::forge::{Forge, Trouble, none};
use crate::support::http::{Answer, raw_server};
use crate::support::{Outcome, Project};

const TOKEN: &str = "glpat-a-token-for-tests";
const JOB_TOKEN: &str = "job-token-for-tests";

/// A job of a merge request's pipeline on this GitLab.
fn job(forge: &Forge, workflow: Option<&Value>) -> Project {
    let mut project = workflow.map_or_else(Project::new, Project::with_workflow);
    for (name, value) in [
        ("CI", "true"),
        ("CI_SERVER_URL", forge.server.url("").as_str()),
        ("CI_API_V4_URL", &forge.server.url("/api/v4")),
        ("CI_PROJECT_ID", "17"),
        ("CI_PROJECT_PATH", "group/name"),
        ("CI_MERGE_REQUEST_IID", "7"),
        ("CI_COMMIT_SHA", &"c".repeat(40)),
        ("CI_JOB_TOKEN", JOB_TOKEN),
        ("GITLAB_TOKEN", TOKEN),
    ] {
        project.env(name, value);
    }
    project
}

fn step(forge: &Forge, config: Value) -> (Outcome, Value) {
    job(forge, None).step("gitlab", &config)
}

/// What the step returns, which has to succeed.
#[track_caller]
fn ok(forge: &Forge, config: Value) -> Value {
    let (outcome, output) = step(forge, config);
    outcome.exits(0);
    output
}

/// A workflow of one step that is tried up to three times.
fn workflow(config: Value) -> Value {
    json!({ "name": "w", "steps": [
        { "id": "post", "type": "gitlab", "config": config, "retry": { "max_attempts": 3, "delay": "10ms", "max_delay": "60s" } }
    ] })
}

const THREE: &str = "src/a.rs:2: first\nsrc/a.rs:4: second\nsrc/a.rs:10: third\n";

#[test]
fn a_comment_is_a_note_with_a_hidden_mark() {
    let forge = Forge::gitlab(none);
    let output = ok(&forge, json!({ "operation": "post_comment", "body": "Looks **good**" }));
    assert_eq!((&output["success"], &output["created"]), (&json!(true), &json!(true)));
    let asked = &forge.asked("POST", "/notes")[0];
    assert_eq!(asked.line(), "POST /api/v4/projects/17/merge_requests/7/notes");
    assert_eq!((asked.header("private-token"), asked.header("job-token")), (TOKEN, ""));
    assert_eq!(asked.header("content-type"), "application/json");
    let body = asked.json()["body"].as_str().expect("text").to_owned();
    assert!(body.starts_with("Looks **good**\n\n<!-- shiro:") && body.ends_with(" -->"), "{body}");
    assert_eq!(asked.json().as_object().map(serde_json::Map::len), Some(1), "nothing but the body");
    // The same step of the same run again: it is there. All pages were read to know.
    for other in ["x", "y", "z"] {
        forge.post(other);
    }
    let output = ok(&forge, json!({ "operation": "post_comment", "body": "Looks **good**" }));
    assert_eq!(output["created"], false);
    assert_eq!(forge.texts().len(), 4);
    assert!(forge.asked("GET", "/notes").iter().any(|asked| asked.path.ends_with("?page=2")));
}

#[test]
fn another_run_comments_again_unless_it_is_told_not_to() {
    let forge = Forge::gitlab(none);
    for (dedup, count) in [(json!(false), 1), (json!(false), 2), (json!(true), 2)] {
        let config = json!({ "operation": "post_comment", "body": "Deployed", "dedup": dedup });
        job(&forge, Some(&workflow(config))).shiro("run").exits(0).does_not_say(TOKEN);
        assert_eq!(forge.texts().len(), count, "{dedup}");
    }
}

#[test]
fn comments_stand_at_the_lines_of_the_newest_version() {
    let forge = Forge::gitlab(none);
    let comments = json!([
        { "file": "src/a.rs", "line": 2, "comment": "added" },
        { "file": "src/a.rs", "line": 4, "comment": "unchanged, moved" },
        { "file": "src/a.rs", "line": 2, "side": "old", "comment": "removed" },
        { "file": "src/a.rs", "line": 10, "comment": "below the diff" },
        { "file": "src/old.rs", "line": 1, "comment": "by its old name" }
    ]);
    let output =
        ok(&forge, json!({ "operation": "post_inline_comments", "output_format": "json", "comments": comments }));
    assert_eq!((&output["posted_count"], &output["skipped_count"]), (&json!(5), &json!(0)));
    let positions: Vec<Value> =
        forge.asked("POST", "/discussions").iter().map(|asked| asked.json()["position"].clone()).collect();
    let position = |lines: Value| {
        let mut position = json!({
            "position_type": "text", "base_sha": "b".repeat(40), "start_sha": "5".repeat(40), "head_sha": "e".repeat(40),
            "old_path": "src/old.rs", "new_path": "src/a.rs"
        });
        position.as_object_mut().expect("an object").extend(lines.as_object().expect("an object").clone());
        position
    };
    assert_eq!(
        positions,
        [
            position(json!({ "new_line": 2 })),
            position(json!({ "old_line": 3, "new_line": 4 })),
            position(json!({ "old_line": 2 })),
            position(json!({ "old_line": 9, "new_line": 10 })),
            position(json!({ "old_line": 1, "new_line": 1 })),
        ]
    );
    assert_eq!(forge.texts(), ["added", "unchanged, moved", "removed", "below the diff", "by its old name"]);
}

#[test]
fn a_comment_that_has_no_line_is_posted_without() {
    let forge = Forge::gitlab(none);
    let body = "src/a.rs:3: fine\nsrc/a.rs:99: GitLab says no\nhuge.bin:1: not shown\nother.rs:5: not changed\n";
    let output = ok(&forge, json!({ "operation": "post_inline_comments", "body": body }));
    assert_eq!(output["posted_count"], 4);
    let fates: Vec<&str> = output["comments"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| one["status"].as_str().expect("text"))
        .collect();
    assert_eq!(fates, ["posted", "posted_without_line", "posted_without_line", "posted_without_line"]);
    assert_eq!(
        forge.texts()[1..],
        ["`src/a.rs:99`\n\nGitLab says no", "`huge.bin:1`\n\nnot shown", "`other.rs:5`\n\nnot changed"]
    );
    let notes = Forge::gitlab(none);
    ok(&notes, json!({ "operation": "post_inline_comments", "body": "src/a.rs:3: fine", "api_type": "notes" }));
    assert_eq!(notes.texts(), ["`src/a.rs:3`\n\nfine"]);
    assert!(notes.asked("POST", "/discussions").is_empty());
}

#[test]
fn nothing_is_posted_twice() {
    let forge = Forge::gitlab(none);
    let config = json!({ "operation": "post_inline_comments", "body": THREE });
    for (posted, skipped) in [(3, 0), (0, 3)] {
        let outcome = job(&forge, Some(&workflow(config.clone()))).shiro("run").exits(0);
        outcome.does_not_say(TOKEN);
        assert_eq!(forge.texts().len(), 3);
        let output = ok(&forge, config.clone());
        assert_eq!(output["skipped_count"], 3, "{posted} {skipped}");
    }
    // Another line or another text is another comment; without dedup, so is another run.
    ok(&forge, json!({ "operation": "post_inline_comments", "body": "src/a.rs:3: first" }));
    assert_eq!(forge.texts().len(), 4);
    ok(&forge, json!({ "operation": "post_inline_comments", "body": THREE, "dedup": false }));
    assert_eq!(forge.texts().len(), 7);
    ok(&forge, json!({ "operation": "post_inline_comments", "body": THREE, "dedup": false }));
    assert_eq!(forge.texts().len(), 7);
}

#[test]
fn what_failed_in_the_middle_goes_on_where_it_stopped() {
    let limited: Trouble = |number, asked| {
        let second = asked.method == "POST" && number == 2;
        second.then(|| {
            (Answer::json(429, &json!({ "message": "429 Too Many Requests" })).header("retry-after", "1"), false)
        })
    };
    let lost: Trouble = |number, asked| {
        (asked.method == "POST" && number == 2).then(|| (Answer::new(502, "<html>Bad Gateway</html>"), true))
    };
    for trouble in [limited, lost] {
        let forge = Forge::gitlab(trouble);
        let config = json!({ "operation": "post_inline_comments", "body": THREE });
        job(&forge, Some(&workflow(config))).shiro("run").exits(0);
        assert_eq!(forge.texts(), ["first", "second", "third"], "each once");
    }
    let forge = Forge::gitlab(limited);
    let (outcome, output) = step(&forge, json!({ "operation": "post_inline_comments", "body": THREE }));
    outcome.exits(1).says("[gitlab.rate_limited]").says("GitLab takes no more requests for now: HTTP 429");
    assert_eq!((&output["success"], &output["posted_count"]), (&json!(false), &json!(1)));
}

#[test]
fn a_comment_whose_answer_was_lost_is_not_posted_again() {
    let lost: Trouble = |number, asked| (asked.method == "POST" && number == 1).then(|| (Answer::new(500, ""), true));
    let forge = Forge::gitlab(lost);
    job(&forge, Some(&workflow(json!({ "operation": "post_comment", "body": "once" })))).shiro("run").exits(0);
    assert_eq!(forge.texts(), ["once"]);
}

#[test]
fn the_job_s_token_is_sent_as_what_it_is() {
    let forge = Forge::gitlab(|_, asked| {
        (!asked.header("job-token").is_empty())
            .then(|| (Answer::json(401, &json!({ "message": "401 Unauthorized" })), false))
    });
    for token in [JOB_TOKEN, "", "glcbt-64_of-another-job"] {
        let mut project = job(&forge, None);
        project.env("GITLAB_TOKEN", token);
        let (outcome, _) = project.step("gitlab", &json!({ "operation": "post_comment", "body": "x" }));
        outcome.exits(1).says("GITLAB_TOKEN").says("project access token").does_not_say(JOB_TOKEN);
    }
    let asked = forge.server.received();
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|one| one.header("private-token").is_empty()));
    let mut project = job(&forge, None);
    project.env("GITLAB_TOKEN", "").env("CI_JOB_TOKEN", "");
    let (outcome, _) = project.step("gitlab", &json!({ "operation": "post_comment", "body": "x" }));
    outcome.exits(1).says("[gitlab.no_token]");
}

#[test]
fn what_gitlab_knows_is_asked_page_by_page() {
    let forge = Forge::gitlab(none);
    assert_eq!(ok(&forge, json!({ "operation": "get_files_changed" }))["files"].as_array().map(Vec::len), Some(5));
    let participants = ok(&forge, json!({ "operation": "get_mr_participants" }))["participants"].clone();
    assert_eq!(participants.as_array().map(Vec::len), Some(3));
    assert_eq!(ok(&forge, json!({ "operation": "get_user_info", "user_id": 5 }))["info"]["username"], "ann");
    let commit = ok(&forge, json!({ "operation": "get_commit_info" }));
    assert_eq!(commit["info"], json!({ "id": "c".repeat(40), "title": "{{env.GITLAB_TOKEN}} $(id)" }));
    let (outcome, _) = step(&forge, json!({ "operation": "get_user_info", "user_id": "../../version" }));
    outcome.exits(1);
    assert!(forge.server.received().iter().any(|asked| asked.path == "/api/v4/users/..%2F..%2Fversion"));
}

#[test]
fn the_merge_request_is_the_pipeline_s_or_the_branch_s() {
    let forge = Forge::gitlab(none);
    let config = json!({ "operation": "get_mr_participants" });
    let mut project = job(&forge, None);
    project.env("CI_MERGE_REQUEST_IID", "").env("CI_OPEN_MERGE_REQUESTS", "group/fork!9,group/name!7");
    let (outcome, _) = project.step("gitlab", &config);
    outcome.exits(0);
    project.env("CI_OPEN_MERGE_REQUESTS", "group/fork!9");
    let (outcome, _) = project.step("gitlab", &config);
    outcome.exits(1).says("[gitlab.no_merge_request]").says("merge_request_event");
    let (outcome, _) =
        project.step("gitlab", &json!({ "operation": "get_mr_participants", "merge_request_iid": "7/../8" }));
    outcome.exits(2);
}

#[test]
fn releases_and_statuses() {
    let forge = Forge::gitlab(none);
    let output = ok(
        &forge,
        json!({
            "operation": "create_release", "tag_name": "v1", "name": "One", "description": "# Notes", "milestones": ["m"],
            "links": [{ "name": "n", "url": "https://x" }]
        }),
    );
    assert_eq!((&output["created"], &output["url"]), (&json!(true), &json!("https://gl/releases/v1")));
    assert_eq!(
        forge.asked("POST", "/releases")[0].json(),
        json!({
            "tag_name": "v1", "name": "One", "description": "# Notes", "ref": "c".repeat(40), "milestones": ["m"],
            "assets": { "links": [{ "name": "n", "url": "https://x" }] }
        })
    );
    let again = json!({ "operation": "create_release", "tag_name": "taken", "name": "Mine", "description": "notes" });
    assert_eq!(ok(&forge, again)["created"], false, "the same release is there");
    let other = json!({ "operation": "create_release", "tag_name": "taken", "name": "Other" });
    let (outcome, _) = step(&forge, other.clone());
    outcome.exits(1).says("[gitlab.release_exists]").says("`update`");
    let mut update = other;
    update["update"] = true.into();
    ok(&forge, update);
    assert_eq!(forge.asked("PUT", "/releases/taken")[0].json(), json!({ "name": "Other" }));

    ok(
        &forge,
        json!({ "operation": "set_commit_status", "state": "failure", "name": "lint", "description": "3 problems", "target_url": "https://x", "ref": "main", "coverage": 81.5, "pipeline_id": 4711 }),
    );
    let asked = &forge.asked("POST", &format!("/statuses/{}", "c".repeat(40)))[0];
    assert_eq!(
        asked.json(),
        json!({ "state": "failed", "name": "lint", "description": "3 problems", "target_url": "https://x", "ref": "main", "coverage": 81.5, "pipeline_id": "4711" })
    );
    let there = ok(&forge, json!({ "operation": "set_commit_status", "state": "pending" }));
    assert_eq!(there["created"], false, "it has that state");
}

#[test]
fn pipelines_are_started_once() {
    let forge = Forge::gitlab(none);
    let output = ok(
        &forge,
        json!({ "operation": "trigger_pipeline", "ref": "main", "variables": { "A": 1 }, "inputs": { "n": 2 } }),
    );
    assert_eq!((&output["info"]["id"], &output["url"]), (&json!(99), &json!("https://gl/p/99")));
    assert_eq!(
        forge.asked("POST", "17/pipeline")[0].json(),
        json!({ "ref": "main", "variables": [{ "key": "A", "value": "1" }], "inputs": { "n": 2 } })
    );
    ok(&forge, json!({ "operation": "trigger_pipeline", "ref": "main", "project": "group/other" }));
    assert_eq!(forge.asked("POST", "/projects/group%2Fother/pipeline").len(), 1);
    let (outcome, _) =
        step(&forge, json!({ "operation": "trigger_pipeline", "ref": "main", "trigger_token": "the-trigger-token" }));
    outcome.exits(0).does_not_say("the-trigger-token");
    let mut by_job = job(&forge, None);
    by_job.env("GITLAB_TOKEN", "");
    let (outcome, _) =
        by_job.step("gitlab", &json!({ "operation": "trigger_pipeline", "ref": "main", "variables": { "A": "x" } }));
    outcome.exits(0);
    let asked = forge.asked("POST", "/trigger/pipeline");
    assert_eq!(asked[0].json(), json!({ "ref": "main", "token": "the-trigger-token", "variables": {} }));
    assert_eq!(asked[1].json(), json!({ "ref": "main", "token": JOB_TOKEN, "variables": { "A": "x" } }));
    assert!(asked.iter().all(|one| one.header("private-token").is_empty() && !one.path.contains("token=")));

    let lost = Forge::gitlab(|_, _| Some((Answer::new(504, ""), true)));
    let config = json!({ "operation": "trigger_pipeline", "ref": "main" });
    job(&lost, Some(&workflow(config.clone())))
        .shiro("run")
        .exits(1)
        .says("whether a pipeline was started is not known");
    assert_eq!(lost.server.received().len(), 1, "it is not tried again");
    let refused =
        Forge::gitlab(|number, _| (number == 1).then(|| (Answer::new(429, "").header("retry-after", "0"), false)));
    job(&refused, Some(&workflow(config))).shiro("run").exits(0);
    assert_eq!(refused.server.received().len(), 2, "a refusal has started nothing");
}

#[test]
fn merge_requests_are_made_or_found() {
    let forge = Forge::gitlab(none);
    let output = ok(
        &forge,
        json!({
            "operation": "create_merge_request", "source_branch": "feature", "target_branch": "main", "title": "T",
            "description": "See\n/merge", "labels": ["a", "b"], "reviewer_ids": [5], "squash": true, "remove_source_branch": false
        }),
    );
    assert_eq!((&output["created"], &output["info"]["iid"]), (&json!(true), &json!(6)));
    assert_eq!(
        forge.asked("POST", "/merge_requests")[0].json(),
        json!({
            "source_branch": "feature", "target_branch": "main", "title": "T", "description": "See\n\\/merge", "labels": "a,b",
            "reviewer_ids": [5], "squash": true, "remove_source_branch": false
        })
    );
    let output = ok(
        &forge,
        json!({ "operation": "create_merge_request", "source_branch": "taken", "target_branch": "main", "title": "T" }),
    );
    assert_eq!((&output["created"], &output["url"]), (&json!(false), &json!("https://gl/mr/5")));
    let asked = &forge.asked("GET", "/merge_requests")[0];
    assert!(asked.path.ends_with("?state=opened&source_branch=taken&target_branch=main"), "{}", asked.path);
}

#[test]
fn hostile_text_is_text_and_no_command() {
    let forge = Forge::gitlab(none);
    let hostile =
        "{{env.GITLAB_TOKEN}} $(touch pwned) \u{1b}[2J ::set-output name=x::y\nsection_start:1:x\r\n/merge\n/approve";
    let workflow = json!({ "name": "w", "steps": [
        { "id": "say", "type": "shell", "config": { "command": "cat hostile" } },
        { "id": "post", "type": "gitlab", "depends_on": ["say"], "config": { "operation": "post_comment", "body": "{{steps.say.stdout}}" } },
        { "id": "lines", "type": "gitlab", "depends_on": ["post"], "config": { "operation": "post_inline_comments", "output_format": "json", "comments": [{ "file": "src/a.rs", "line": 2, "comment": "{{steps.say.stdout}}" }] } }
    ] });
    let project = job(&forge, Some(&workflow));
    project.write("hostile", hostile);
    project.shiro("run").exits(0).does_not_say(TOKEN).does_not_say("\u{1b}[2J");
    let expected = hostile.replace("\n/", "\n\\/");
    assert_eq!(forge.texts(), [expected.clone(), expected]);
    assert!(!project.join("pwned").exists());
    ok(&forge, json!({ "operation": "post_comment", "body": "/label ~x", "quick_actions": true }));
    assert_eq!(forge.texts()[2], "/label ~x");
}

#[test]
fn it_reaches_its_own_gitlab_and_no_other() {
    let forge = Forge::gitlab(none);
    let other = Forge::gitlab(none);
    let config = json!({ "operation": "get_user_info", "user_id": 5 });
    let project = job(&forge, Some(&workflow(config.clone())));
    let dry = project.shiro("run -dry-run").exits(0);
    dry.says(&format!("Granted: network requests to {}", forge.server.url("")))
        .does_not_say("gitlab.com")
        .does_not_say(TOKEN);
    project.shiro("run").exits(0);
    // The config's URL goes before the job's, and only it is reached.
    let mut elsewhere = config.clone();
    elsewhere["url"] = other.server.url("").into();
    ok(&forge, elsewhere);
    assert_eq!((forge.server.received().len(), other.server.received().len()), (1, 1));
    // Without the API's address the server's does, and without both gitlab.com is meant.
    let mut by_server = job(&forge, Some(&workflow(config.clone())));
    by_server.env("CI_API_V4_URL", "");
    by_server.shiro("run").exits(0);
    by_server.env("CI_SERVER_URL", "");
    by_server.shiro("run -fresh -dry-run").exits(0).says("Granted: network requests to https://gitlab.com:443");
    // A variable that is no address is no reason to ask another one.
    by_server.env("CI_SERVER_URL", "nonsense");
    by_server.shiro("run -fresh").exits(1).says("the URL does not begin with http");
    // Operators bound it.
    let bounded = job(&forge, Some(&workflow(config)));
    bounded.write("op.json", r#"{ "version": 1, "types": { "gitlab": { "network": [{ "url": "https://gitlab.example.com" }], "secrets": ["GITLAB_TOKEN"], "environment": ["CI_*"] } } }"#);
    bounded.shiro("run -policy op.json").exits(4).says("op.json does not allow it");
    let seen = forge.server.received().len();
    assert_eq!(seen, 2);
}

#[test]
fn a_config_that_no_operation_has_is_found_before_the_run() {
    for config in [
        json!({ "operation": "post_pr_comment", "body": "x" }),
        json!({ "operation": "post_comment" }),
        json!({ "operation": "post_comment", "body": "x", "title": "y" }),
        json!({ "operation": "set_commit_status", "state": "fine" }),
        json!({ "operation": "create_merge_request", "source_branch": "a", "title": "t" }),
        json!({ "body": "x" }),
    ] {
        Project::with_workflow(&workflow(config.clone())).shiro("validate").exits(2);
    }
    let misspelt = Project::with_workflow(&workflow(json!({ "operation": "post_coment", "body": "x" })));
    misspelt.shiro("validate").exits(2).says("did you mean \"post_comment\"?");
    let missing = Project::with_workflow(&workflow(json!({ "operation": "post_comment" })));
    missing.shiro("validate").exits(2).says("needs `body`");
}

#[test]
fn broken_answers_are_worth_another_attempt_and_wrong_ones_are_not() {
    for (answer, code) in [(&b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n[{"[..], "http"), (b"", "http")] {
        let forge = Forge::gitlab(none);
        let mut project = job(&forge, None);
        project.env("CI_API_V4_URL", format!("http://127.0.0.1:{}/api/v4", raw_server(answer, false)));
        let (outcome, _) = project.step("gitlab", &json!({ "operation": "get_user_info", "user_id": 5 }));
        outcome.exits(1).says(&format!("[gitlab.{code}"));
    }
    let html = Forge::gitlab(|_, _| Some((Answer::new(200, "<html>log in</html>"), false)));
    let (outcome, _) = step(&html, json!({ "operation": "get_user_info", "user_id": 5 }));
    outcome.exits(1).says("something that is not JSON");
    let down = Forge::gitlab(|number, _| (number < 3).then(|| (Answer::new(503, "\u{1b}[2Jdown"), false)));
    let config = workflow(json!({ "operation": "get_user_info", "user_id": 5 }));
    job(&down, Some(&config)).shiro("run").exits(0).does_not_say("\u{1b}[2J");
    assert_eq!(down.server.received().len(), 3);
}
