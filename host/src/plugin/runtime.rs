//! The engine, what it links, and its clock: made once, shared by all step types of a catalog.

use rustix::process::{Resource, getrlimit};
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Config, Engine};

use super::attempt::Attempt;
use super::bindings::{Guest, GuestPre};
use super::engine_config::engine_config;
use super::error::PluginError;
use super::ticker::Ticker;
use crate::outcome::FailureClass;

/// Below this much address space, memories are not reserved in advance (4 GiB each, which costs nothing else).
const ROOMY: u64 = 1 << 40;

/// An engine with everything linked.
pub(super) struct Runtime {
    engine: Engine,
    linker: Linker<Attempt>,
    ticker: Ticker,
}

impl Runtime {
    pub(super) fn new() -> Result<Self, PluginError> {
        Self::with(&config_for_this_machine()).map_err(|error| PluginError {
            class: FailureClass::Internal,
            ..PluginError::new("runtime", format!("the WebAssembly engine can't be set up: {error:#}"))
        })
    }

    fn with(config: &Config) -> wasmtime::Result<Self> {
        let engine = Engine::new(config)?;
        let mut linker = Linker::new(&engine);
        linker.allow_shadowing(false);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
        Guest::add_to_linker::<_, HasSelf<Attempt>>(&mut linker, |attempt| attempt)?;
        let ticker = Ticker::new(&engine);
        Ok(Self { engine, linker, ticker })
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(super) fn ticker(&self) -> &Ticker {
        &self.ticker
    }

    /// Resolves a component's imports: an error says which one does not fit.
    pub(super) fn link(&self, component: &Component) -> wasmtime::Result<wasmtime::component::InstancePre<Attempt>> {
        self.linker.instantiate_pre(component)
    }

    /// Finds the exports: an error says which one is missing or has another type.
    pub(super) fn exports(
        &self,
        pre: wasmtime::component::InstancePre<Attempt>,
    ) -> wasmtime::Result<GuestPre<Attempt>> {
        GuestPre::new(pre)
    }
}

/// With little address space (`ulimit -v`) memories grow by moving. What was compiled ahead of time then doesn't load and
/// is compiled again.
fn config_for_this_machine() -> Config {
    let mut config = engine_config();
    if getrlimit(Resource::As).current.is_some_and(|limit| limit < ROOMY) {
        config.memory_reservation(0).memory_reservation_for_growth(1 << 20).memory_guard_size(64 << 10);
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_other_crates_could_turn_back_on_are_off() {
        let runtime = Runtime::new().unwrap();
        let engine = runtime.engine();
        assert!(!engine.get_concurrency_support());
        assert!(!engine.get_shared_memory());
        assert!(engine.get_epoch_interruption());
        assert!(engine.get_signals_based_traps());
    }

    #[test]
    fn proposals_that_no_step_needs_are_off() {
        let runtime = Runtime::new().unwrap();
        for module in [
            "(memory i64 1)",
            "(memory 1 1 shared)",
            "(type (struct))",
            "(tag)",
            "(func (param v128 v128 v128) (result v128)
               local.get 0 local.get 1 local.get 2 f32x4.relaxed_madd)",
        ] {
            let component = wat::parse_str(format!("(component (core module {module}))")).unwrap();
            assert!(Component::from_binary(runtime.engine(), &component).is_err(), "{module}");
        }
    }

    #[test]
    fn an_engine_for_little_address_space_works_too() {
        let mut config = engine_config();
        config.memory_reservation(0).memory_reservation_for_growth(1 << 20).memory_guard_size(64 << 10);
        assert!(Runtime::with(&config).is_ok());
    }
}
