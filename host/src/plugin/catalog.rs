//! Where step types come from: the ones built in, `<type>.wasm` files in the plugin directories, and what the lock file pins.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

use super::builtin::{self, BuiltIn};
use super::compile::{Compiler, Fingerprint, Known};
use super::describe::describe;
use super::error::PluginError;
use super::file;
use super::load::{Fitted, fit};
use super::loaded::{Inner, LoadedType, Source, interface};
use super::runtime::Runtime;
use super::schema::Schema;
use crate::file::Regular;
use crate::id::{Digest, StepType, TYPE_NAMES, is_type_name};
use crate::package::Packages;

/// The step types there are.
pub struct Catalog {
    plugin_dirs: Vec<PathBuf>,
    packages: Option<Packages>,
    attempts: usize,
    /// For built-in types.
    pooled: OnceLock<Result<Arc<Runtime>, PluginError>>,
    /// For all others: they share nothing with those.
    runtime: OnceLock<Result<Arc<Runtime>, PluginError>>,
    compiler: Compiler,
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
        Self {
            plugin_dirs,
            packages: None,
            attempts: 1,
            pooled: OnceLock::new(),
            runtime: OnceLock::new(),
            compiler: Compiler::default(),
        }
    }

    /// A catalog whose built-in types will run as many attempts at once as this.
    pub fn for_attempts(self, attempts: usize) -> Self {
        Self { attempts, ..self }
    }

    /// A catalog that has components compiled by this.
    pub fn compiled_by(self, compiler: Compiler) -> Self {
        Self { compiler, ..self }
    }

    /// What the user should know of how the types were loaded, and of components that can never be: one line each, each told
    /// once.
    pub fn take_notices(&self) -> Vec<String> {
        let files = self.plugin_dirs.iter().flat_map(|dir| file::list(dir).unwrap_or_default());
        let hidden = files.filter(|(name, _)| builtin::find(name).is_some()).map(|(name, path)| {
            format!("{}: `{name}` is a built-in step type: this component is not used", path.display())
        });
        hidden.chain(self.compiler.take_notices()).collect()
    }

    /// The same with what a lock file pins: a type that is pinned is that component or an error, wherever it is found, and
    /// one that is found nowhere else comes from the store of fetched components.
    pub fn pinned(mut self, packages: Packages) -> Self {
        self.packages = Some(packages);
        self
    }

    /// The directories that components of one's own are looked for in.
    pub fn dirs(&self) -> &[PathBuf] {
        &self.plugin_dirs
    }

    /// Every known type, by name. A directory that can't be read, or a `.wasm` file whose name can't be a type's, is an
    /// error, and so is a built-in type's name in the lock file. A file with a built-in type's name is none of them: only a
    /// workflow that uses that type can mean it, and [loading](Self::load) it is the error.
    pub fn names(&self) -> Result<Vec<KnownType>, PluginError> {
        let mut types: BTreeMap<StepType, Source> =
            builtin::names().map(|name| (StepType::new(name), Source::BuiltIn)).collect();
        for dir in &self.plugin_dirs {
            for (name, path) in file::list(dir)? {
                check_name(&name, &path)?;
                // Of a built-in type the built-in is there already.
                types.entry(StepType::new(name)).or_insert(Source::File(path));
            }
        }
        for (step_type, entry) in self.packages.iter().flat_map(|packages| &packages.lock().plugins) {
            self.check_not_built_in(step_type)?;
            types.entry(step_type.clone()).or_insert_with(|| Source::Package(entry.origin.text(step_type)));
        }
        Ok(types.into_iter().map(|(step_type, source)| KnownType { step_type, source }).collect())
    }

    /// Loads one type: reads, checks, compiles and describes it. Blocks; may be called within a tokio runtime.
    pub fn load(&self, step_type: &StepType) -> Result<LoadedType, PluginError> {
        let name = step_type.as_str();
        let path = self.plugin_dirs.iter().map(|dir| dir.join(format!("{name}.wasm")));
        if let Some(built_in) = builtin::find(name) {
            if let Some(path) = path.into_iter().find(|path| path.symlink_metadata().is_ok()) {
                return Err(shadows(name, &path));
            }
            self.check_not_built_in(step_type)?;
            return self.load_builtin(step_type, built_in);
        }
        if !is_type_name(name) {
            return Err(self.unknown(step_type).with_hint(TYPE_NAMES));
        }
        match path.into_iter().find(|path| path.symlink_metadata().is_ok()) {
            Some(path) => self.load_from(step_type, path),
            None => self.load_package(step_type),
        }
    }

    /// Loads each of these types, several at once.
    pub fn load_all(
        &self,
        step_types: impl IntoIterator<Item = StepType>,
    ) -> BTreeMap<StepType, Result<LoadedType, PluginError>> {
        let step_types: BTreeSet<StepType> = step_types.into_iter().collect();
        let (built_in, others): (Vec<_>, Vec<_>) =
            step_types.into_iter().partition(|step_type| builtin::find(step_type.as_str()).is_some());
        // A built-in loads faster than a thread starts.
        let mut loaded: BTreeMap<_, _> = built_in.into_iter().map(|name| (name.clone(), self.load(&name))).collect();
        if others.is_empty() {
            return loaded;
        }
        let workers = thread::available_parallelism().map_or(1, usize::from).min(others.len());
        if workers <= 1 {
            loaded.extend(others.into_iter().map(|name| (name.clone(), self.load(&name))));
            return loaded;
        }
        let queue = Mutex::new(others);
        let finished = Mutex::new(loaded);
        thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    loop {
                        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop();
                        let Some(name) = next else { break };
                        let result = self.load(&name);
                        finished.lock().unwrap_or_else(PoisonError::into_inner).insert(name, result);
                    }
                });
            }
        });
        finished.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Loads a component from a file, whatever its name, to look at it. Its type is the file's name without `.wasm`.
    /// Nothing pins it.
    pub fn load_file(&self, path: &Path) -> Result<LoadedType, PluginError> {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let file = file::open(path)?;
        self.load_content(&StepType::new(&*name), Content::File(&file), Source::File(path.to_owned()), None)
    }

    /// The bytes of a component file: a regular one, of reasonable size.
    pub fn read_file(&self, path: &Path) -> Result<Vec<u8>, PluginError> {
        Ok(file::open(path)?.read()?)
    }

    /// Loads these bytes, and no others, as a type of this name. Nothing pins them.
    pub fn load_bytes(&self, step_type: &StepType, bytes: &[u8], source: Source) -> Result<LoadedType, PluginError> {
        self.load_content(step_type, Content::Bytes(bytes), source, None)
    }

    /// The component of a built-in type.
    pub fn builtin_wasm(&self, step_type: &str) -> Option<&'static [u8]> {
        builtin::find(step_type).map(|built_in| built_in.wasm)
    }

    fn load_builtin(&self, step_type: &StepType, built_in: &BuiltIn) -> Result<LoadedType, PluginError> {
        let runtime = self.pooled.get_or_init(|| Runtime::pooled(self.attempts).map(Arc::new)).clone()?;
        let component = built_in.component(&runtime)?;
        let fitted = fit(&runtime, &component, built_in.name)?;
        Ok(LoadedType::new(Inner {
            step_type: step_type.clone(),
            source: Source::BuiltIn,
            digest: Digest::from(built_in.digest),
            size: built_in.wasm.len(),
            description: built_in.description()?,
            fitted,
            runtime,
            config_schema: OnceLock::new(),
            output_schema: OnceLock::new(),
        }))
    }

    fn load_from(&self, step_type: &StepType, path: PathBuf) -> Result<LoadedType, PluginError> {
        let file = file::open(&path)?;
        self.load_content(step_type, Content::File(&file), Source::File(path), self.packages.as_ref())
    }

    /// Loads what is pinned and lies in no plugin directory.
    fn load_package(&self, step_type: &StepType) -> Result<LoadedType, PluginError> {
        let packages = self.packages.as_ref();
        let Some((packages, entry)) = packages.and_then(|packages| Some((packages, packages.pin(step_type)?))) else {
            return Err(self.unknown(step_type));
        };
        let file = packages.open_component(step_type, entry)?;
        let source = Source::Package(entry.origin.text(step_type));
        self.load_content(step_type, Content::File(&file), source, Some(packages))
    }

    /// Loads a component: what was compiled from the very same bytes before, else these bytes, read once: those that are
    /// checked are those that are compiled. `packages` say what they have to be.
    fn load_content(
        &self,
        step_type: &StepType,
        content: Content<'_>,
        source: Source,
        packages: Option<&Packages>,
    ) -> Result<LoadedType, PluginError> {
        let runtime = self.runtime()?;
        let name = source.name(step_type);
        let place = content.place().unwrap_or_else(|| name.clone());
        // A signature is over the bytes themselves: what is looked for is what was compiled from those that were checked.
        let signed = match packages.filter(|packages| packages.is_signed(step_type)) {
            Some(packages) => {
                let bytes = content.bytes()?;
                packages.check_bytes(step_type, &bytes, Digest::of(&bytes), &place)?;
                Some(bytes)
            }
            None => None,
        };
        let fingerprint =
            || signed.as_deref().map_or_else(|| content.fingerprint(), |bytes| Ok(Fingerprint::of(bytes)));
        let kept = self.compiler.kept(runtime.engine(), fingerprint)?;
        let (fitted, known) = match kept {
            Some((component, known)) => {
                if let Some(packages) = packages {
                    packages.check_digest(step_type, known.component, &place)?;
                }
                (fit(&runtime, &component, &name)?, known)
            }
            None => {
                let bytes = signed.map_or_else(|| content.bytes(), Ok)?;
                self.compile(step_type, &bytes, &name, &place, packages, &runtime)?
            }
        };
        if let Some(packages) = packages {
            packages.check_request(step_type, &known.description.permissions, &interface(&fitted.exports), &name)?;
        }
        Ok(LoadedType::new(Inner {
            step_type: step_type.clone(),
            source,
            digest: known.component,
            size: known.size,
            description: known.description,
            fitted,
            runtime,
            config_schema: OnceLock::new(),
            output_schema: OnceLock::new(),
        }))
    }

    /// Checks these bytes, compiles them, and asks the component what it is.
    fn compile(
        &self,
        step_type: &StepType,
        bytes: &[u8],
        name: &str,
        place: &str,
        packages: Option<&Packages>,
        runtime: &Runtime,
    ) -> Result<(Fitted, Known), PluginError> {
        let digest = Digest::of(bytes);
        if let Some(packages) = packages {
            packages.check_bytes(step_type, bytes, digest, place)?;
        }
        let compiled = self.compiler.compile(runtime.engine(), bytes, name)?;
        let fitted = fit(runtime, &compiled.component, name)?;
        let description = wait(describe(runtime, &fitted.pre, name))?;
        check_schema(name, "config_schema", &description.config_schema)?;
        check_schema(name, "output_schema", &description.output_schema)?;
        let known = Known { component: digest, size: bytes.len(), description };
        self.compiler.keep(runtime.engine(), bytes, &compiled, &known);
        Ok((fitted, known))
    }

    /// A name that is no component's has none: nothing in the plugin directories or the lock file has it.
    pub fn check_reserved(&self, name: &str) -> Result<(), PluginError> {
        let mut paths = self.plugin_dirs.iter().map(|dir| dir.join(format!("{name}.wasm")));
        let pinned = self.packages.as_ref().filter(|packages| packages.pin(&StepType::new(name)).is_some());
        let found = paths.find(|path| path.symlink_metadata().is_ok());
        match found.or_else(|| pinned.map(Packages::lock_path)) {
            Some(path) => Err(shadows(name, &path)),
            None => Ok(()),
        }
    }

    fn check_not_built_in(&self, step_type: &StepType) -> Result<(), PluginError> {
        let packages = self.packages.as_ref().filter(|packages| packages.pin(step_type).is_some());
        match packages {
            Some(packages) if builtin::find(step_type.as_str()).is_some() => {
                Err(shadows(step_type.as_str(), &packages.lock_path()))
            }
            _ => Ok(()),
        }
    }

    fn runtime(&self) -> Result<Arc<Runtime>, PluginError> {
        self.runtime.get_or_init(|| Runtime::new().map(Arc::new)).clone()
    }

    fn unknown(&self, step_type: &StepType) -> PluginError {
        let name = step_type.as_str();
        let error = PluginError::new("unknown-type", format!("there is no step type `{name}`"));
        let known = self.names().unwrap_or_default();
        let nearest = known
            .iter()
            .map(|known| (strsim::osa_distance(name, known.step_type.as_str()), &known.step_type))
            .min()
            .filter(|(distance, known)| *distance <= 1 + known.as_str().len() / 4);
        match (nearest, self.plugin_dirs.first()) {
            (Some((_, known)), _) => error.with_hint(format!("did you mean `{known}`?")),
            (None, Some(dir)) => error.with_hint(format!(
                "put its component at {}, or `shiro plugin add` it; `shiro plugin list` shows the types there are",
                dir.join(format!("{name}.wasm")).display()
            )),
            (None, None) => error.with_hint("`shiro plugin list` shows the types there are"),
        }
    }
}

/// A component's bytes: in memory, or in a file that is read into memory only if it has to be compiled.
enum Content<'a> {
    Bytes(&'a [u8]),
    File(&'a Regular),
}

impl<'a> Content<'a> {
    /// The file that errors about the bytes name.
    fn place(&self) -> Option<String> {
        match self {
            Self::Bytes(_) => None,
            Self::File(file) => Some(file.path().display().to_string()),
        }
    }

    fn fingerprint(&self) -> Result<Fingerprint, PluginError> {
        match self {
            Self::Bytes(bytes) => Ok(Fingerprint::of(bytes)),
            Self::File(file) => Ok(Fingerprint::of_file(file)?),
        }
    }

    fn bytes(&self) -> Result<Cow<'a, [u8]>, PluginError> {
        match self {
            Self::Bytes(bytes) => Ok(Cow::Borrowed(bytes)),
            Self::File(file) => Ok(Cow::Owned(file.read()?)),
        }
    }
}

fn check_schema(name: &str, which: &str, schema: &serde_json::Value) -> Result<(), PluginError> {
    Schema::new(schema).map(drop).map_err(|what| {
        PluginError::new("bad-schema", format!("{name}: the `{which}` of its description is not a JSON Schema: {what}"))
            .with_hint("schemas are JSON Schema 2020-12 without references to other documents")
    })
}

/// Runs a future to its end on a thread of its own, since the caller may be inside a tokio runtime already.
fn wait<T: Send>(future: impl Future<Output = Result<T, PluginError>> + Send) -> Result<T, PluginError> {
    let internal = |what: String| PluginError {
        class: crate::outcome::FailureClass::Internal,
        ..PluginError::new("runtime", what)
    };
    thread::scope(|scope| {
        let worker = thread::Builder::new().name("describe".into()).spawn_scoped(scope, || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
            runtime.map_err(|error| internal(format!("no tokio runtime: {error}")))?.block_on(future)
        });
        let worker = worker.map_err(|error| internal(format!("no thread to load a step type: {error}")))?;
        worker.join().unwrap_or_else(|_| Err(internal("loading a step type panicked".to_owned())))
    })
}

fn check_name(name: &str, path: &Path) -> Result<(), PluginError> {
    if !is_type_name(name) {
        return Err(PluginError::new(
            "bad-name",
            format!("{}: `{name}` can't be the name of a step type", path.display()),
        )
        .with_hint(TYPE_NAMES));
    }
    Ok(())
}

fn shadows(name: &str, path: &Path) -> PluginError {
    PluginError::new("shadows-built-in", format!("{}: `{name}` is a built-in step type", path.display()))
        .with_hint("give it another name: nothing can replace what is built in")
}

#[cfg(test)]
mod tests;
