//! Releases, commit statuses, pipelines and merge requests.

use serde_json::{Map, Value, json};
use shiro_forge::{add, filled};
use shiro_step::Failure;
use shiro_step::http::percent_encode;

use crate::comments;
use crate::config::Settings;
use crate::instance::Instance;
use crate::merge;
use crate::output::Output;

/// `create_release`. <https://docs.gitlab.com/api/releases/#create-a-release>
pub(crate) fn release(gitlab: &Instance, settings: &Settings) -> Result<Output, Failure> {
    let tag = settings.tag_name.as_deref().unwrap_or_default();
    let mut body = Map::new();
    add(&mut body, "name", settings.name.as_ref());
    add(&mut body, "description", settings.description.as_ref());
    body.extend(filled(settings.released_at.as_deref()).map(|time| ("released_at".to_owned(), time.into())));
    if !settings.milestones.is_empty() {
        body.insert("milestones".to_owned(), json!(settings.milestones));
    }
    let changes = Value::Object(body.clone());
    body.insert("tag_name".to_owned(), tag.into());
    // Only a tag that is not there needs it.
    let from = settings.reference.as_deref().and_then(|reference| filled(Some(reference))).map(str::to_owned);
    body.extend(from.or_else(|| merge::commit_sha(settings).ok()).map(|from| ("ref".to_owned(), from.into())));
    if !settings.links.is_empty() {
        body.insert("assets".to_owned(), json!({ "links": settings.links }));
    }
    match gitlab.api.write("POST", &gitlab.project("/releases")?, &Value::Object(body)) {
        Ok(release) => Ok(released(release, "made the release", true)),
        Err(refusal) if refusal.is(&[409]) => existing_release(gitlab, settings, tag, &changes),
        Err(refusal) => Err(refusal.into()),
    }
}

/// There is one of this tag: from an attempt whose answer was lost, or somebody else's.
fn existing_release(gitlab: &Instance, settings: &Settings, tag: &str, changes: &Value) -> Result<Output, Failure> {
    let path = gitlab.project(&format!("/releases/{}", percent_encode(tag)))?;
    let there = gitlab.api.get(&path, &[])?;
    let same = |key: &str| changes.get(key).is_none_or(|wanted| there.get(key) == Some(wanted));
    if same("name") && same("description") {
        return Ok(released(there, "the release was there already", false));
    }
    if settings.update {
        return Ok(released(gitlab.api.write("PUT", &path, changes)?, "changed the release", false));
    }
    Err(Failure::permanent(
        "release_exists",
        "there is a release of this tag already, with another name or other notes: take another `tag_name`, or set `update`",
    ))
}

fn released(release: Value, message: &str, created: bool) -> Output {
    let url = release.pointer("/_links/self").and_then(Value::as_str).map(str::to_owned);
    Output { created, url, ..Output::info(message, release) }
}

/// `set_commit_status`. <https://docs.gitlab.com/api/commits/#set-commit-pipeline-status>
pub(crate) fn status(gitlab: &Instance, settings: &Settings) -> Result<Output, Failure> {
    let sha = merge::commit_sha(settings)?;
    let mut body = Map::new();
    body.insert("state".to_owned(), settings.state.map(|state| state.name()).into());
    let name = settings.name.as_deref().and_then(|name| filled(Some(name))).unwrap_or("shiro");
    body.insert("name".to_owned(), name.into());
    add(&mut body, "description", settings.description.as_ref());
    add(&mut body, "ref", settings.reference.as_ref());
    add(&mut body, "pipeline_id", settings.pipeline_id.as_ref());
    body.extend(filled(settings.target_url.as_deref()).map(|url| ("target_url".to_owned(), url.into())));
    body.extend(settings.coverage.map(|coverage| ("coverage".to_owned(), coverage.into())));
    let path = gitlab.project(&format!("/statuses/{}", percent_encode(&sha)))?;
    match gitlab.api.write("POST", &path, &Value::Object(body)) {
        Ok(status) => Ok(Output { created: true, ..Output::info("set the status", status) }),
        // It has this state already, from an attempt whose answer was lost.
        Err(refusal) if refusal.is(&[400]) && refusal.says("cannot transition status") => {
            Ok(Output::done("the commit had this status already"))
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// `trigger_pipeline`. <https://docs.gitlab.com/api/pipeline_triggers/#trigger-a-pipeline-with-a-token>,
/// <https://docs.gitlab.com/api/pipelines/#create-a-new-pipeline>
pub(crate) fn pipeline(gitlab: &Instance, settings: &Settings) -> Result<Output, Failure> {
    let reference = settings.reference.as_deref().unwrap_or_default();
    let trigger = filled(settings.trigger_token.as_deref()).map(str::to_owned).or_else(|| gitlab.job_token.clone());
    let mut body = Map::new();
    body.insert("ref".to_owned(), reference.into());
    if !settings.inputs.is_empty() {
        body.insert("inputs".to_owned(), json!(settings.inputs));
    }
    let answer = if let Some(token) = trigger {
        body.insert("token".to_owned(), token.into());
        body.insert("variables".to_owned(), json!(settings.variables));
        gitlab.anonymous().write("POST", &gitlab.project("/trigger/pipeline")?, &Value::Object(body))
    } else {
        let variables = settings.variables.iter().map(|(key, value)| json!({ "key": key, "value": value }));
        body.insert("variables".to_owned(), variables.collect());
        gitlab.api.write("POST", &gitlab.project("/pipeline")?, &Value::Object(body))
    };
    let pipeline = answer.map_err(|refusal| refusal.once("a pipeline was started"))?;
    Ok(Output { created: true, ..Output::info("started a pipeline", pipeline) })
}

/// `create_merge_request`. <https://docs.gitlab.com/api/merge_requests/#create-mr>
pub(crate) fn merge_request(gitlab: &Instance, settings: &Settings) -> Result<Output, Failure> {
    let mut body = Map::new();
    add(&mut body, "source_branch", settings.source_branch.as_ref());
    add(&mut body, "target_branch", settings.target_branch.as_ref());
    add(&mut body, "title", settings.title.as_ref());
    let description = settings.description.as_deref().and_then(|text| filled(Some(text)));
    body.extend(description.map(|text| ("description".to_owned(), comments::text(text, settings).into())));
    if !settings.labels.is_empty() {
        body.insert("labels".to_owned(), settings.labels.join(",").into());
    }
    for (key, ids) in [("assignee_ids", &settings.assignee_ids), ("reviewer_ids", &settings.reviewer_ids)] {
        if !ids.is_empty() {
            body.insert(key.to_owned(), json!(ids));
        }
    }
    for (key, flag) in [("remove_source_branch", settings.remove_source_branch), ("squash", settings.squash)] {
        body.extend(flag.map(|flag| (key.to_owned(), flag.into())));
    }
    let path = gitlab.project("/merge_requests")?;
    match gitlab.api.write("POST", &path, &Value::Object(body)) {
        Ok(made) => Ok(Output { created: true, ..Output::info("made a merge request", made) }),
        Err(refusal) if refusal.is(&[409]) => {
            let branches = [("source_branch", &settings.source_branch), ("target_branch", &settings.target_branch)];
            let mut query = vec![("state", "opened")];
            query.extend(branches.iter().map(|(key, branch)| (*key, branch.as_deref().unwrap_or_default())));
            match gitlab.api.get(&path, &query)?.get(0) {
                Some(there) => Ok(Output::info("the merge request was there already", there.clone())),
                None => Err(refusal.into()),
            }
        }
        Err(refusal) => Err(refusal.into()),
    }
}
