//! Files: a granted directory has no way out, what is only read stays as it is, and what is written has a limit.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::{Value, json};

use super::Case;

/// A case of `rummager` with `data` to read, `out` and `other` to write, and a secret beside them.
fn rummager(acts: Value) -> Case {
    with(json!({ "do": acts }))
}

/// The same, which fails with the first act that doesn't go.
fn failing(acts: Value) -> Case {
    with(json!({ "do": acts, "fail": true }))
}

fn with(config: Value) -> Case {
    let files = json!([{ "path": "data" }, { "path": "out", "access": "read-write" },
        { "path": "other", "access": "read-write" }]);
    let case = Case::of("rummager", config).granted("files", files);
    case.project.write("data/in.txt", "what was read");
    case.project.write("out/old.txt", "old");
    case.project.write("other/old.txt", "other");
    case.project.write("beside.txt", "a secret");
    case
}

#[test]
fn no_path_leads_out_of_a_directory() {
    let deep = "a/".repeat(300);
    let long = "x".repeat(65_536);
    let paths = [
        "../beside.txt",
        "/etc/passwd",
        "a/../../beside.txt",
        "./../beside.txt",
        "..",
        "../",
        "in.txt/",
        "in.txt/../../beside.txt",
        "in.txt\0",
        "",
        "//etc/passwd",
        "../data/../beside.txt",
        &deep,
        &long,
    ];
    let reads = paths.map(|path| json!({ "read": ["data", path] }));
    let writes = paths.map(|path| json!({ "write": ["out", path] }));
    for results in [rummager(json!(reads)).results(), rummager(json!(writes)).results()] {
        for (path, result) in paths.iter().zip(&results) {
            let shown: String = path.chars().take(40).collect();
            assert!(result != "done" && !result.contains("secret") && !result.contains("root:"), "{shown}: {result}");
        }
    }
    assert_eq!(rummager(json!([{ "read": ["data", "in.txt"] }])).results(), ["what was read"]);
    assert_eq!(rummager(json!([{ "read": ["elsewhere", "x"] }])).results(), ["no-entry"], "no such directory at all");
}

#[test]
fn no_link_leads_out_of_a_directory() {
    let case = rummager(json!([
        { "read": ["data", "to-passwd"] }, { "read": ["data", "to-etc/passwd"] }, { "read": ["data", "up/beside.txt"] },
        { "read": ["data", "within"] },
        { "link": ["out", "made", "/etc/passwd"] }, { "read": ["out", "made"] },
        { "link": ["out", "made-up", ".."] }, { "read": ["out", "made-up/beside.txt"] },
        { "write": ["out", "made-up/new.txt"] }
    ]));
    let dir = case.project.join("data");
    for (to, at) in [("/etc/passwd", "to-passwd"), ("/etc", "to-etc"), ("..", "up"), ("in.txt", "within")] {
        symlink(to, dir.join(at)).expect("a link");
    }
    let results = case.results();
    assert_eq!(results[3], "what was read", "{results:?}");
    for number in [0, 1, 2, 5, 7, 8] {
        assert!(!matches!(results[number].as_str(), "done" | "a secret"), "{number}: {results:?}");
        assert!(!results[number].contains("root:"), "{number}: {results:?}");
    }
    assert!(!case.project.join("new.txt").exists());
}

#[test]
fn a_link_that_changes_all_the_time_leads_nowhere_either() {
    let case = rummager(json!([{ "watch": ["data", "swapped/beside.txt", 30_000] }]));
    let data = case.project.join("data");
    fs::create_dir(data.join("inside")).expect("create");
    fs::write(data.join("inside/beside.txt"), "inside").expect("write");
    symlink("inside", data.join("swapped")).expect("a link");
    let over = Arc::new(AtomicBool::new(false));
    let swapping = thread::spawn({
        let (over, data) = (Arc::clone(&over), data.clone());
        move || {
            while !over.load(Ordering::Relaxed) {
                for to in ["..", "inside"] {
                    symlink(to, data.join("next")).expect("a link");
                    fs::rename(data.join("next"), data.join("swapped")).expect("in its place");
                }
            }
        }
    });
    let results = case.results();
    over.store(true, Ordering::Relaxed);
    swapping.join().expect("it ends");
    assert!(results[0].contains("inside") && !results[0].contains("secret"), "{results:?}");
}

#[test]
fn what_is_only_read_stays_as_it_is() {
    let case = rummager(json!([
        { "write": ["data", "new.txt"] }, { "open_to_write": ["data", "in.txt"] }, { "truncate": ["data", "in.txt"] },
        { "make_dir": ["data", "dir"] }, { "remove": ["data", "in.txt"] }, { "touch": ["data", "in.txt", 1] },
        { "resize": ["data", "in.txt", 0] }, { "link": ["data", "link", "in.txt"] },
        { "rename": ["data", "in.txt", "data", "moved.txt"] }, { "rename": ["data", "in.txt", "out", "moved.txt"] },
        { "rename": ["out", "old.txt", "data", "moved.txt"] },
        { "hard_link": ["data", "in.txt", "data", "again.txt"] }, { "hard_link": ["data", "in.txt", "out", "again.txt"] },
        { "hard_link": ["out", "old.txt", "data", "again.txt"] }
    ]));
    let results = case.results();
    for (number, result) in results.iter().enumerate() {
        assert!(matches!(result.as_str(), "not-permitted" | "read-only" | "access"), "{number}: {results:?}");
    }
    assert_eq!(case.project.read("data/in.txt"), "what was read");
    assert_eq!(fs::read_dir(case.project.join("data")).expect("it is there").count(), 1);
    assert!(!case.project.join("out/again.txt").exists(), "a name in `out` would let it be written");
}

#[test]
fn what_may_be_written_is_written() {
    let case = rummager(json!([
        { "write": ["out", "new.txt"] }, { "make_dir": ["out", "dir"] }, { "truncate": ["out", "old.txt"] },
        { "rename": ["out", "new.txt", "other", "moved.txt"] }, { "hard_link": ["out", "old.txt", "other", "again.txt"] },
        { "remove": ["other", "old.txt"] }
    ]));
    assert_eq!(case.results(), ["done"; 6]);
    assert_eq!(case.project.read("other/moved.txt"), "written");
    assert_eq!(case.project.read("out/old.txt"), "");
}

#[test]
fn times_that_no_clock_says_are_an_error() {
    let times = [u64::MAX, 1 << 63, (1 << 63) - 1];
    for result in rummager(json!(times.map(|time| json!({ "touch": ["out", "old.txt", time] })))).results() {
        assert!(matches!(result.as_str(), "overflow" | "invalid" | "done"), "{result}");
    }
    assert_eq!(rummager(json!([{ "touch": ["out", "old.txt", 1] }])).results(), ["done"]);
}

#[test]
fn what_is_written_has_a_limit_however_it_is_written() {
    for act in [
        json!({ "stream": ["out", "big", 3] }),
        json!({ "zeroes": ["out", "big", 3] }),
        json!({ "resize": ["out", "big", 3 << 20] }),
        json!({ "resize": ["out", "big", 1_u64 << 60] }),
        json!({ "files": ["out", 1_000_000] }),
        json!({ "links": ["out", 1_000_000] }),
        json!({ "hard_links": ["out", "old.txt", 1_000_000] }),
    ] {
        let case = failing(json!([act])).granted("limits", json!({ "files_mib": 2 }));
        case.ends(5).says("more than 2 MiB to files").says("files_mib");
        let entries = fs::read_dir(case.project.join("out")).expect("it is there");
        let sizes: Vec<u64> =
            entries.map(|entry| entry.expect("an entry").metadata().map_or(0, |file| file.len())).collect();
        assert!(sizes.len() <= 520, "{act}: {} files", sizes.len());
        assert!(sizes.iter().sum::<u64>() <= (2 << 20) + 4096, "{act}");
    }
    let fits = json!([{ "stream": ["out", "big", 1] }, { "files": ["out", 100] }, { "links": ["out", 100] }]);
    assert_eq!(rummager(fits).granted("limits", json!({ "files_mib": 2 })).results(), ["done"; 3]);
}
