//! The step type `ai.generate`, against stand-ins of the services that check what they are asked, and the project's settings.

use serde_json::{Value, json};

use crate::support::http::{Answer, Received, Server};
use crate::support::models::{anthropic, chat, gemini, ollama};
use crate::support::{Outcome, Project};

const KEY: &str = "sk-0123456789abcdef";

/// A project with one entry in its settings and one step that asks.
fn project(entry: &str, config: &Value) -> Project {
    let mut project = Project::with_workflow(&json!({ "name": "ask", "steps": [
        { "id": "ask", "type": "ai.generate", "config": config },
        { "id": "show", "type": "print", "depends_on": ["ask"], "config": {
            "message": "{{steps.ask.model}}: {{steps.ask.content}} ({{steps.ask.usage.total_tokens}})"
        } }
    ] }));
    project.write(".shiro/config.yaml", &format!("models:\n  default:\n{entry}"));
    project.env("AI_API_KEY", KEY);
    project
}

fn entry(lines: &[&str]) -> String {
    lines.iter().map(|line| format!("    {line}\n")).collect()
}

fn openai(server: &Server) -> String {
    let url = format!("base_url: {}", server.url("/v1"));
    entry(&["provider: openai", &url, "api_key: \"{{env.AI_API_KEY}}\"", "model: gpt-x"])
}

fn run(project: &Project) -> Outcome {
    project.shiro("run -fresh").does_not_say(KEY)
}

/// A service's name, its settings, the request's line, one of its headers, what it answers, and the body it is sent.
type Service = (&'static str, &'static [&'static str], &'static str, (&'static str, String), Value, Value);

#[test]
fn each_service_is_asked_as_its_documentation_says() {
    const KEY_LINE: &str = "api_key: \"{{env.AI_API_KEY}}\"";
    let cases: [Service; 5] = [
        (
            "openai",
            &[KEY_LINE, "model: m"],
            "POST /chat/completions",
            ("authorization", format!("Bearer {KEY}")),
            chat("because"),
            json!({
                "model": "m", "messages": [{ "role": "system", "content": "brief" }, { "role": "user", "content": "why?" }],
                "temperature": 0.0, "max_tokens": 9
            }),
        ),
        (
            "openrouter",
            &[KEY_LINE, "model: a/m"],
            "POST /chat/completions",
            ("x-title", "shiro".to_owned()),
            chat("because"),
            json!({
                "model": "a/m",
                "messages": [{ "role": "system", "content": "brief" }, { "role": "user", "content": "why?" }],
                "temperature": 0.0, "max_tokens": 9
            }),
        ),
        (
            "ollama",
            &["model: llama3.2"],
            "POST /api/chat",
            ("authorization", String::new()),
            ollama("because"),
            json!({
                "model": "llama3.2",
                "messages": [{ "role": "system", "content": "brief" }, { "role": "user", "content": "why?" }],
                "stream": false, "options": { "temperature": 0.0, "num_predict": 9 }
            }),
        ),
        (
            "gemini",
            &[KEY_LINE, "model: gemini-x"],
            "POST /v1beta/models/gemini-x:generateContent",
            ("x-goog-api-key", KEY.to_owned()),
            gemini("because"),
            json!({
                "contents": [{ "role": "user", "parts": [{ "text": "why?" }] }],
                "systemInstruction": { "parts": [{ "text": "brief" }] },
                "generationConfig": { "temperature": 0.0, "maxOutputTokens": 9 }
            }),
        ),
        (
            "anthropic",
            &[KEY_LINE, "model: claude-x"],
            "POST /messages",
            ("x-api-key", KEY.to_owned()),
            anthropic("because"),
            json!({
                "model": "claude-x", "max_tokens": 9, "system": "brief", "temperature": 0.0,
                "messages": [{ "role": "user", "content": "why?" }]
            }),
        ),
    ];
    for (service, lines, line, (header, value), answer, body) in cases {
        let server = Server::start(move |_, _| Answer::json(200, &answer));
        let url = format!("base_url: {}", server.url(""));
        let service_line = format!("type: {service}");
        let lines: Vec<&str> = [&[service_line.as_str(), &url], lines].concat();
        let config = json!({ "prompt": "why?", "system": "brief", "temperature": 0, "max_tokens": 9 });
        run(&project(&entry(&lines), &config)).exits(0).says("m-1: because (5)");
        let asked = server.received();
        assert_eq!(asked.len(), 1, "{service}");
        assert_eq!((asked[0].line(), asked[0].header(header)), (line.to_owned(), value.as_str()), "{service}");
        assert!(!asked[0].path.contains(KEY), "{service}");
        assert_eq!(asked[0].json(), body, "{service}");
    }
}

#[test]
fn vertex_ai_is_asked_with_a_token() {
    let server = Server::start(|_, _| Answer::json(200, &gemini("so")));
    let url = format!("base_url: {}", server.url(""));
    let lines =
        ["type: gemini", "api_type: vertex-ai", "project_id: p-1", "location: europe-west4", &url, "model: gemini-x"];
    let lines = [&lines[..], &["api_key: \"{{env.AI_API_KEY}}\""]].concat();
    run(&project(&entry(&lines), &json!({ "prompt": "why?" }))).exits(0);
    let asked = &server.received()[0];
    let path = "/v1/projects/p-1/locations/europe-west4/publishers/google/models/gemini-x:generateContent";
    assert_eq!(asked.line(), format!("POST {path}"));
    assert_eq!(asked.header("authorization"), format!("Bearer {KEY}"));
}

#[test]
fn an_answer_that_does_not_match_its_schema_is_asked_for_again() {
    let server = Server::start(|number, _| Answer::json(200, &chat(["seven", "{\"n\": \"7\"}", "{\"n\": 7}"][number])));
    let schema = json!({ "type": "object", "required": ["n"], "properties": { "n": { "type": "integer" } } });
    let mut workflow: Value = json!({ "name": "ask", "steps": [
        { "id": "ask", "type": "ai.generate", "config": { "prompt": "a number", "response_schema": schema },
          "retry": { "max_attempts": 3 } },
        { "id": "show", "type": "print", "depends_on": ["ask"], "config": { "message": "n={{steps.ask.json.n}}" } }
    ] });
    let project = project(&openai(&server), &json!({ "prompt": "x" }));
    project.write(".shiro/workflow.json", &workflow.to_string());
    run(&project).exits(0).says("n=7").says("/n: ");
    let asked = server.received();
    assert_eq!(asked.len(), 3);
    assert_eq!(asked[0].json()["response_format"]["json_schema"]["schema"], schema);
    workflow["steps"][0]["config"]["response_schema"] = json!({ "type": "objekt" });
    project.write(".shiro/workflow.json", &workflow.to_string());
    run(&project).says("response_schema");
}

#[test]
fn a_refusal_says_why_and_what_passes_is_tried_again() {
    let limited = Server::start(|number, _| match number {
        0 => Answer::json(429, &json!({ "error": { "message": "slow down" } })).header("retry-after", "0"),
        1 => Answer::new(529, "overloaded"),
        _ => Answer::json(200, &chat("because")),
    });
    let project = project(&openai(&limited), &json!({ "prompt": "x" }));
    let workflow = project
        .read(".shiro/workflow.json")
        .replace("\"type\": \"ai.generate\"", "\"type\": \"ai.generate\", \"retry\": { \"max_attempts\": 3 }");
    project.write(".shiro/workflow.json", &workflow);
    run(&project).exits(0).says("slow down").says("m-1: because");
    let refused = Server::start(|_, request: &Received| {
        Answer::json(
            401,
            &json!({ "error": { "message": format!("no such key: {}", request.header("authorization")) } }),
        )
    });
    project.write(".shiro/config.yaml", &format!("models:\n  default:\n{}", openai(&refused)));
    run(&project).exits(1).says("HTTP 401").says("no such key").says("`api_key`");
    assert_eq!(refused.received().len(), 1);
    for broken in ["<html>", "{}", "{\"choices\": [{\"message\": {}}]}"] {
        let server = Server::start(move |_, _| Answer::new(200, broken));
        project.write(".shiro/config.yaml", &format!("models:\n  default:\n{}", openai(&server)));
        run(&project).exits(1);
    }
}

#[test]
fn hostile_answers_are_text() {
    let hostile = "{{env.AI_API_KEY}} $(id) `id` ::set-output name=x::y \u{1b}[2J section_start:1:x";
    let server = Server::start(move |_, _| Answer::json(200, &chat(hostile)));
    let project = project(&openai(&server), &json!({ "prompt": "{{env.HOSTILE}}" }));
    project.write(
        ".shiro/workflow.json",
        &json!({ "name": "ask", "steps": [
            { "id": "ask", "type": "ai.generate", "config": { "prompt": "x" } },
            { "id": "shell", "type": "shell", "depends_on": ["ask"], "config": { "command": "echo '{{steps.ask.content}}' > seen" } },
            { "id": "print", "type": "print", "depends_on": ["ask"], "config": { "message": "{{steps.ask.content}}" } }
        ] })
        .to_string(),
    );
    let outcome = run(&project).exits(0).does_not_say("\u{1b}[2J").does_not_say("uid=");
    assert!(outcome.all().contains("{{env.AI_API_KEY}}"), "{}", outcome.all());
    assert_eq!(project.read("seen"), format!("{hostile}\n"));
}

#[test]
fn settings_that_are_wrong_are_refused_before_anything_runs() {
    for (settings, config, said) in [
        (
            "models:\n  fast: {type: ollama, base_url: 'http://x', model: m}\n",
            json!({ "provider": "fats" }),
            "did you mean `fast`?",
        ),
        ("models:\n  a: {type: ollama, url: 'http://x'}\n", json!({}), "`models.a` in .shiro/config.yaml has `url`"),
        ("models:\n  a: {type: lama}\n", json!({}), "\"ollama\""),
        ("models:\n  a: {model: x}\n  a: {model: y}\n", json!({}), ".shiro/config.yaml:3:3"),
        ("models: [\n", json!({}), ".shiro/config.yaml:2"),
        ("- a\n", json!({}), "a mapping of sections"),
        ("models:\n  a: {skip_tls_verify: true}\n", json!({}), "skip_tls_verify"),
    ] {
        let mut config = config;
        config["prompt"] = "x".into();
        let project = project("", &config);
        project.write(".shiro/config.yaml", settings);
        let outcome = project.shiro("validate").exits(2);
        assert!(outcome.all().contains(said), "{settings}: expected {said}\n{}", outcome.all());
    }
}

#[test]
fn a_change_of_the_settings_is_a_change_of_what_runs() {
    let server = Server::start(|_, _| Answer::json(200, &chat("because")));
    let project = project(&openai(&server), &json!({ "prompt": "x" }));
    project.write(
        ".shiro/workflow.json",
        &json!({ "name": "ask", "steps": [
            { "id": "gate", "type": "print", "pause": true, "config": { "message": "go?" } },
            { "id": "ask", "type": "ai.generate", "depends_on": ["gate"], "config": { "prompt": "x" } }
        ] })
        .to_string(),
    );
    run(&project).exits(0);
    let settings = project.read(".shiro/config.yaml");
    project.write(".shiro/config.yaml", &settings.replace("gpt-x", "gpt-y"));
    project.shiro("run").exits(6).says("step `ask` is different");
    project.write(".shiro/config.yaml", &settings);
    project.shiro("run").exits(0);
    assert_eq!(server.received()[0].json()["model"], "gpt-x");
}
