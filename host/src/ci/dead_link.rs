//! Links to a pipeline's page that lead nowhere: GitLab finds a project's pages by its path, not by its number, so
//! `$CI_SERVER_URL/$CI_PROJECT_ID/-/pipelines/...` is dead. `CI_PIPELINE_URL` is the page.

use serde_json::Value;

use crate::diagnostic::{Diagnostic, Place};
use crate::workflow::model::Workflow;

/// The rule's name.
pub(super) const RULE: &str = "dead-pipeline-link";
/// What to do.
pub(super) const HINT: &str = "CI_PIPELINE_URL is the pipeline's page, CI_PROJECT_URL the project's";

const VARIABLE: &str = "CI_PROJECT_ID";

/// Where in a text such a link is, in bytes.
pub(super) fn find(text: &str) -> Option<usize> {
    text.match_indices(VARIABLE).map(|(at, _)| at).find(|at| {
        let after = &text[at + VARIABLE.len()..];
        after.trim_start_matches([' ', '}']).starts_with("/-/")
    })
}

/// Every such link in the steps of a workflow.
pub fn dead_links(workflow: &Workflow) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    for step in &workflow.steps {
        let mut pending = vec![(step.pointer("config"), &step.config)];
        while let Some((pointer, value)) = pending.pop() {
            match value {
                Value::String(text) => problems.extend(find(text).map(|at| dead(Place::within(pointer, at)))),
                Value::Array(items) => {
                    pending.extend(items.iter().enumerate().map(|(index, item)| (format!("{pointer}/{index}"), item)));
                }
                Value::Object(members) => {
                    pending.extend(members.iter().map(|(name, item)| {
                        (format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1")), item)
                    }))
                }
                _ => {}
            }
        }
    }
    problems
}

fn dead(place: Place) -> Diagnostic {
    let message = "this link is dead: GitLab's pages are found by the project's path, not by its number";
    Diagnostic::warning(RULE, place, message).with_hint(format!("take {{{{env.CI_PIPELINE_URL}}}}: {HINT}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_by_number_are_dead_and_the_api_by_number_is_not() {
        for (text, dead) in [
            ("{{env.CI_SERVER_URL}}/{{env.CI_PROJECT_ID}}/-/pipelines/{{env.CI_PIPELINE_ID}}", true),
            ("$CI_SERVER_URL/$CI_PROJECT_ID/-/pipelines/$CI_PIPELINE_ID", true),
            ("${CI_SERVER_URL}/${CI_PROJECT_ID}/-/jobs", true),
            ("{{ env.CI_PROJECT_ID }}/-/x", true),
            ("$CI_API_V4_URL/projects/$CI_PROJECT_ID/pipelines", false),
            ("$CI_SERVER_URL/$CI_PROJECT_PATH/-/pipelines", false),
            ("{{env.CI_PIPELINE_URL}}", false),
        ] {
            assert_eq!(find(text).is_some(), dead, "{text}");
        }
    }
}
