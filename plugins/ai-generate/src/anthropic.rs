//! Anthropic's messages. <https://docs.anthropic.com/en/api/messages>
//!
//! A schema is asked for as the input of a tool that the model must use: every model that takes tools keeps to it.

use serde_json::{Value, json};
use shiro_step::Failure;

use crate::Usage;
use crate::service::{Call, Completion, Question, Service, count, no_answer, text};

/// Its place.
pub(crate) const URL: &str = "https://api.anthropic.com/v1";

const VERSION: &str = "2023-06-01";

/// The API wants a limit; this one is below that of every model.
const MAX_TOKENS: u32 = 4096;

/// The tool whose input is the answer.
const TOOL: &str = "answer";

pub(crate) fn call(question: &Question) -> Call {
    let mut body = json!({
        "model": question.model,
        "max_tokens": question.max_tokens.unwrap_or(MAX_TOKENS),
        "messages": [{ "role": "user", "content": question.prompt }],
    });
    if let Some(system) = &question.system {
        body["system"] = json!(system);
    }
    if let Some(temperature) = question.temperature {
        body["temperature"] = json!(temperature);
    }
    if let Some(schema) = &question.schema {
        body["tools"] =
            json!([{ "name": TOOL, "description": "Gives the answer to the question.", "input_schema": schema }]);
        body["tool_choice"] = json!({ "type": "tool", "name": TOOL });
    }
    let mut headers = vec![("anthropic-version", VERSION.to_owned())];
    headers.extend(question.key.iter().map(|key| ("x-api-key", key.clone())));
    Call { url: question.url("/messages"), headers, body }
}

pub(crate) fn read(answer: &Value) -> Result<Completion, Failure> {
    let finish_reason = text(answer, "/stop_reason");
    let parts = answer.get("content").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let of_kind = |kind: &'static str| parts.iter().filter(move |part| part["type"] == kind);
    let content = match of_kind("tool_use").find(|part| part["name"] == TOOL) {
        Some(tool) => tool["input"].to_string(),
        None => of_kind("text").filter_map(|part| part["text"].as_str()).collect(),
    };
    if content.is_empty() {
        return Err(no_answer(Service::Anthropic, finish_reason.as_deref().unwrap_or("`content` is empty")));
    }
    let usage = Usage::of(count(answer, "/usage/input_tokens"), count(answer, "/usage/output_tokens"));
    Ok(Completion { content, model: text(answer, "/model"), finish_reason, usage })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::testing::question;

    #[test]
    fn a_question_has_the_documented_form() {
        let call = call(&question(Service::Anthropic));
        assert_eq!(call.url, "https://api.anthropic.com/v1/messages");
        assert_eq!(call.headers, [("anthropic-version", "2023-06-01".to_owned()), ("x-api-key", "k3y".to_owned())]);
        assert_eq!(
            call.body,
            json!({
                "model": "m", "max_tokens": 100, "system": "be brief", "temperature": 0.0,
                "messages": [{ "role": "user", "content": "why?" }],
            })
        );
    }

    #[test]
    fn a_schema_is_a_tool_that_must_be_used() {
        let schema = json!({ "type": "object" });
        let question = Question { schema: Some(schema.clone()), max_tokens: None, ..question(Service::Anthropic) };
        let body = call(&question).body;
        assert_eq!(body["tools"][0]["input_schema"], schema);
        assert_eq!(body["tool_choice"], json!({ "type": "tool", "name": "answer" }));
        assert_eq!(body["max_tokens"], 4096);
        let answer = json!({ "content": [
            { "type": "text", "text": "let me see" },
            { "type": "tool_use", "name": "answer", "input": { "ok": true } },
        ] });
        assert_eq!(read(&answer).unwrap().content, r#"{"ok":true}"#);
    }

    #[test]
    fn the_parts_of_an_answer_are_one_text() {
        let answer = json!({
            "content": [{ "type": "text", "text": "be" }, { "type": "text", "text": "cause" }],
            "usage": { "input_tokens": 1, "output_tokens": 2 },
        });
        let read = read(&answer).unwrap();
        assert_eq!((&*read.content, read.usage.unwrap().total_tokens), ("because", 3));
        let failure = super::read(&json!({ "content": [], "stop_reason": "max_tokens" })).unwrap_err();
        assert!(failure.message().contains("max_tokens"));
    }
}
