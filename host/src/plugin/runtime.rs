//! The engine, what it links, and its clock: made once, shared by all step types of a catalog.

use rustix::process::{Resource, getrlimit};
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Config, Enabled, Engine, PoolingAllocationConfig};

use super::attempt::Attempt;
use super::bindings::{Guest, GuestPre};
use super::engine_config::engine_config;
use super::error::PluginError;
use super::imports::{file_use, files};
use super::surroundings;
use super::ticker::Ticker;
use crate::outcome::FailureClass;

/// Below this much address space, memories are not reserved in advance (4 GiB each, which costs nothing else).
const ROOMY: u64 = 1 << 40;

/// What one attempt of a built-in type has at most; a test loads and runs each of them.
const BUILT_IN_CORE_INSTANCES: u32 = 8;
const BUILT_IN_MEMORIES: u32 = 2;
const BUILT_IN_TABLES: u32 = 4;

/// Bytes that a pooled memory can grow to: all that 32 bits can name, since each attempt has a limit of its own.
const POOLED_MEMORY: usize = 4 << 30;
/// Bytes of a pooled memory or table that are zeroed in place between attempts; the rest goes back to the system.
const KEEP_RESIDENT: usize = 256 << 10;

/// An engine with everything linked.
pub(super) struct Runtime {
    engine: Engine,
    linker: Linker<Attempt>,
    ticker: Ticker,
}

impl Runtime {
    /// A runtime for any component: memory and stack are mapped for each attempt.
    pub(super) fn new() -> Result<Self, PluginError> {
        Self::with(&config_for_this_machine()).map_err(|error| PluginError {
            class: FailureClass::Internal,
            ..PluginError::new("runtime", format!("the WebAssembly engine can't be set up: {error:#}"))
        })
    }

    /// A runtime for the built-in types, which are small and known: memory and stacks for this many attempts at once are
    /// mapped once and used again, zeroed. To map them for each attempt takes longer than the attempt.
    pub(super) fn pooled(attempts: usize) -> Result<Self, PluginError> {
        let mut config = engine_config();
        config.allocation_strategy(pool(attempts));
        // Where so much address space is not to be had, each attempt maps its own.
        if little_address_space() { Self::new() } else { Self::with(&config).or_else(|_| Self::new()) }
    }

    fn with(config: &Config) -> wasmtime::Result<Self> {
        let engine = Engine::new(config)?;
        let mut linker = Linker::new(&engine);
        linker.allow_shadowing(false);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
        Guest::add_to_linker::<_, HasSelf<Attempt>>(&mut linker, |attempt| attempt)?;
        surroundings::watch(&mut linker)?;
        files::count(&mut linker)?;
        file_use::note(&mut linker)?;
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
pub(super) fn config_for_this_machine() -> Config {
    let mut config = engine_config();
    if little_address_space() {
        config.memory_reservation(0).memory_reservation_for_growth(1 << 20).memory_guard_size(64 << 10);
    }
    config
}

fn little_address_space() -> bool {
    getrlimit(Resource::As).current.is_some_and(|limit| limit < ROOMY)
}

/// Room for this many attempts of built-in types at once.
fn pool(attempts: usize) -> PoolingAllocationConfig {
    let attempts = u32::try_from(attempts).unwrap_or(u32::MAX);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(attempts)
        .total_stacks(attempts)
        .total_core_instances(attempts.saturating_mul(BUILT_IN_CORE_INSTANCES))
        .total_memories(attempts.saturating_mul(BUILT_IN_MEMORIES))
        .total_tables(attempts.saturating_mul(BUILT_IN_TABLES))
        .max_memory_size(POOLED_MEMORY)
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .table_keep_resident(KEEP_RESIDENT)
        // The kernel says which pages were written, so that only they are reset.
        .pagemap_scan(Enabled::Auto);
    pool
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
