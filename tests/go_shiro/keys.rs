//! Every key that Go shiro documents of its step types and of a model's settings. Each does what it says, or is refused with a
//! reason before anything runs.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{file, output};
use crate::support::forge::{Forge, none};
use crate::support::http::{Received, Server};
use crate::support::models::Models;
use crate::support::{Outcome, Project};

/// What it documents, by step type.
const KEYS: &[(&str, &[&str])] = &[
    ("print", &["message", "level", "format"]),
    ("shell.exec", &["command", "script", "args", "shell", "working_dir", "env", "timeout", "capture_output"]),
    (
        "slack.notify",
        &[
            "webhook_url",
            "message",
            "channel",
            "username",
            "icon_emoji",
            "attachments",
            "gitlab_pipeline_url",
            "button_text",
        ],
    ),
    ("git.diff", &["operation", "base", "target"]),
    ("gitlab", &["operation", "body", "output_format", "comments", "api_type", "dedup", "commit_sha", "user_id"]),
    ("github", &["operation", "body", "output_format", "comments", "dedup", "commit_id"]),
    ("ai.generate", &["provider", "model", "prompt", "system", "temperature", "max_tokens"]),
    ("data.store", &["key", "value", "namespace", "ttl"]),
    ("data.load", &["key", "namespace", "fallback"]),
    ("data.delete", &["key", "namespace"]),
    ("data.exists", &["key", "namespace"]),
];

/// What a key does in a config.
enum Does {
    /// The step returns this at this place (JSON Pointer) of its output.
    Returns(&'static str, Value),
    /// The last request's body has this at this place.
    Sends(&'static str, Value),
    /// The last request's body has a text at this place that begins so.
    SendsText(&'static str, &'static str),
    /// The last request is for this.
    Asks(&'static str),
    /// The log says this.
    Says(&'static str),
    /// Afterwards, this command says that.
    Then(&'static str, &'static str),
    /// The step fails and says this.
    Fails(&'static str),
    /// Nothing is started, and this is said.
    Refused(&'static str),
}

use Does::{Asks, Fails, Refused, Returns, Says, Sends, SendsText, Then};

/// A key of a step type in a config, and what it does there.
struct Case(&'static str, &'static str, Value, Does);

/// The services that steps ask, and a repository with a change, in a job of both systems' variables.
struct World {
    slack: Server,
    models: Models,
    gitlab: Forge,
    github: Forge,
    project: Project,
}

impl World {
    fn new() -> Self {
        let (slack, models) = (Server::slack(), Models::saying("an answer"));
        let (gitlab, github) = (Forge::gitlab(none), Forge::github(none));
        let mut project = Project::repository();
        project.git(&["checkout", "--quiet", "-b", "feature"]);
        project.commit("sub/b.txt", "b\n", "second");
        project.write(".shiro/config.yaml", &file("models.yaml").replace("SERVICE", &models.server.url("")));
        project.envs([
            ("CI_COMMIT_SHA", "c".repeat(40).as_str()),
            ("OPENAI_API_KEY", "a-key-of-openai"),
            ("GEMINI_API_KEY", "a-key-of-gemini"),
        ]);
        project.envs(Forge::variables(&gitlab, &github));
        project.shiro("data set k there").exits(0);
        project.shiro("data set -namespace n k within").exits(0);
        Self { slack, models, gitlab, github, project }
    }

    /// Runs a workflow of one step, `it`.
    fn run(&self, step_type: &str, config: &Value) -> Outcome {
        let config = config.to_string().replace("SLACK", &self.slack.url("/hook-with-a-long-path"));
        let config: Value = serde_json::from_str(&config).expect("JSON");
        let step = json!({ "id": "it", "type": step_type, "config": config });
        self.project.write("w.json", &json!({ "name": "w", "steps": [step] }).to_string());
        self.project.shiro("run w.json -fresh")
    }

    fn received(&self) -> Vec<Received> {
        [&self.slack, &self.models.server, &self.gitlab.server, &self.github.server]
            .iter()
            .flat_map(|server| server.received())
            .collect()
    }

    #[track_caller]
    fn last(&self) -> Received {
        self.received().pop().expect("a request")
    }

    /// Commits by their names.
    fn expected(&self, value: Value) -> Value {
        match value.as_str() {
            Some(name @ ("main" | "HEAD")) => self.project.git(&["rev-parse", name]).into(),
            _ => value,
        }
    }
}

fn at(value: &Value, pointer: &str) -> Value {
    value.pointer(pointer).cloned().unwrap_or_default()
}

fn check(Case(step_type, key, config, does): &Case) {
    let (step_type, config) = (*step_type, config);
    let world = World::new();
    let what = format!("{step_type}: {key} in {config}");
    let outcome = world.run(step_type, config);
    let sent = world.received().len();
    let ends = |code: i32| assert_eq!(outcome.code, Some(code), "{what}\n{}", outcome.all());
    match does {
        Returns(pointer, expected) => {
            ends(0);
            assert_eq!(at(&output(&world.project, "it"), pointer), world.expected(expected.clone()), "{what}");
        }
        Sends(pointer, expected) => {
            ends(0);
            assert_eq!(at(&world.last().json(), pointer), *expected, "{what}");
        }
        SendsText(pointer, beginning) => {
            ends(0);
            let text = at(&world.last().json(), pointer);
            assert!(text.as_str().is_some_and(|text| text.starts_with(beginning)), "{what}: {text}");
        }
        Asks(line) => {
            ends(0);
            assert_eq!(world.last().line(), *line, "{what}");
        }
        Says(text) => {
            ends(0);
            assert!(outcome.all().contains(text), "{what}\n{}", outcome.all());
        }
        Then(command, text) => {
            ends(0);
            world.project.shiro(command).exits(0).says(text);
        }
        Fails(text) => {
            assert!(matches!(outcome.code, Some(1 | 5)), "{what}\n{}", outcome.all());
            assert!(outcome.all().contains(text), "{what}\n{}", outcome.all());
        }
        Refused(text) => {
            ends(2);
            assert!(outcome.all().contains(text), "{what}\n{}", outcome.all());
            assert_eq!(sent, 0, "{what}");
            assert!(world.project.journals().is_empty(), "{what}");
        }
    }
}

fn print_and_shell() -> Vec<Case> {
    vec![
        Case("print", "message", json!({ "message": "hello" }), Says("it | [info] hello")),
        Case("print", "message", json!({ "level": "info" }), Refused("needs `message`")),
        Case("print", "level", json!({ "message": "x", "level": "warning" }), Says("it | [warning] x")),
        Case("print", "level", json!({ "message": "x", "level": "loud" }), Refused("\"warning\"")),
        Case(
            "print",
            "format",
            json!({ "message": "x", "format": "json" }),
            Says(r#"it | {"level":"info","message":"x"}"#),
        ),
        Case("shell.exec", "command", json!({ "command": "echo ran" }), Returns("/stdout", json!("ran\n"))),
        Case(
            "shell.exec",
            "script",
            json!({ "command": "echo no", "script": ["echo one", "echo two"] }),
            Returns("/stdout", json!("one\ntwo\n")),
        ),
        Case(
            "shell.exec",
            "args",
            json!({ "command": "printf", "args": ["%s|", "a b"] }),
            Returns("/stdout", json!("a b|")),
        ),
        Case(
            "shell.exec",
            "shell",
            json!({ "shell": "python3", "command": "print(6 * 7)" }),
            Returns("/stdout", json!("42\n")),
        ),
        Case(
            "shell.exec",
            "working_dir",
            json!({ "command": "basename $(pwd)", "working_dir": "sub" }),
            Returns("/stdout", json!("sub\n")),
        ),
        Case(
            "shell.exec",
            "env",
            json!({ "command": "echo $A", "env": { "A": "b" } }),
            Returns("/stdout", json!("b\n")),
        ),
        Case(
            "shell.exec",
            "timeout",
            json!({ "command": "sleep 60", "timeout": "200ms" }),
            Fails("did not end within 0.2s and was stopped"),
        ),
        Case(
            "shell.exec",
            "capture_output",
            json!({ "command": "echo unkept", "capture_output": false }),
            Returns("/stdout", Value::Null),
        ),
        Case("shell.exec", "comand", json!({ "comand": "true" }), Refused("did you mean `command`?")),
    ]
}

fn slack() -> Vec<Case> {
    let with = |key: &str, value: Value| {
        let mut config = json!({ "webhook_url": "SLACK", "message": "Hi" });
        config[key] = value;
        config
    };
    let button = |text: Option<&str>| {
        let mut config = with("gitlab_pipeline_url", json!("https://ci.example/1"));
        config.as_object_mut().expect("an object").extend(text.map(|text| ("button_text".to_owned(), text.into())));
        config
    };
    vec![
        Case("slack.notify", "webhook_url", with("message", json!("x")), Asks("POST /hook-with-a-long-path")),
        Case("slack.notify", "webhook_url", with("webhook_url", json!("ftp://x")), Refused("webhook_url")),
        Case("slack.notify", "message", with("message", json!("x")), Sends("/text", json!("x"))),
        Case("slack.notify", "message", json!({ "webhook_url": "SLACK" }), Refused("needs `message`")),
        Case("slack.notify", "channel", with("channel", json!("#a")), Sends("/channel", json!("#a"))),
        Case("slack.notify", "username", with("username", json!("Bot")), Sends("/username", json!("Bot"))),
        Case("slack.notify", "username", with("channel", json!("#a")), Sends("/username", json!("Shiro"))),
        Case("slack.notify", "icon_emoji", with("icon_emoji", json!(":ship:")), Sends("/icon_emoji", json!(":ship:"))),
        Case("slack.notify", "icon_emoji", with("channel", json!("#a")), Sends("/icon_emoji", json!(":robot_face:"))),
        Case(
            "slack.notify",
            "attachments",
            with("attachments", json!([{ "color": "good", "text": "R&D" }])),
            Sends("/attachments", json!([{ "color": "good", "text": "R&amp;D" }])),
        ),
        Case(
            "slack.notify",
            "gitlab_pipeline_url",
            button(None),
            Sends("/blocks/1/elements/0/url", json!("https://ci.example/1")),
        ),
        Case(
            "slack.notify",
            "gitlab_pipeline_url",
            with("gitlab_pipeline_url", json!("javascript:x")),
            Refused("pattern"),
        ),
        Case("slack.notify", "button_text", button(Some("Go")), Sends("/blocks/1/elements/0/text/text", json!("Go"))),
        Case(
            "slack.notify",
            "button_text",
            button(None),
            Sends("/blocks/1/elements/0/text/text", json!("Review in GitLab")),
        ),
    ]
}

fn git() -> Vec<Case> {
    vec![
        Case(
            "git.diff",
            "operation",
            json!({ "operation": "get_changes", "base": "main" }),
            Returns("/files", json!(["sub/b.txt"])),
        ),
        Case("git.diff", "operation", json!({ "base": "main" }), Refused("needs `operation`")),
        Case("git.diff", "operation", json!({ "operation": "push" }), Refused("\"get_changes\"")),
        Case("git.diff", "base", json!({ "operation": "diff", "base": "main" }), Returns("/base", json!("main"))),
        Case(
            "git.diff",
            "target",
            json!({ "operation": "diff", "base": "HEAD", "target": "main" }),
            Returns("/target", json!("main")),
        ),
        Case("git.diff", "target", json!({ "operation": "diff", "base": "main" }), Returns("/target", json!("HEAD"))),
    ]
}

fn gitlab() -> Vec<Case> {
    const NOTES: &str = "POST /api/v4/projects/17/merge_requests/7/notes";
    const DISCUSSIONS: &str = "POST /api/v4/projects/17/merge_requests/7/discussions";
    let inline = |more: Value| {
        let mut config = json!({ "operation": "post_inline_comments" });
        config.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        config
    };
    let comment = json!({ "file": "src/a.rs", "line": 2, "comment": "c" });
    let as_text = json!([comment]).to_string();
    vec![
        Case("gitlab", "operation", json!({ "operation": "post_comment", "body": "b" }), Asks(NOTES)),
        Case("gitlab", "operation", inline(json!({ "body": "src/a.rs:2: c" })), Asks(DISCUSSIONS)),
        Case(
            "gitlab",
            "operation",
            json!({ "operation": "get_commit_info" }),
            Asks("GET /api/v4/projects/17/repository/commits/cccccccccccccccccccccccccccccccccccccccc"),
        ),
        Case(
            "gitlab",
            "operation",
            json!({ "operation": "get_mr_participants" }),
            Returns("/participants/0/username", json!("user1")),
        ),
        Case(
            "gitlab",
            "operation",
            json!({ "operation": "get_files_changed" }),
            Returns("/files/0/new_path", json!("f0")),
        ),
        Case(
            "gitlab",
            "operation",
            json!({ "operation": "post_pr_comment", "body": "b" }),
            Refused("did you mean \"post_comment\"?"),
        ),
        Case(
            "gitlab",
            "body",
            json!({ "operation": "post_comment", "body": "b" }),
            SendsText("/body", "b\n\n<!-- shiro:"),
        ),
        Case("gitlab", "body", json!({ "operation": "post_comment" }), Refused("needs `body`")),
        Case(
            "gitlab",
            "output_format",
            inline(json!({ "output_format": "json", "comments": [comment] })),
            SendsText("/body", "c\n"),
        ),
        Case("gitlab", "output_format", inline(json!({ "output_format": "xml", "body": "x" })), Refused("\"json\"")),
        Case(
            "gitlab",
            "comments",
            inline(json!({ "output_format": "json", "comments": as_text })),
            SendsText("/body", "c\n"),
        ),
        Case("gitlab", "api_type", inline(json!({ "api_type": "notes", "body": "src/a.rs:2: c" })), Asks(NOTES)),
        Case(
            "gitlab",
            "api_type",
            inline(json!({ "api_type": "discussions", "body": "src/a.rs:2: c" })),
            Asks(DISCUSSIONS),
        ),
        Case(
            "gitlab",
            "dedup",
            inline(json!({ "dedup": false, "body": "src/a.rs:2: c" })),
            Returns("/posted_count", json!(1)),
        ),
        Case(
            "gitlab",
            "commit_sha",
            json!({ "operation": "get_commit_info", "commit_sha": "abc" }),
            Asks("GET /api/v4/projects/17/repository/commits/abc"),
        ),
        Case("gitlab", "user_id", json!({ "operation": "get_user_info", "user_id": "5" }), Asks("GET /api/v4/users/5")),
        Case("gitlab", "user_id", json!({ "operation": "get_user_info" }), Refused("needs `user_id`")),
    ]
}

fn github() -> Vec<Case> {
    const REVIEWS: &str = "POST /repos/acme/app/pulls/7/reviews";
    let inline = |more: Value| {
        let mut config = json!({ "operation": "post_inline_comments" });
        config.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        config
    };
    let comment = json!({ "file": "src/a.rs", "line": 2, "comment": "c" });
    let sha = "1".repeat(40);
    vec![
        Case("github", "operation", json!({ "operation": "get_diff" }), Asks("GET /repos/acme/app/pulls/7")),
        Case(
            "github",
            "operation",
            json!({ "operation": "post_comment", "body": "b" }),
            Asks("POST /repos/acme/app/issues/7/comments"),
        ),
        Case("github", "operation", inline(json!({ "body": "src/a.rs:2: c" })), Asks(REVIEWS)),
        Case(
            "github",
            "operation",
            json!({ "operation": "post_pr_comment", "body": "b" }),
            Refused("did you mean \"post_comment\"?"),
        ),
        Case(
            "github",
            "body",
            json!({ "operation": "post_comment", "body": "b" }),
            SendsText("/body", "b\n\n<!-- shiro:"),
        ),
        Case(
            "github",
            "output_format",
            inline(json!({ "output_format": "text", "body": "src/a.rs:2: c" })),
            SendsText("/comments/0/body", "c\n"),
        ),
        Case(
            "github",
            "comments",
            inline(json!({ "output_format": "json", "comments": [comment] })),
            Sends("/comments/0/line", json!(2)),
        ),
        Case(
            "github",
            "dedup",
            inline(json!({ "dedup": false, "body": "src/a.rs:2: c" })),
            Returns("/posted_count", json!(1)),
        ),
        Case(
            "github",
            "commit_id",
            inline(json!({ "commit_id": sha, "body": "src/a.rs:2: c" })),
            Sends("/commit_id", json!(sha)),
        ),
    ]
}

fn models() -> Vec<Case> {
    let with = |key: &str, value: Value| {
        let mut config = json!({ "provider": "openai", "prompt": "why?" });
        config[key] = value;
        config
    };
    vec![
        Case("ai.generate", "provider", with("prompt", json!("x")), Asks("POST /v1/chat/completions")),
        Case(
            "ai.generate",
            "provider",
            json!({ "provider": "gemini", "prompt": "x" }),
            Asks("POST /v1beta/models/gemini-1.5-pro:generateContent"),
        ),
        Case(
            "ai.generate",
            "provider",
            json!({ "provider": "openapi", "prompt": "x" }),
            Refused("did you mean `openai`?"),
        ),
        Case("ai.generate", "model", with("model", json!("gpt-5")), Sends("/model", json!("gpt-5"))),
        Case("ai.generate", "model", with("prompt", json!("x")), Sends("/model", json!("gpt-4o"))),
        Case("ai.generate", "prompt", with("prompt", json!("x")), Sends("/messages/0/content", json!("x"))),
        Case("ai.generate", "prompt", json!({ "provider": "openai" }), Refused("needs `prompt`")),
        Case(
            "ai.generate",
            "system",
            with("system", json!("s")),
            Sends("/messages/0", json!({ "role": "system", "content": "s" })),
        ),
        Case("ai.generate", "temperature", with("temperature", json!(0)), Sends("/temperature", json!(0.0))),
        Case("ai.generate", "temperature", with("prompt", json!("x")), Sends("/temperature", Value::Null)),
        Case("ai.generate", "max_tokens", with("max_tokens", json!(9)), Sends("/max_tokens", json!(9))),
    ]
}

fn data() -> Vec<Case> {
    vec![
        Case("data.store", "key", json!({ "key": "new", "value": 1 }), Then("get new", "1")),
        Case(
            "data.store",
            "value",
            json!({ "key": "new", "value": { "a": [1, "b"] } }),
            Then("get new", r#"{"a":[1,"b"]}"#),
        ),
        Case("data.store", "value", json!({ "key": "new", "value": null }), Refused("value")),
        Case(
            "data.store",
            "namespace",
            json!({ "key": "new", "value": "x", "namespace": "m" }),
            Then("get new -namespace m", "x"),
        ),
        Case(
            "data.store",
            "ttl",
            json!({ "key": "new", "value": "x", "ttl": "24h" }),
            Then("list -prefix new", "until 20"),
        ),
        Case("data.load", "key", json!({ "key": "k" }), Returns("/value", json!("there"))),
        Case("data.load", "key", json!({ "key": "none" }), Fails("there is no value")),
        Case("data.load", "namespace", json!({ "key": "k", "namespace": "n" }), Returns("/value", json!("within"))),
        Case("data.load", "fallback", json!({ "key": "none", "fallback": [1] }), Returns("/value", json!([1]))),
        Case("data.delete", "key", json!({ "key": "k" }), Then("get k -default gone", "gone")),
        Case(
            "data.delete",
            "namespace",
            json!({ "key": "k", "namespace": "n" }),
            Then("get k -namespace n -default gone", "gone"),
        ),
        Case("data.exists", "key", json!({ "key": "none" }), Returns("/exists", json!(false))),
        Case("data.exists", "namespace", json!({ "key": "k", "namespace": "n" }), Returns("/exists", json!(true))),
    ]
}

#[test]
fn every_key_of_a_step_type_works_or_is_refused() {
    let groups = [print_and_shell(), slack(), git(), gitlab(), github(), models(), data()];
    let cases: Vec<Case> = groups.into_iter().flatten().collect();
    let documented: BTreeSet<(&str, &str)> =
        KEYS.iter().flat_map(|(step_type, keys)| keys.iter().map(move |key| (*step_type, *key))).collect();
    let tried: BTreeSet<(&str, &str)> = cases.iter().map(|Case(step_type, key, ..)| (*step_type, *key)).collect();
    let forgotten: Vec<_> = documented.difference(&tried).collect();
    assert!(forgotten.is_empty(), "no case for {forgotten:?}");
    // All that is wrong at once.
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|case| std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(case))).err())
        .map(|panic| panic.downcast_ref::<String>().cloned().unwrap_or_default())
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n\n"));
}

#[test]
fn comments_are_not_repeated_unless_that_is_wanted() {
    for (step_type, dedup, expected) in [
        ("gitlab", json!(true), (0, 1)),
        ("gitlab", json!(false), (1, 0)),
        ("github", json!(true), (0, 1)),
        ("github", json!(false), (1, 0)),
    ] {
        let world = World::new();
        let config = json!({ "operation": "post_inline_comments", "body": "src/a.rs:2: c", "dedup": dedup });
        world.run(step_type, &config).exits(0);
        world.run(step_type, &config).exits(0);
        let (posted, skipped) = expected;
        let output = output(&world.project, "it");
        assert_eq!(
            (&output["posted_count"], &output["skipped_count"]),
            (&json!(posted), &json!(skipped)),
            "{step_type} {dedup}"
        );
    }
}

#[test]
fn every_output_that_it_documents_is_there() {
    let inline = json!({ "operation": "post_inline_comments", "body": "src/a.rs:2: c" });
    let inline_keys: &[&str] = &["success", "message", "posted_count", "skipped_count", "comments"];
    for (step_type, config, keys) in [
        ("print", json!({ "message": "x" }), &["printed", "message", "level", "status"][..]),
        ("shell.exec", json!({ "command": "true" }), &["success", "exit_code", "command", "shell", "stdout", "stderr"]),
        ("shell.exec", json!({ "command": "false", "allow_failure": true }), &["success", "exit_code", "error"]),
        (
            "slack.notify",
            json!({ "webhook_url": "SLACK", "message": "x" }),
            &["sent", "channel", "message", "gitlab_pipeline_url", "status"],
        ),
        ("git.diff", json!({ "operation": "diff", "base": "main" }), &["diff", "base", "target", "success"]),
        (
            "git.diff",
            json!({ "operation": "get_changes", "base": "main" }),
            &["files", "count", "base", "target", "success"],
        ),
        ("gitlab", json!({ "operation": "post_comment", "body": "b" }), &["success", "message"]),
        ("gitlab", inline.clone(), inline_keys),
        ("gitlab", json!({ "operation": "get_commit_info" }), &["info"]),
        ("gitlab", json!({ "operation": "get_user_info", "user_id": 5 }), &["info"]),
        ("gitlab", json!({ "operation": "get_mr_participants" }), &["participants"]),
        ("gitlab", json!({ "operation": "get_files_changed" }), &["files"]),
        ("github", json!({ "operation": "get_diff" }), &["success", "diff"]),
        ("github", json!({ "operation": "post_comment", "body": "b" }), &["success", "message"]),
        ("github", inline, inline_keys),
        ("ai.generate", json!({ "provider": "openai", "prompt": "x" }), &["content", "success", "usage"]),
        ("data.store", json!({ "key": "a", "value": 1 }), &["success", "key", "namespace", "stored"]),
        (
            "data.load",
            json!({ "key": "k" }),
            &["success", "key", "namespace", "value", "exists", "fallback", "expired"],
        ),
        ("data.delete", json!({ "key": "k" }), &["success", "deleted"]),
        ("data.exists", json!({ "key": "k" }), &["success", "exists"]),
    ] {
        let world = World::new();
        world.run(step_type, &config).exits(0);
        let output = output(&world.project, "it");
        for key in keys {
            assert!(output.get(key).is_some_and(|value| !value.is_null()), "{step_type} {config}: {key} in {output}");
        }
    }
}

#[test]
fn every_key_of_a_model_s_settings_works_or_is_refused() {
    let entry = |lines: &str| {
        format!("models:\n  it:\n{}", lines.split(", ").map(|line| format!("    {line}\n")).collect::<String>())
    };
    let openai = "type: openai, base_url: SERVICE/v1, api_key: \"{{env.OPENAI_API_KEY}}\", model: m";
    let vertex = "type: gemini, base_url: SERVICE, api_key: \"{{env.GEMINI_API_KEY}}\", model: g, api_type: vertex-ai, project_id: p";
    for (key, settings, does) in [
        ("type", entry(openai), Asks("POST /v1/chat/completions")),
        ("type", entry("type: lama, model: m"), Refused("\"ollama\"")),
        ("provider", entry(&openai.replace("type:", "provider:")), Asks("POST /v1/chat/completions")),
        ("provider", entry("provider: ollama, base_url: SERVICE, model: m"), Asks("POST /api/chat")),
        ("base_url", entry(&openai.replace("/v1", "/other/v2")), Asks("POST /other/v2/chat/completions")),
        ("base_url", entry("type: openai, api_key: k, model: m"), Fails("`base_url` is missing: openai needs it")),
        ("api_key", entry(openai), Says("a-key-was-sent")),
        (
            "api_key",
            entry("type: openai, base_url: SERVICE/v1, model: m"),
            Fails("`api_key` is missing: openai needs it"),
        ),
        ("model", entry(openai), Sends("/model", json!("m"))),
        ("skip_tls_verify", entry(&format!("{openai}, skip_tls_verify: false")), Sends("/model", json!("m"))),
        ("skip_tls_verify", entry(&format!("{openai}, skip_tls_verify: true")), Refused("skip_tls_verify")),
        (
            "api_type",
            entry(
                "type: gemini, base_url: SERVICE, api_key: \"{{env.GEMINI_API_KEY}}\", model: g, api_type: google-ai-studio",
            ),
            Asks("POST /v1beta/models/g:generateContent"),
        ),
        (
            "project_id",
            entry(vertex),
            Asks("POST /v1/projects/p/locations/us-central1/publishers/google/models/g:generateContent"),
        ),
        (
            "location",
            entry(&format!("{vertex}, location: europe-west4")),
            Asks("POST /v1/projects/p/locations/europe-west4/publishers/google/models/g:generateContent"),
        ),
        (
            "nonsense",
            entry(&format!("{openai}, nonsense: 1")),
            Refused("`models.it` in .shiro/config.yaml has `nonsense`"),
        ),
    ] {
        let world = World::new();
        world.project.write(".shiro/config.yaml", &settings.replace("SERVICE", &world.models.server.url("")));
        let outcome = world.run("ai.generate", &json!({ "prompt": "x" }));
        let what = format!("{key} in {settings}\n{}", outcome.all());
        assert!(!outcome.all().contains("a-key-of"), "{what}");
        match does {
            Asks(line) => assert_eq!((outcome.code, world.last().line().as_str()), (Some(0), line), "{what}"),
            Sends(pointer, expected) => {
                assert_eq!((outcome.code, at(&world.last().json(), pointer)), (Some(0), expected), "{what}");
            }
            Says(_) => assert_eq!(world.last().header("authorization"), "Bearer a-key-of-openai", "{what}"),
            Fails(text) | Refused(text) => {
                assert!(matches!(outcome.code, Some(1 | 2)) && outcome.all().contains(text), "{what}");
                assert!(world.received().is_empty(), "{what}");
            }
            _ => unreachable!("no such case above"),
        }
    }
}
