//! What a guest's store holds: everything one attempt has, and nothing of any other.

use std::sync::Arc;

use wasmtime::Store;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::imports::Notes;
use super::imports::context::RunContext;
use super::imports::http::Network;
use super::imports::output::{GuestOutput, GuestStream};
use super::imports::process::Processes;
use super::limits::{HANDLES, HOSTCALL_BYTES, HTTP_FIELD_BYTES, Limiter, RANDOM_BYTES, RESOURCES};
use super::watch::Watch;
use crate::event::Stream;
use crate::step::StepSink;

/// One attempt's side of the host.
pub(super) struct Attempt {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    network: Network,
    table: ResourceTable,
    pub(super) limiter: Limiter,
    pub(super) output: GuestOutput,
    pub(super) context: RunContext,
    pub(super) processes: Processes,
    pub(super) notes: Notes,
    pub(super) watch: Watch,
}

/// What an attempt is made from.
pub(super) struct AttemptParts {
    pub(super) sink: Arc<dyn StepSink>,
    /// Standard output ends in a terminal.
    pub(super) terminal: bool,
    pub(super) context: RunContext,
    pub(super) network: Network,
    pub(super) processes: Processes,
    pub(super) notes: Notes,
    pub(super) watch: Watch,
}

impl Attempt {
    pub(super) fn new(parts: AttemptParts) -> Self {
        let output = GuestOutput::new(parts.sink);
        // Standard input is closed; there are no arguments, variables or directories, and every socket call is denied.
        let wasi = WasiCtx::builder()
            .stdout(GuestStream::new(output.clone(), Stream::Stdout, parts.terminal))
            .stderr(GuestStream::new(output.clone(), Stream::Stderr, false))
            .max_random_size(RANDOM_BYTES)
            .build();
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(HTTP_FIELD_BYTES);
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES);
        Self {
            wasi,
            http,
            network: parts.network,
            table,
            limiter: Limiter::default(),
            output,
            context: parts.context,
            processes: parts.processes,
            notes: parts.notes,
            watch: parts.watch,
        }
    }

    /// A store for this attempt, with every limit in force before any guest code runs.
    pub(super) fn into_store(self, engine: &wasmtime::Engine) -> Store<Self> {
        let mut store = Store::new(engine, self);
        store.limiter(|attempt| &mut attempt.limiter);
        store.set_hostcall_fuel(HOSTCALL_BYTES);
        store.set_max_component_handles(HANDLES);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut context| context.data_mut().watch.tick());
        store
    }
}

impl WasiView for Attempt {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for Attempt {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.network, table: &mut self.table, ctx: &mut self.http }
    }
}
