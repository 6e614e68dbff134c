//! `shiro version`.

use std::io::Write;

use super::Exit;
use crate::plugin;

/// Shows the versions that matter when something is reported.
pub(super) fn version(out: &mut dyn Write) -> Exit {
    writeln!(
        out,
        "shiro {}\nstep interface shiro:step@{}\nwasmtime {}\n{} {}",
        env!("CARGO_PKG_VERSION"),
        plugin::INTERFACE_VERSION,
        plugin::WASMTIME_VERSION,
        std::env::consts::ARCH,
        std::env::consts::OS,
    )?;
    Ok(0)
}
