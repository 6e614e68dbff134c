//! Builds the built-in step types: each a component for wasm32-wasip2, compiled ahead of time, both embedded.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::{env, fs};

use sha2::{Digest as _, Sha256};
use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Store};

#[path = "src/plugin/engine_config.rs"]
mod engine_config;
#[path = "build/templates.rs"]
mod templates;

const WASM_TARGET: &str = "wasm32-wasip2";

/// The interface that every step type exports.
const STEP: &str = "shiro:step/step@0.1.0";

/// A step type to build in: its package, the name users write, and its other names.
const BUILT_IN: &[(&str, &str, &[&str])] = &[
    ("shiro-plugin-shell", "shell", &["shell.exec"]),
    ("shiro-plugin-slack-notify", "slack.notify", &[]),
    ("shiro-plugin-print", "print", &[]),
    ("shiro-plugin-http", "http", &[]),
    ("shiro-plugin-webhook", "webhook", &[]),
    ("shiro-plugin-teams-notify", "teams.notify", &[]),
    ("shiro-plugin-discord-notify", "discord.notify", &[]),
    ("shiro-plugin-git-diff", "git.diff", &[]),
    ("shiro-plugin-gitlab", "gitlab", &[]),
    ("shiro-plugin-github", "github", &[]),
    ("shiro-plugin-data-store", "data.store", &[]),
    ("shiro-plugin-data-load", "data.load", &[]),
    ("shiro-plugin-data-delete", "data.delete", &[]),
    ("shiro-plugin-data-exists", "data.exists", &[]),
    ("shiro-plugin-data-list", "data.list", &[]),
    ("shiro-plugin-ai-generate", "ai.generate", &[]),
    ("shiro-plugin-json", "json", &[]),
    ("shiro-plugin-template", "template", &[]),
    ("shiro-plugin-file", "file", &[]),
    ("shiro-plugin-wait", "wait", &[]),
    ("shiro-plugin-wait-http", "wait.http", &[]),
];

fn main() -> ExitCode {
    for input in
        ["build.rs", "build", "src/plugin/engine_config.rs", "../plugins", "../wit", "../Cargo.lock", "../Cargo.toml"]
    {
        println!("cargo::rerun-if-changed={input}");
    }
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            for line in message.lines() {
                println!("cargo::error={line}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let out_dir = PathBuf::from(variable("OUT_DIR")?);
    println!("cargo::rustc-env=WASMTIME_VERSION={}", wasmtime_version()?);
    require_wasm_target()?;
    let wasm_dir = build_components(&out_dir)?;
    let engine = ahead_of_time_engine()?;

    let mut table = format!("static BUILT_IN: [BuiltIn; {}] = [\n", BUILT_IN.len());
    for &(package, name, aliases) in BUILT_IN {
        let file = package.replace('-', "_");
        let built = wasm_dir.join(format!("{file}.wasm"));
        let component = fs::read(&built).map_err(|error| format!("{}: {error}", built.display()))?;
        let compiled = match &engine {
            Some(engine) => engine.precompile_component(&component).map_err(|error| format!("{package}: {error:#}"))?,
            None => Vec::new(),
        };
        let description = describe(&component).map_err(|error| format!("{package}: `describe` failed: {error:#}"))?;
        let digest: [u8; 32] = Sha256::digest(&component).into();
        let wasm = write(&out_dir.join(format!("{file}.wasm")), &component)?;
        let compiled = write(&out_dir.join(format!("{file}.cwasm")), &compiled)?;
        // Writing to a String can't fail.
        let _ = writeln!(
            table,
            "    BuiltIn {{ name: {name:?}, aliases: &{aliases:?}, wasm: include_bytes!({wasm:?}), digest: {digest:?}, \
             description: {description:?}, compiled: include_bytes!({compiled:?}) }},"
        );
    }
    table.push_str("];\n");
    write(&out_dir.join("built_in.rs"), table.as_bytes())?;
    let templates = templates::table(&Path::new(&variable("CARGO_MANIFEST_DIR")?).join(".."))?;
    write(&out_dir.join("templates.rs"), templates.as_bytes())?;
    Ok(())
}

/// The version that the lock file has, for `shiro version`: the crate doesn't say it itself.
fn wasmtime_version() -> Result<String, String> {
    let lock = Path::new(&variable("CARGO_MANIFEST_DIR")?).join("../Cargo.lock");
    let text = fs::read_to_string(&lock).map_err(|error| format!("{}: {error}", lock.display()))?;
    let mut lines = text.lines().skip_while(|line| *line != "name = \"wasmtime\"");
    let version = lines.nth(1).and_then(|line| line.strip_prefix("version = \"")?.strip_suffix('"'));
    version.map(str::to_owned).ok_or_else(|| format!("{}: there is no wasmtime", lock.display()))
}

/// An engine for the target's baseline processor: not this machine's, which may be newer than the one shiro runs on. None
/// where this build of the compiler can't compile for the target; the components are then compiled when they are used.
fn ahead_of_time_engine() -> Result<Option<Engine>, String> {
    let target = variable("TARGET")?;
    let mut config = engine_config::engine_config();
    config.target(&target).map_err(|error| format!("{target}: {error:#}"))?;
    match Engine::new(&config) {
        Ok(engine) => Ok(Some(engine)),
        Err(error) if target != variable("HOST")? => {
            println!("cargo::warning=the built-in steps are not compiled ahead of time for {target}: {error:#}");
            Ok(None)
        }
        Err(error) => Err(format!("{target}: {error:#}")),
    }
}

/// What a component says of itself. Asked here, a start of shiro need not ask. It may call nothing but the seed of the hash
/// maps, which Rust's standard library asks for.
fn describe(component: &[u8]) -> wasmtime::Result<String> {
    let engine = Engine::new(&engine_config::engine_config())?;
    let component = Component::from_binary(&engine, component)?;
    let mut linker = Linker::new(&engine);
    linker.instance("wasi:random/insecure-seed@0.2.12")?.func_wrap("insecure-seed", |_, ()| Ok(((0_u64, 0_u64),)))?;
    linker.define_unknown_imports_as_traps(&component)?;
    let mut store = Store::new(&engine, ());
    // Nothing makes the epoch grow: the built-in types are trusted to answer.
    store.set_epoch_deadline(1);
    let instance = linker.instantiate(&mut store, &component)?;
    let step = instance.get_export_index(&mut store, None, STEP);
    let describe = step.and_then(|step| instance.get_export_index(&mut store, Some(&step), "describe"));
    let describe = describe.ok_or_else(|| wasmtime::Error::msg(format!("`{STEP}` is not exported")))?;
    let (description,) = instance.get_typed_func::<(), (String,)>(&mut store, describe)?.call(&mut store, ())?;
    Ok(description)
}

fn require_wasm_target() -> Result<(), String> {
    let output = Command::new(variable("RUSTC")?)
        .args(["--print", "target-libdir", "--target", WASM_TARGET])
        .output()
        .map_err(|error| format!("rustc can't be run: {error}"))?;
    let dir = String::from_utf8_lossy(&output.stdout);
    if output.status.success() && Path::new(dir.trim()).is_dir() {
        return Ok(());
    }
    Err(format!(
        "the Rust target {WASM_TARGET} is not installed: the built-in steps are WebAssembly components\n\
         run: rustup target add {WASM_TARGET}"
    ))
}

/// Builds the components and gives the directory they are in. Their own target directory keeps this cargo from waiting for
/// the lock that the outer one holds.
fn build_components(out_dir: &Path) -> Result<PathBuf, String> {
    let target_dir = shared_target_dir(out_dir).join("plugins");
    // Without the network if that is possible, so that `cargo build --offline`, of which a build script is told nothing,
    // works.
    let offline = cargo(&target_dir, true)?;
    let output = if !offline.status.success() && String::from_utf8_lossy(&offline.stderr).contains("--offline") {
        cargo(&target_dir, false)?
    } else {
        offline
    };
    if !output.status.success() {
        return Err(format!("the built-in steps don't build:\n{}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    Ok(target_dir.join(WASM_TARGET).join("plugin"))
}

fn cargo(target_dir: &Path, offline: bool) -> Result<std::process::Output, String> {
    let mut cargo = Command::new(variable("CARGO")?);
    cargo
        .arg("build")
        .args(["--target", WASM_TARGET, "--profile", "plugin", "--locked", "--target-dir"])
        .arg(target_dir);
    cargo.arg("--manifest-path").arg(Path::new(&variable("CARGO_MANIFEST_DIR")?).join("../Cargo.toml"));
    for &(package, ..) in BUILT_IN {
        cargo.args(["--package", package]);
    }
    if offline {
        cargo.arg("--offline");
    }
    // What is meant for the host's compiler, or for a linter in its place.
    for name in [
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_BUILD_RUSTFLAGS",
        "CARGO_BUILD_TARGET",
        "CARGO_BUILD_TARGET_DIR",
        "CARGO_TARGET_DIR",
        "RUSTC_WORKSPACE_WRAPPER",
        "CARGO_BUILD_RUSTC_WORKSPACE_WRAPPER",
        "CLIPPY_ARGS",
    ] {
        cargo.env_remove(name);
    }
    cargo.stdin(Stdio::null()).output().map_err(|error| format!("cargo can't be run: {error}"))
}

/// The directory above `<profile>/build/<package>/out`, so that the profiles share one build of the components.
fn shared_target_dir(out_dir: &Path) -> &Path {
    match out_dir.ancestors().nth(4) {
        Some(dir) if out_dir.ancestors().nth(2).is_some_and(|build| build.ends_with("build")) => dir,
        _ => out_dir,
    }
}

/// Writes a file if it has changed, and gives its path.
fn write(path: &Path, bytes: &[u8]) -> Result<String, String> {
    if fs::read(path).ok().as_deref() != Some(bytes) {
        fs::write(path, bytes).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    path.to_str().map(str::to_owned).ok_or_else(|| format!("{}: a path that is not text", path.display()))
}

fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|error| format!("{name}: {error}"))
}
