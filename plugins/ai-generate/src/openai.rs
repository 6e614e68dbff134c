//! OpenAI's chat completions, as OpenAI, OpenRouter and many others serve them.
//! <https://platform.openai.com/docs/api-reference/chat/create>, <https://openrouter.ai/docs/api-reference/overview>

use serde_json::{Value, json};
use shiro_step::Failure;

use crate::Usage;
use crate::service::{Call, Completion, Question, Service, count, no_answer, text};

/// OpenRouter's place.
pub(crate) const OPENROUTER: &str = "https://openrouter.ai/api/v1";

/// OpenAI's own host: it knows the newer name of the limit, and its newer models only that.
const OPENAI_HOST: &str = "https://api.openai.com";

pub(crate) fn call(question: &Question) -> Call {
    let mut messages = Vec::new();
    if let Some(system) = &question.system {
        messages.push(json!({ "role": "system", "content": system }));
    }
    messages.push(json!({ "role": "user", "content": question.prompt }));
    let mut body = json!({ "model": question.model, "messages": messages });
    let url = question.url("/chat/completions");
    if let Some(temperature) = question.temperature {
        body["temperature"] = json!(temperature);
    }
    if let Some(max) = question.max_tokens {
        let name = if url.starts_with(OPENAI_HOST) { "max_completion_tokens" } else { "max_tokens" };
        body[name] = json!(max);
    }
    if let Some(schema) = &question.schema {
        body["response_format"] =
            json!({ "type": "json_schema", "json_schema": { "name": "answer", "schema": schema } });
    }
    let mut headers: Vec<_> = question.key.iter().map(|key| ("authorization", format!("Bearer {key}"))).collect();
    if question.service == Service::OpenRouter {
        // How OpenRouter names an application.
        headers.push(("x-title", "shiro".to_owned()));
    }
    Call { url, headers, body }
}

pub(crate) fn read(answer: &Value) -> Result<Completion, Failure> {
    if let Some(refusal) = text(answer, "/choices/0/message/refusal").filter(|refusal| !refusal.is_empty()) {
        return Err(Failure::permanent("refused", format!("the model refuses to answer: {refusal}")));
    }
    let finish_reason = text(answer, "/choices/0/finish_reason");
    let content = text(answer, "/choices/0/message/content").ok_or_else(|| {
        let why = text(answer, "/error/message").or(finish_reason.clone());
        no_answer(Service::OpenAi, &why.unwrap_or_else(|| "`choices[0].message.content` is missing".to_owned()))
    })?;
    let usage = Usage::of(count(answer, "/usage/prompt_tokens"), count(answer, "/usage/completion_tokens"));
    Ok(Completion { content, model: text(answer, "/model"), finish_reason, usage })
}

#[cfg(test)]
mod tests {
    use shiro_step::FailureKind;

    use super::*;
    use crate::service::testing::question;

    #[test]
    fn a_question_has_the_documented_form() {
        let question = Question { base_url: Some("https://llm.example/v1".into()), ..question(Service::OpenAi) };
        let call = call(&question);
        assert_eq!(call.url, "https://llm.example/v1/chat/completions");
        assert_eq!(call.headers, [("authorization", "Bearer k3y".to_owned())]);
        assert_eq!(
            call.body,
            json!({
                "model": "m",
                "messages": [{ "role": "system", "content": "be brief" }, { "role": "user", "content": "why?" }],
                "temperature": 0.0,
                "max_tokens": 100,
            })
        );
    }

    #[test]
    fn only_what_was_said_is_sent() {
        let question = Question {
            system: None,
            temperature: None,
            max_tokens: None,
            schema: Some(json!({ "type": "object" })),
            ..question(Service::OpenRouter)
        };
        let call = call(&question);
        assert_eq!(call.url, "https://openrouter.ai/api/v1/chat/completions");
        assert!(call.headers.contains(&("x-title", "shiro".to_owned())));
        assert_eq!(
            call.body,
            json!({
                "model": "m",
                "messages": [{ "role": "user", "content": "why?" }],
                "response_format": {
                    "type": "json_schema", "json_schema": { "name": "answer", "schema": { "type": "object" } }
                },
            })
        );
    }

    #[test]
    fn openai_itself_gets_the_newer_name_of_the_limit() {
        let question = Question { base_url: Some("https://api.openai.com/v1".into()), ..question(Service::OpenAi) };
        assert_eq!(call(&question).body["max_completion_tokens"], 100);
    }

    #[test]
    fn an_answer_is_read() {
        let answer = json!({
            "model": "m-2026", "usage": { "prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7 },
            "choices": [{ "finish_reason": "stop", "message": { "role": "assistant", "content": "because" } }],
        });
        let usage = Some(Usage { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 });
        assert_eq!(
            read(&answer).unwrap(),
            Completion {
                content: "because".into(),
                model: Some("m-2026".into()),
                finish_reason: Some("stop".into()),
                usage,
            }
        );
    }

    #[test]
    fn an_answer_without_one_says_why() {
        let refused = json!({ "choices": [{ "message": { "content": null, "refusal": "no" } }] });
        assert_eq!(read(&refused).unwrap_err().kind(), FailureKind::Permanent);
        for (answer, why) in [
            (json!({}), "choices[0]"),
            (json!({ "choices": [{ "finish_reason": "content_filter", "message": {} }] }), "content_filter"),
            (json!({ "error": { "message": "overloaded" } }), "overloaded"),
        ] {
            let failure = read(&answer).unwrap_err();
            assert!(failure.message().contains(why), "{failure}");
        }
    }
}
