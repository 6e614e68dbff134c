//! The pull request: which it is, and what it changes.

use serde_json::Value;
use shiro_forge::diff::Patch;
use shiro_forge::inline::ChangedFile;
use shiro_forge::{event, filled, variable};
use shiro_step::Failure;
use shiro_step::http::percent_encode;

use crate::config::Settings;
use crate::output::{Diff, Output};
use crate::service::Service;

/// The longest diff, unless the config says otherwise.
const USUAL_DIFF: usize = 256 << 10;

/// The longest diff there can be.
const MAX_DIFF: usize = 4 << 20;

/// The number of the pull request that is meant.
pub(crate) fn number(github: &Service, settings: &Settings) -> Result<u64, Failure> {
    let given = settings.pull_request.as_deref().and_then(|number| filled(Some(number))).map(str::to_owned);
    if let Some(given) = given.or_else(|| variable("GITHUB_PR_NUMBER")) {
        return given.parse().map_err(|_| Failure::invalid_config(format!("`{given}` is no pull request's number")));
    }
    let of_ref = variable("GITHUB_REF").and_then(|name| of_ref(&name));
    if let Some(number) = of_ref.or_else(|| of_event(&event::read())) {
        return Ok(number);
    }
    of_commit(github)?.ok_or_else(|| {
        Failure::permanent(
            "no_pull_request",
            "there is no pull request here: let the job run `on: pull_request`, or set `pull_request`",
        )
    })
}

/// Of `refs/pull/7/merge`.
fn of_ref(name: &str) -> Option<u64> {
    let (number, kind) = name.strip_prefix("refs/pull/")?.split_once('/')?;
    matches!(kind, "merge" | "head").then(|| number.parse().ok())?
}

/// Of what started the job: an event about a pull request, or a comment on one.
fn of_event(event: &Value) -> Option<u64> {
    let of_comment = event.pointer("/issue/pull_request").and(event.pointer("/issue/number"));
    event.pointer("/pull_request/number").or(of_comment)?.as_u64()
}

/// The one that is open for the job's commit.
/// <https://docs.github.com/en/rest/commits/commits#list-pull-requests-associated-with-a-commit>
fn of_commit(github: &Service) -> Result<Option<u64>, Failure> {
    let Some(sha) = variable("GITHUB_SHA") else { return Ok(None) };
    let path = github.path(&format!("/commits/{}/pulls", percent_encode(&sha)));
    let pulls = match github.api.list(&path, &[]) {
        Ok(pulls) => pulls,
        // Not allowed to look, or no such commit: then it is not known.
        Err(refusal) if refusal.is(&[403, 404, 422]) => return Ok(None),
        Err(refusal) => return Err(refusal.into()),
    };
    let mut open = pulls.iter().filter(|pull| pull.get("state").and_then(Value::as_str) == Some("open"));
    let number = open.next().and_then(|pull| pull.get("number")?.as_u64());
    Ok(number.filter(|_| open.next().is_none()))
}

/// The pull request's newest commit.
pub(crate) fn head(github: &Service, number: u64) -> Result<String, Failure> {
    let pull = github.api.get(&github.path(&format!("/pulls/{number}")), &[])?;
    let sha = pull.pointer("/head/sha").and_then(Value::as_str).map(str::to_owned);
    sha.ok_or_else(|| Failure::permanent("bad_answer", "GitHub did not say which commit the pull request is at"))
}

/// The files that it changes.
pub(crate) fn files(github: &Service, number: u64) -> Result<Vec<ChangedFile>, Failure> {
    let files = github.api.list(&github.path(&format!("/pulls/{number}/files")), &[])?;
    Ok(files.iter().map(changed_file).collect())
}

fn changed_file(file: &Value) -> ChangedFile {
    let text = |key: &str| file.get(key).and_then(Value::as_str);
    let new_path = text("filename").unwrap_or_default().to_owned();
    let status = text("status").unwrap_or_default();
    ChangedFile {
        old_path: text("previous_filename").map_or_else(|| new_path.clone(), str::to_owned),
        new_path,
        added: status == "added",
        deleted: status == "removed",
        patch: text("patch").map(Patch::parse),
    }
}

/// `get_diff`.
pub(crate) fn diff(github: &Service, settings: &Settings) -> Result<Output, Failure> {
    let limit = settings.max_bytes.unwrap_or(USUAL_DIFF);
    if limit == 0 || limit > MAX_DIFF {
        return Err(Failure::invalid_config(format!("`max_bytes` has to be between 1 and {MAX_DIFF}")));
    }
    let path = github.path(&format!("/pulls/{}", number(github, settings)?));
    let request = github.api.request_for("GET", &path, "application/vnd.github.diff");
    let response = github.api.send(request).map_err(|refusal| match refusal.is(&[406]) {
        true => Failure::permanent("diff_too_large", "GitHub shows no diff that large: use `git.diff`"),
        false => refusal.into(),
    })?;
    let mut text = response.excerpt(limit + 1);
    let truncated = text.len() > limit;
    if truncated {
        let end = (0..=limit).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
        text.truncate(end);
        text.push_str("\n[the rest of the diff is left out]\n");
    }
    let message = if truncated { "got the beginning of the diff" } else { "got the diff" }.to_owned();
    Ok(Output { own: Diff { diff: Some(text), truncated: Some(truncated) }, ..Output::done(message) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_job_s_ref_names_its_pull_request() {
        assert_eq!(of_ref("refs/pull/123/merge"), Some(123));
        assert_eq!(of_ref("refs/pull/7/head"), Some(7));
        for name in ["refs/heads/main", "refs/pull/", "refs/pull/x/merge", "refs/pull/7", "refs/heads/pull/7/merge"] {
            assert_eq!(of_ref(name), None, "{name}");
        }
    }

    #[test]
    fn an_event_names_its_pull_request() {
        assert_eq!(of_event(&json!({ "pull_request": { "number": 7 } })), Some(7));
        assert_eq!(of_event(&json!({ "issue": { "number": 8, "pull_request": {} } })), Some(8));
        for event in [
            json!({ "issue": { "number": 8 } }),
            json!({ "number": 9 }),
            json!({ "pull_request": { "number": "7" } }),
            Value::Null,
        ] {
            assert_eq!(of_event(&event), None, "{event}");
        }
    }

    #[test]
    fn a_file_has_its_names_and_its_patch() {
        let renamed = changed_file(&json!({ "filename": "b", "previous_filename": "a", "status": "renamed" }));
        assert_eq!((renamed.old_path.as_str(), renamed.new_path.as_str(), renamed.patch), ("a", "b", None));
        let added = changed_file(&json!({ "filename": "b", "status": "added", "patch": "@@ -0,0 +1 @@\n+x" }));
        assert!(added.added && added.old_path == "b" && added.patch.is_some());
    }
}
