//! The step types in this binary.

use wasmtime::component::Component;

use super::error::PluginError;
use super::load::compile;
use super::runtime::Runtime;
use crate::description::Description;

/// A step type in this binary.
pub(super) struct BuiltIn {
    /// The name users write.
    pub(super) name: &'static str,
    /// Its other names.
    pub(super) aliases: &'static [&'static str],
    /// The component.
    pub(super) wasm: &'static [u8],
    /// Its SHA-256.
    pub(super) digest: [u8; 32],
    /// What its `describe` returns.
    description: &'static str,
    /// The component compiled ahead of time; empty where that was not possible.
    compiled: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/built_in.rs"));

/// The built-in type with this name.
pub(super) fn find(name: &str) -> Option<&'static BuiltIn> {
    BUILT_IN.iter().find(|built_in| built_in.name == name || built_in.aliases.contains(&name))
}

/// All names.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    BUILT_IN.iter().flat_map(|built_in| std::iter::once(built_in.name).chain(built_in.aliases.iter().copied()))
}

impl BuiltIn {
    /// What it says of itself, as the build script heard it.
    pub(super) fn description(&self) -> Result<Description, PluginError> {
        serde_json::from_str(self.description)
            .map_err(|error| PluginError::new("bad-description", format!("{}: {error}", self.name)))
    }

    /// Loads what was compiled ahead of time, or compiles it where an engine refuses that: on a machine with little
    /// address space, or on one whose processor is older than the baseline.
    pub(super) fn component(&self, runtime: &Runtime) -> Result<Component, PluginError> {
        if !self.compiled.is_empty() {
            // SAFETY: these bytes are wasmtime's own output. The build script made them, they are part of this binary, and
            // whoever can change them can change everything else in it too.
            let component = unsafe { Component::deserialize(runtime.engine(), self.compiled) };
            if let Ok(component) = component {
                return Ok(component);
            }
        }
        compile(runtime, self.wasm, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_compiled_ahead_of_time_loads() {
        let runtime = Runtime::pooled(1).unwrap();
        for built_in in &BUILT_IN {
            // SAFETY: as above.
            let component = unsafe { Component::deserialize(runtime.engine(), built_in.compiled) };
            assert!(component.is_ok(), "{}: {:#}", built_in.name, component.err().unwrap());
        }
    }

    #[test]
    fn names_are_unique() {
        let mut seen = std::collections::BTreeSet::new();
        assert!(names().all(|name| seen.insert(name)));
        assert!(find("shell.exec").is_some_and(|built_in| built_in.name == "shell"));
        assert!(find("Shell").is_none());
    }
}
