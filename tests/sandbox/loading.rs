//! Files that are no components, components that are damaged, fit another world, take a name that is not theirs, or cost
//! their compiler too much: refused before anything starts.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use super::Case;
use crate::support::guests::guest;
use crate::support::{Project, wat};

/// A case with these bytes as the component of the type `name`.
pub(super) fn component(name: &str, bytes: &[u8]) -> Case {
    let case = Case::of("echo", json!({}));
    fs::write(case.project.join(format!(".shiro/plugins/{name}.wasm")), bytes).expect("write the component");
    let case = case.step("type", json!(name));
    Case { guest: name.to_owned(), ..case }
}

/// A case with a component that describes itself so.
pub(super) fn describing(name: &str, description: &str) -> Case {
    component(name, &wat::describing(description))
}

#[test]
fn a_file_that_is_no_component_is_refused_with_what_it_is() {
    let core_module = ::wat::parse_str("(module)").expect("a module");
    let good = fs::read(guest("echo")).expect("read");
    let other_world =
        ::wat::parse_str("(component (import \"evil:world/power@1.0.0\" (instance)))").expect("a component");
    let cases: Vec<(&[u8], &str)> = vec![
        (b"", "empty"),
        (b"\0", "not"),
        (b"<!DOCTYPE html><html>not found</html>", "HTML"),
        (b"\x89PNG\r\n\x1a\n", "begins with 89 50"),
        (b"(component)", "text"),
        (b"\x7fELF\x02\x01\x01\0aaaaaaaaaaaaaaaaaaaaaaa", "ELF"),
        (&core_module, "`shiro plugin build FILE` makes a component"),
        (&good[..good.len() / 2], "bad.wasm"),
        (&other_world, "evil:world/power@1.0.0"),
    ];
    for (bytes, expected) in cases {
        component("bad", bytes).refused(3).says("bad.wasm").says(expected);
    }
}

#[test]
fn another_world_is_refused_with_what_is_expected_and_what_was_found() {
    let of = |text: &str| component("other", &::wat::parse_str(text).expect("a component"));
    of("(component)").refused(3).says("expected the export `shiro:step/step@0.1.0`, found nothing");
    of("(component (instance $i) (export \"shiro:step/step@9.0.0\" (instance $i)))").refused(3).says("step@9.0.0");
    of("(component (instance $i) (export \"shiro:step/step@0.1.0\" (instance $i)))").refused(3).says("describe");
    let clock = r#"(import "wasi:clocks/wall-clock@0.2.0" (instance (export "now" (func (param "x" u8)))))"#;
    component("other", &wat::assemble(&format!(";; COMPONENT\n{clock}\n"))).refused(3).says("wall-clock");
    Case::of("memory64", json!({})).refused(3).says("memory64");
}

#[test]
fn a_component_cut_off_or_damaged_anywhere_is_refused_or_runs() {
    let good = fs::read(guest("greet")).expect("read");
    let project = Project::new();
    // Each position would take hours: the same ones each time, spread over all sections. Unit tests take every one of a
    // small component.
    let positions = (0..24).map(|number| number * good.len() / 24 + number % 7);
    for position in positions {
        fs::write(project.join("cut.wasm"), &good[..position]).expect("write");
        project.shiro("plugin inspect cut.wasm").exits(3).says("cut.wasm").says("hint");
        let mut flipped = good.clone();
        flipped[position] ^= 1 << (position % 8);
        fs::write(project.join("flipped.wasm"), &flipped).expect("write");
        let outcome = project.shiro("plugin run flipped.wasm -config {\"name\":\"you\"}");
        let code = outcome.code.unwrap_or(-1);
        assert!((0..=5).contains(&code), "a flip at {position} ends it with {code}\n{}", outcome.all());
        outcome.exits(code);
    }
}

#[test]
fn what_is_no_file_or_too_large_is_not_read() {
    let case = component("odd", b"");
    let path = case.project.join(".shiro/plugins/odd.wasm");
    let replaced = |make: &dyn Fn(&Path)| {
        let _ = fs::remove_file(&path);
        make(&path);
        let started = Instant::now();
        let outcome = case.refused(3);
        assert!(started.elapsed() < Duration::from_secs(10), "{}", outcome.all());
        outcome
    };
    replaced(&|path| {
        let fifo = std::process::Command::new("mkfifo").arg(path).status().expect("mkfifo starts");
        assert!(fifo.success());
    })
    .says("a named pipe");
    replaced(&|path| std::os::unix::fs::symlink("/dev/zero", path).expect("a link")).says("a device");
    replaced(&|path| fs::File::create(path).and_then(|file| file.set_len(2 << 30)).expect("a sparse file"))
        .says("larger than 64 MiB");
    replaced(&|path| fs::create_dir(path).expect("a directory")).says("a directory");
}

#[test]
fn a_component_can_not_take_the_name_of_a_built_in_type() {
    let project = Project::with_workflow(&json!({ "name": "shadow", "steps": [
        { "id": "a", "type": "print", "config": { "message": "x" } }
    ] }));
    project.install_guest("echo", "print");
    project.shiro("run").exits(3).says("print").says("built");
}

#[test]
fn names_that_look_like_a_built_in_type_are_no_types() {
    for name in ["Shell", "../shell", "she\u{217c}l", "shell ", "SHELL", "-shell", "a/shell"] {
        let project = Project::with_workflow(&json!({ "name": "shadow", "steps": [{ "id": "a", "type": name }] }));
        let outcome = project.shiro("run").exits(2);
        assert!(outcome.all().contains("workflow.json:"), "{name}: {}", outcome.all());
        // And nothing of such a name can be pinned.
        fs::copy(guest("echo"), project.join("x.wasm")).expect("copy");
        let added = project.shiro_args(["plugin", "add", "x.wasm", "-as", name]);
        assert!(matches!(added.code, Some(2 | 3)), "{name}: {}", added.all());
        assert!(!project.join(".shiro/shiro.lock").exists());
    }
}

/// Types with a description that can't be used, or costs too much to use.
#[test]
fn a_description_can_not_be_a_bomb() {
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    let with = |schema: &str| format!(r#"{{"name":"bad","version":"1","summary":"s","config_schema":{schema}}}"#);
    describing("bad", &with(&deep)).refused(3).says("describe");
    describing("bad", &with(r#"{"pattern":"(((a{1000}){1000}){1000})"}"#)).refused(3).says("config_schema");
    describing("bad", &with(r#"{"$ref":"https://example.com/schema.json"}"#)).refused(3).says("config_schema");
    // A circle of references ends.
    let circle = with(
        r##"{"$ref":"#/$defs/a","$defs":{"a":{"allOf":[{"$ref":"#/$defs/b"}]},"b":{"anyOf":[{"$ref":"#/$defs/a"}]}}}"##,
    );
    let code = describing("bad", &circle).run().code;
    assert!(matches!(code, Some(0 | 2 | 3)), "{code:?}");
}

/// A component around one core module of these sections, each an id and its content.
fn around(sections: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    for (id, content) in sections {
        module.push(*id);
        module.extend(leb(content.len()));
        module.extend(content);
    }
    [b"\0asm\x0d\0\x01\0\x01".to_vec(), leb(module.len()), module].concat()
}

/// An unsigned number as LEB128.
fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// A list: how many, then each.
fn list(count: usize, each: &[u8]) -> Vec<u8> {
    [leb(count), each.repeat(count)].concat()
}

/// A module of so many functions of no parameters and this body.
fn functions(count: usize, body: &[u8]) -> Vec<u8> {
    let code = [leb(body.len() + 1), vec![0], body.to_vec()].concat();
    around(&[(1, list(1, &[0x60, 0, 0])), (3, list(count, &[0])), (10, list(count, &code))])
}

/// What the compiling child may take: its limit on memory, its program, and what it maps besides.
const COMPILER_MIB: u64 = 1024 + 96;

/// A component that is a compile bomb ends as the class of its limit, or is refused as no step type; in reasonable time, in a
/// child that stays within its own bound. shiro itself holds the component's file, and does not grow beyond that.
#[test]
fn what_costs_its_compiler_much_is_refused_within_bounds() {
    const NOP: u8 = 0x01;
    const END: u8 = 0x0b;
    let nested = [[0x02, 0x40].repeat(50_000), vec![END; 50_001]].concat();
    let large = [vec![NOP; 7_600_000], vec![END]].concat();
    let jumps = {
        let mut body = [0x02, 0x40, 0x41, 0, 0x0e].to_vec();
        body.extend(list(1_000_000, &[0]));
        body.extend([0, END, END]);
        body
    };
    let many_types = around(&[(1, list(1_000_000, &[0x60, 0, 0]))]);
    // A type that holds a type that holds a type ...
    let mut types = String::new();
    for level in 1..2_000 {
        types.push_str(&format!("(type $t{level} (tuple $t{} $t{}))", level - 1, level - 1));
    }
    let recursive = ::wat::parse_str(format!("(component (type $t0 (tuple u8 u8)) {types})")).expect("a component");
    // As much compiled code as there is data: none of that is shiro's memory either.
    let data = around(&[(11, [&[1, 1][..], &leb(50 << 20), &vec![7; 50 << 20]].concat())]);
    for (what, bytes) in [
        ("50 MiB of data", data),
        ("one large function", functions(1, &large)),
        ("a million functions", functions(1_000_000, &[END])),
        ("nested blocks", functions(1, &nested)),
        ("a large table of jumps", functions(1, &jumps)),
        ("a million types", many_types),
        ("types of types", recursive),
    ] {
        let case = component("costly", &bytes);
        case.write();
        let started = Instant::now();
        let measured = case.project.measured("run -fresh -no-cache");
        let child = measured.child_peak_mib;
        assert!(child > 0 && child <= COMPILER_MIB, "{what}: its compiler took {child} MiB");
        let outcome = measured.within(bytes.len() as u64 >> 20);
        assert!(matches!(outcome.code, Some(3 | 5)), "{what}: {}", outcome.all());
        assert!(started.elapsed() < Duration::from_secs(150), "{what} took {:?}", started.elapsed());
        let code = outcome.code.unwrap_or(-1);
        outcome.exits(code).says("costly").says("hint");
        assert!(case.project.journals().is_empty(), "nothing was started");
    }
}

/// Each instance of a module has a place for each of its globals, which no limit of memories counts.
#[test]
fn instances_of_a_module_of_many_globals_do_not_fill_the_host() {
    let global = [0x7f, 0x01, 0x41, 0x00, 0x0b];
    let module = &around(&[(6, list(1_000_000, &global))])[8..];
    let instance = [2, 4, 1, 0, 0, 0];
    let bytes = [b"\0asm\x0d\0\x01\0".to_vec(), module.to_vec(), instance.repeat(60)].concat();
    component("globals", &bytes).refused(5).says("its instances take more than");
    // The same in a step type: it is instantiated before it is asked anything.
    let instances = "(core instance (instantiate $many))\n".repeat(55);
    let many = "(global i32 (i32.const 0))".repeat(200_000);
    let step = wat::assemble(&format!(";; COMPONENT\n(core module $many {many})\n{instances}"));
    component("globals", &step).refused(5).says("its instances take more than");
}
