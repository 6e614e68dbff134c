//! Stand-ins for GitLab and GitHub on loopback: what their documentation says, as far as the steps ask for it. They keep what
//! is posted, give lists in pages of two, and refuse comments on lines that their changes don't have.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::http::{Answer, Received, Server};

/// The patch that both stand-ins show for `src/a.rs`: line 2 was changed, lines 1 and 3 are its context.
pub(crate) const PATCH: &str = "@@ -1,3 +1,4 @@\n one\n-two\n+2\n+2b\n three\n";

/// How many items a page has.
const PAGE: usize = 2;

/// A stand-in, and what was posted to it.
pub(crate) struct Forge {
    pub(crate) server: Server,
    posted: Arc<Mutex<Vec<String>>>,
}

/// What stands in the way of a request: given its number among those of its method, an answer in place of the usual one.
/// With `true`, the request is carried out all the same: its answer is lost.
pub(crate) type Trouble = fn(usize, &Received) -> Option<(Answer, bool)>;

/// Nothing does.
pub(crate) fn none(_: usize, _: &Received) -> Option<(Answer, bool)> {
    None
}

impl Forge {
    /// A GitLab with project 17 and merge request 7.
    pub(crate) fn gitlab(trouble: Trouble) -> Self {
        Self::start(gitlab, trouble)
    }

    /// A GitHub with the repository `acme/app` and pull request 7.
    pub(crate) fn github(trouble: Trouble) -> Self {
        Self::start(github, trouble)
    }

    fn start(answer: fn(&Received, &mut Vec<String>) -> Answer, trouble: Trouble) -> Self {
        let posted = Arc::new(Mutex::new(Vec::new()));
        let counts = Mutex::new((0, 0));
        let kept = Arc::clone(&posted);
        let server = Server::start(move |_, asked| {
            let number = {
                let mut counts = counts.lock().expect("no handler panicked");
                let count = if asked.method == "GET" { &mut counts.0 } else { &mut counts.1 };
                *count += 1;
                *count
            };
            let mut posted = kept.lock().expect("no handler panicked");
            match trouble(number, asked) {
                Some((answer, false)) => answer,
                Some((lost, true)) => {
                    answer(asked, &mut posted);
                    lost
                }
                None => answer(asked, &mut posted),
            }
        });
        Self { server, posted }
    }

    /// The variables of a job that may comment on a merge request here and on a pull request there.
    pub(crate) fn variables(gitlab: &Self, github: &Self) -> [(&'static str, String); 8] {
        [
            ("CI_API_V4_URL", gitlab.server.url("/api/v4")),
            ("CI_PROJECT_ID", "17".to_owned()),
            ("CI_MERGE_REQUEST_IID", "7".to_owned()),
            ("GITLAB_TOKEN", "a-token-of-gitlab".to_owned()),
            ("GITHUB_API_URL", github.server.url("")),
            ("GITHUB_REPOSITORY", "acme/app".to_owned()),
            ("GITHUB_PR_NUMBER", "7".to_owned()),
            ("GITHUB_TOKEN", "a-token-of-github".to_owned()),
        ]
    }

    /// The bodies of what was posted, without the marks at their ends.
    pub(crate) fn texts(&self) -> Vec<String> {
        let posted = self.posted.lock().expect("no handler panicked");
        posted.iter().map(|body| body.split("\n\n<!-- shiro:").next().unwrap_or_default().to_owned()).collect()
    }

    /// Puts something there that somebody else posted.
    pub(crate) fn post(&self, body: &str) {
        self.posted.lock().expect("no handler panicked").push(body.to_owned());
    }

    /// All requests of a method to a path that ends so.
    pub(crate) fn asked(&self, method: &str, end: &str) -> Vec<Received> {
        let path = |asked: &Received| asked.path.split('?').next().unwrap_or_default().to_owned();
        self.server.received().into_iter().filter(|one| one.method == method && path(one).ends_with(end)).collect()
    }
}

/// A page of a list, with a link to the next.
fn page(asked: &Received, items: Vec<Value>) -> Answer {
    let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
    let number: usize = query.split('&').find_map(|one| one.strip_prefix("page=")?.parse().ok()).unwrap_or(1);
    let more = items.len() > number * PAGE;
    let answer = Answer::json(200, &items.into_iter().skip((number - 1) * PAGE).take(PAGE).collect());
    match more {
        // An address that only the service itself knows, as behind a proxy.
        true => answer.header("link", format!("<http://internal.invalid{path}?page={}>; rel=\"next\"", number + 1)),
        false => answer,
    }
}

fn bodies(posted: &[String]) -> Vec<Value> {
    posted.iter().enumerate().map(|(id, body)| json!({ "id": id, "body": body, "state": "COMMENTED" })).collect()
}

fn made(more: Value) -> Answer {
    Answer::json(201, &more)
}

fn text(body: &Value, key: &str) -> String {
    body[key].as_str().unwrap_or_default().to_owned()
}

fn gitlab(asked: &Received, posted: &mut Vec<String>) -> Answer {
    let Some(path) = asked.path.split('?').next().unwrap_or_default().strip_prefix("/api/v4") else {
        return Answer::new(404, "<html>no API here</html>");
    };
    let body: Value = serde_json::from_str(&asked.body).unwrap_or_default();
    let (project, merge_request) = ("/projects/17", "/projects/17/merge_requests/7");
    match (asked.method.as_str(), path) {
        ("GET", path) if path == format!("{merge_request}/notes") => page(asked, bodies(posted)),
        ("POST", path) if path == format!("{merge_request}/notes") => {
            posted.push(text(&body, "body"));
            made(json!({ "id": posted.len(), "body": body["body"] }))
        }
        ("POST", path) if path == format!("{merge_request}/discussions") => match position_problem(&body["position"]) {
            None => {
                posted.push(text(&body, "body"));
                made(json!({ "id": "d", "notes": [{ "body": body["body"] }] }))
            }
            Some(problem) => Answer::json(
                400,
                &json!({ "message": format!("400 Bad request - Note {{:line_code=>[\"{problem}\"]}}") }),
            ),
        },
        ("GET", path) if path == format!("{merge_request}/versions") => {
            Answer::json(200, &json!([{ "id": 110 }, { "id": 108 }]))
        }
        ("GET", path) if path == format!("{merge_request}/versions/110") => Answer::json(
            200,
            &json!({
                "id": 110, "base_commit_sha": "b".repeat(40), "start_commit_sha": "5".repeat(40), "head_commit_sha": "e".repeat(40),
                "diffs": [
                    { "old_path": "src/old.rs", "new_path": "src/a.rs", "renamed_file": true, "diff": PATCH },
                    { "old_path": "huge.bin", "new_path": "huge.bin", "diff": "", "too_large": true }
                ]
            }),
        ),
        ("GET", path) if path == format!("{merge_request}/diffs") => page(
            asked,
            (0..5)
                .map(|n| json!({ "old_path": format!("f{n}"), "new_path": format!("f{n}"), "diff": PATCH }))
                .collect(),
        ),
        ("GET", path) if path == format!("{merge_request}/participants") => {
            page(asked, (1..4).map(|n| json!({ "id": n, "username": format!("user{n}") })).collect())
        }
        ("GET", "/users/5") => Answer::json(200, &json!({ "id": 5, "username": "ann", "web_url": "https://gl/ann" })),
        ("GET", path) if path.starts_with("/projects/17/repository/commits/") => {
            Answer::json(200, &json!({ "id": path.rsplit('/').next(), "title": "{{env.GITLAB_TOKEN}} $(id)" }))
        }
        ("POST", path) if path == format!("{project}/releases") => match text(&body, "tag_name").as_str() {
            "taken" => Answer::json(409, &json!({ "message": "Release already exists" })),
            _ => made(json!({ "tag_name": body["tag_name"], "_links": { "self": "https://gl/releases/v1" } })),
        },
        ("GET", "/projects/17/releases/taken") => {
            Answer::json(200, &json!({ "tag_name": "taken", "name": "Mine", "description": "notes" }))
        }
        ("PUT", "/projects/17/releases/taken") => {
            Answer::json(200, &json!({ "tag_name": "taken", "name": body["name"] }))
        }
        ("POST", path) if path.starts_with("/projects/17/statuses/") => match text(&body, "state").as_str() {
            "pending" => Answer::json(
                400,
                &json!({ "message": { "state": ["Cannot transition status via :enqueue from :pending"] } }),
            ),
            _ => made(json!({ "id": 1, "status": body["state"] })),
        },
        ("POST", "/projects/17/pipeline" | "/projects/17/trigger/pipeline" | "/projects/group%2Fother/pipeline") => {
            made(json!({ "id": 99, "web_url": "https://gl/p/99", "status": "created" }))
        }
        ("POST", path) if path == format!("{project}/merge_requests") => match text(&body, "source_branch").as_str() {
            "taken" => Answer::json(
                409,
                &json!({ "message": ["Another open merge request already exists for this source branch: !5"] }),
            ),
            _ => made(json!({ "iid": 6, "web_url": "https://gl/mr/6" })),
        },
        ("GET", path) if path == format!("{project}/merge_requests") => {
            Answer::json(200, &json!([{ "iid": 5, "web_url": "https://gl/mr/5" }]))
        }
        _ => Answer::json(404, &json!({ "message": "404 Not Found" })),
    }
}

/// What GitLab says of a position that is not in the merge request's changes.
fn position_problem(position: &Value) -> Option<&'static str> {
    let shas = [("base_sha", "b"), ("start_sha", "5"), ("head_sha", "e")];
    if shas.iter().any(|(key, letter)| position[key] != letter.repeat(40)) || position["position_type"] != "text" {
        return Some("must be a valid line code");
    }
    if position["old_path"] != "src/old.rs" || position["new_path"] != "src/a.rs" {
        return Some("can't be blank");
    }
    let lines = (position["old_line"].as_u64(), position["new_line"].as_u64());
    match lines {
        // Removed; added; unchanged in the diff; unchanged further down.
        (Some(2), None) | (None, Some(2 | 3)) | (Some(1), Some(1)) | (Some(3), Some(4)) | (Some(9), Some(10)) => None,
        _ => Some("can't be blank"),
    }
}

fn github(asked: &Received, posted: &mut Vec<String>) -> Answer {
    let path = asked.path.split('?').next().unwrap_or_default();
    let Some(path) = path.strip_prefix("/repos/acme/app") else {
        return Answer::json(404, &json!({ "message": "Not Found" }));
    };
    let body: Value = serde_json::from_str(&asked.body).unwrap_or_default();
    let invalid = |message: &str| {
        Answer::json(
            422,
            &json!({ "message": "Validation Failed", "errors": [message], "documentation_url": "https://docs" }),
        )
    };
    match (asked.method.as_str(), path) {
        ("GET", "/pulls/7") if asked.header("accept") == "application/vnd.github.diff" => {
            Answer::new(200, format!("diff --git a/src/a.rs b/src/a.rs\n{PATCH}"))
        }
        ("GET", "/pulls/7") => Answer::json(200, &json!({ "number": 7, "head": { "sha": "e".repeat(40) } })),
        ("GET", "/pulls/7/files") => page(
            asked,
            vec![
                json!({ "filename": "src/a.rs", "status": "modified", "patch": PATCH }),
                json!({ "filename": "huge.bin", "status": "modified" }),
                json!({ "filename": "src/gone.rs", "status": "removed", "patch": "@@ -1 +0,0 @@\n-x" }),
            ],
        ),
        ("GET", "/pulls/7/comments" | "/issues/7/comments" | "/pulls/7/reviews") => page(asked, bodies(posted)),
        ("POST", "/issues/7/comments") => {
            posted.push(text(&body, "body"));
            made(json!({ "id": 1, "html_url": "https://gh/c/1" }))
        }
        ("POST", "/pulls/7/reviews") => {
            let comments = body["comments"].as_array().cloned().unwrap_or_default();
            if comments.iter().any(|one| !is_shown(one)) {
                return invalid("Pull request review thread line must be part of the diff");
            }
            posted.push(text(&body, "body"));
            posted.extend(comments.iter().map(|one| text(one, "body")));
            made(json!({ "id": 1, "html_url": "https://gh/r/1" }))
        }
        ("POST", "/pulls/7/comments") => match is_shown(&body) {
            true => {
                posted.push(text(&body, "body"));
                made(json!({ "id": 1 }))
            }
            false => invalid("pull_request_review_thread.line must be part of the diff"),
        },
        ("GET", path) if path.starts_with("/commits/") => Answer::json(
            200,
            &json!([
                { "number": 3, "state": "closed" }, { "number": 7, "state": "open" }
            ]),
        ),
        ("POST", "/releases") => match text(&body, "tag_name").as_str() {
            "taken" => Answer::json(
                422,
                &json!({ "message": "Validation Failed", "errors": [{ "code": "already_exists", "field": "tag_name" }] }),
            ),
            _ => made(json!({ "id": 4, "html_url": "https://gh/releases/4" })),
        },
        ("GET", "/releases/tags/taken") => Answer::json(200, &json!({ "id": 3, "name": "Mine", "body": "notes" })),
        ("PATCH", "/releases/3") => Answer::json(200, &json!({ "id": 3, "name": body["name"] })),
        ("POST", path) if path.starts_with("/statuses/") => made(json!({ "id": 1, "state": body["state"] })),
        ("POST", "/actions/workflows/deploy.yml/dispatches") => Answer::new(204, ""),
        ("POST", "/pulls") => match text(&body, "head").as_str() {
            "taken" => invalid("A pull request already exists for acme:taken."),
            _ => made(json!({ "number": 8, "html_url": "https://gh/pull/8" })),
        },
        ("GET", "/pulls") => Answer::json(200, &json!([{ "number": 5, "html_url": "https://gh/pull/5" }])),
        ("POST", "/issues/8/labels" | "/pulls/8/requested_reviewers") => made(json!({})),
        _ => Answer::json(404, &json!({ "message": "Not Found" })),
    }
}

/// Whether the diff shows the line that a comment is on.
fn is_shown(comment: &Value) -> bool {
    // A line that is called unlucky is refused although it is shown: what GitHub does after a push meanwhile.
    let unlucky = comment["body"].as_str().is_some_and(|body| body.contains("unlucky"));
    let line = (comment["path"].as_str(), comment["side"].as_str(), comment["line"].as_u64());
    !unlucky
        && matches!(
            line,
            (Some("src/a.rs"), Some("RIGHT"), Some(1..=4))
                | (Some("src/a.rs"), Some("LEFT"), Some(1..=3))
                | (Some("src/gone.rs"), Some("LEFT"), Some(1))
        )
}
