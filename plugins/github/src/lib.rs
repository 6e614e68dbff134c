//! The step type `github`: what a job says in its pull request, and what it starts.
//!
//! ```text
//! config    what users write: operations and their keys
//! service   which API, which repository, which token
//! pull      the pull request: which it is, what it changes
//! comments  comments on it and reviews of its lines, none of them twice
//! publish   releases, statuses, workflow runs, pull requests
//! ```

mod comments;
mod config;
mod output;
mod publish;
mod pull;
mod service;

use shiro_forge::schema::Checked;
use shiro_step::{Failure, Permissions, Step};

use config::{Operation, Settings};
use output::Output;
use service::Service;

struct Github;

impl Step for Github {
    const NAME: &'static str = "github";
    const SUMMARY: &'static str =
        "Reviews pull requests, and makes releases, commit statuses, workflow runs and pull requests on GitHub.";
    type Config = Checked<Settings>;
    type Output = Output;

    fn permissions() -> Permissions {
        let asked = Permissions::default().network(service::URL).secret(service::TOKEN);
        let asked = service::VARIABLES.iter().fold(asked, |asked, name| asked.variable(*name));
        asked.read(shiro_forge::event::DIRECTORY)
    }

    fn run(config: Checked<Settings>) -> Result<Output, Failure> {
        let settings = config.settings()?;
        let github = Service::new(settings)?;
        match settings.operation {
            Operation::GetDiff => pull::diff(&github, settings),
            Operation::PostComment => comments::post(&github, settings),
            Operation::PostInlineComments => comments::post_inline(&github, settings),
            Operation::CreateRelease => publish::release(&github, settings),
            Operation::SetCommitStatus => publish::status(&github, settings),
            Operation::DispatchWorkflow => publish::workflow(&github, settings),
            Operation::CreatePullRequest => publish::pull_request(&github, settings),
        }
    }
}

shiro_step::export!(Github);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn asks_for_one_host_and_what_it_needs_by_name() {
        let asked = serde_json::to_value(Github::permissions()).unwrap();
        assert_eq!(asked["network"], json!([{ "url": "{config.url|env.GITHUB_API_URL|https://api.github.com}" }]));
        assert_eq!(asked["secrets"], json!(["GITHUB_TOKEN"]));
        assert_eq!(asked["files"], json!([{ "path": "{env.GITHUB_EVENT_PATH}/..", "access": "read" }]));
        assert!(asked["environment"].as_array().unwrap().iter().all(|name| !name.as_str().unwrap().contains('*')));
        assert_eq!(asked.get("process"), None);
    }
}
