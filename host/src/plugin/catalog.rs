//! Where step types come from: the ones built in, and `<type>.wasm` files in the plugin directories.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::error::PluginError;
use super::loaded::{LoadedType, Source};
use crate::id::StepType;

/// The step types there are.
pub struct Catalog {
    plugin_dirs: Vec<PathBuf>,
}

/// A step type that could be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownType {
    /// Its name.
    pub step_type: StepType,
    /// Where it is.
    pub source: Source,
}

impl Catalog {
    /// The built-in types and the `<type>.wasm` files of these directories; the first directory that has a name wins, and
    /// a directory that doesn't exist has none. Costs nothing: nothing is read before it is asked for.
    pub fn new(plugin_dirs: Vec<PathBuf>) -> Self {
        Self { plugin_dirs }
    }

    /// Every known type, by name. A directory that can't be read, or a file whose name can't be a type's, is an error.
    pub fn names(&self) -> Result<Vec<KnownType>, PluginError> {
        let _ = &self.plugin_dirs;
        todo!()
    }

    /// Loads one type: reads, checks, compiles and describes it.
    pub fn load(&self, _step_type: &StepType) -> Result<LoadedType, PluginError> {
        todo!()
    }

    /// Loads each of these types, several at once.
    pub fn load_all(
        &self,
        _step_types: impl IntoIterator<Item = StepType>,
    ) -> BTreeMap<StepType, Result<LoadedType, PluginError>> {
        todo!()
    }

    /// Loads a component from a file, whatever its name, to look at it. Its type is the file's name without `.wasm`.
    pub fn load_file(&self, _path: &Path) -> Result<LoadedType, PluginError> {
        todo!()
    }

    /// The component of a built-in type.
    pub fn builtin_wasm(&self, _step_type: &str) -> Option<&'static [u8]> {
        todo!()
    }
}
