//! What the environment says about the CI job: evidence for the journal, and defaults. Whoever starts a job can set these
//! variables, so none of it is proof.

use std::path::PathBuf;

use crate::approval::{Account, Author, Authorship};
use crate::capability::Variables;
use crate::event::{Approver, Job};

/// The job's environment, read once at the start of the process.
#[derive(Clone, Debug)]
pub(super) struct Environment {
    variables: Vec<(String, String)>,
}

impl Environment {
    /// The process's environment. Variables that are not UTF-8 can't be named in a workflow and are left out.
    pub(super) fn of_process() -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self::new(variables)
    }

    /// An environment of these variables.
    pub(super) fn new(mut variables: Vec<(String, String)>) -> Self {
        variables.sort();
        Self { variables }
    }

    /// The same without this variable.
    pub(super) fn without(mut self, name: Option<&str>) -> Self {
        self.variables.retain(|(have, _)| Some(have.as_str()) != name);
        self
    }

    /// A variable's value, empty or not.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let index = self.variables.binary_search_by(|(have, _)| have.as_str().cmp(name)).ok()?;
        Some(&self.variables[index].1)
    }

    /// A variable's value, if it is not empty.
    pub(super) fn filled(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// All variables, sorted by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The variables that permissions may refer to: all but shiro's own.
    pub(super) fn for_permissions(&self) -> Variables {
        let own = |name: &str| name.starts_with("SHIRO_");
        self.iter().filter(|(name, _)| !own(name)).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// Which CI system runs this, if one does.
    pub(super) fn ci(&self) -> Option<Ci> {
        if self.get("GITLAB_CI") == Some("true") {
            Some(Ci::Gitlab)
        } else if self.get("GITHUB_ACTIONS") == Some("true") {
            Some(Ci::Github)
        } else {
            None
        }
    }

    /// The project's directory: where `.shiro/` is and where steps run.
    pub(super) fn project_dir(&self) -> PathBuf {
        match self.filled("CI_PROJECT_DIR") {
            Some(dir) => PathBuf::from(dir),
            None => std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
        }
    }

    /// The job, as far as the environment names it. GitLab's variables count wherever they are set, since emulators of
    /// GitLab set them while `GITLAB_CI` says `false`.
    pub(super) fn job(&self) -> Job {
        let text = |name: &str| self.filled(name).map(str::to_owned);
        if self.ci() == Some(Ci::Github) {
            let url = match (text("GITHUB_SERVER_URL"), text("GITHUB_REPOSITORY"), text("GITHUB_RUN_ID")) {
                (Some(server), Some(repository), Some(run)) => {
                    Some(format!("{server}/{repository}/actions/runs/{run}"))
                }
                _ => None,
            };
            return Job {
                ci: Some("github".to_owned()),
                project: text("GITHUB_REPOSITORY"),
                project_id: text("GITHUB_REPOSITORY_ID"),
                pipeline: text("GITHUB_RUN_ID"),
                name: text("GITHUB_JOB"),
                id: None,
                attempt: self.filled("GITHUB_RUN_ATTEMPT").and_then(|attempt| attempt.parse().ok()),
                url,
                commit: text("GITHUB_SHA"),
            };
        }
        if self.filled("CI_JOB_NAME").is_none() && self.filled("CI_PIPELINE_ID").is_none() {
            return Job::default();
        }
        Job {
            ci: Some("gitlab".to_owned()),
            project: text("CI_PROJECT_PATH"),
            project_id: text("CI_PROJECT_ID"),
            pipeline: text("CI_PIPELINE_ID"),
            name: text("CI_JOB_NAME"),
            id: text("CI_JOB_ID"),
            attempt: None,
            url: text("CI_JOB_URL"),
            commit: text("CI_COMMIT_SHA"),
        }
    }

    /// A person started this very job in GitLab (`when: manual`).
    pub(super) fn is_manual_job(&self) -> bool {
        self.get("CI_JOB_MANUAL") == Some("true")
    }

    /// Who started this process, as far as the environment says: never verified.
    pub(super) fn approver(&self) -> Approver {
        let candidates: &[&str] = match self.ci() {
            Some(Ci::Github) => &["GITHUB_TRIGGERING_ACTOR", "GITHUB_ACTOR"],
            _ => &["GITLAB_USER_LOGIN", "USER", "LOGNAME"],
        };
        let found = candidates.iter().find_map(|name| Some((name, self.filled(name)?)));
        let source = found.map_or("the environment, which names nobody", |(name, _)| name);
        let approver = Approver::unverified(found.map(|(_, by)| by.to_owned()), source);
        Approver { commit: self.authorship(), ..approver }
    }

    /// Whether whoever started this GitLab job made its commit.
    fn authorship(&self) -> Option<Authorship> {
        let account = Account {
            login: self.filled("GITLAB_USER_LOGIN"),
            id: self.filled("GITLAB_USER_ID"),
            name: self.filled("GITLAB_USER_NAME"),
            email: self.filled("GITLAB_USER_EMAIL"),
        };
        Author::parse(self.filled("CI_COMMIT_AUTHOR")?).map(|author| author.is(&account))
    }
}

/// A CI system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ci {
    /// GitLab CI.
    Gitlab,
    /// GitHub Actions.
    Github,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment::new(variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn an_emulator_of_gitlab_still_names_its_job() {
        let environment = environment(&[("GITLAB_CI", "false"), ("CI_JOB_NAME", "deploy"), ("CI_PIPELINE_ID", "7")]);
        assert_eq!(environment.ci(), None);
        let job = environment.job();
        assert_eq!((job.name.as_deref(), job.pipeline.as_deref()), (Some("deploy"), Some("7")));
    }

    #[test]
    fn github_names_its_run() {
        let environment = environment(&[
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_SERVER_URL", "https://github.com"),
            ("GITHUB_REPOSITORY", "group/name"),
            ("GITHUB_RUN_ID", "42"),
            ("GITHUB_JOB", "resume"),
            ("GITHUB_ACTOR", "alice"),
            ("USER", "runner"),
        ]);
        assert_eq!(environment.job().url.as_deref(), Some("https://github.com/group/name/actions/runs/42"));
        let approver = environment.approver();
        assert_eq!((approver.by.as_deref(), approver.source.as_str()), (Some("alice"), "GITHUB_ACTOR"));
        assert!(!approver.verified);
    }

    #[test]
    fn gitlab_names_the_commit_s_author() {
        let commit = |email: &str| {
            let variables = [("CI_COMMIT_AUTHOR", "A <a@example.com>"), ("GITLAB_USER_EMAIL", email)];
            environment(&variables).approver().commit
        };
        assert!(matches!(commit("A@example.com"), Some(Authorship::Own(_))));
        assert_eq!(commit("b@example.com"), Some(Authorship::Others));
        assert_eq!(environment(&[("GITLAB_USER_EMAIL", "a@example.com")]).approver().commit, None);
    }

    #[test]
    fn outside_ci_there_is_no_job() {
        assert_eq!(environment(&[("USER", "alice")]).job(), Job::default());
        assert_eq!(environment(&[]).approver().by, None);
    }
}
