//! Compiling components that are not built in: never in this process, and once for each machine.
//!
//! ```text
//! cache      what this user's shiro compiled before, by the component's bytes and the engine's settings
//! instances  what a component's instances would take, counted before it is compiled
//! child      shiro again, as `__compile`: a component on standard input, compiled code on standard output
//! code       the file that this is, which has no name
//! place      directories that only this user can write
//! ```
//!
//! A component can be made to cost its compiler hours and gigabytes. The child has limits, and nothing of a run is lost
//! with it.

mod cache;
mod child;
mod code;
mod instances;
mod place;

use std::ffi::OsString;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::sync::{Mutex, OnceLock, PoisonError};

use wasmtime::Engine;
use wasmtime::component::Component;

use self::cache::{Cache, Unsound};
pub(super) use self::cache::{Fingerprint, Known};
pub use self::child::{COMPILE_VERB, compile_main};
use self::code::Code;
use super::error::PluginError;
use super::load::{compile_error, recognise};
use crate::outcome::FailureClass;

/// Looks up a variable of the environment.
type Variable = Box<dyn Fn(&str) -> Option<OsString> + Send + Sync>;

/// How components are compiled that are not built in.
#[derive(Default)]
pub struct Compiler {
    /// The command line of the child; `None` compiles in this process.
    child: Option<Vec<OsString>>,
    /// Says where the cache is; `None` keeps nothing.
    variable: Option<Variable>,
    /// Opened when something is compiled: a run of built-in types leaves no trace in the home directory.
    cache: OnceLock<Option<Cache>>,
    notices: Mutex<Vec<String>>,
}

/// A component that was compiled just now.
pub(super) struct Compiled {
    pub(super) component: Component,
    /// What is kept of it.
    code: Code,
}

impl Compiler {
    /// Compiles in a child process with limits.
    pub fn in_child() -> Self {
        Self { child: child::own_command(), ..Self::default() }
    }

    /// Also keeps what was compiled, in the cache directory that these variables of the environment name:
    /// `SHIRO_CACHE_DIR`, else `XDG_CACHE_HOME` or `HOME`. Without them, or where others could write there, nothing is kept.
    pub fn with_cache(self, variable: impl Fn(&str) -> Option<OsString> + Send + Sync + 'static) -> Self {
        Self { variable: Some(Box::new(variable)), ..self }
    }

    fn cache(&self) -> Option<&Cache> {
        let variable = self.variable.as_ref()?;
        let open = || {
            Cache::open(variable).unwrap_or_else(|why| {
                self.notice(why);
                None
            })
        };
        self.cache.get_or_init(open).as_ref()
    }

    /// What the user should know of the cache, each told once.
    pub(super) fn take_notices(&self) -> Vec<String> {
        std::mem::take(&mut self.notices.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn notice(&self, notice: String) {
        self.notices.lock().unwrap_or_else(PoisonError::into_inner).push(notice);
    }

    /// What was compiled from the same bytes before, and what is known of them. `fingerprint` is asked only where something
    /// is kept. An error says that what is kept was changed.
    pub(super) fn kept(
        &self,
        engine: &Engine,
        fingerprint: impl FnOnce() -> Result<Fingerprint, PluginError>,
    ) -> Result<Option<(Component, Known)>, PluginError> {
        let Some(cache) = self.cache() else { return Ok(None) };
        match cache.load(engine, &entry(engine, fingerprint()?)) {
            Ok(found) => Ok(found),
            Err(Unsound::Planted(warning)) => {
                self.notice(warning);
                Ok(None)
            }
            Err(Unsound::Changed(error)) => Err(error),
        }
    }

    /// Compiles bytes that came from `name`, a file. Refuses whatever is not a WebAssembly component in its binary form.
    pub(super) fn compile(&self, engine: &Engine, bytes: &[u8], name: &str) -> Result<Compiled, PluginError> {
        recognise(bytes, name)?;
        if instances::are_too_large(bytes) {
            let what = format!("{name}: its instances take more than {} MiB besides their memories", instances::MIB);
            return Err(PluginError { class: FailureClass::Limit, ..PluginError::new("instances", what) }
                .with_hint("fewer instances, or modules with fewer functions, globals and elements"));
        }
        let dir = self.cache().map(Cache::dir);
        let no_place = |error: io::Error| {
            PluginError::new("no-place", format!("{name}: there is no place for its compiled form: {error}"))
                .with_hint("let TMPDIR name a directory that can be written")
        };
        let code = match &self.child {
            Some(command_line) => {
                let code = Code::empty(dir).map_err(no_place)?;
                child::compile(command_line, bytes, name, code.file())?;
                code
            }
            None => {
                let code = engine.precompile_component(bytes);
                let code = code.map_err(|error| compile_error(&format!("{error:#}"), name))?;
                Code::of(&code, dir).map_err(no_place)?
            }
        };
        // SAFETY: these bytes are wasmtime's own output, made by this program in this process or in a child of it, which
        // wrote them to a file that nobody else can name. Who can change it all the same is this user, who can do that to
        // this process.
        let component = unsafe { code.load(engine) }.map_err(|error| PluginError {
            class: FailureClass::Internal,
            ..PluginError::new("runtime", format!("{name}: what was compiled can't be loaded: {error:#}"))
        })?;
        Ok(Compiled { component, code })
    }

    /// Keeps what was compiled from these bytes, once it is known to be a step type.
    pub(super) fn keep(&self, engine: &Engine, bytes: &[u8], compiled: &Compiled, known: &Known) {
        if let Some(cache) = self.cache()
            && let Err(why) = cache.store(&entry(engine, Fingerprint::of(bytes)), &compiled.code, known)
        {
            self.notice(why);
        }
    }
}

/// An entry's name: the component's bytes, and all that their compiled form depends on.
fn entry(engine: &Engine, fingerprint: Fingerprint) -> String {
    let mut settings = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut settings);
    super::WASMTIME_VERSION.hash(&mut settings);
    env!("CARGO_PKG_VERSION").hash(&mut settings);
    format!("{fingerprint}-{:016x}", settings.finish())
}

#[cfg(test)]
mod tests;
