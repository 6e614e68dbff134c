//! Runs attempts: a fresh sandbox for each.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::error::PluginError;
use super::loaded::LoadedType;
use crate::id::StepType;
use crate::outcome::Failure;
use crate::step::{StepRequest, StepRunner, StepSuccess};

/// What the sandboxes of a run share.
#[derive(Clone, Debug)]
pub struct RunnerOptions {
    /// The project's directory: where programs run.
    pub project_dir: PathBuf,
    /// The job's environment: programs may inherit it, and its proxy and CA variables hold for HTTP.
    pub job_env: Vec<(OsString, OsString)>,
    /// How long programs have between SIGTERM and SIGKILL.
    pub grace: Duration,
}

/// Runs steps in WebAssembly sandboxes.
pub struct SandboxRunner {
    types: HashMap<StepType, LoadedType>,
    _options: RunnerOptions,
}

impl SandboxRunner {
    /// A runner for these types, each under its [`LoadedType::step_type`].
    pub fn new(types: impl IntoIterator<Item = LoadedType>, options: RunnerOptions) -> Result<Self, PluginError> {
        let types = types.into_iter().map(|loaded| (loaded.step_type().clone(), loaded)).collect();
        Ok(Self { types, _options: options })
    }
}

impl StepRunner for SandboxRunner {
    async fn run(&self, _request: StepRequest) -> Result<StepSuccess, Failure> {
        todo!()
    }

    fn is_pure(&self, step_type: &StepType) -> bool {
        let _ = self.types.get(step_type);
        todo!()
    }
}
