//! What users write, in a step's `config` and in an entry of `models` in `.shiro/config.yaml`, and the question it comes to.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use shiro_step::{Failure, Text, Timeout, context};

use crate::service::{Api, Question, Service};

/// How long an answer may take unless the config says otherwise: models think.
const TIMEOUT: Duration = Duration::from_secs(120);

/// As good as no limit: the step's own ends it.
const FOR_EVER: Duration = Duration::from_secs(24 * 60 * 60);

/// In the keys that may be left out, an empty string counts as left out. All but the question may stand in an entry of
/// `models` in `.shiro/config.yaml` as well; what the step says wins.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// What to ask. It is text, whatever stands in it.
    #[schemars(extend("minLength" = 1))]
    pub(crate) prompt: Text,
    /// What the model is told to be and to keep to, apart from the question.
    pub(crate) system: Option<Text>,
    /// The entry of `models` in `.shiro/config.yaml` that says which service and model: `default`, or the only one, unless
    /// it is named here. Without such a file, the keys below say it.
    #[expect(dead_code, reason = "the host has filled in the entry that it names")]
    pub(crate) provider: Option<String>,
    /// Whose API it is. `openai` is any service that is compatible with OpenAI's chat completions.
    #[serde(rename = "type")]
    pub(crate) service: Option<Service>,
    /// The model, e.g. `gpt-4o` or `llama3.2`.
    pub(crate) model: Option<Text>,
    /// Where the API is, e.g. `https://llm.example.com/v1`; the service's own place unless it is given.
    #[schemars(extend("pattern" = "^(https?://.*)?$"))]
    pub(crate) base_url: Option<String>,
    /// The key that the service wants, best `{{env.NAME}}`. It is sent in a header, never in a URL.
    #[schemars(extend("writeOnly" = true))]
    pub(crate) api_key: Option<String>,
    /// Which of Gemini's two APIs.
    pub(crate) api_type: Option<Api>,
    /// The Google Cloud project, for Vertex AI.
    pub(crate) project_id: Option<String>,
    /// The Google Cloud region, for Vertex AI; `us-central1` unless it is given.
    #[schemars(extend("pattern" = "^[a-z0-9-]*$"))]
    pub(crate) location: Option<String>,
    /// How much the answer may vary: 0 for as little as possible. The service's own default unless it is given.
    #[schemars(range(min = 0.0, max = 2.0))]
    pub(crate) temperature: Option<f64>,
    /// The longest answer, in tokens.
    #[schemars(range(min = 1))]
    pub(crate) max_tokens: Option<u32>,
    /// JSON Schema of the answer. The model is asked to keep to it, and an answer that does not fails the step, so that
    /// `retry` asks again; `json` in the output is the value.
    #[schemars(extend("type" = "object"))]
    pub(crate) response_schema: Option<Value>,
    /// How long the answer may take: seconds, or text such as `90s` or `5m`. 2 minutes, or what is left of the step's own
    /// `timeout`, unless it is given.
    pub(crate) timeout: Option<Timeout>,
    /// Refused: what is sent to a service that nobody has verified is sent to anybody.
    #[schemars(extend("const" = false))]
    pub(crate) skip_tls_verify: Option<bool>,
}

impl Config {
    /// How long the answer may take.
    pub(crate) fn timeout(&self) -> Duration {
        match self.timeout {
            Some(timeout) => timeout.limit().unwrap_or(FOR_EVER),
            None => context::time_left().map_or(TIMEOUT, |left| left.min(TIMEOUT)),
        }
    }

    /// What is to be asked of whom.
    pub(crate) fn question(&self) -> Result<Question, Failure> {
        if self.skip_tls_verify == Some(true) {
            return Err(Failure::invalid_config(
                "`skip_tls_verify` is refused: name the certificate authority instead, in SSL_CERT_FILE",
            ));
        }
        let Some(service) = self.service else {
            return Err(Failure::invalid_config(
                "nothing says which service to ask: add an entry to `models` in .shiro/config.yaml, or `type` here \
                 (openai, openrouter, ollama, gemini or anthropic)",
            ));
        };
        let filled = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        let model = filled(self.model.as_deref()).ok_or_else(|| missing("model", service))?;
        let key = filled(self.api_key.as_deref());
        if key.is_none() && service.wants_key() {
            return Err(missing("api_key", service));
        }
        let base_url = filled(self.base_url.as_deref()).map(|url| url.trim_end_matches('/').to_owned());
        if base_url.is_none() && service.default_url().is_none() {
            return Err(missing("base_url", service));
        }
        Ok(Question {
            service,
            api: self.api_type.unwrap_or_default(),
            base_url,
            key,
            model,
            prompt: self.prompt.to_string(),
            system: filled(self.system.as_deref()),
            temperature: self.temperature,
            max_tokens: self.max_tokens,
            schema: self.response_schema.clone(),
            project: filled(self.project_id.as_deref()),
            location: filled(self.location.as_deref()),
        })
    }
}

fn missing(key: &str, service: Service) -> Failure {
    let name = service.name();
    Failure::invalid_config(format!("`{key}` is missing: {name} needs it, here or in `models` of .shiro/config.yaml"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn question(config: Value) -> Result<Question, Failure> {
        serde_json::from_value::<Config>(config).expect("a config").question()
    }

    #[test]
    fn what_a_service_needs_is_named() {
        for (config, named) in [
            (json!({ "prompt": "p" }), "`type`"),
            (json!({ "prompt": "p", "type": "openai", "base_url": "https://x", "api_key": "k" }), "`model`"),
            (json!({ "prompt": "p", "type": "openai", "model": "m", "api_key": "k" }), "`base_url`"),
            (json!({ "prompt": "p", "type": "openrouter", "model": "m", "api_key": "" }), "`api_key`"),
            (json!({ "prompt": "p", "type": "ollama", "model": "m" }), "`base_url`"),
            (json!({ "prompt": "p", "type": "ollama", "model": "m", "skip_tls_verify": true }), "SSL_CERT_FILE"),
        ] {
            let failure = question(config.clone()).map(|_| ()).unwrap_err();
            assert!(failure.message().contains(named), "{config}: {failure}");
        }
        let question = question(json!({ "prompt": "p", "type": "ollama", "model": "m", "base_url": "http://x:1/" }));
        assert_eq!(question.unwrap().base_url.as_deref(), Some("http://x:1"));
    }
}
