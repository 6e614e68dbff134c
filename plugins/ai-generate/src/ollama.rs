//! Ollama's chat. <https://github.com/ollama/ollama/blob/main/docs/api.md>

use serde_json::{Map, Value, json};
use shiro_step::Failure;

use crate::Usage;
use crate::service::{Call, Completion, Question, Service, count, no_answer, text};

pub(crate) fn call(question: &Question) -> Call {
    let mut messages = Vec::new();
    if let Some(system) = &question.system {
        messages.push(json!({ "role": "system", "content": system }));
    }
    messages.push(json!({ "role": "user", "content": question.prompt }));
    let mut body = json!({ "model": question.model, "messages": messages, "stream": false });
    let mut options = Map::new();
    options.extend(question.temperature.map(|temperature| ("temperature".to_owned(), json!(temperature))));
    options.extend(question.max_tokens.map(|max| ("num_predict".to_owned(), json!(max))));
    if !options.is_empty() {
        body["options"] = Value::Object(options);
    }
    if let Some(schema) = &question.schema {
        body["format"] = schema.clone();
    }
    let headers = question.key.iter().map(|key| ("authorization", format!("Bearer {key}"))).collect();
    Call { url: question.url("/api/chat"), headers, body }
}

pub(crate) fn read(answer: &Value) -> Result<Completion, Failure> {
    let content = text(answer, "/message/content").ok_or_else(|| {
        no_answer(Service::Ollama, &text(answer, "/error").unwrap_or_else(|| "`message.content` is missing".to_owned()))
    })?;
    let usage = Usage::of(count(answer, "/prompt_eval_count"), count(answer, "/eval_count"));
    Ok(Completion { content, model: text(answer, "/model"), finish_reason: text(answer, "/done_reason"), usage })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::testing::question;

    #[test]
    fn a_question_keeps_the_system_prompt_and_the_limits() {
        let question = Question {
            base_url: Some("http://localhost:11434".into()),
            key: None,
            schema: Some(json!({ "type": "array" })),
            ..question(Service::Ollama)
        };
        let call = call(&question);
        assert_eq!(call.url, "http://localhost:11434/api/chat");
        assert_eq!(call.headers, []);
        assert_eq!(
            call.body,
            json!({
                "model": "m",
                "messages": [{ "role": "system", "content": "be brief" }, { "role": "user", "content": "why?" }],
                "stream": false,
                "options": { "temperature": 0.0, "num_predict": 100 },
                "format": { "type": "array" },
            })
        );
    }

    #[test]
    fn an_answer_is_read() {
        let answer = json!({
            "model": "llama3.2", "message": { "role": "assistant", "content": "so" }, "done_reason": "stop",
            "prompt_eval_count": 5, "eval_count": 2,
        });
        let read = read(&answer).unwrap();
        assert_eq!((&*read.content, read.model.as_deref()), ("so", Some("llama3.2")));
        assert_eq!(read.usage, Some(Usage { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 }));
        let failure = super::read(&json!({ "error": "no such model" })).unwrap_err();
        assert!(failure.message().contains("no such model"));
    }
}
