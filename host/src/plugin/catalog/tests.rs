use std::fs;

use tempfile::TempDir;

use super::*;
use crate::outcome::FailureClass;
use crate::plugin::testing::Component as Text;

fn dir(files: &[(&str, Vec<u8>)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(dir.path().join(name), bytes).unwrap();
    }
    dir
}

fn catalog(dir: &TempDir) -> Catalog {
    Catalog::new(vec![dir.path().to_owned()])
}

fn load(catalog: &Catalog, name: &str) -> Result<LoadedType, PluginError> {
    catalog.load(&StepType::new(name))
}

#[test]
fn the_built_in_types_load() {
    let catalog = Catalog::new(vec![]);
    for known in catalog.names().unwrap() {
        let loaded = catalog.load(&known.step_type).unwrap();
        assert!(loaded.builtin());
        assert_eq!(loaded.step_type(), &known.step_type);
        assert!(!loaded.description().summary.is_empty());
        assert!(loaded.exports().contains(&"shiro:step/step@0.1.0".to_owned()));
        assert!(Schema::new(&loaded.description().config_schema).is_ok());
        assert!(Schema::new(&loaded.description().output_schema).is_ok());
    }
    let alias = load(&catalog, "shell.exec").unwrap();
    assert_eq!(alias.digest(), load(&catalog, "shell").unwrap().digest());
    assert_eq!(alias.description().name, "shell");
}

#[test]
fn a_built_in_can_be_taken_out_and_loaded_from_a_file() {
    let catalog = Catalog::new(vec![]);
    let wasm = catalog.builtin_wasm("print").unwrap();
    let dir = dir(&[("printer.wasm", wasm.to_vec())]);
    let built_in = load(&catalog, "print").unwrap();
    let from_file = catalog.load_file(&dir.path().join("printer.wasm")).unwrap();
    assert_eq!(from_file.digest(), built_in.digest());
    assert_eq!(from_file.description(), built_in.description());
    assert_eq!(from_file.size(), wasm.len());
    assert_eq!(from_file.step_type().as_str(), "printer");
    assert!(!from_file.builtin());
}

#[test]
fn a_file_is_a_type_by_its_name() {
    let dir = dir(&[("mine.wasm", Text::default().build()), ("notes.txt", vec![])]);
    let catalog = catalog(&dir);
    let loaded = load(&catalog, "mine").unwrap();
    assert_eq!(loaded.description().name, "test");
    assert_eq!(loaded.source(), &Source::File(dir.path().join("mine.wasm")));
    assert_eq!(loaded.digest(), Digest::of(&fs::read(dir.path().join("mine.wasm")).unwrap()));
    let names: Vec<String> = catalog.names().unwrap().iter().map(|known| known.step_type.to_string()).collect();
    assert!(names.contains(&"mine".to_owned()) && names.contains(&"print".to_owned()), "{names:?}");
    assert!(!names.contains(&"notes".to_owned()));
}

#[test]
fn the_first_directory_wins() {
    let named = |name: &str| Text {
        description: format!(r#"{{"name":"{name}","version":"1","summary":"s"}}"#),
        ..Text::default()
    };
    let first = dir(&[("mine.wasm", named("first").build())]);
    let second = dir(&[("mine.wasm", named("second").build()), ("other.wasm", named("other").build())]);
    let catalog = Catalog::new(vec![first.path().join("missing"), first.path().to_owned(), second.path().to_owned()]);
    assert_eq!(load(&catalog, "mine").unwrap().description().name, "first");
    assert_eq!(load(&catalog, "other").unwrap().description().name, "other");
}

#[test]
fn nothing_shadows_a_built_in() {
    for name in ["shell", "shell.exec", "slack.notify", "print"] {
        let dir = dir(&[(&format!("{name}.wasm"), Text::default().build())]);
        let catalog = catalog(&dir);
        assert_eq!(load(&catalog, name).unwrap_err().code, "shadows-built-in", "{name}");
        let known = catalog.names().unwrap();
        let sources: Vec<_> = known.iter().filter(|known| known.step_type.as_str() == name).collect();
        assert!(matches!(sources[..], [KnownType { source: Source::BuiltIn, .. }]), "{name}: {sources:?}");
        let notices = catalog.take_notices();
        assert!(notices[0].contains("this component is not used"), "{notices:?}");
    }
}

#[test]
fn names_that_look_like_others_are_no_types() {
    for name in ["Shell", "she\u{2113}l", "a b"] {
        let dir = dir(&[(&format!("{name}.wasm"), Text::default().build())]);
        let catalog = catalog(&dir);
        assert_eq!(load(&catalog, name).unwrap_err().code, "unknown-type", "{name}");
        assert_eq!(catalog.names().unwrap_err().code, "bad-name", "{name}");
    }
    let dir = dir(&[]);
    for name in ["../x", "/etc/passwd", "", "."] {
        assert_eq!(load(&catalog(&dir), name).unwrap_err().code, "unknown-type", "{name}");
    }
}

#[test]
fn an_unknown_type_gets_a_suggestion() {
    let dir = dir(&[("deploy-app.wasm", Text::default().build())]);
    let hint = |name: &str| load(&catalog(&dir), name).unwrap_err().hint.unwrap();
    assert_eq!(hint("slack.notfy"), "did you mean `slack.notify`?");
    assert_eq!(hint("deploy-ap"), "did you mean `deploy-app`?");
    assert!(hint("kubernetes").contains("kubernetes.wasm"), "{}", hint("kubernetes"));
}

#[test]
fn several_load_at_once_and_fail_alone() {
    let dir = dir(&[("a.wasm", Text::default().build()), ("b.wasm", vec![]), ("c.wasm", Text::default().build())]);
    let names = ["a", "b", "c", "missing", "print"].map(StepType::new);
    let loaded = catalog(&dir).load_all(names);
    let codes: Vec<_> = loaded.values().map(|result| result.as_ref().err().map(|error| error.code)).collect();
    assert_eq!(codes, [None, Some("empty"), None, Some("unknown-type"), None]);
}

#[test]
fn a_description_that_is_none() {
    let described = |description: &str| {
        let dir = dir(&[("x.wasm", Text { description: description.into(), ..Text::default() }.build())]);
        load(&catalog(&dir), "x").unwrap_err()
    };
    assert_eq!(described("no json").code, "bad-description");
    let missing = described(r#"{"name":"x"}"#);
    assert_eq!(missing.code, "bad-description");
    assert!(missing.message.contains("version"), "{}", missing.message);
    let schema = described(r#"{"name":"x","version":"1","summary":"s","config_schema":{"type":7}}"#);
    assert_eq!(schema.code, "bad-schema");
    assert!(schema.message.contains("config_schema"), "{}", schema.message);
}

#[test]
fn a_describe_that_does_not_answer() {
    let described = |describe: &str| {
        let dir = dir(&[("x.wasm", Text { describe: Some(describe.into()), ..Text::default() }.build())]);
        load(&catalog(&dir), "x").unwrap_err()
    };
    let trapped = described("unreachable");
    assert_eq!((trapped.code, trapped.class), ("describe", FailureClass::Plugin));
    assert!(trapped.message.contains("`unreachable` instruction executed"), "{}", trapped.message);
    let greedy = described("(drop (memory.grow (i32.const 65000))) unreachable");
    assert_eq!((greedy.code, greedy.class), ("describe", FailureClass::Limit));
}

#[test]
fn a_component_that_is_too_large_to_start() {
    let load = |text: Text| {
        let dir = dir(&[("x.wasm", text.build())]);
        load(&catalog(&dir), "x").unwrap_err()
    };
    let memory = load(Text { pages: 65_536, ..Text::default() });
    assert_eq!((memory.code, memory.class), ("describe", FailureClass::Limit));
    assert!(memory.message.contains("256 MiB of memory"), "{}", memory.message);

    let many = "(core module $big (memory 1024)) ".to_owned() + &"(core instance (instantiate $big))".repeat(8);
    let memories = load(Text { imports: many, ..Text::default() });
    assert!(memories.message.contains("256 MiB of memory"), "{}", memories.message);

    let many = "(core module $none) ".to_owned() + &"(core instance (instantiate $none))".repeat(100);
    let instances = load(Text { imports: many, ..Text::default() });
    assert!(instances.message.contains("core instances"), "{}", instances.message);

    let table = Text { module: "(table 10000000 funcref)".into(), ..Text::default() };
    assert!(load(table).message.contains("table elements"));
}

#[tokio::test]
async fn loading_works_within_a_runtime() {
    assert!(load(&Catalog::new(vec![]), "print").is_ok());
}
