//! Google's Gemini, in AI Studio and in Vertex AI.
//! <https://ai.google.dev/api/generate-content>, <https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference>

use serde_json::{Map, Value, json};
use shiro_step::Failure;

use crate::Usage;
use crate::service::{Api, Call, Completion, Question, Service, count, no_answer, text};

/// AI Studio's place.
pub(crate) const STUDIO: &str = "https://generativelanguage.googleapis.com";

/// Vertex AI's place in a region.
pub(crate) const REGIONAL: &str = "https://{config.location}-aiplatform.googleapis.com";

/// Vertex AI's place in the region that is taken when none is said.
pub(crate) const VERTEX: &str = "https://us-central1-aiplatform.googleapis.com";

const LOCATION: &str = "us-central1";

pub(crate) fn call(question: &Question) -> Result<Call, Failure> {
    let key = question.key.clone().unwrap_or_default();
    // A model's name may come from anywhere: it is one segment of the path and nothing else.
    let model = question.model.trim_start_matches("models/");
    let is_word = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._@".contains(&byte));
    if !is_word(model) {
        return Err(Failure::invalid_config("`model` is not the name of a Gemini model, such as gemini-2.5-flash"));
    }
    let (url, header) = match question.api {
        Api::GoogleAiStudio => {
            (question.url(&format!("/v1beta/models/{model}:generateContent")), ("x-goog-api-key", key))
        }
        Api::VertexAi => {
            let location = question.location.as_deref().unwrap_or(LOCATION);
            let project = question.project.as_deref().filter(|project| is_word(project)).ok_or_else(|| {
                Failure::invalid_config("`project_id` is missing: Vertex AI needs the id of a Google Cloud project")
            })?;
            let base = question.base_url.clone().unwrap_or_else(|| REGIONAL.replace("{config.location}", location));
            let path = format!("/v1/projects/{project}/locations/{location}/publishers/google/models/{model}");
            (format!("{base}{path}:generateContent"), ("authorization", format!("Bearer {key}")))
        }
    };
    Ok(Call { url, headers: vec![header], body: body(question) })
}

fn body(question: &Question) -> Value {
    let mut body = json!({ "contents": [{ "role": "user", "parts": [{ "text": question.prompt }] }] });
    if let Some(system) = &question.system {
        body["systemInstruction"] = json!({ "parts": [{ "text": system }] });
    }
    let mut generation = Map::new();
    generation.extend(question.temperature.map(|temperature| ("temperature".to_owned(), json!(temperature))));
    generation.extend(question.max_tokens.map(|max| ("maxOutputTokens".to_owned(), json!(max))));
    if let Some(schema) = &question.schema {
        generation.insert("responseMimeType".to_owned(), json!("application/json"));
        generation.insert("responseJsonSchema".to_owned(), schema.clone());
    }
    if !generation.is_empty() {
        body["generationConfig"] = Value::Object(generation);
    }
    body
}

pub(crate) fn read(answer: &Value) -> Result<Completion, Failure> {
    let finish_reason = text(answer, "/candidates/0/finishReason");
    let parts = answer.pointer("/candidates/0/content/parts").and_then(Value::as_array);
    // What a model thought on the way is not its answer.
    let spoken = parts.into_iter().flatten().filter(|part| part["thought"] != true);
    let content: String = spoken.filter_map(|part| part["text"].as_str()).collect();
    if content.is_empty() {
        let why = text(answer, "/promptFeedback/blockReason").or(finish_reason);
        return Err(no_answer(Service::Gemini, why.as_deref().unwrap_or("there is no candidate with text")));
    }
    let usage = Usage::of(
        count(answer, "/usageMetadata/promptTokenCount"),
        count(answer, "/usageMetadata/candidatesTokenCount"),
    );
    Ok(Completion { content, model: text(answer, "/modelVersion"), finish_reason, usage })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::testing::question;

    #[test]
    fn the_key_is_in_a_header_and_never_in_the_url() {
        let call = call(&question(Service::Gemini)).unwrap();
        assert_eq!(call.url, "https://generativelanguage.googleapis.com/v1beta/models/m:generateContent");
        assert_eq!(call.headers, [("x-goog-api-key", "k3y".to_owned())]);
        assert_eq!(
            call.body,
            json!({
                "contents": [{ "role": "user", "parts": [{ "text": "why?" }] }],
                "systemInstruction": { "parts": [{ "text": "be brief" }] },
                "generationConfig": { "temperature": 0.0, "maxOutputTokens": 100 },
            })
        );
    }

    #[test]
    fn vertex_has_a_place_in_each_region() {
        let mut question = Question {
            api: Api::VertexAi,
            project: Some("p-1".into()),
            location: Some("europe-west4".into()),
            schema: Some(json!({ "type": "object" })),
            ..question(Service::Gemini)
        };
        let vertex = call(&question).unwrap();
        assert_eq!(
            vertex.url,
            "https://europe-west4-aiplatform.googleapis.com/v1/projects/p-1/locations/europe-west4/publishers/google/\
             models/m:generateContent"
        );
        assert_eq!(vertex.headers, [("authorization", "Bearer k3y".to_owned())]);
        assert_eq!(vertex.body["generationConfig"]["responseMimeType"], "application/json");
        question.project = None;
        assert!(call(&question).unwrap_err().message().contains("project_id"));
    }

    #[test]
    fn a_model_s_name_leads_nowhere_else() {
        for model in ["../../evil", "m?x=1", "m/../n", "m:streamGenerateContent"] {
            let question = Question { model: model.into(), ..question(Service::Gemini) };
            assert!(call(&question).is_err(), "{model}");
        }
    }

    #[test]
    fn an_answer_is_read_without_its_thoughts() {
        let answer = json!({
            "candidates": [{ "finishReason": "STOP", "content": { "parts": [
                { "text": "hm", "thought": true }, { "text": "be" }, { "text": "cause" }
            ] } }],
            "usageMetadata": { "promptTokenCount": 2, "candidatesTokenCount": 3 },
            "modelVersion": "gemini-x",
        });
        let completion = read(&answer).unwrap();
        assert_eq!((&*completion.content, completion.model.as_deref()), ("because", Some("gemini-x")));
        for (answer, why) in [
            (json!({ "promptFeedback": { "blockReason": "SAFETY" } }), "SAFETY"),
            (json!({ "candidates": [{ "finishReason": "MAX_TOKENS" }] }), "MAX_TOKENS"),
            (json!({}), "no candidate"),
        ] {
            assert!(read(&answer).unwrap_err().message().contains(why));
        }
    }
}
