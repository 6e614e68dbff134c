//! Whether a decision counts.

use std::fmt;

use super::{Approver, Authorship, Decision, Request, time};

/// Clocks of two machines may differ by this much, in milliseconds; and as much may pass between judging and recording.
pub const CLOCK_TOLERANCE: u64 = 60_000;

/// A request, with all that has become of it.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// What is asked for.
    pub request: &'a Request,
    /// When it was asked for, in milliseconds since 1970-01-01 UTC.
    pub asked_at: u64,
    /// Who has approved so far.
    pub approved: &'a [&'a Approver],
    /// Who started the run.
    pub starter: Option<&'a Approver>,
}

impl Case<'_> {
    /// Judges a decision at this time. `seen`: its proof was used before.
    ///
    /// Rejecting is the safe side: it takes someone whom the rule names, but neither a second person nor a distance from
    /// the work.
    pub fn judge(&self, decision: Decision, approver: &Approver, at: u64, seen: bool) -> Result<(), Refusal> {
        self.check_time(at)?;
        let rule = &self.request.rule;
        let approves = decision == Decision::Approved;
        let needs_identity = if approves { rule.needs_identity() } else { !rule.approvers.is_empty() };
        if needs_identity && !approver.verified && !rule.allow_unverified {
            return Err(Refusal::Unverified { by: approver.by.clone(), source: approver.source.clone() });
        }
        if needs_identity && approver.by.is_none() {
            return Err(Refusal::Nobody);
        }
        if seen && approver.proof().is_some() {
            return Err(Refusal::Replayed);
        }
        let issued_at = approver.proof().and_then(|proof| proof.issued_at);
        if let Some(issued_at) = issued_at.filter(|at| at.saturating_add(CLOCK_TOLERANCE) < self.asked_at) {
            return Err(Refusal::OlderProof { issued_at, asked_at: self.asked_at });
        }
        if !rule.approvers.is_empty() && !rule.approvers.iter().any(|principal| approver.is(principal)) {
            let allowed = rule.approvers.iter().map(ToString::to_string).collect();
            return Err(Refusal::NotAnApprover { by: name(approver), allowed });
        }
        if !approves {
            return Ok(());
        }
        if !rule.own {
            self.check_distance(approver)?;
        }
        if rule.required > 1 && self.approved.iter().any(|earlier| earlier.may_be(approver)) {
            return Err(Refusal::Twice { by: name(approver) });
        }
        Ok(())
    }

    /// How many approvals are missing after so many.
    pub fn missing_after(&self, approvals: usize) -> u32 {
        self.request.rule.required.saturating_sub(u32::try_from(approvals).unwrap_or(u32::MAX))
    }

    /// Nobody decided in time.
    pub fn is_expired(&self, at: u64) -> bool {
        self.request.expires_at.is_some_and(|expires_at| at >= expires_at)
    }

    /// A clock that runs behind must not make more time.
    fn check_time(&self, at: u64) -> Result<(), Refusal> {
        let Some(expires_at) = self.request.expires_at else { return Ok(()) };
        if at >= expires_at {
            return Err(Refusal::Expired { expires_at });
        }
        if at.saturating_add(CLOCK_TOLERANCE) < self.asked_at {
            return Err(Refusal::ClockBehind { asked_at: self.asked_at, now: at });
        }
        Ok(())
    }

    /// The approver has neither made the commit nor started the run: that takes a proof of who did. What has no proof only
    /// narrows, unless the rule takes names on trust.
    fn check_distance(&self, approver: &Approver) -> Result<(), Refusal> {
        let started_by = approver.proof().and_then(|evidence| evidence.started_by.as_ref());
        if started_by.is_some_and(|person| approver.may_be_person(person))
            || self.starter.is_some_and(|starter| starter.may_be(approver))
        {
            return Err(Refusal::OwnRun { by: name(approver) });
        }
        if let Some(Authorship::Own(how)) = &approver.commit {
            return Err(Refusal::OwnCommit { by: name(approver), how: how.clone() });
        }
        let lax = self.request.rule.allow_unverified;
        let known = |starter: &Approver| starter.by.is_some() && (starter.verified || lax);
        if started_by.is_none() && !self.starter.is_some_and(known) {
            return Err(Refusal::StarterUnknown);
        }
        match &approver.commit {
            Some(Authorship::Others) => Ok(()),
            _ if lax => Ok(()),
            Some(Authorship::Unknown(why)) => Err(Refusal::AuthorUnknown { why: why.clone() }),
            Some(Authorship::Own(_)) | None => Err(Refusal::AuthorUnknown { why: "nobody was asked".to_owned() }),
        }
    }
}

fn name(approver: &Approver) -> String {
    approver.by.clone().unwrap_or_else(|| "someone".to_owned())
}

/// Why a decision does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It came too late.
    Expired {
        /// When it would still have counted, in milliseconds since 1970-01-01 UTC.
        expires_at: u64,
    },
    /// By this clock the request has not been made yet, so nobody knows how much time is left.
    ClockBehind {
        /// When it was made.
        asked_at: u64,
        /// What the clock says.
        now: u64,
    },
    /// The rule asks for someone in particular, and there is only a name.
    Unverified {
        /// The name.
        by: Option<String>,
        /// Where it comes from.
        source: String,
    },
    /// The rule asks for someone in particular, and there is not even a name.
    Nobody,
    /// The same proof was used for an earlier decision, or by whoever started the run.
    Replayed,
    /// The proof was made before there was anything to decide.
    OlderProof {
        /// When it was made, in milliseconds since 1970-01-01 UTC.
        issued_at: u64,
        /// When the decision was asked for.
        asked_at: u64,
    },
    /// The rule names others.
    NotAnApprover {
        /// Who it was.
        by: String,
        /// Whom the rule names.
        allowed: Vec<String>,
    },
    /// `"self": false`, and they started the run.
    OwnRun {
        /// Who it was.
        by: String,
    },
    /// `"self": false`, and they made the commit.
    OwnCommit {
        /// Who it was.
        by: String,
        /// By what that is known.
        how: String,
    },
    /// `"self": false`, and nothing proves who started it.
    StarterUnknown,
    /// `"self": false`, and nothing says who made the commit.
    AuthorUnknown {
        /// Why not.
        why: String,
    },
    /// The same person again.
    Twice {
        /// Who it was.
        by: String,
    },
}

impl Refusal {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Expired { .. } => {
                "`shiro run` ends the run, with the steps whose `if` says `expired()`; then start anew with -fresh"
            }
            Self::ClockBehind { .. } => "set this machine's clock",
            Self::Unverified { .. } | Self::Nobody => {
                "let the CI system vouch for who you are (docs/identity.md). In GitLab: `id_tokens: { SHIRO_ID_TOKEN: { aud: \
                 shiro } }` on the job, and in .shiro/policy.json \"identity\": { \"issuers\": [{ \"url\": \
                 \"https://gitlab.example.com\" }] } with your GitLab's address. Where names are enough, the workflow says \
                 so: \"allow_unverified\": true"
            }
            Self::Replayed | Self::OlderProof { .. } => "start the job again: it gets a token of its own",
            Self::NotAnApprover { .. } => "ask one of them to approve",
            Self::OwnRun { .. } | Self::OwnCommit { .. } | Self::Twice { .. } => "ask someone else to approve",
            Self::StarterUnknown => "the job that starts the run needs an ID token too (docs/identity.md)",
            Self::AuthorUnknown { .. } => {
                "in GitLab the job that decides needs an ID token and GitLab's API, in GitHub `permissions: contents: read` \
                 (docs/identity.md)"
            }
        }
    }
}

/// A sentence without a full stop.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired { expires_at } => write!(f, "it expired at {}", time(*expires_at)),
            Self::ClockBehind { asked_at, now } => write!(
                f,
                "it expires some time after it was asked for, at {}, but this machine's clock says {}",
                time(*asked_at),
                time(*now)
            ),
            Self::Unverified { by: Some(by), source } => {
                write!(f, "that it is {by} who decides is only what {source} says, which whoever starts a job can set")
            }
            Self::Unverified { by: None, .. } | Self::Nobody => f.write_str("nothing says who decides"),
            Self::Replayed => f.write_str("the proof of who decides was used before in this run"),
            Self::OlderProof { issued_at, asked_at } => write!(
                f,
                "the proof of who decides was made at {}, before the decision was asked for at {}",
                time(*issued_at),
                time(*asked_at)
            ),
            Self::NotAnApprover { by, allowed } => write!(f, "{by} is none of its approvers: {}", allowed.join(", ")),
            Self::OwnRun { by } => {
                write!(f, "{by} started the run, and nobody approves their own (\"self\": false)")
            }
            Self::OwnCommit { by, how } => {
                write!(f, "{by} made the commit ({how}), and nobody approves their own (\"self\": false)")
            }
            Self::StarterUnknown => {
                f.write_str("nothing proves who started the run, and it must be someone else (\"self\": false)")
            }
            Self::AuthorUnknown { why } => {
                write!(f, "nothing says who made the commit, and it must be someone else (\"self\": false): {why}")
            }
            Self::Twice { by } => write!(f, "{by} has approved already, and it takes different people"),
        }
    }
}
