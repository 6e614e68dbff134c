//! The step type `gitlab`: what a pipeline says in its merge request, and what it starts.
//!
//! ```text
//! config    what users write: operations and their keys
//! instance  which GitLab, which project, which token
//! merge     the merge request: which it is, what it changes
//! comments  comments on it and on its lines, none of them twice
//! publish   releases, statuses, pipelines, merge requests
//! ```

mod comments;
mod config;
mod instance;
mod merge;
mod output;
mod publish;

use shiro_forge::schema::Checked;
use shiro_step::{Failure, Permissions, Step};

use config::{Operation, Settings};
use instance::Instance;
use output::Output;

struct Gitlab;

impl Step for Gitlab {
    const NAME: &'static str = "gitlab";
    const SUMMARY: &'static str =
        "Comments on merge requests, and makes releases, commit statuses, pipelines and merge requests in GitLab.";
    type Config = Checked<Settings>;
    type Output = Output;

    fn permissions() -> Permissions {
        let asked = Permissions::default().network(instance::URL);
        let asked = instance::VARIABLES.iter().fold(asked, |asked, name| asked.variable(*name));
        instance::SECRETS.iter().fold(asked, |asked, name| asked.secret(*name))
    }

    fn run(config: Checked<Settings>) -> Result<Output, Failure> {
        let settings = config.settings()?;
        let gitlab = Instance::new(settings)?;
        match settings.operation {
            Operation::PostComment => comments::post(&gitlab, settings),
            Operation::PostInlineComments => comments::post_inline(&gitlab, settings),
            Operation::GetCommitInfo => merge::commit(&gitlab, settings),
            Operation::GetUserInfo => merge::user(&gitlab, settings),
            Operation::GetMrParticipants => merge::participants(&gitlab, settings),
            Operation::GetFilesChanged => merge::files(&gitlab, settings),
            Operation::CreateRelease => publish::release(&gitlab, settings),
            Operation::SetCommitStatus => publish::status(&gitlab, settings),
            Operation::TriggerPipeline => publish::pipeline(&gitlab, settings),
            Operation::CreateMergeRequest => publish::merge_request(&gitlab, settings),
        }
    }
}

shiro_step::export!(Gitlab);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn asks_for_one_host_and_what_it_needs_by_name() {
        let asked = serde_json::to_value(Gitlab::permissions()).unwrap();
        let url = "{config.url|env.CI_API_V4_URL|env.CI_SERVER_URL|https://gitlab.com}";
        assert_eq!(asked["network"], json!([{ "url": url }]));
        assert_eq!(asked["secrets"], json!(["GITLAB_TOKEN", "CI_JOB_TOKEN"]));
        assert!(asked["environment"].as_array().unwrap().iter().all(|name| !name.as_str().unwrap().contains('*')));
        assert_eq!((asked.get("process"), asked.get("files")), (None, None));
    }
}
