//! Asks a component what it is: in the sandbox, with nothing granted and little time.

use std::sync::Arc;

use tokio::time::Instant;

use super::attempt::{Attempt, AttemptParts};
use super::bindings::GuestPre;
use super::error::PluginError;
use super::guest::{Call, Said, Silence, Until, call, never_cancelled};
use super::imports::Notes;
use super::imports::context::RunContext;
use super::imports::http::{Clients, Network};
use super::imports::process::Processes;
use super::imports::store::SharedData;
use super::limits::{Budget, DESCRIBE_TIME};
use super::rights::Rights;
use super::runtime::Runtime;
use super::surroundings::Surroundings;
use super::watch::Watch;
use crate::description::Description;
use crate::id::{RunId, StepId};
use crate::step::StepSink;

/// The largest description.
const DESCRIPTION_BYTES: usize = 1 << 20;

/// Calls `describe` and reads what it says. `name` is the file or type that errors name. Needs a tokio runtime.
pub(super) async fn describe(
    runtime: &Runtime,
    pre: &GuestPre<Attempt>,
    name: &str,
) -> Result<Description, PluginError> {
    let deadline = Some(Instant::now() + DESCRIBE_TIME);
    let until = Until { deadline, cancel: never_cancelled() };
    let (said, noted) = call(runtime, pre, parts(deadline), Call::Describe, until).await;
    let json = match said {
        Said::Yes(json) => json,
        Said::No(failure) => return Err(bad(name, &failure.message)),
        Said::Fault(fault) => {
            let failure = fault.into_failure(name, Some(DESCRIBE_TIME), true);
            let class = failure.class;
            let tried =
                noted.denials.first().map(|denial| format!("; it tried to {}", denial.tried)).unwrap_or_default();
            let message = format!("{name}: `describe` failed: {}{tried}", failure.message);
            return Err(PluginError { class, ..PluginError::new("describe", message) }
                .with_hint("`describe` has to answer at once and without calling any import"));
        }
    };
    parse(&json).map_err(|what| bad(name, &what))
}

fn parse(json: &str) -> Result<Description, String> {
    if json.len() > DESCRIPTION_BYTES {
        return Err(format!("it is larger than {} MiB", DESCRIPTION_BYTES >> 20));
    }
    let description: Description = serde_json::from_str(json).map_err(|error| error.to_string())?;
    match description.permissions.request_problems().into_iter().next() {
        Some((place, problem)) => Err(format!("/permissions{place}: {problem}")),
        None => Ok(description),
    }
}

fn bad(name: &str, what: &str) -> PluginError {
    PluginError::new("bad-description", format!("{name}: what `describe` returns can't be used: {what}"))
        .with_hint("it must match wit/description.schema.json")
}

fn parts(deadline: Option<Instant>) -> AttemptParts {
    let sink: Arc<dyn StepSink> = Arc::new(Silence);
    let rights = Arc::new(Rights::none("`describe` may call nothing", Notes::default()));
    let budget = Budget::default();
    AttemptParts {
        context: RunContext { workflow: "".into(), run: RunId::new(""), step: StepId::new(""), attempt: 0, deadline },
        terminal: false,
        network: Network::new(Arc::new(Clients::new(&[])), Arc::clone(&rights), &budget, Arc::clone(&sink), None),
        processes: Processes::none(),
        shared: SharedData::none(),
        surroundings: Surroundings::default(),
        watch: Watch::new(deadline, None),
        rights,
        budget,
        sink,
    }
}
