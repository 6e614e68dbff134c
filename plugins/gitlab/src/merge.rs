//! The merge request: which it is, and what GitLab knows of it.

use serde_json::Value;
use shiro_forge::diff::Patch;
use shiro_forge::inline::ChangedFile;
use shiro_forge::{filled, variable};
use shiro_step::Failure;
use shiro_step::http::percent_encode;

use crate::config::Settings;
use crate::instance::Instance;
use crate::output::{Lists, Output};

/// The path of the merge request that is meant.
pub(crate) fn path(gitlab: &Instance, settings: &Settings) -> Result<String, Failure> {
    let given = settings.merge_request_iid.as_deref().and_then(|iid| filled(Some(iid))).map(str::to_owned);
    let own_project = settings.project.is_none();
    let iid = given.or_else(|| variable("CI_MERGE_REQUEST_IID")).or_else(|| {
        let open = variable("CI_OPEN_MERGE_REQUESTS").filter(|_| own_project)?;
        open_in(&open, &variable("CI_PROJECT_PATH")?)
    });
    let iid = iid.ok_or_else(|| {
        Failure::permanent(
            "no_merge_request",
            "there is no merge request here: let the job run in merge request pipelines (`rules: - if: $CI_PIPELINE_SOURCE \
             == \"merge_request_event\"`), or set `merge_request_iid`",
        )
    })?;
    match iid.bytes().all(|byte| byte.is_ascii_digit()) {
        true => gitlab.project(&format!("/merge_requests/{iid}")),
        false => Err(Failure::invalid_config("`merge_request_iid` has to be a number")),
    }
}

/// Of `group/name!7,other/fork!9` the number of this project's.
fn open_in(open: &str, project: &str) -> Option<String> {
    open.split(',').find_map(|one| {
        let (path, iid) = one.trim().rsplit_once('!')?;
        (path == project).then(|| iid.to_owned())
    })
}

/// The commits that a version of a merge request's changes lies between, and its files.
/// <https://docs.gitlab.com/api/merge_requests/#get-merge-request-diff-versions>
pub(crate) struct Version {
    pub(crate) base: String,
    pub(crate) start: String,
    pub(crate) head: String,
    pub(crate) files: Vec<ChangedFile>,
}

/// The newest version: its commits and its files belong together, whatever is pushed meanwhile.
pub(crate) fn version(gitlab: &Instance, merge_request: &str) -> Result<Version, Failure> {
    let versions = gitlab.api.get(&format!("{merge_request}/versions"), &[])?;
    let id = versions.pointer("/0/id").and_then(Value::as_u64).ok_or_else(|| {
        Failure::transient("no_diff", "GitLab has no diff of this merge request yet, or it has no changes")
    })?;
    let version = gitlab.api.get(&format!("{merge_request}/versions/{id}"), &[])?;
    let hash = |key: &str| {
        let hash = version.get(key).and_then(Value::as_str).filter(|hash| !hash.is_empty());
        hash.map(str::to_owned)
            .ok_or_else(|| Failure::transient("no_diff", format!("GitLab's diff has no `{key}` yet")))
    };
    let files = version.get("diffs").and_then(Value::as_array).into_iter().flatten().map(changed_file).collect();
    Ok(Version {
        base: hash("base_commit_sha")?,
        start: hash("start_commit_sha")?,
        head: hash("head_commit_sha")?,
        files,
    })
}

fn changed_file(diff: &Value) -> ChangedFile {
    let text = |key: &str| diff.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let flag = |key: &str| diff.get(key) == Some(&Value::Bool(true));
    let patch = text("diff");
    // Of a file that is too large GitLab leaves the changes out; one that was only renamed has none.
    let hidden = patch.is_empty() && (flag("too_large") || flag("collapsed"));
    ChangedFile {
        old_path: text("old_path"),
        new_path: text("new_path"),
        added: flag("new_file"),
        deleted: flag("deleted_file"),
        patch: (!hidden).then(|| Patch::parse(&patch)),
    }
}

/// `get_commit_info`.
pub(crate) fn commit(gitlab: &Instance, settings: &Settings) -> Result<Output, Failure> {
    let sha = commit_sha(settings)?;
    let info = gitlab.api.get(&gitlab.project(&format!("/repository/commits/{}", percent_encode(&sha)))?, &[])?;
    Ok(Output::info("found the commit", info))
}

/// The commit that is meant.
pub(crate) fn commit_sha(settings: &Settings) -> Result<String, Failure> {
    let given = filled(settings.commit_sha.as_deref()).map(str::to_owned);
    given.or_else(|| variable("CI_COMMIT_SHA")).ok_or_else(|| {
        Failure::invalid_config("which commit? Set `commit_sha`; in a GitLab job it is known from CI_COMMIT_SHA")
    })
}

/// `get_user_info`.
pub(crate) fn user(gitlab: &Instance, settings: &Settings) -> Result<Output, Failure> {
    let id = settings.user_id.as_deref().unwrap_or_default();
    let info = gitlab.api.get(&format!("/users/{}", percent_encode(id)), &[])?;
    Ok(Output::info("found the user", info))
}

/// `get_mr_participants`.
pub(crate) fn participants(gitlab: &Instance, settings: &Settings) -> Result<Output, Failure> {
    let participants = gitlab.api.list(&format!("{}/participants", path(gitlab, settings)?), &[])?;
    let message = format!("found {} participants", participants.len());
    Ok(Output { own: Lists { participants: Some(participants), ..Lists::default() }, ..Output::done(message) })
}

/// `get_files_changed`.
pub(crate) fn files(gitlab: &Instance, settings: &Settings) -> Result<Output, Failure> {
    let files = gitlab.api.list(&format!("{}/diffs", path(gitlab, settings)?), &[])?;
    let message = format!("found {} changed files", files.len());
    Ok(Output { own: Lists { files: Some(files), ..Lists::default() }, ..Output::done(message) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_open_merge_request_of_this_project_is_found() {
        assert_eq!(open_in("group/fork!9, group/name!7", "group/name").as_deref(), Some("7"));
        assert_eq!(open_in("group/fork!9", "group/name"), None);
        assert_eq!(open_in("", "group/name"), None);
    }

    #[test]
    fn a_file_that_gitlab_does_not_show_has_no_patch() {
        let file = |more: Value| {
            let mut diff = json!({ "old_path": "a", "new_path": "b", "diff": "" });
            diff.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            changed_file(&diff)
        };
        assert_eq!(file(json!({ "collapsed": true })).patch, None);
        assert_eq!(file(json!({ "too_large": true })).patch, None);
        assert_eq!(file(json!({ "renamed_file": true })).patch, Some(Patch::default()), "it was only renamed");
        assert!(file(json!({ "new_file": true, "diff": "@@ -0,0 +1 @@\n+a\n" })).added);
    }
}
