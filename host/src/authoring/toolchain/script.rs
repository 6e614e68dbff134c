//! JavaScript and TypeScript: esbuild makes one script of everything, an engine's tool a component of that.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::component::WORLD;
use super::super::error::AuthoringError;
use super::super::language::{Engine, Language, Manifest};
use super::super::{files, tools};
use super::{read, unwritable};

/// The WASI interfaces that the SDK imports.
const WASI: [&str; 7] = [
    "cli/environment",
    "clocks/monotonic-clock",
    "http/outgoing-handler",
    "http/types",
    "io/poll",
    "io/streams",
    "random/random",
];
/// The version of WASI that the world has.
const VERSION: &str = "0.2.12";

/// While componentize-qjs runs the script once, to take its snapshot, it offers WASI's own streams beside stand-ins for
/// wasi:http, which don't fit together. So the script is built against the same interfaces under another name of the same
/// length, and the name is put right in the component. Their version differs from the one that the engine imports, since
/// nothing may be imported twice; hosts take them for the same.
const STAND_IN: &str = "w4si:";
const STAND_IN_VERSION: &str = "0.2.11";

pub(crate) fn build(dir: &Path, manifest: Manifest, scratch: &Path) -> Result<Vec<u8>, AuthoringError> {
    let engine = manifest.engine.unwrap_or_default();
    let bundle = bundle(dir, manifest.language, engine, scratch)?;
    match engine {
        Engine::QuickJs => quickjs(dir, &bundle, scratch),
        Engine::StarlingMonkey => starlingmonkey(dir, &bundle, scratch),
    }
}

fn tool(name: &str, package: &str, dir: &Path) -> Result<PathBuf, AuthoringError> {
    tools::find(name, dir, &["node_modules/.bin"]).ok_or_else(|| {
        let hint = format!("in the plugin's folder: `npm install`, or `npm install --save-dev {package}`");
        tools::missing(name, hint)
    })
}

fn bundle(dir: &Path, language: Language, engine: Engine, scratch: &Path) -> Result<PathBuf, AuthoringError> {
    let entry = if language == Language::Ts { "plugin.ts" } else { "plugin.js" };
    if !dir.join(entry).is_file() {
        return Err(AuthoringError::usage(format!("{}: there is no {entry}", dir.display())));
    }
    let esbuild = tool("esbuild", "esbuild@0.28.2", dir)?;
    let bundle = scratch.join("plugin.js");
    let mut command = tools::command(&esbuild, dir);
    command.arg(entry).args(["--bundle", "--format=esm", "--platform=neutral", "--main-fields=module,main"]);
    command.args(["--target=es2022", "--external:shiro:*", "--log-level=warning"]);
    match engine {
        Engine::QuickJs => {
            command.args([format!("--external:{STAND_IN}*"), "--define:SHIRO_ENGINE=\"quickjs\"".to_owned()]);
            let aliases = WASI.map(|name| format!("--alias:wasi:{name}@{VERSION}={STAND_IN}{name}@{STAND_IN_VERSION}"));
            command.args(aliases);
        }
        Engine::StarlingMonkey => {
            command.args(["--external:wasi:*", "--define:SHIRO_ENGINE=\"starlingmonkey\""]);
        }
    }
    let mut outfile = std::ffi::OsString::from("--outfile=");
    outfile.push(&bundle);
    tools::run(command.arg(outfile))?;
    Ok(bundle)
}

fn quickjs(dir: &Path, bundle: &Path, scratch: &Path) -> Result<Vec<u8>, AuthoringError> {
    let tool = tool("componentize-qjs", "componentize-qjs@0.4.5", dir)?;
    let (wit, component) = (scratch.join("wit"), scratch.join("plugin.wasm"));
    files::write_wit(&wit, stand_in).map_err(unwritable)?;
    let mut command = tools::command(&tool, dir);
    command.arg("--wit").arg(&wit).args(["-n", WORLD, "--sync", "--js"]).arg(bundle).arg("-o").arg(&component);
    tools::run(&mut command)?;
    Ok(put_right(read(&component)?))
}

/// WIT with the stand-in's names. Scripts import what the SDK needs, so the rest of WASI is left out.
fn stand_in(wit: &str) -> String {
    let rest = format!("include {STAND_IN}cli/imports@{STAND_IN_VERSION};");
    let used = ["random/random", "cli/environment"];
    let used = used.map(|name| format!("import {STAND_IN}{name}@{STAND_IN_VERSION};")).join(" ");
    wit.replace("wasi:", STAND_IN).replace(VERSION, STAND_IN_VERSION).replace(&rest, &used)
}

fn put_right(mut component: Vec<u8>) -> Vec<u8> {
    let found: Vec<usize> = memchr::memmem::find_iter(&component, STAND_IN).collect();
    for at in found {
        component[at..at + STAND_IN.len()].copy_from_slice(b"wasi:");
    }
    component
}

fn starlingmonkey(dir: &Path, bundle: &Path, scratch: &Path) -> Result<Vec<u8>, AuthoringError> {
    let jco = tool("jco", "@bytecodealliance/jco@1.34.0", dir)?;
    let (wit, component) = (scratch.join("wit"), scratch.join("plugin.wasm"));
    files::write_wit(&wit, str::to_owned).map_err(unwritable)?;
    let mut command = tools::command(&jco, dir);
    command.arg("componentize").arg(bundle).arg("--wit").arg(&wit).args(["-n", WORLD, "--disable", "fetch-event"]);
    tools::run(command.arg("-o").arg(&component))?;
    let _ = fs::remove_dir_all(&wit);
    read(&component)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stand_in_has_the_names_length() {
        assert_eq!(STAND_IN.len(), "wasi:".len());
        assert_eq!(put_right(b"\0w4si:io/poll w4si:http".to_vec()), b"\0wasi:io/poll wasi:http");
    }

    #[test]
    fn the_world_says_which_wasi_it_is() {
        let (_, world) = files::folder("wit").find(|(path, _)| *path == "world.wit").unwrap();
        let world = String::from_utf8_lossy(world);
        assert!(world.contains(&format!("include wasi:cli/imports@{VERSION};")), "{world}");
        let changed = stand_in(&world);
        assert!(changed.contains("import w4si:random/random@0.2.11;") && !changed.contains("wasi:"), "{changed}");
    }

    #[test]
    fn what_the_sdk_imports_is_renamed() {
        for (path, content) in files::folder("sdk/js").filter(|(path, _)| !path.ends_with(".d.ts")) {
            let text = String::from_utf8_lossy(content);
            for name in text.split("'wasi:").skip(1).filter_map(|rest| rest.split('@').next()) {
                assert!(WASI.contains(&name), "{path} imports wasi:{name}");
            }
        }
    }
}
