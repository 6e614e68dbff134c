//! Who decides, and how that is known: the one place where a verb learns it.

use std::time::{SystemTime, UNIX_EPOCH};

use super::ci::{Ci, Environment};
use super::error::{BUG, CliError, STATE};
use crate::approval::{Approver, Authorship};
use crate::engine::{Gate, RunState};
use crate::event::Job;
use crate::identity::{Directory, Expected, GithubRequest, Identity, IdentityError, Provider, Trusted};
use crate::policy::Policies;
use crate::secret::Secrets;

/// The variable with the ID token that GitLab's `id_tokens` give to a job.
const TOKEN: &str = "SHIRO_ID_TOKEN";

/// Where someone says something about a run.
pub(super) struct Asking<'a> {
    environment: &'a Environment,
    policies: &'a Policies,
    secrets: &'a Secrets,
    /// The run; `None` where it begins.
    state: Option<&'a RunState>,
    /// A rule asks for someone in particular: whatever can prove who this is, is asked for it.
    needed: bool,
    /// A rule asks for someone who has not made the commit.
    about_commit: bool,
    /// They say no.
    rejecting: bool,
}

impl<'a> Asking<'a> {
    /// Who starts a run, one of whose rules asks for someone else; `needed`: and not by a mere name.
    pub(super) fn who_starts(
        environment: &'a Environment,
        policies: &'a Policies,
        secrets: &'a Secrets,
        needed: bool,
    ) -> Self {
        Self { environment, policies, secrets, state: None, needed, about_commit: false, rejecting: false }
    }

    /// Who decides about this run.
    pub(super) fn who_decides(
        environment: &'a Environment,
        policies: &'a Policies,
        secrets: &'a Secrets,
        state: &'a RunState,
    ) -> Self {
        let waiting = || {
            let waiting = state.gates().filter(|(_, gate)| gate.standing() == Gate::Waiting);
            waiting.map(|(_, gate)| &gate.request().rule)
        };
        let needed = waiting().any(|rule| rule.needs_identity() && !rule.allow_unverified);
        let about_commit = waiting().any(|rule| !rule.own);
        Self { environment, policies, secrets, state: Some(state), needed, about_commit, rejecting: false }
    }

    /// The same, for someone who says no.
    pub(super) fn no(self) -> Self {
        Self { rejecting: true, about_commit: false, ..self }
    }

    /// The same identity, with whether they made the commit, if a rule asks that. Where nobody can tell, nothing is refused for
    /// it yet: rejecting takes no distance.
    async fn about(&self, mut identity: Identity, whose: impl AsyncFnOnce(&Identity) -> Authorship) -> Identity {
        if self.about_commit {
            identity.approver.commit = Some(whose(&identity).await);
        }
        identity
    }
}

/// What a job has that can prove who started it.
enum Means {
    IdToken(String),
    JobToken(String),
    Github { request: GithubRequest, api_token: String },
}

/// Who started this process. Verified if there is a proof that holds for this run; otherwise the name that the environment
/// has, unverified.
///
/// # Errors
///
/// There is a proof, and it does not hold: that is never passed over for the mere name (exit code 6).
pub(super) fn approver(asking: &Asking<'_>) -> Result<Approver, CliError> {
    let trusted = asking.policies.trusted();
    let Some(means) = means(asking, &trusted) else { return Ok(asking.environment.approver()) };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::new(BUG, format!("can't start the runtime: {error}")))?;
    let identity = runtime.block_on(identify(asking, &trusted, means));
    // A thread that looks up a name can't be waited for.
    runtime.shutdown_background();
    let identity = identity.map_err(refused)?;
    check(asking, &identity, &trusted).map_err(refused)?;
    Ok(identity.approver)
}

fn means(asking: &Asking<'_>, trusted: &Trusted) -> Option<Means> {
    let filled = |name: &str| asking.environment.filled(name).map(str::to_owned);
    let token = filled(TOKEN);
    if let Some(token) = &token {
        // Whatever the workflow says about its name.
        asking.secrets.add_listed(&format!("env:{TOKEN}"), token);
    }
    // Where nobody asks for a proof, and nothing says whom to believe, a job may have a token all the same.
    if !asking.needed && trusted.is_empty() {
        return None;
    }
    if let Some(token) = token {
        return Some(Means::IdToken(token));
    }
    if !asking.needed {
        return None;
    }
    if trusted.of(Provider::Github).next().is_some()
        && let (Some(url), Some(token)) =
            (filled("ACTIONS_ID_TOKEN_REQUEST_URL"), filled("ACTIONS_ID_TOKEN_REQUEST_TOKEN"))
    {
        let request = GithubRequest { url, token };
        return Some(Means::Github { request, api_token: filled("GITHUB_TOKEN").unwrap_or_default() });
    }
    trusted.of(Provider::Gitlab).next()?;
    filled("CI_JOB_TOKEN").map(Means::JobToken)
}

async fn identify(asking: &Asking<'_>, trusted: &Trusted, means: Means) -> Result<Identity, IdentityError> {
    let job_env: Vec<_> = std::env::vars_os().collect();
    let mut directory = Directory::new(trusted.clone(), &job_env);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let environment = asking.environment;
    match means {
        Means::IdToken(token) => {
            let identity = directory.by_gitlab_token(&token, now).await?;
            Ok(asking
                .about(identity, async |of| directory.gitlab_author(of, environment.filled("CI_JOB_TOKEN")).await)
                .await)
        }
        Means::JobToken(token) => {
            let identity = directory.by_job_token(&token, environment.filled("CI_SERVER_URL")).await?;
            Ok(asking.about(identity, async |of| directory.gitlab_author(of, Some(&token)).await).await)
        }
        Means::Github { request, .. } if asking.state.is_none() => directory.by_github_token(&request, now).await,
        Means::Github { request, api_token } => {
            let identity = directory.by_github_review(&request, &api_token, asking.rejecting, now).await?;
            Ok(asking.about(identity, async |of| directory.github_author(of, &api_token).await).await)
        }
    }
}

/// Whether this identity is for this run; where that begins, for the job that the environment names, so that its journal
/// names the right one.
fn check(asking: &Asking<'_>, identity: &Identity, trusted: &Trusted) -> Result<(), IdentityError> {
    let Some(state) = asking.state else {
        let job = asking.environment.job();
        return identity.check(&expected(&job, &[]), trusted);
    };
    if asking.environment.ci() == Some(Ci::Gitlab) && !asking.environment.is_manual_job() {
        return Err(IdentityError::nobody_started_the_job());
    }
    let began = state.started().map(|started| &started.job);
    let asked_by: Vec<&str> = began.into_iter().chain([state.job()]).filter_map(|job| job.id.as_deref()).collect();
    identity.check(&expected(began.unwrap_or(&Job::default()), &asked_by), trusted)
}

fn expected<'a>(job: &'a Job, asked_by: &'a [&'a str]) -> Expected<'a> {
    Expected {
        project: job.project.as_deref(),
        project_id: job.project_id.as_deref(),
        pipeline: job.pipeline.as_deref(),
        asked_by,
    }
}

fn refused(error: IdentityError) -> CliError {
    let refused = CliError::new(STATE, format!("there is no proof of who this is: {}", error.message));
    match error.hint {
        Some(hint) => refused.hint(hint),
        None => refused,
    }
}
