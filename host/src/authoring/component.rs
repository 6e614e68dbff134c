//! From a core module to a component.

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use super::error::AuthoringError;
use super::files;

/// The world that a plugin is built for.
pub(super) const WORLD: &str = "plugin";

/// Whether these bytes are a core module.
pub(super) fn is_core_module(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\0asm\x01\0\0\0")
}

/// Makes a component for the world `plugin` of a core module that follows the canonical ABI: its imports and exports are
/// named as the interfaces in `wit` are, texts are UTF-8, and it may import WASI preview 1. What it was told of the world
/// when it was built, if it was, has to agree.
pub(super) fn encode(core: &[u8]) -> Result<Vec<u8>, AuthoringError> {
    let component = resolve().and_then(|resolve| encode_for(core, &resolve));
    component.map_err(|error| {
        AuthoringError::plugin(format!("the core module can't be made a component: {error}")).with_hint(
            "its exports have to be those of `shiro:step/step@0.1.0`, by the canonical ABI, e.g. \
             `shiro:step/step@0.1.0#run`, and a `cabi_realloc`",
        )
    })
}

fn resolve() -> Result<Resolve, String> {
    let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
    files::write_wit(dir.path(), str::to_owned).map_err(|error| error.to_string())?;
    let mut resolve = Resolve::default();
    resolve.push_path(dir.path()).map_err(|error| format!("{error:#}"))?;
    Ok(resolve)
}

fn encode_for(core: &[u8], resolve: &Resolve) -> Result<Vec<u8>, String> {
    let text = |error| format!("{error:#}");
    let package = resolve.packages.iter().find(|(_, package)| package.name.namespace == "shiro").map(|(id, _)| id);
    let package = package.ok_or("there is no package `shiro:step`")?;
    let world = resolve.select_world(&[package], Some(WORLD)).map_err(text)?;
    let mut core = core.to_vec();
    embed_component_metadata(&mut core, resolve, world, StringEncoding::UTF8).map_err(text)?;
    let encoder = ComponentEncoder::default().validate(true).module(&core).map_err(text)?;
    encoder
        .adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER)
        .map_err(text)?
        .encode()
        .map_err(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: &str = r#"
        (module
          (memory (export "memory") 1)
          (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
          (func (export "shiro:step/step@0.1.0#describe") (result i32) i32.const 0)
          (func (export "shiro:step/step@0.1.0#run") (param i32 i32) (result i32) i32.const 0))"#;

    #[test]
    fn a_module_that_exports_the_step_becomes_a_component() {
        let core = wat::parse_str(STEP).unwrap();
        assert!(is_core_module(&core));
        let component = encode(&core).unwrap();
        assert!(component.starts_with(b"\0asm\x0d\0\x01\0"));
        assert!(!is_core_module(&component));
    }

    #[test]
    fn a_module_without_it_is_refused() {
        let core = wat::parse_str(STEP.replace("#describe", "#describes")).unwrap();
        let error = encode(&core).unwrap_err();
        assert!(error.message.contains("describe"), "{error}");
        assert!(encode(b"\0asm").is_err());
    }
}
