use std::path::Path;

use super::*;
use crate::plugin::builtin;
use crate::plugin::testing::Component as Text;

fn load(bytes: &[u8]) -> Result<Fitted, PluginError> {
    let runtime = Runtime::new().unwrap();
    let component = compile(&runtime, bytes, "x.wasm")?;
    fit(&runtime, &component, "x.wasm")
}

fn error(bytes: &[u8]) -> PluginError {
    let error = load(bytes).err().expect("loads");
    assert!(error.message.starts_with("x.wasm: "), "{}", error.message);
    assert!(error.hint.is_some());
    error
}

#[test]
fn what_is_no_component_is_named() {
    let runtime = Runtime::new().unwrap();
    let compiled = runtime.engine().precompile_component(&Text::default().build()).unwrap();
    let module = wat::parse_str("(module)").unwrap();
    for (bytes, code, part) in [
        (&b""[..], "empty", "empty"),
        (b"\0", "not-wasm", "begins with 00"),
        (b"\0asm", "truncated", "cut off"),
        (b"\x89PNG\r\n\x1a\n", "not-wasm", "begins with 89 50"),
        (b"<!DOCTYPE html><html>404</html>", "not-wasm", "an HTML page"),
        (b"  (component)", "not-wasm", "WebAssembly text"),
        (b"\x1f\x8b\x08", "not-wasm", "an archive"),
        (b"\x7fELF\x02\x01\x01", "not-wasm", "ELF"),
        (b"\0asm\x0e\0\x01\0", "unknown-format", "does not know"),
        (&compiled, "precompiled", "refused"),
        (&module, "core-module", "core module, not a component"),
    ] {
        let error = error(bytes);
        assert_eq!(error.code, code);
        assert!(error.message.contains(part), "{}", error.message);
    }
}

#[test]
fn a_good_component_loads_and_lists_what_it_has() {
    let fitted = load(&Text::default().build()).unwrap();
    assert_eq!(fitted.imports, ["shiro:step/types@0.1.0"]);
    assert_eq!(fitted.exports, [STEP]);
}

#[test]
fn a_component_cut_off_anywhere_is_refused_or_whole() {
    let runtime = Runtime::new().unwrap();
    let bytes = Text::default().build();
    // Only names of things, which nothing depends on, come after the last occurrence of the export's name.
    let exported = bytes.windows(STEP.len()).rposition(|window| window == STEP.as_bytes()).unwrap() + STEP.len();
    for length in 0..bytes.len() {
        if let Ok(component) = compile(&runtime, &bytes[..length], "x.wasm") {
            let loads = fit(&runtime, &component, "x.wasm").is_ok();
            assert!(!loads || length >= exported, "{length} bytes of {}", bytes.len());
        }
    }
}

#[test]
fn a_damaged_component_never_panics() {
    let runtime = Runtime::new().unwrap();
    let bytes = Text::default().build();
    for position in 0..bytes.len() {
        for flip in [1, 0x80] {
            let mut bytes = bytes.clone();
            bytes[position] ^= flip;
            if let Ok(component) = compile(&runtime, &bytes, "x.wasm") {
                let _ = fit(&runtime, &component, "x.wasm");
            }
        }
    }
}

#[test]
fn proposals_that_are_off_are_refused() {
    let memory64 = Text { module: "(memory i64 1)".into(), ..Text::default() };
    let error = error(&memory64.build());
    assert_eq!(error.code, "invalid");
    assert!(error.message.contains("memory64"), "{}", error.message);
}

#[test]
fn unknown_imports_are_listed_with_what_there_is() {
    let text = Text {
        imports: r#"
            (import "wasi:keyvalue/store@0.2.0" (instance))
            (import "wasi:cli/environment@0.3.0" (instance))
            (import "env" (func))
            (import "wasi:cli/exit@0.2.0" (instance))"#
            .into(),
        ..Text::default()
    };
    let error = error(&text.build());
    assert_eq!(error.code, "unknown-imports");
    for part in
        ["\n  wasi:keyvalue/store@0.2.0", "\n  wasi:cli/environment@0.3.0 (provided: wasi:cli@0.2.12", "\n  env"]
    {
        assert!(error.message.contains(part), "{part}: {}", error.message);
    }
    assert!(!error.message.contains("exit@0.2.0"), "{}", error.message);
}

#[test]
fn an_import_of_another_shape_is_named() {
    let text = Text {
        imports: r#"(import "wasi:clocks/wall-clock@0.2.0" (instance (export "now" (func (param "x" u8)))))"#.into(),
        ..Text::default()
    };
    let error = error(&text.build());
    assert_eq!(error.code, "import-mismatch");
    assert!(error.message.contains("wall-clock"), "{}", error.message);
}

#[test]
fn what_is_expected_and_what_was_found() {
    let other = Text { export: "shiro:step/step@0.9.0".into(), ..Text::default() };
    let error = error(&other.build());
    assert_eq!(error.code, "missing-export");
    assert!(error.message.contains("expected the export `shiro:step/step@0.1.0`, found `shiro:step/step@0.9.0`"));
    assert!(error.hint.unwrap().contains("another version"));

    let none = wat::parse_str("(component)").unwrap();
    assert!(super::tests::error(&none).message.contains("found nothing"));

    let shape = wat::parse_str(format!("(component (instance $i) (export {STEP:?} (instance $i)))")).unwrap();
    assert_eq!(super::tests::error(&shape).code, "export-mismatch");
}

#[test]
fn everything_that_is_provided_links() {
    for (package, version, interfaces) in PROVIDED {
        for interface in interfaces {
            let import = format!("(import \"{package}/{interface}@{version}\" (instance))");
            let text = Text { imports: import.clone(), ..Text::default() };
            // The text imports this one already.
            if format!("{package}/{interface}") != "shiro:step/types" {
                assert!(load(&text.build()).is_ok(), "{import}");
            }
        }
    }
}

#[test]
fn everything_in_the_wit_files_is_provided() {
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
    let files = [wit.clone(), wit.join("deps")].into_iter().flat_map(|dir| std::fs::read_dir(dir).unwrap());
    for file in files.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "wit")) {
        let text = std::fs::read_to_string(&file).unwrap();
        let package = text.lines().find_map(|line| line.strip_prefix("package ")).unwrap();
        let (package, version) = package.trim_end_matches(';').split_once('@').unwrap();
        let mut before = "";
        for line in text.lines() {
            let stable = !std::mem::replace(&mut before, line).starts_with("@unstable");
            let Some(interface) = line.strip_prefix("interface ").filter(|_| stable) else { continue };
            let import = format!("{package}/{}@{version}", interface.trim_end_matches([' ', '{']));
            // What the host calls, and what only servers have.
            if import != STEP
                && !import.starts_with("wasi:http/incoming-handler@")
                && !import.starts_with("wasi:cli/run@")
            {
                assert!(is_provided(&import), "{import}");
            }
        }
    }
}

#[test]
fn versions_are_compatible_by_their_numbers() {
    for import in ["wasi:io/poll@0.2.0", "wasi:io/poll@0.2.6", "wasi:io/poll@0.2.99", "shiro:step/log@0.1.5"] {
        assert!(is_provided(import), "{import}");
    }
    for import in
        ["wasi:io/poll@0.3.0", "wasi:io/poll@0.2.0-rc-2023-11-10", "wasi:io/poll", "shiro:step/log@1.0.0", "x"]
    {
        assert!(!is_provided(import), "{import}");
    }
}

#[test]
fn the_built_in_components_fit() {
    for name in builtin::names() {
        assert!(load(builtin::find(name).unwrap().wasm).is_ok(), "{name}");
    }
}
