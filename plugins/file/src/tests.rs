use serde_json::json;
use tempfile::TempDir;

use super::*;

fn run(dir: &TempDir, mut config: Value) -> Result<Output, Failure> {
    config["dir"] = json!(dir.path());
    File::run(serde_json::from_value(config).expect("a config"))
}

#[test]
fn what_was_written_is_read() {
    let dir = TempDir::new().unwrap();
    run(&dir, json!({ "operation": "write", "path": "a/b.json", "content": { "n": 1 } })).unwrap();
    let read = run(&dir, json!({ "operation": "read", "path": "a/b.json", "json": true })).unwrap();
    assert_eq!((read.value, read.bytes, read.content), (Some(json!({ "n": 1 })), Some(7), None));
    run(&dir, json!({ "operation": "append", "path": "a/log", "content": "one\n" })).unwrap();
    let appended = run(&dir, json!({ "operation": "append", "path": "a/log", "content": "two\n" })).unwrap();
    assert_eq!(appended.bytes, Some(8));
    let read = run(&dir, json!({ "operation": "read", "path": "a/log" })).unwrap();
    assert_eq!(read.content.as_deref(), Some("one\ntwo\n"));
    assert!(!dir.path().join("a/b.json.new").exists());
}

#[test]
fn files_are_found_in_order_and_checked() {
    let dir = TempDir::new().unwrap();
    for (path, content) in [("b.txt", "b"), ("a.txt", "a"), ("deep/er/c.txt", "c"), ("a.md", "")] {
        run(&dir, json!({ "operation": "write", "path": path, "content": content })).unwrap();
    }
    let paths = |pattern: &str| {
        let output = run(&dir, json!({ "operation": "glob", "pattern": pattern })).unwrap();
        output.files.unwrap().into_iter().map(|file| file.path).collect::<Vec<_>>()
    };
    assert_eq!(paths("*.txt"), ["a.txt", "b.txt"]);
    assert_eq!(paths("**/*.txt"), ["a.txt", "b.txt", "deep/er/c.txt"]);
    assert_eq!(paths("{a,b}.*"), ["a.md", "a.txt", "b.txt"]);
    let a = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";
    let sum = run(&dir, json!({ "operation": "checksum", "path": "a.txt", "expected": a.to_uppercase() })).unwrap();
    assert_eq!((sum.sha256.as_deref(), sum.bytes), (Some(a), Some(1)));
    let wrong = run(&dir, json!({ "operation": "checksum", "path": "b.txt", "expected": a })).unwrap_err();
    assert_eq!(wrong.code(), "checksum");
    let all = run(&dir, json!({ "operation": "checksum", "pattern": "*.txt" })).unwrap();
    assert_eq!(all.files.unwrap()[0].sha256.as_deref(), Some(a));
}

#[test]
fn a_file_that_is_not_there_is_not_always_a_mistake() {
    let dir = TempDir::new().unwrap();
    assert!(!run(&dir, json!({ "operation": "exists", "path": "a" })).unwrap().exists);
    assert!(!run(&dir, json!({ "operation": "remove", "path": "a" })).unwrap().exists);
    assert!(run(&dir, json!({ "operation": "read", "path": "a" })).unwrap_err().message().contains("can't read a"));
    run(&dir, json!({ "operation": "write", "path": "a", "content": "" })).unwrap();
    assert!(run(&dir, json!({ "operation": "remove", "path": "a" })).unwrap().exists);
    assert!(!dir.path().join("a").exists());
}

#[test]
fn a_path_stays_in_its_directory() {
    let dir = TempDir::new().unwrap();
    for path in ["../x", "/etc/passwd", "a/../../x", "a\0b", ""] {
        let failure = run(&dir, json!({ "operation": "write", "path": path, "content": "x" })).unwrap_err();
        assert_eq!(failure.kind(), shiro_step::FailureKind::InvalidConfig, "{path:?}: {failure}");
    }
}

#[test]
fn what_an_operation_needs_is_named() {
    let dir = TempDir::new().unwrap();
    for (config, named) in [
        (json!({ "operation": "read" }), "`path`"),
        (json!({ "operation": "write", "path": "a" }), "`content`"),
        (json!({ "operation": "glob" }), "`pattern`"),
        (json!({ "operation": "checksum" }), "`pattern`"),
        (json!({ "operation": "glob", "pattern": "[" }), "`pattern`"),
    ] {
        let failure = run(&dir, config).unwrap_err();
        assert!(failure.message().contains(named), "{failure}");
    }
}

#[test]
fn text_that_is_none_is_said_to_be() {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("binary"), [0xff, 0xfe]).unwrap();
    assert_eq!(run(&dir, json!({ "operation": "read", "path": "binary" })).unwrap_err().code(), "not_text");
}
