//! Releases, commit statuses, workflow runs and pull requests.

use serde_json::{Map, Value, json};
use shiro_forge::{add, event, filled, variable};
use shiro_step::http::percent_encode;
use shiro_step::{Failure, log};

use crate::config::Settings;
use crate::output::Output;
use crate::pull;
use crate::service::Service;

/// The longest description of a status that GitHub takes, in characters.
const DESCRIPTION: usize = 140;

/// `create_release`. <https://docs.github.com/en/rest/releases/releases#create-a-release>
pub(crate) fn release(github: &Service, settings: &Settings) -> Result<Output, Failure> {
    let tag = settings.tag_name.as_deref().unwrap_or_default();
    let mut body = Map::new();
    add(&mut body, "name", settings.name.as_ref());
    add(&mut body, "body", settings.body.as_ref());
    for (key, flag) in [("draft", settings.draft), ("prerelease", settings.prerelease)] {
        body.extend(flag.map(|flag| (key.to_owned(), flag.into())));
    }
    let changes = Value::Object(body.clone());
    body.insert("tag_name".to_owned(), tag.into());
    let from = settings.target_commitish.as_deref().and_then(|from| filled(Some(from))).map(str::to_owned);
    body.extend(from.or_else(|| variable("GITHUB_SHA")).map(|from| ("target_commitish".to_owned(), from.into())));
    body.extend(settings.generate_release_notes.map(|flag| ("generate_release_notes".to_owned(), flag.into())));
    match github.api.write("POST", &github.path("/releases"), &Value::Object(body)) {
        Ok(release) => Ok(Output { created: true, ..Output::info("made the release", release) }),
        Err(refusal) if refusal.is(&[422]) && refusal.says("already_exists") => {
            existing_release(github, settings, tag, &changes)
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// There is one of this tag: from an attempt whose answer was lost, or somebody else's.
fn existing_release(github: &Service, settings: &Settings, tag: &str, changes: &Value) -> Result<Output, Failure> {
    let there = github.api.get(&github.path(&format!("/releases/tags/{}", percent_encode(tag))), &[])?;
    let same = |key: &str| changes.get(key).is_none_or(|wanted| there.get(key) == Some(wanted));
    if same("name") && same("body") {
        return Ok(Output::info("the release was there already", there));
    }
    if let (true, Some(id)) = (settings.update, there.get("id").and_then(Value::as_u64)) {
        let changed = github.api.write("PATCH", &github.path(&format!("/releases/{id}")), changes)?;
        return Ok(Output::info("changed the release", changed));
    }
    Err(Failure::permanent(
        "release_exists",
        "there is a release of this tag already, with another name or other notes: take another `tag_name`, or set `update`",
    ))
}

/// `set_commit_status`. <https://docs.github.com/en/rest/commits/statuses#create-a-commit-status>
pub(crate) fn status(github: &Service, settings: &Settings) -> Result<Output, Failure> {
    let sha = commit(github, settings)?;
    let mut body = Map::new();
    body.insert("state".to_owned(), settings.state.map(|state| state.name()).into());
    body.insert("context".to_owned(), (&*settings.context).into());
    if let Some(description) = settings.description.as_deref().and_then(|text| filled(Some(text))) {
        let short = match description.char_indices().nth(DESCRIPTION) {
            Some(_) => description.chars().take(DESCRIPTION - 1).chain(['…']).collect(),
            None => description.to_owned(),
        };
        body.insert("description".to_owned(), short.into());
    }
    body.extend(filled(settings.target_url.as_deref()).map(|url| ("target_url".to_owned(), url.into())));
    let path = github.path(&format!("/statuses/{}", percent_encode(&sha)));
    let status = github.api.write("POST", &path, &Value::Object(body))?;
    Ok(Output { created: true, ..Output::info("set the status", status) })
}

/// The commit that is meant. In a pull request's job `GITHUB_SHA` is a trial merge, whose status nobody sees.
fn commit(github: &Service, settings: &Settings) -> Result<String, Failure> {
    if let Some(sha) = filled(settings.sha.as_deref()) {
        return Ok(sha.to_owned());
    }
    let of_pull_request = settings.pull_request.as_deref().is_some_and(|number| filled(Some(number)).is_some())
        || variable("GITHUB_REF").is_some_and(|name| name.starts_with("refs/pull/"));
    if of_pull_request {
        let event = event::read();
        let known =
            event.pointer("/pull_request/head/sha").and_then(Value::as_str).filter(|_| settings.pull_request.is_none());
        return match known {
            Some(sha) => Ok(sha.to_owned()),
            None => pull::head(github, pull::number(github, settings)?),
        };
    }
    variable("GITHUB_SHA")
        .ok_or_else(|| Failure::invalid_config("which commit? Set `sha`; in a GitHub job it is known from GITHUB_SHA"))
}

/// `dispatch_workflow`. <https://docs.github.com/en/rest/actions/workflows#create-a-workflow-dispatch-event>
pub(crate) fn workflow(github: &Service, settings: &Settings) -> Result<Output, Failure> {
    let workflow = percent_encode(settings.workflow.as_deref().unwrap_or_default());
    let path = github.path(&format!("/actions/workflows/{workflow}/dispatches"));
    let body = json!({ "ref": settings.reference, "inputs": settings.inputs });
    let answer = github.api.write("POST", &path, &body).map_err(|refusal| refusal.once("the workflow was started"))?;
    // GitHub has nothing to say of it, or the run.
    let info = Some(answer).filter(|answer| !answer.is_null());
    Ok(Output { created: true, info, ..Output::done("started the workflow") })
}

/// `create_pull_request`. <https://docs.github.com/en/rest/pulls/pulls#create-a-pull-request>
pub(crate) fn pull_request(github: &Service, settings: &Settings) -> Result<Output, Failure> {
    let mut body = Map::new();
    for (key, text) in
        [("title", &settings.title), ("head", &settings.head), ("base", &settings.base), ("body", &settings.body)]
    {
        add(&mut body, key, text.as_ref());
    }
    body.extend(settings.draft.map(|draft| ("draft".to_owned(), draft.into())));
    let (made, created) = match github.api.write("POST", &github.path("/pulls"), &Value::Object(body)) {
        Ok(made) => (made, true),
        Err(refusal) if refusal.is(&[422]) && refusal.says("already exists") => match open(github, settings)? {
            Some(there) => (there, false),
            None => return Err(refusal.into()),
        },
        Err(refusal) => return Err(refusal.into()),
    };
    let number = made.get("number").and_then(Value::as_u64);
    if let Some(number) = number {
        // Both may be done again: labels and reviewers that are there stay.
        if !settings.labels.is_empty() {
            let path = github.path(&format!("/issues/{number}/labels"));
            github.api.write("POST", &path, &json!({ "labels": settings.labels }))?;
        }
        if !settings.reviewers.is_empty() {
            let path = github.path(&format!("/pulls/{number}/requested_reviewers"));
            github.api.write("POST", &path, &json!({ "reviewers": settings.reviewers }))?;
        }
    } else {
        log::warn("GitHub did not say which number the pull request has: it has no labels and reviewers");
    }
    let message = if created { "made a pull request" } else { "the pull request was there already" };
    Ok(Output { created, ..Output::info(message, made) })
}

/// The one that is open for these branches.
fn open(github: &Service, settings: &Settings) -> Result<Option<Value>, Failure> {
    let head = settings.head.as_deref().unwrap_or_default();
    let head = if head.contains(':') { head.to_owned() } else { format!("{}:{head}", github.owner()) };
    let base = settings.base.as_deref().unwrap_or_default();
    let found = github.api.get(&github.path("/pulls"), &[("state", "open"), ("head", &head), ("base", base)])?;
    Ok(found.get(0).cloned())
}
