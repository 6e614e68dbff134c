//! Whether an identity is for this run. Pure.

use super::Identity;
use super::error::{IdentityError, shown};
use super::settings::{Protected, Trusted};
use crate::approval::EvidenceKind;

/// What is known of the run that someone decides about, from its journal: never from the environment of the job that carries
/// the decision, which whoever starts it can set.
#[derive(Clone, Copy, Debug, Default)]
pub struct Expected<'a> {
    /// The project that the run began in.
    pub project: Option<&'a str>,
    /// That project's number, if the journal has it.
    pub project_id: Option<&'a str>,
    /// The pipeline.
    pub pipeline: Option<&'a str>,
    /// The jobs that asked for the decision: the one that began the run, and the one that paused it.
    pub asked_by: &'a [&'a str],
}

impl Identity {
    /// Whether this identity is for this run at all. Whether it is one of the approvers, or has been used before, is for
    /// [`approval`](crate::approval) to judge.
    pub fn check(&self, expected: &Expected<'_>, trusted: &Trusted) -> Result<(), IdentityError> {
        self.check_project(expected, trusted)?;
        if expected.pipeline != Some(self.place.pipeline.as_str()) {
            let run = expected.pipeline.unwrap_or("none");
            return Err(IdentityError::new(
                "other-pipeline",
                format!(
                    "{} is of the pipeline {}, and this run belongs to the pipeline {run}",
                    self.what(),
                    shown(&self.place.pipeline)
                ),
            )
            .hint("decide in a job of the pipeline that the run began in"));
        }
        if self.place.job.as_deref().is_some_and(|job| expected.asked_by.contains(&job)) {
            return Err(IdentityError::new(
                "same-job",
                format!("{} is of the job that asked for the decision: nobody decides by asking", self.what()),
            )
            .hint("decide in a job that a person starts: `when: manual`"));
        }
        self.check_protected(trusted)
    }

    fn check_project(&self, expected: &Expected<'_>, trusted: &Trusted) -> Result<(), IdentityError> {
        let project = self.place.project.as_str();
        if expected.project != Some(project) {
            let run =
                expected.project.map_or("no project that is on record".to_owned(), |run| format!("the project {run}"));
            return Err(IdentityError::new(
                "other-project",
                format!("{} is of the project {}, and this run began in {run}", self.what(), shown(project)),
            )
            .hint("decide in a job of the pipeline that the run began in"));
        }
        if let (Some(run), Some(id)) = (expected.project_id, self.place.project_id.as_deref())
            && run != id
        {
            return Err(IdentityError::new(
                "other-project",
                format!("{} is of the project number {}, and this run began in number {run}", self.what(), shown(id)),
            )
            .hint("another project has this one's path: decide in a job of the pipeline that the run began in"));
        }
        match trusted.project(self.issuer()) {
            Some(pinned) if pinned != project => Err(IdentityError::new(
                "other-project",
                format!("{} is of the project {}, and the policy is for {pinned}", self.what(), shown(project)),
            )
            .hint("the run's journal does not come from a job of this project")),
            _ => Ok(()),
        }
    }

    fn check_protected(&self, trusted: &Trusted) -> Result<(), IdentityError> {
        for protected in trusted.protected() {
            let (name, known, found) = match protected {
                Protected::Environment => {
                    ("environment", self.place.environment_protected, self.place.environment.as_deref())
                }
                Protected::Ref => ("ref", self.place.ref_protected, None),
            };
            let why = match known {
                Some(true) => continue,
                Some(false) => format!(
                    "says that {} is not",
                    found.map_or(format!("its {name}"), |found| format!("`{}`", shown(found)))
                ),
                None => "does not say so".to_owned(),
            };
            return Err(IdentityError::new(
                "unprotected",
                format!("the policy wants a protected {name}, and {} {why}", self.what()),
            )
            .hint(match protected {
                Protected::Environment => {
                    "give the job a protected `environment` (GitLab Premium), or take it out of `require_protected`"
                }
                Protected::Ref => "run it for a protected branch or tag",
            }));
        }
        Ok(())
    }

    pub(super) fn issuer(&self) -> &str {
        self.approver.proof().map_or("", |evidence| &evidence.issuer)
    }

    /// What vouches, at the beginning of a sentence.
    fn what(&self) -> &'static str {
        match self.approver.proof().map(|evidence| evidence.kind) {
            Some(EvidenceKind::JobApi) => "the job's own token",
            _ => "the ID token",
        }
    }
}
