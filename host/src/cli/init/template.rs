//! The workflows that `shiro init` starts from.

use super::super::args::init::TemplateArg;
use crate::ci::Platform;

/// Stands in a template for where a person approves.
const LINK: &str = "@LINK@";

/// The workflow's text, with links for the CI system that will run it.
pub(super) fn workflow(template: TemplateArg, platform: Option<Platform>) -> String {
    let text = match template {
        TemplateArg::Approval => include_str!("templates/approval.json"),
        TemplateArg::Release => include_str!("templates/release.json"),
        TemplateArg::Blank => include_str!("templates/blank.json"),
    };
    text.replace(LINK, link(platform))
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
