//! What every file in the repository must keep to.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::repository;

/// Who may use whom: a module's own level, and what it may name. See `docs/architecture.md`.
const MAY_USE: &[(&str, &[&str])] = &[
    ("id", &[]),
    ("outcome", &[]),
    ("capability", &[]),
    ("diagnostic", &[]),
    ("description", &["capability"]),
    ("approval", &["id"]),
    ("event", &["approval", "outcome", "id"]),
    ("secret", &["outcome"]),
    ("workflow", &["approval", "capability", "description", "diagnostic", "id", "outcome"]),
    ("policy", &["workflow", "package", "identity", "capability", "diagnostic", "id"]),
    ("journal", &["event", "id", "net"]),
    ("data", &["capability", "journal", "secret", "id"]),
    ("report", &["event", "approval", "outcome", "id", "secret"]),
    ("step", &["capability", "description", "outcome", "id", "event"]),
    ("plan", &["workflow", "event", "id", "diagnostic"]),
    ("yaml", &["diagnostic"]),
    ("ci", &["plan", "workflow", "yaml", "diagnostic"]),
    ("authoring", &[]),
    ("file", &[]),
    ("net", &["capability"]),
    ("identity", &["approval", "capability", "id", "net"]),
    ("package", &["capability", "id", "file", "net"]),
    (
        "plugin",
        &["step", "policy", "data", "package", "file", "net", "capability", "description", "outcome", "id", "event"],
    ),
    (
        "engine",
        &["step", "plan", "workflow", "description", "secret", "event", "approval", "outcome", "id", "diagnostic"],
    ),
];

#[test]
fn modules_use_only_what_stands_below_them() {
    let allowed: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    let mut wrong = Vec::new();
    for file in rust_files(&repository().join("host/src")) {
        let module = module_of(&file);
        if matches!(module.as_str(), "cli" | "lib" | "main") {
            continue;
        }
        let allowed = allowed.get(module.as_str()).unwrap_or_else(|| panic!("{module} has no row in MAY_USE"));
        for (number, line) in code_lines(&file) {
            for used in crate_paths(&line) {
                if used != module && !allowed.contains(&used.as_str()) {
                    wrong.push(format!("{}:{number}: {module} uses {used}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_plugin_knows_wasmtime() {
    for file in rust_files(&repository().join("host/src")) {
        if module_of(&file) == "plugin" {
            continue;
        }
        for (number, line) in code_lines(&file) {
            assert!(!line.contains("wasmtime::") && !line.contains("wasmtime_"), "{}:{number}: {line}", file.display());
        }
    }
}

#[test]
fn pure_modules_read_no_clock_and_no_files() {
    let pure = [
        "workflow/model.rs",
        "capability/mod.rs",
        "workflow/fan_out.rs",
        "engine/scheduler.rs",
        "engine/scheduler/items.rs",
        "engine/fan_out.rs",
        "engine/retry.rs",
        "engine/state.rs",
        "engine/state/step.rs",
        "engine/state/items.rs",
        "plan/mod.rs",
    ];
    for name in pure {
        let file = repository().join("host/src").join(name);
        for (number, line) in code_lines(&file) {
            for word in ["std::fs", "std::net", "std::env", "SystemTime", "Instant::now", "tokio::"] {
                assert!(!line.contains(word), "{}:{number}: {word}", file.display());
            }
        }
    }
}

#[test]
fn files_are_not_too_long() {
    const LINES: usize = 700;
    let is_test =
        |file: &PathBuf| file.ends_with("tests.rs") || file.components().any(|part| part.as_os_str() == "tests");
    for file in all_rust_files().into_iter().filter(|file| !is_test(file)) {
        let text = fs::read_to_string(&file).expect("read");
        let code = text.lines().take_while(|line| *line != "#[cfg(test)]").count();
        assert!(code <= LINES, "{} has {code} lines before its tests: split it", file.display());
    }
}

#[test]
fn no_unfinished_marks() {
    // Written in two parts, so that this file passes.
    let marks = [
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
        concat!("db", "g!("),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
    ];
    for file in all_rust_files() {
        let text = fs::read_to_string(&file).expect("read");
        for mark in marks {
            assert!(!text.contains(mark), "{} has {mark}", file.display());
        }
    }
}

#[test]
fn no_test_is_skipped() {
    // Written in two parts, so that this file passes.
    let mark = concat!("#[", "ignore");
    let texts: Vec<(PathBuf, String)> = all_rust_files()
        .into_iter()
        .map(|file| {
            let text = fs::read_to_string(&file).expect("read");
            (file, text)
        })
        .collect();
    for (file, text) in &texts {
        for rest in text.split(mark).skip(1) {
            // What runs only in a process of its own is started by another test, by its name.
            let name = rest.split("fn ").nth(1).and_then(|rest| rest.split('(').next()).expect("a function");
            let named = texts.iter().map(|(_, text)| text.matches(name).count()).sum::<usize>();
            assert!(named > 1, "{}: nothing runs {name}", file.display());
        }
    }
}

#[test]
fn every_test_module_is_part_of_this_binary() {
    let main = fs::read_to_string(repository().join("tests/main.rs")).expect("read");
    for entry in fs::read_dir(repository().join("tests")).expect("read tests/") {
        let path = entry.expect("an entry").path();
        let stem = path.file_stem().expect("a name").to_string_lossy().into_owned();
        if path.extension().is_some_and(|extension| extension == "rs") && stem != "main" {
            assert!(main.contains(&format!("mod {stem};")), "tests/{stem}.rs is not named in tests/main.rs");
        }
    }
}

#[test]
fn every_test_guest_is_explained_and_has_a_test() {
    let guests = repository().join("tests/guests");
    let manifest = fs::read_to_string(guests.join("Cargo.toml")).expect("read");
    let examples = manifest.split("[[example]]").skip(1).filter_map(|one| one.split('"').nth(1).map(str::to_owned));
    let texts = fs::read_dir(guests.join("wat")).expect("read tests/guests/wat").map(|entry| {
        let path = entry.expect("an entry").path();
        path.file_stem().expect("a name").to_string_lossy().into_owned()
    });
    let names: Vec<String> = examples.chain(texts.filter(|name| name != "frame")).collect();
    let explained = fs::read_to_string(guests.join("README.md")).expect("read");
    let sources = fs::read_dir(guests.join("src")).expect("read").count() - 1;
    assert_eq!(sources, manifest.matches("[[example]]").count(), "each source but lib.rs is an example");
    let tests: String = rust_files(&repository().join("tests"))
        .into_iter()
        .filter(|file| !file.starts_with(&guests))
        .map(|file| fs::read_to_string(file).expect("read"))
        .collect();
    for name in names {
        assert!(explained.contains(&format!("`{name}`")), "tests/guests/README.md does not say what {name} is");
        assert!(tests.contains(&format!("\"{name}\"")), "no test names the guest {name}");
    }
}

fn all_rust_files() -> Vec<PathBuf> {
    ["host/src", "plugins", "tests", "examples"].iter().flat_map(|dir| rust_files(&repository().join(dir))).collect()
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut pending = vec![dir.to_owned()];
    while let Some(dir) = pending.pop() {
        for entry in fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display())) {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                if path.file_name().is_none_or(|name| name != "target") {
                    pending.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// The top-level module of `host/src` that a file belongs to.
fn module_of(file: &Path) -> String {
    let inside = file.strip_prefix(repository().join("host/src")).expect("a file of host/src");
    let first = inside.components().next().expect("a name").as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// The lines before the tests, without comments.
fn code_lines(file: &Path) -> Vec<(usize, String)> {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    text.lines()
        .enumerate()
        .take_while(|(_, line)| line.trim() != "#[cfg(test)]")
        .map(|(index, line)| (index + 1, line.split("//").next().unwrap_or_default().to_owned()))
        .collect()
}

/// The modules named as `crate::NAME` in a line.
fn crate_paths(line: &str) -> Vec<String> {
    line.match_indices("crate::")
        .map(|(at, found)| {
            line[at + found.len()..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>()
        })
        .filter(|name| !name.is_empty())
        .collect()
}
