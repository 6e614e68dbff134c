//! The services, and what a question and an answer are, whoever is asked.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use shiro_step::Failure;

use crate::{Usage, anthropic, gemini, ollama, openai};

/// Whose API is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Service {
    /// OpenAI's chat completions, and whatever is compatible with them.
    OpenAi,
    /// OpenRouter.
    OpenRouter,
    /// Ollama.
    Ollama,
    /// Google's Gemini, in AI Studio or Vertex AI.
    Gemini,
    /// Anthropic's messages.
    Anthropic,
}

/// Which of Gemini's two APIs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Api {
    /// Google AI Studio, with an API key.
    #[default]
    GoogleAiStudio,
    /// Vertex AI, with an access token.
    VertexAi,
}

impl Service {
    /// Every one.
    pub(crate) const ALL: [Self; 5] = [Self::OpenAi, Self::OpenRouter, Self::Ollama, Self::Gemini, Self::Anthropic];

    /// The name that people know it by.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::OpenRouter => "OpenRouter",
            Self::Ollama => "Ollama",
            Self::Gemini => "Gemini",
            Self::Anthropic => "Anthropic",
        }
    }

    /// Where its API is; `None` where only the user can know.
    pub(crate) fn default_url(self) -> Option<&'static str> {
        match self {
            Self::OpenAi | Self::Ollama => None,
            Self::OpenRouter => Some(openai::OPENROUTER),
            Self::Gemini => Some(gemini::STUDIO),
            Self::Anthropic => Some(anthropic::URL),
        }
    }

    /// It answers nobody without a key.
    pub(crate) fn wants_key(self) -> bool {
        !matches!(self, Self::Ollama)
    }
}

/// What is asked of whom.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) service: Service,
    pub(crate) api: Api,
    /// Without a slash at its end; `None` for the service's own place.
    pub(crate) base_url: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) model: String,
    pub(crate) prompt: String,
    pub(crate) system: Option<String>,
    pub(crate) temperature: Option<f64>,
    pub(crate) max_tokens: Option<u32>,
    /// JSON Schema of the answer.
    pub(crate) schema: Option<Value>,
    pub(crate) project: Option<String>,
    pub(crate) location: Option<String>,
}

/// A request that asks it.
#[derive(Debug, PartialEq)]
pub(crate) struct Call {
    /// Never with a key in it.
    pub(crate) url: String,
    /// Besides the content type.
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Value,
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Completion {
    pub(crate) content: String,
    pub(crate) model: Option<String>,
    pub(crate) finish_reason: Option<String>,
    pub(crate) usage: Option<Usage>,
}

impl Question {
    /// The request.
    pub(crate) fn call(&self) -> Result<Call, Failure> {
        match self.service {
            Service::OpenAi | Service::OpenRouter => Ok(openai::call(self)),
            Service::Ollama => Ok(ollama::call(self)),
            Service::Gemini => gemini::call(self),
            Service::Anthropic => Ok(anthropic::call(self)),
        }
    }

    /// The answer in what the service sent with a status that says yes.
    pub(crate) fn read(&self, answer: &Value) -> Result<Completion, Failure> {
        match self.service {
            Service::OpenAi | Service::OpenRouter => openai::read(answer),
            Service::Ollama => ollama::read(answer),
            Service::Gemini => gemini::read(answer),
            Service::Anthropic => anthropic::read(answer),
        }
    }

    /// A path below the API's place.
    pub(crate) fn url(&self, path: &str) -> String {
        let base = self.base_url.as_deref().or(self.service.default_url()).unwrap_or_default();
        format!("{base}{path}")
    }
}

/// An answer without what it should hold: the service broke its own format, or withheld it.
pub(crate) fn no_answer(service: Service, why: &str) -> Failure {
    Failure::transient("no_answer", format!("{} answered without an answer: {why}", service.name()))
}

/// A text in an answer.
pub(crate) fn text(answer: &Value, pointer: &str) -> Option<String> {
    answer.pointer(pointer).and_then(Value::as_str).map(str::to_owned)
}

/// A count in an answer.
pub(crate) fn count(answer: &Value, pointer: &str) -> Option<u64> {
    answer.pointer(pointer).and_then(Value::as_u64)
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// A question to a service, with all there can be in it.
    pub(crate) fn question(service: Service) -> Question {
        Question {
            service,
            api: Api::default(),
            base_url: None,
            key: Some("k3y".to_owned()),
            model: "m".to_owned(),
            prompt: "why?".to_owned(),
            system: Some("be brief".to_owned()),
            temperature: Some(0.0),
            max_tokens: Some(100),
            schema: None,
            project: None,
            location: None,
        }
    }
}
