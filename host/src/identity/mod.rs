//! Who someone is, on the word of a CI system that the policy trusts, and never on that of the environment.
//!
//! ```text
//! settings  whom the policy trusts: issuers, audience, what has to be protected
//! keys      an issuer's public keys (a JWK set), and the one that a token names
//! token     a token's form, signature and times                              | pure
//! claims    what GitLab's and GitHub's tokens say, as a person and a place   |
//! answers   GitLab's job API; GitHub's reviews of a run; who made the commit |
//! place     whether that is this run: project, pipeline, job; what is protected |
//! fetch     keys, tokens and answers over HTTP, bounded in size and time
//! ```
//!
//! Tokens are JSON Web Tokens (RFC 7519) as GitLab's `id_tokens`
//! (<https://docs.gitlab.com/ci/secrets/id_token_authentication/>) and GitHub's token endpoint
//! (<https://docs.github.com/en/actions/reference/security/oidc>) issue them. They are bearer secrets until they expire: no
//! error here holds one, and of a proof only its digest and what it says are kept.

mod answers;
mod claims;
mod error;
mod fetch;
mod keys;
mod place;
mod settings;
#[cfg(test)]
mod tests;
mod token;
#[cfg(test)]
#[path = "../../../tests/support/tokens.rs"]
mod tokens;

pub use error::IdentityError;
pub use fetch::{Directory, GithubRequest};
pub use keys::KeySet;
pub use place::Expected;
pub use settings::{Issuer, Keys, Protected, Provider, Settings, Trusted};
pub use token::{LEEWAY, Token, verify};

use crate::approval::{Approver, Evidence};

/// Someone, verified, at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Who, and how that is known.
    pub approver: Approver,
    /// From where.
    pub place: Place,
    /// The account's address, if the proof has it. It is compared, and never kept.
    email: Option<String>,
}

impl Identity {
    /// Someone whom this proves.
    fn new(login: String, source: &str, evidence: Evidence, place: Place) -> Self {
        let evidence = Some(Box::new(evidence));
        let approver = Approver { by: Some(login), verified: true, source: source.to_owned(), commit: None, evidence };
        Self { approver, place, email: None }
    }
}

/// The job that a token was made for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The project that the job runs in, e.g. `group/name`.
    pub project: String,
    /// That project's number.
    pub project_id: Option<String>,
    /// The pipeline (GitLab) or workflow run (GitHub).
    pub pipeline: String,
    /// The job's id.
    pub job: Option<String>,
    /// The environment that it deploys to.
    pub environment: Option<String>,
    /// Whether that is protected; `None` where the issuer does not say.
    pub environment_protected: Option<bool>,
    /// Whether the branch or tag is.
    pub ref_protected: Option<bool>,
}
