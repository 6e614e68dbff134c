use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::plugin::Catalog;
use crate::plugin::testing::Component as Text;

/// A home directory, and a component in a directory of its own.
struct Bench {
    home: TempDir,
    plugins: TempDir,
}

impl Bench {
    fn new() -> Self {
        let bench = Self { home: tempfile::tempdir().unwrap(), plugins: tempfile::tempdir().unwrap() };
        fs::write(bench.component(), Text::default().build()).unwrap();
        bench
    }

    fn component(&self) -> std::path::PathBuf {
        self.plugins.path().join("mine.wasm")
    }

    /// Loads the component with a cache in the home directory; gives what was said.
    fn load(&self) -> Vec<String> {
        let home = self.home.path().as_os_str().to_owned();
        self.load_with(move |name| (name == "HOME").then(|| home.clone()))
    }

    fn load_with(&self, variable: impl Fn(&str) -> Option<OsString> + Send + Sync + 'static) -> Vec<String> {
        let catalog = Catalog::new(vec![]).compiled_by(Compiler::default().with_cache(variable));
        catalog.load_file(&self.component()).unwrap();
        catalog.take_notices()
    }

    /// The same, where that has to fail.
    fn load_fails(&self) -> PluginError {
        let home = self.home.path().as_os_str().to_owned();
        let variable = move |name: &str| (name == "HOME").then(|| home.clone());
        let catalog = Catalog::new(vec![]).compiled_by(Compiler::default().with_cache(variable));
        let error = catalog.load_file(&self.component()).map(drop).unwrap_err();
        assert_eq!(catalog.take_notices(), Vec::<String>::new());
        error
    }

    fn entries(&self) -> Vec<std::path::PathBuf> {
        let Ok(entries) = fs::read_dir(self.home.path().join(".cache/shiro/components")) else { return vec![] };
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    }

    fn seal(&self) -> std::path::PathBuf {
        self.entries().into_iter().find(|path| path.extension().is_some_and(|kind| kind == "seal")).unwrap()
    }

    fn code(&self) -> std::path::PathBuf {
        self.entries().into_iter().find(|path| path.extension().is_some_and(|kind| kind == "cwasm")).unwrap()
    }
}

fn inode(path: &Path) -> u64 {
    std::os::unix::fs::MetadataExt::ino(&fs::metadata(path).unwrap())
}

#[test]
fn the_second_load_compiles_nothing() {
    let bench = Bench::new();
    assert_eq!(bench.load(), Vec::<String>::new());
    assert_eq!(bench.entries().len(), 2);
    let before = inode(&bench.code());
    assert_eq!(bench.load(), Vec::<String>::new());
    assert_eq!(inode(&bench.code()), before, "it was not written again");
}

/// Makes something else of a file's bytes.
fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, &bytes).unwrap();
}

#[test]
fn an_entry_that_was_changed_is_refused_until_somebody_has_looked() {
    type Change = fn(&mut Vec<u8>);
    let flip: Change = |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    };
    let mac: Change = |bytes| bytes[60] = if bytes[60] == b'0' { b'1' } else { b'0' };
    let cut: Change = |bytes| bytes.truncate(bytes.len() / 2);
    let empty: Change = Vec::clear;
    let more: Change = |bytes| bytes.push(0);
    let page: Change = |bytes| *bytes = b"<!DOCTYPE html><html>502</html>".to_vec();
    for (part, to) in [
        ("cwasm", flip),
        ("cwasm", cut),
        ("cwasm", empty),
        ("cwasm", more),
        ("cwasm", page),
        ("seal", flip),
        ("seal", mac),
    ] {
        let bench = Bench::new();
        bench.load();
        let path = if part == "seal" { bench.seal() } else { bench.code() };
        change(&path, to);
        let bad = fs::read(&path).unwrap();
        let error = bench.load_fails();
        assert_eq!((error.class, error.code), (FailureClass::Plugin, "cache-changed"), "{error}");
        let hint = error.hint.unwrap_or_default();
        assert!(hint.contains("rm ") && hint.contains(path.to_str().unwrap()) && hint.contains("-no-cache"), "{hint}");
        assert_eq!(fs::read(&path).unwrap(), bad, "it stays as evidence");
        fs::remove_file(bench.code()).unwrap();
        assert_eq!(bench.load(), Vec::<String>::new(), "either file may go");
        assert_eq!(bench.load(), Vec::<String>::new());
    }
    let bench = Bench::new();
    bench.load();
    fs::File::options().write(true).open(bench.code()).unwrap().set_len(2 << 30).unwrap();
    assert_eq!(bench.load_fails().code, "cache-changed", "gigabytes");
}

#[test]
fn an_entry_that_was_planted_is_ignored_and_replaced() {
    type Plant = fn(&mut Vec<u8>);
    let nothing: Plant = Vec::clear;
    let page: Plant = |bytes| *bytes = b"<!DOCTYPE html>\n<html>".to_vec();
    let other_form: Plant = |bytes| bytes[11] = b'9';
    let other_key: Plant = |bytes| bytes[13] = if bytes[13] == b'0' { b'1' } else { b'0' };
    for seal in [nothing, page, other_form, other_key] {
        let bench = Bench::new();
        bench.load();
        change(&bench.code(), |code| *code = fs::read("/bin/sh").unwrap());
        change(&bench.seal(), seal);
        let notices = bench.load();
        assert!(notices.len() == 1 && notices[0].contains("not written by this user's shiro"), "{notices:?}");
        assert_eq!(bench.load(), Vec::<String>::new());
    }
}

#[test]
fn what_a_crash_leaves_is_compiled_again() {
    let bench = Bench::new();
    bench.load();
    let seal = bench.seal();
    // Code is kept first, and its seal after it.
    fs::remove_file(&seal).unwrap();
    change(&bench.code(), |code| code.truncate(10));
    assert_eq!(bench.load(), Vec::<String>::new());
    assert_eq!(bench.load(), Vec::<String>::new());
    assert!(seal.exists());
}

#[test]
fn an_entry_of_another_key_is_ignored() {
    let bench = Bench::new();
    bench.load();
    fs::remove_file(bench.home.path().join(".local/state/shiro/cache.key")).unwrap();
    assert_eq!(bench.load().len(), 1);
    assert_eq!(bench.load(), Vec::<String>::new());
}

#[test]
fn an_entry_under_another_name_is_not_used() {
    let bench = Bench::new();
    bench.load();
    let (code, seal) = (bench.code(), bench.seal());
    let name = seal.file_stem().unwrap().to_str().unwrap();
    let other = format!("{}-0123456789abcdef", "0".repeat(64));
    for path in [&code, &seal] {
        let file = path.file_name().unwrap().to_str().unwrap();
        fs::copy(path, path.with_file_name(file.replace(name, &other))).unwrap();
    }
    let home = bench.home.path().as_os_str().to_owned();
    let cache = Cache::open(&move |name: &str| (name == "HOME").then(|| home.clone())).unwrap().unwrap();
    assert!(cache.load(&Engine::default(), &other).is_err());
}

#[test]
fn a_place_that_others_can_write_is_not_used() {
    use std::os::unix::fs::PermissionsExt as _;
    let bench = Bench::new();
    bench.load();
    let dir = bench.home.path().join(".cache/shiro");
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o777)).unwrap();
    let notices = bench.load();
    assert!(notices.len() == 1 && notices[0].contains("chmod go-w"), "{notices:?}");
}

#[test]
fn a_key_from_a_variable_needs_no_home() {
    let bench = Bench::new();
    let dir = bench.home.path().as_os_str().to_owned();
    let with = |key: &'static str| {
        let dir = dir.clone();
        move |name: &str| match name {
            "SHIRO_CACHE_DIR" => Some(dir.clone()),
            "SHIRO_CACHE_KEY" => Some(key.into()),
            _ => None,
        }
    };
    let entries = || fs::read_dir(bench.home.path().join("components")).unwrap().count();
    let notices = bench.load_with(with("too short"));
    assert!(notices[0].contains("shorter than 32"), "{notices:?}");
    assert_eq!(entries(), 0);
    assert_eq!(bench.load_with(with("0123456789abcdef0123456789abcdef")), Vec::<String>::new());
    assert_eq!(entries(), 2);
    assert_eq!(bench.load_with(with("0123456789abcdef0123456789abcdef")), Vec::<String>::new());
    assert_eq!(bench.load_with(with("another-key-another-key-another-key")).len(), 1);
}

#[test]
fn without_a_place_nothing_is_kept_and_nothing_said() {
    let bench = Bench::new();
    assert_eq!(bench.load_with(|_| None), Vec::<String>::new());
    assert!(bench.entries().is_empty());
}

#[test]
fn a_child_that_fails_is_an_error_with_what_it_said() {
    let command_line = |script: &str| ["/bin/sh", "-c", script].map(OsString::from).to_vec();
    let compile = |script: &str| {
        let code = Code::empty(None).unwrap();
        child::compile(&command_line(script), b"x", "mine.wasm", code.file()).unwrap_err()
    };
    let invalid = compile("echo 'type mismatch at 7' >&2; exit 3");
    assert_eq!((invalid.class, invalid.code), (FailureClass::Plugin, "invalid"));
    assert!(invalid.message.contains("type mismatch at 7"), "{invalid}");
    let cpu = compile("kill -XCPU $$");
    assert_eq!((cpu.class, cpu.code), (FailureClass::Limit, "compile-limit"));
    assert!(cpu.message.contains("processor time"), "{cpu}");
    let memory = compile("echo 'memory allocation of 99 bytes failed' >&2; kill -ABRT $$");
    assert!(memory.message.contains("more memory than"), "{memory}");
    let killed = compile("kill -KILL $$");
    assert_eq!((killed.class, killed.code), (FailureClass::Limit, "compile-limit"));
    let large = compile("kill -XFSZ $$");
    assert!(large.class == FailureClass::Limit && large.message.contains("compiled code"), "{large}");
    let full = compile("echo 'No space left on device' >&2; exit 4");
    assert!(full.message.contains("No space left") && full.hint.unwrap().contains("TMPDIR"));
    let other = compile("cat > /dev/null; echo odd >&2; exit 9");
    assert_eq!(other.class, FailureClass::Internal);
    assert!(other.message.contains("odd"), "{other}");
}
