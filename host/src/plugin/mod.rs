//! Step types as WebAssembly components: the only place that knows wasmtime.
