//! The workflows that `shiro init` starts from.

use super::super::args::init::TemplateArg;
use crate::ci::{Platform, Trigger};

/// Stands in a template for where a person approves.
const LINK: &str = "@LINK@";

/// Stands in the template for reviews for what the last step does with the comments.
const COMMENT: &str = "@COMMENT@";

/// The workflow's text, with links for the CI system that will run it.
pub(super) fn workflow(template: TemplateArg, platform: Option<Platform>) -> String {
    let text = match template {
        TemplateArg::Approval => include_str!("templates/approval.json"),
        TemplateArg::CodeReview => include_str!("templates/code-review.json"),
        TemplateArg::Release => include_str!("templates/release.json"),
        TemplateArg::Blank => include_str!("templates/blank.json"),
    };
    text.replace(LINK, link(platform)).replace(COMMENT, &comment(platform))
}

/// Comments where the changes are shown. Outside of CI there is no such place, and they are printed.
fn comment(platform: Option<Platform>) -> String {
    let step_type = match platform {
        Some(Platform::Gitlab) => "gitlab",
        Some(Platform::Github) => "github",
        None => {
            return [
                r#"      "type": "print","#,
                r#"      "depends_on": ["review"],"#,
                r#"      "if": "steps.changes.diff != ''","#,
                r#"      "config": { "message": "{{steps.review.json.comments | json}}" }"#,
            ]
            .join("\n");
        }
    };
    [
        &format!(r#"      "type": "{step_type}","#),
        r#"      "depends_on": ["review"],"#,
        r#"      "if": "steps.changes.diff != ''","#,
        r#"      "retry": { "max_attempts": 3, "delay": "10s" },"#,
        r#"      "config": {"#,
        r#"        "operation": "post_inline_comments","#,
        r#"        "output_format": "json","#,
        r#"        "comments": "{{steps.review.json.comments}}""#,
        r#"      }"#,
    ]
    .join("\n")
}

/// What the CI file runs for.
pub(super) fn trigger(template: TemplateArg) -> Trigger {
    match template {
        TemplateArg::CodeReview => Trigger::MergeRequests,
        TemplateArg::Approval | TemplateArg::Release | TemplateArg::Blank => Trigger::DefaultBranch,
    }
}

/// The secrets that the jobs of a template need as variables.
pub(super) fn secrets(template: TemplateArg) -> &'static [&'static str] {
    match template {
        TemplateArg::CodeReview => &["GITHUB_TOKEN", "LLM_API_KEY"],
        TemplateArg::Approval | TemplateArg::Release | TemplateArg::Blank => &[],
    }
}

/// Where a person approves. Outside of CI there is no page, and the run says itself how to go on.
fn link(platform: Option<Platform>) -> &'static str {
    match platform {
        Some(Platform::Gitlab) => "{{env.CI_PIPELINE_URL | default('shiro run')}}",
        Some(Platform::Github) => {
            "{{env.GITHUB_SERVER_URL | default('')}}/{{env.GITHUB_REPOSITORY | default('')}}/actions/runs/{{env.GITHUB_RUN_ID | default('')}}"
        }
        None => "shiro run",
    }
}

/// What the user has to do or to know for this template, besides what holds for all.
pub(super) fn advice(template: TemplateArg, platform: Option<Platform>) -> Vec<&'static str> {
    match (template, platform) {
        (TemplateArg::Approval, _) => {
            vec![
                "Put your own commands into the steps `prepare` and `deploy`. Slack is told where SLACK_WEBHOOK_URL is set.",
            ]
        }
        (TemplateArg::CodeReview, Some(Platform::Gitlab)) => vec![
            "Give the pipeline two masked variables: LLM_API_KEY, the key of your model's service, and GITLAB_TOKEN, an access",
            "token of the project with the scope `api`. LLM_BASE_URL and LLM_MODEL name another service or model.",
            "Merge requests from forks run in the fork, without your variables: there is no review of them.",
        ],
        (TemplateArg::CodeReview, Some(Platform::Github)) => vec![
            "Give the repository a secret LLM_API_KEY, the key of your model's service. LLM_BASE_URL and LLM_MODEL, as variables",
            "in the file's `env`, name another service or model.",
            "Pull requests from forks get no secrets: the job fails there, and that is as it should be.",
        ],
        (TemplateArg::CodeReview, None) => {
            vec!["Set LLM_API_KEY to the key of your model's service; LLM_BASE_URL and LLM_MODEL name another one."]
        }
        (TemplateArg::Release, Some(Platform::Gitlab)) => vec![
            "Put your tests into the step `check`.",
            "Let the job push tags: Settings > CI/CD > Job token permissions > Allow Git push requests.",
        ],
        (TemplateArg::Release, Some(Platform::Github)) => vec![
            "Put your tests into the step `check`.",
            "Let the approve job push tags: `contents: write` under its `permissions`.",
        ],
        (TemplateArg::Release, None) => vec!["Put your tests into the step `check`."],
        (TemplateArg::Blank, _) => vec!["`shiro plugin list` shows the step types there are."],
    }
}
