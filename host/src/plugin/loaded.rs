//! A step type that is ready to run.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use serde_json::Value;

use super::attempt::Attempt;
use super::bindings::GuestPre;
use super::load::Fitted;
use super::runtime::Runtime;
use super::schema::Schema;
use crate::description::Description;
use crate::id::{Digest, StepType};

/// Where a step type's component is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// In this binary.
    BuiltIn,
    /// In this file.
    File(PathBuf),
    /// In the store of fetched components, from where the lock file says.
    Package(String),
}

impl Source {
    /// What errors call a component of this type from here.
    pub(super) fn name(&self, step_type: &StepType) -> String {
        match self {
            Self::BuiltIn => step_type.to_string(),
            Self::File(_) | Self::Package(_) => self.to_string(),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("built in"),
            Self::File(path) => path.display().fmt(f),
            Self::Package(source) => f.write_str(source),
        }
    }
}

/// A step type, checked, compiled and described. Cheap to clone.
#[derive(Clone)]
pub struct LoadedType {
    inner: Arc<Inner>,
}

/// What a [`LoadedType`] is made from.
pub(super) struct Inner {
    pub(super) step_type: StepType,
    pub(super) source: Source,
    pub(super) digest: Digest,
    pub(super) size: usize,
    pub(super) description: Description,
    pub(super) fitted: Fitted,
    pub(super) runtime: Arc<Runtime>,
    /// Compiled when first needed: a start is cheaper than two schemas.
    pub(super) config_schema: OnceLock<Schema>,
    pub(super) output_schema: OnceLock<Schema>,
}

impl LoadedType {
    pub(super) fn new(inner: Inner) -> Self {
        Self { inner: Arc::new(inner) }
    }

    /// The name it is used by: the file's, whatever the description says.
    pub fn step_type(&self) -> &StepType {
        &self.inner.step_type
    }

    /// What it says of itself. Its schemas are valid JSON Schema.
    pub fn description(&self) -> &Description {
        &self.inner.description
    }

    /// The digest of the component's bytes.
    pub fn digest(&self) -> Digest {
        self.inner.digest
    }

    /// Where it is.
    pub fn source(&self) -> &Source {
        &self.inner.source
    }

    /// It is part of this binary: it gets what it asks for.
    pub fn builtin(&self) -> bool {
        self.inner.source == Source::BuiltIn
    }

    /// The component's size in bytes.
    pub fn size(&self) -> usize {
        self.inner.size
    }

    /// The interfaces it imports, e.g. `wasi:io/streams@0.2.6`, sorted.
    pub fn imports(&self) -> &[String] {
        &self.inner.fitted.imports
    }

    /// What it exports, e.g. `shiro:step/step@0.1.0`, sorted.
    pub fn exports(&self) -> &[String] {
        &self.inner.fitted.exports
    }

    /// The step interface that it was built for, e.g. `shiro:step@0.1.0`.
    pub fn interface(&self) -> String {
        interface(self.exports())
    }

    /// What is wrong with this config: one line for each problem, with a JSON Pointer and without the values.
    pub fn config_problems(&self, config: &Value) -> Vec<String> {
        let schema = || Schema::compiled(&self.inner.description.config_schema);
        self.inner.config_schema.get_or_init(schema).problems(config)
    }

    /// What is wrong with this output, likewise.
    pub(super) fn output_problems(&self, output: &Value) -> Vec<String> {
        let schema = || Schema::compiled(&self.inner.description.output_schema);
        self.inner.output_schema.get_or_init(schema).problems(output)
    }

    pub(super) fn runtime(&self) -> &Arc<Runtime> {
        &self.inner.runtime
    }

    pub(super) fn pre(&self) -> &GuestPre<Attempt> {
        &self.inner.fitted.pre
    }
}

/// The step interface among these exports.
pub(super) fn interface(exports: &[String]) -> String {
    let version = exports.iter().find_map(|export| export.strip_prefix("shiro:step/step@"));
    format!("shiro:step@{}", version.unwrap_or_default())
}

impl fmt::Debug for LoadedType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadedType")
            .field("step_type", self.step_type())
            .field("source", self.source())
            .field("digest", &self.digest())
            .finish_non_exhaustive()
    }
}
