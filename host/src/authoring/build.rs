//! `shiro plugin build`: from sources, or a core module, to a component.

use std::fs;
use std::path::Path;

use super::component;
use super::error::AuthoringError;
use super::language::{Language, Manifest};
use super::toolchain::{c, go, python, rust, script};

/// Builds the plugin in a folder, or makes a component of a core module in a file. Returns the component, unchecked.
pub fn build(target: &Path) -> Result<Vec<u8>, AuthoringError> {
    if target.is_file() {
        return of_file(target);
    }
    let manifest = Manifest::of(target)?;
    let dir =
        std::path::absolute(target).map_err(|error| AuthoringError::usage(format!("{}: {error}", target.display())))?;
    let scratch = tempfile::Builder::new()
        .prefix("shiro-build-")
        .tempdir()
        .map_err(|error| AuthoringError::usage(format!("can't make a temporary folder: {error}")))?;
    let built = match manifest.language {
        Language::Rust => rust::build(&dir)?,
        Language::Js | Language::Ts => script::build(&dir, manifest, scratch.path())?,
        Language::Python => python::build(&dir, scratch.path())?,
        Language::C => c::build(&dir, scratch.path())?,
        Language::Go => go::build(&dir, scratch.path())?,
    };
    if component::is_core_module(&built) { component::encode(&built) } else { Ok(built) }
}

fn of_file(path: &Path) -> Result<Vec<u8>, AuthoringError> {
    let bytes =
        fs::read(path).map_err(|error| AuthoringError::usage(format!("{}: can't be read: {error}", path.display())))?;
    if !component::is_core_module(&bytes) {
        return Err(AuthoringError::usage(format!("{}: not a core module", path.display()))
            .with_hint("name a plugin's folder, or the core module (.wasm) that a tool chain made"));
    }
    component::encode(&bytes)
}
