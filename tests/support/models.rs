//! A stand-in for the services that answer questions: OpenAI (and what is compatible), OpenRouter, Ollama, Gemini (both APIs)
//! and Anthropic. It checks that a request is what their documentation says, and gives each the answer of its kind.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::http::{Answer, Received, Server};

/// The stand-in. Dropping it ends it.
pub(crate) struct Models {
    pub(crate) server: Server,
    says: Arc<Mutex<String>>,
}

impl Models {
    /// One that answers this to everything.
    pub(crate) fn saying(content: &str) -> Self {
        let says = Arc::new(Mutex::new(content.to_owned()));
        let shared = Arc::clone(&says);
        let server = Server::start(move |_, asked| answer(asked, &shared.lock().expect("no handler panicked")));
        Self { server, says }
    }

    /// From now on it answers this.
    pub(crate) fn says(&self, content: &str) {
        *self.says.lock().expect("no handler panicked") = content.to_owned();
    }

    /// The bodies of the questions so far.
    pub(crate) fn questions(&self) -> Vec<Value> {
        self.server.received().iter().map(Received::json).collect()
    }
}

/// The answer of a service, which its path tells, with this content; a refusal if the request is none of its.
pub(crate) fn answer(asked: &Received, content: &str) -> Answer {
    let body: Value = serde_json::from_str(&asked.body).unwrap_or_default();
    let path = asked.path.split('?').next().unwrap_or_default();
    let has_key = |header: &str| asked.header(header).trim_start_matches("Bearer ").len() >= 8;
    let filled = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
    let refused = |status: u16, message: &str| Answer::json(status, &json!({ "error": { "message": message } }));
    if asked.path.contains("key=") {
        return refused(400, "a key in the URL");
    }
    let (known, authorized, answer) = if path.ends_with("/chat/completions") {
        (filled("/model") && filled("/messages/0/content"), has_key("authorization"), chat(content))
    } else if path == "/api/chat" {
        let known = filled("/model") && filled("/messages/0/content") && body["stream"] == false;
        (known, true, ollama(content))
    } else if path.ends_with(":generateContent") {
        let studio = path.starts_with("/v1beta/models/");
        let key = if studio { has_key("x-goog-api-key") } else { has_key("authorization") };
        (filled("/contents/0/parts/0/text"), key, gemini(content))
    } else if path.ends_with("/messages") {
        (filled("/model") && body["max_tokens"].is_u64(), has_key("x-api-key"), anthropic(content))
    } else {
        return refused(404, "no such path");
    };
    match (asked.method.as_str(), authorized, known) {
        ("POST", true, true) => Answer::json(200, &answer),
        ("POST", false, _) => refused(401, "no key"),
        _ => refused(400, "this is no question"),
    }
}

/// <https://platform.openai.com/docs/api-reference/chat/object>
pub(crate) fn chat(content: &str) -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1_700_000_000, "model": "m-1",
        "choices": [{ "index": 0, "finish_reason": "stop", "message": { "role": "assistant", "content": content } }],
        "usage": { "prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5 }
    })
}

/// <https://docs.ollama.com/api/chat>
pub(crate) fn ollama(content: &str) -> Value {
    json!({
        "model": "m-1", "created_at": "2026-01-31T12:00:00Z", "message": { "role": "assistant", "content": content },
        "done": true, "done_reason": "stop", "prompt_eval_count": 2, "eval_count": 3
    })
}

/// <https://ai.google.dev/api/generate-content>
pub(crate) fn gemini(content: &str) -> Value {
    json!({
        "candidates": [{ "finishReason": "STOP", "content": { "role": "model", "parts": [{ "text": content }] } }],
        "usageMetadata": { "promptTokenCount": 2, "candidatesTokenCount": 3, "totalTokenCount": 5 }, "modelVersion": "m-1"
    })
}

/// <https://docs.anthropic.com/en/api/messages>
pub(crate) fn anthropic(content: &str) -> Value {
    json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m-1",
        "content": [{ "type": "text", "text": content }], "stop_reason": "end_turn",
        "usage": { "input_tokens": 2, "output_tokens": 3 }
    })
}
