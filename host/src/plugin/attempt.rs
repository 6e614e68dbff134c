//! What a guest's store holds: everything one attempt has, and nothing of any other.

use std::sync::Arc;

use wasmtime::Store;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::filesystem::FsPerms;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::imports::context::RunContext;
use super::imports::file_use::Roots;
use super::imports::files::{OpenFiles, Written};
use super::imports::http::Network;
use super::imports::output::{GuestOutput, GuestStream};
use super::imports::process::Processes;
use super::imports::store::SharedData;
use super::limits::{Budget, HANDLES, HTTP_FIELD_BYTES, Limiter, RANDOM_BYTES, RESOURCES};
use super::rights::Rights;
use super::surroundings::Surroundings;
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
    pub(super) shared: SharedData,
    pub(super) rights: Arc<Rights>,
    pub(super) surroundings: Surroundings,
    pub(super) written: Written,
    pub(super) open_files: OpenFiles,
    pub(super) roots: Roots,
    pub(super) watch: Watch,
    hostcall_bytes: usize,
}

/// What an attempt is made from.
pub(super) struct AttemptParts {
    pub(super) sink: Arc<dyn StepSink>,
    /// Standard output ends in a terminal.
    pub(super) terminal: bool,
    pub(super) context: RunContext,
    pub(super) network: Network,
    pub(super) processes: Processes,
    pub(super) shared: SharedData,
    pub(super) rights: Arc<Rights>,
    pub(super) surroundings: Surroundings,
    pub(super) budget: Budget,
    pub(super) watch: Watch,
}

impl Attempt {
    /// An error says which granted directory can't be opened.
    pub(super) fn new(parts: AttemptParts) -> Result<Self, String> {
        let output = GuestOutput::new(parts.sink, parts.budget.log_mib);
        // Standard input is closed; there are no arguments, and every socket call is denied. Variables and directories are
        // those that were granted.
        let mut builder = WasiCtx::builder();
        builder
            .stdout(GuestStream::new(output.clone(), Stream::Stdout, parts.terminal))
            .stderr(GuestStream::new(output.clone(), Stream::Stderr, false))
            .max_random_size(RANDOM_BYTES)
            .envs(&parts.surroundings.variables);
        for directory in &parts.surroundings.directories {
            let perms = if directory.writes { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
            builder
                .preopened_dir(&directory.host, &directory.guest, perms)
                .map_err(|error| format!("the directory {} can't be opened: {error}", directory.guest))?;
        }
        let wasi = builder.build();
        let notes = parts.rights.notes().clone();
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(HTTP_FIELD_BYTES);
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES);
        Ok(Self {
            wasi,
            http,
            network: parts.network,
            table,
            limiter: Limiter::new(parts.budget.memory_mib),
            output,
            context: parts.context,
            processes: parts.processes,
            shared: parts.shared,
            written: Written::new(notes.clone(), parts.budget.files_mib),
            open_files: OpenFiles::new(notes, parts.surroundings.directories.len()),
            roots: Roots::default(),
            rights: parts.rights,
            surroundings: parts.surroundings,
            watch: parts.watch,
            hostcall_bytes: parts.budget.hostcall_bytes(),
        })
    }

    /// A store for this attempt, with every limit in force before any guest code runs.
    pub(super) fn into_store(self, engine: &wasmtime::Engine) -> Store<Self> {
        let hostcall_bytes = self.hostcall_bytes;
        let mut store = Store::new(engine, self);
        store.limiter(|attempt| &mut attempt.limiter);
        store.set_hostcall_fuel(hostcall_bytes);
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
