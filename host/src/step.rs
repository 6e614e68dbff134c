//! The seam between the engine and whatever runs a step: the engine knows no WebAssembly, the plugins know no DAG.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;

use crate::capability::Permissions;
use crate::event::{Level, Stream};
use crate::id::{RunId, StepId, StepType};
use crate::outcome::Failure;

/// Runs one attempt of one step.
pub trait StepRunner: Send + Sync + 'static {
    /// Runs the attempt to its end. When the future is done, and also when `request.cancel` says stop or the timeout
    /// passes, everything the attempt started is gone. Never panics on account of a component.
    fn run(&self, request: StepRequest) -> impl Future<Output = Result<StepSuccess, Failure>> + Send;

    /// Steps of this type have no capability, so running one twice has no effect beyond its output.
    fn is_pure(&self, step_type: &StepType) -> bool;

    /// An attempt of a step of this type that was cut off, nobody knows where, may run again: it has no effect, or its type
    /// says that having it twice is the same as once.
    fn may_repeat(&self, step_type: &StepType) -> bool {
        self.is_pure(step_type)
    }
}

/// One attempt of one step, all templates resolved.
pub struct StepRequest {
    /// The workflow's name.
    pub workflow: Arc<str>,
    /// The run.
    pub run: RunId,
    /// The step, or the item of it (`STEP[INDEX]`).
    pub step: StepId,
    /// Its type.
    pub step_type: StepType,
    /// From 1.
    pub attempt: u32,
    /// The config, templates resolved, with secret values in it.
    pub config: Value,
    /// Environment variables that the config's shell scripts refer to (name, value): merged into the environment of the
    /// processes the step runs, never shown to the guest.
    pub bindings: Vec<(String, String)>,
    /// JSON Pointers of the strings in `config` that hold text from a step's output: a host named in one may not be private.
    pub derived: Vec<String>,
    /// The step's own `permissions`, and those of the steps that it stands in: each narrows what its type is granted.
    pub permissions: Vec<Arc<Permissions>>,
    /// How long the attempt may take.
    pub timeout: Option<Duration>,
    /// Standard output ends in a terminal: colours are welcome.
    pub terminal: bool,
    /// Where live output goes.
    pub sink: Arc<dyn StepSink>,
    /// Becomes true when the run is being stopped: end what was started, politely first, then return.
    pub cancel: watch::Receiver<bool>,
}

/// What an attempt that succeeded leaves.
#[derive(Clone, Debug, PartialEq)]
pub struct StepSuccess {
    /// Its output: a JSON value that matches the type's output schema.
    pub output: Value,
}

/// Hears an attempt's live output, raw: masking and splitting into lines is the receiver's work.
pub trait StepSink: Send + Sync {
    /// Bytes that the step, or a process it runs, wrote.
    fn output(&self, stream: Stream, bytes: &[u8]);
    /// A message that the step logged.
    fn log(&self, level: Level, message: &str);
    /// The host has something to say about this attempt (a denied capability that the step survived, cut-off output).
    fn warn(&self, message: &str);
}
