//! From bytes to a component that fits: what is wrong with a file is said here, in words its author understands.

use std::collections::BTreeSet;

use wasmtime::Engine;
use wasmtime::component::Component;

use super::attempt::Attempt;
use super::bindings::GuestPre;
use super::error::PluginError;
use super::runtime::Runtime;

/// The interface that every step type exports.
pub(super) const STEP: &str = "shiro:step/step@0.1.0";

/// The interfaces that the host provides, without versions.
pub(super) const PROVIDED: [(&str, &str, &[&str]); 8] = [
    ("shiro:step", "0.1.0", &["types", "context", "log", "process", "store"]),
    (
        "wasi:cli",
        "0.2.12",
        &[
            "environment",
            "exit",
            "stdin",
            "stdout",
            "stderr",
            "terminal-input",
            "terminal-output",
            "terminal-stdin",
            "terminal-stdout",
            "terminal-stderr",
        ],
    ),
    ("wasi:clocks", "0.2.12", &["monotonic-clock", "wall-clock"]),
    ("wasi:filesystem", "0.2.12", &["types", "preopens"]),
    ("wasi:http", "0.2.12", &["types", "outgoing-handler"]),
    ("wasi:io", "0.2.12", &["error", "poll", "streams"]),
    ("wasi:random", "0.2.12", &["random", "insecure", "insecure-seed"]),
    (
        "wasi:sockets",
        "0.2.12",
        &["network", "instance-network", "ip-name-lookup", "tcp", "tcp-create-socket", "udp", "udp-create-socket"],
    ),
];

/// A component whose imports and exports fit.
pub(super) struct Fitted {
    pub(super) pre: GuestPre<Attempt>,
    /// The interfaces it imports, sorted.
    pub(super) imports: Vec<String>,
    /// What it exports, sorted.
    pub(super) exports: Vec<String>,
}

/// Compiles bytes that came from `name`, a file. Refuses whatever is not a WebAssembly component in its binary form.
pub(super) fn compile(runtime: &Runtime, bytes: &[u8], name: &str) -> Result<Component, PluginError> {
    recognise(bytes, name)?;
    Component::from_binary(runtime.engine(), bytes).map_err(|error| compile_error(&format!("{error:#}"), name))
}

/// Checks imports and exports.
pub(super) fn fit(runtime: &Runtime, component: &Component, name: &str) -> Result<Fitted, PluginError> {
    let engine = runtime.engine();
    let of_component = component.component_type();
    let imports: BTreeSet<String> = of_component.imports(engine).map(|(name, _)| name.to_owned()).collect();
    let exports: BTreeSet<String> = of_component.exports(engine).map(|(name, _)| name.to_owned()).collect();

    let unknown: Vec<&str> = imports.iter().map(String::as_str).filter(|import| !is_provided(import)).collect();
    if !unknown.is_empty() {
        return Err(unknown_imports(&unknown, name));
    }
    if !exports.contains(STEP) {
        return Err(missing_export(&exports, name));
    }
    let pre = runtime.link(component).map_err(|error| {
        PluginError::new("import-mismatch", format!("{name}: an import differs from what the host provides: {error:#}"))
            .with_hint("build it against the WIT files of this version of shiro")
    })?;
    let pre = runtime.exports(pre).map_err(|error| {
        PluginError::new("export-mismatch", format!("{name}: its export `{STEP}` has another shape: {error:#}"))
            .with_hint("build it against the WIT files of this version of shiro")
    })?;
    Ok(Fitted { pre, imports: imports.into_iter().collect(), exports: exports.into_iter().collect() })
}

/// Refuses what is not a WebAssembly component in its binary form, and says what it is.
pub(super) fn recognise(bytes: &[u8], name: &str) -> Result<(), PluginError> {
    let error = |code, what: &str| PluginError::new(code, format!("{name}: {what}"));
    if bytes.is_empty() {
        return Err(error("empty", "the file is empty").with_hint("build or download it again"));
    }
    if Engine::detect_precompiled(bytes).is_some() {
        return Err(error(
            "precompiled",
            "compiled code (.cwasm), not a component: it is refused, since it is native code",
        )
        .with_hint("use the .wasm it was made from"));
    }
    match (bytes.get(..4), bytes.get(4..8)) {
        (Some(b"\0asm"), Some([0x0d, 0, 1, 0])) => Ok(()),
        (Some(b"\0asm"), Some([1, 0, 0, 0])) => {
            Err(error("core-module", "core module, not a component: it has no interface that the host could call")
                .with_hint(
                    "`shiro plugin build FILE` makes a component of one that has a step's exports; or build it for a \
                     component target such as wasm32-wasip2",
                ))
        }
        (Some(b"\0asm"), Some(_)) => {
            Err(error("unknown-format", "a WebAssembly format that this version does not know")
                .with_hint("build it with a tool chain for the component model of WASI 0.2"))
        }
        (Some(b"\0asm"), None) => {
            Err(error("truncated", "the file is cut off").with_hint("build or download it again"))
        }
        _ => Err(error("not-wasm", &format!("not WebAssembly: {}", guess(bytes)))
            .with_hint("a step type is a WebAssembly component in its binary form")),
    }
}

fn guess(bytes: &[u8]) -> String {
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(512)]);
    let start = start.trim_start().to_ascii_lowercase();
    if bytes.starts_with(b"\x7fELF") {
        "a native program or library (ELF)".to_owned()
    } else if start.starts_with("(component") || start.starts_with("(module") || start.starts_with(";;") {
        "WebAssembly text: `wasm-tools parse` makes a binary of it".to_owned()
    } else if start.starts_with("<!doctype html") || start.starts_with("<html") {
        "an HTML page, most likely a download that went wrong".to_owned()
    } else if bytes.starts_with(&[0x1f, 0x8b]) || bytes.starts_with(b"PK\x03\x04") {
        "an archive: unpack it first".to_owned()
    } else {
        let shown: Vec<String> = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        format!("it begins with {}", shown.join(" "))
    }
}

/// What the compiler says of a component, in words its author understands.
pub(super) fn compile_error(text: &str, name: &str) -> PluginError {
    if text.contains("unexpected end") || text.contains("unexpected-eof") {
        return PluginError::new("truncated", format!("{name}: the file is cut off or damaged: {text}"))
            .with_hint("build or download it again");
    }
    PluginError::new("invalid", format!("{name}: not a valid component: {text}"))
        .with_hint("build it with a tool chain for WASI 0.2, without experimental WebAssembly features")
}

/// Whether the linker has this interface, in a version that is compatible by its number.
fn is_provided(import: &str) -> bool {
    let Some((package, interface, version)) = split(import) else { return false };
    PROVIDED.iter().any(|(name, provided, interfaces)| {
        *name == package && track(provided) == track(version) && interfaces.contains(&interface)
    })
}

/// `wasi:io/poll@0.2.6` as package, interface and version.
fn split(name: &str) -> Option<(&str, &str, &str)> {
    let (path, version) = name.split_once('@').unwrap_or((name, ""));
    let (package, interface) = path.split_once('/')?;
    Some((package, interface, version))
}

/// The part of a version that has to be equal: `0.2.6` and `0.2.12` are compatible, `0.2.0-rc` and `0.3.0` are not.
fn track(version: &str) -> String {
    if version.contains('-') {
        return version.to_owned();
    }
    let mut numbers = version.split('.');
    match (numbers.next(), numbers.next(), numbers.next()) {
        (Some("0"), Some("0"), Some(patch)) => format!("0.0.{patch}"),
        (Some("0"), Some(minor), _) => format!("0.{minor}"),
        (Some(major), ..) => major.to_owned(),
        _ => String::new(),
    }
}

fn unknown_imports(unknown: &[&str], name: &str) -> PluginError {
    let mut message = format!("{name}: it imports what the host does not provide:");
    for import in unknown {
        message.push_str("\n  ");
        message.push_str(import);
        let package = split(import).map(|(package, ..)| package);
        if let Some((package, version, interfaces)) = PROVIDED.iter().find(|(provided, ..)| Some(*provided) == package)
        {
            message.push_str(&format!(" (provided: {package}@{version} with {})", interfaces.join(", ")));
        }
    }
    PluginError::new("unknown-imports", message)
        .with_hint("build it for WASI 0.2 and the world `shiro:step/plugin@0.1.0`")
}

fn missing_export(exports: &BTreeSet<String>, name: &str) -> PluginError {
    let found = if exports.is_empty() {
        "nothing".to_owned()
    } else {
        exports.iter().map(|export| format!("`{export}`")).collect::<Vec<_>>().join(", ")
    };
    let other_version = exports.iter().any(|export| export.starts_with("shiro:step/step@"));
    let hint = if other_version {
        "it was built for another version of the step interface: build it against the WIT files of this version of shiro"
    } else {
        "build it for the world `shiro:step/plugin@0.1.0`"
    };
    PluginError::new("missing-export", format!("{name}: no step type: expected the export `{STEP}`, found {found}"))
        .with_hint(hint)
}

#[cfg(test)]
mod tests;
