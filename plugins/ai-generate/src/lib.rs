//! The step type `ai.generate`: asks a language model and returns its answer.
//!
//! Each service's API is a file: how a question becomes a request, and an answer a [`Completion`]. All of that is pure; what
//! is sent and what comes of a refusal is the same for all.

mod anthropic;
mod config;
mod gemini;
mod ollama;
mod openai;
mod refusal;
mod service;
mod structured;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use shiro_step::http::Request;
use shiro_step::{Failure, Permissions, Settings, Step};

use config::Config;
use service::{Call, Completion, Service};

/// The longest answer that is read.
const MAX_ANSWER: usize = 16 << 20;

/// How many tokens a question and its answer took, as far as the service says so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
struct Usage {
    /// Of the question.
    prompt_tokens: u64,
    /// Of the answer.
    completion_tokens: u64,
    /// Of both.
    total_tokens: u64,
}

impl Usage {
    /// `None` where the service said nothing.
    fn of(prompt: Option<u64>, completion: Option<u64>) -> Option<Self> {
        if prompt.is_none() && completion.is_none() {
            return None;
        }
        let (prompt_tokens, completion_tokens) = (prompt.unwrap_or(0), completion.unwrap_or(0));
        let total_tokens = prompt_tokens.saturating_add(completion_tokens);
        Some(Self { prompt_tokens, completion_tokens, total_tokens })
    }
}

#[derive(Serialize, JsonSchema)]
struct Output {
    /// Always true.
    success: bool,
    /// The answer's text.
    content: String,
    /// The answer as a value that matches `response_schema`; only with one.
    #[serde(skip_serializing_if = "Option::is_none")]
    json: Option<Value>,
    /// The model that answered, as the service names it.
    model: String,
    /// Why the answer ends where it ends, in the service's word, e.g. `stop`.
    #[serde(skip_serializing_if = "Option::is_none")]
    finish_reason: Option<String>,
    /// The tokens it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
}

struct AiGenerate;

impl Step for AiGenerate {
    const NAME: &'static str = "ai.generate";
    const SUMMARY: &'static str =
        "Asks a language model and returns its answer, checked against a schema if there is one.";
    type Config = Config;
    type Output = Output;

    fn permissions() -> Permissions {
        // A URL of one's own is the only place then: each of the others stands in for it where there is none.
        let usual = Service::ALL.into_iter().filter_map(Service::default_url).chain([gemini::VERTEX]);
        usual.fold(Permissions::default().network("{config.base_url}").network(gemini::REGIONAL), |permissions, url| {
            permissions.network(format!("{{config.base_url|{url}}}"))
        })
    }

    fn settings() -> Option<Settings> {
        // In Go shiro's files, `provider` of an entry is its type.
        Some(Settings::section("models", "provider").unless("type").alias("provider", "type"))
    }

    fn run(config: Config) -> Result<Output, Failure> {
        let schema = config.response_schema.as_ref().map(structured::Checker::new).transpose()?;
        let question = config.question()?;
        let call = question.call()?;
        let completion = ask(&question, call, config.timeout())?;
        let Completion { content, model, finish_reason, usage } = completion;
        let json = match schema {
            Some(checker) => Some(checker.check(&content, finish_reason.as_deref())?),
            None => None,
        };
        Ok(Output {
            success: true,
            content,
            json,
            model: model.unwrap_or_else(|| question.model.clone()),
            finish_reason,
            usage,
        })
    }
}

fn ask(question: &service::Question, call: Call, timeout: std::time::Duration) -> Result<Completion, Failure> {
    let mut request = Request::post(&*call.url).timeout(timeout).max_body(MAX_ANSWER).json(&call.body);
    for (name, value) in call.headers {
        request = request.header(name, value);
    }
    let response = request.send()?;
    if !response.is_success() {
        let (status, retry_after) = (response.status(), response.retry_after());
        return Err(refusal::failure(question, status, retry_after, &response.excerpt(refusal::EXCERPT)));
    }
    let answer: Value = response.json()?;
    question.read(&answer)
}

shiro_step::export!(AiGenerate);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_key_is_a_secret_and_the_prompt_must_be_there() {
        let schema = schemars::schema_for!(Config).to_value();
        assert_eq!(schema["properties"]["api_key"]["writeOnly"], json!(true));
        assert_eq!(schema["required"], json!(["prompt"]));
        assert_eq!(schema["additionalProperties"], json!(false));
    }

    #[test]
    fn with_a_url_of_its_own_it_asks_for_no_other_host() {
        let permissions = serde_json::to_value(AiGenerate::permissions()).unwrap();
        let urls: Vec<&str> =
            permissions["network"].as_array().unwrap().iter().map(|one| one["url"].as_str().unwrap()).collect();
        assert!(urls.contains(&"{config.base_url}"), "{urls:?}");
        assert!(urls.contains(&"{config.base_url|https://openrouter.ai/api/v1}"), "{urls:?}");
        let others = urls.iter().copied().filter(|url| !url.starts_with("{config.base_url"));
        assert_eq!(others.collect::<Vec<_>>(), ["https://{config.location}-aiplatform.googleapis.com"]);
    }
}
