//! Who decides, and how that is known: the one place where a verb learns it.

use super::args::approval::IdentityArgs;
use super::ci::Environment;
use super::error::CliError;
use crate::approval::Approver;

/// Who started this process. Verified if there is a proof that holds for this very job; otherwise the name that the
/// environment has, unverified.
///
/// # Errors
///
/// There is a proof, and it does not hold: that is never passed over for the mere name (exit code 6).
pub(super) fn approver(environment: &Environment, _args: &IdentityArgs) -> Result<Approver, CliError> {
    Ok(environment.approver())
}
