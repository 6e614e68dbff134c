use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;

fn loaded(text: &str) -> Node {
    let mut documents = load(&Arc::from("ci.yml"), text.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(documents.len(), 1);
    documents.remove(0).root
}

fn refused(bytes: &[u8]) -> String {
    let started = Instant::now();
    let error = load(&Arc::from("ci.yml"), bytes).expect_err("it is refused");
    // Bounded is bounded: seconds would be far too many, even on a busy machine.
    assert!(started.elapsed() < Duration::from_secs(20), "{error}");
    error.to_string()
}

/// A value as JSON, for comparison.
fn shown(node: &Node) -> String {
    let tag = node.tag.as_deref().map(|tag| format!("!{tag} ")).unwrap_or_default();
    let value = match &node.value {
        Value::Scalar { text, plain: true } => text.to_string(),
        Value::Scalar { text, .. } => format!("{text:?}"),
        Value::List(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
        Value::Map(map) => {
            let members: Vec<String> =
                map.iter().map(|entry| format!("{}: {}", entry.key, shown(&entry.node))).collect();
            format!("{{{}}}", members.join(", "))
        }
    };
    format!("{tag}{value}")
}

#[test]
fn values_keep_their_text_their_tags_and_their_places() {
    let root =
        loaded("on: push\nname: 'on'\njob:\n  script:\n    - !reference [.a, script]\n    - |\n      one\n      two\n");
    assert_eq!(shown(&root), r#"{on: push, name: "on", job: {script: [!reference [.a, script], "one\ntwo\n"]}}"#);
    let script = root.get("job").and_then(|job| job.get("script")).and_then(Node::list).expect("a list");
    assert_eq!(script[0].place.to_string(), "ci.yml:5:7");
    // The block's first line.
    assert_eq!(script[1].place.to_string(), "ci.yml:7:7");
    let entry = root.map().expect("a mapping").entry("job").expect("a job");
    assert_eq!((entry.place.to_string(), entry.node.place.to_string()), ("ci.yml:3:1".into(), "ci.yml:4:3".into()));
}

#[test]
fn anchors_and_merges_are_resolved_and_own_keys_win() {
    let root = loaded(
        ".a: &a {when: manual, tags: [x]}\n.b: &b {when: never, image: i}\n\
         one:\n  <<: *a\n  when: always\ntwo:\n  <<: [*a, *b]\nthree: *b\n",
    );
    assert_eq!(shown(root.get("one").unwrap()), "{when: always, tags: [x]}");
    assert_eq!(shown(root.get("two").unwrap()), "{when: manual, tags: [x], image: i}");
    assert_eq!(root.get("three").unwrap().place.to_string(), "ci.yml:2:5");
}

#[test]
fn truth_values_and_nulls_are_those_of_yaml() {
    let root = loaded("a: yes\nb: 'yes'\nc: False\nd: ~\ne:\nf: 'null'\n");
    let truth = |key: &str| root.get(key).and_then(Node::truth);
    assert_eq!((truth("a"), truth("b"), truth("c")), (Some(true), None, Some(false)));
    assert!(root.get("d").is_none() && root.get("e").is_none() && root.get("f").is_some());
}

#[test]
fn a_key_that_stands_twice_is_told_with_both_places_and_the_last_one_counts() {
    let documents = load(&Arc::from("ci.yml"), b"a: 1\nb: 2\na: 3\n").unwrap();
    let (second, first, key) = &documents[0].duplicates[0];
    assert_eq!((second.to_string(), first.to_string(), &**key), ("ci.yml:3:1".into(), "ci.yml:1:1".into(), "a"));
    assert_eq!(shown(&documents[0].root), "{a: 3, b: 2}");
}

#[test]
fn a_header_document_comes_before_the_pipeline() {
    let documents = load(&Arc::from("ci.yml"), b"spec:\n  inputs: {}\n---\njob: {}\n").unwrap();
    assert_eq!(documents.len(), 2);
}

#[test]
fn an_alias_bomb_is_refused_before_it_expands() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..40 {
        let inner = format!("*a{}, ", level - 1).repeat(9);
        text += &format!("a{level}: &a{level} [{inner}]\n");
    }
    assert!(refused(text.as_bytes()).contains("values once its aliases are expanded"));
}

#[test]
fn a_chain_of_aliases_is_as_deep_as_what_it_stands_for() {
    let mut text = "a0: &a0 [x]\n".to_owned();
    for level in 1..300 {
        text += &format!("a{level}: &a{level} [*a{}]\n", level - 1);
    }
    assert!(refused(text.as_bytes()).contains("deeper than 100"));
}

#[test]
fn deep_nesting_is_refused_in_every_style() {
    let block = (0..5000).map(|level| format!("{}a:\n", " ".repeat(level))).take(400).collect::<String>();
    for text in ["[".repeat(500_000), "{a: ".repeat(250_000), "- ".repeat(500_000), "? ".repeat(500_000), block] {
        let shown = refused(text.as_bytes());
        assert!(shown.contains("deeper than 100"), "{text:.20} {shown}");
    }
}

#[test]
fn large_files_are_refused_by_size_and_by_count() {
    assert!(refused(&vec![b'#'; MAX_BYTES + 1]).contains("larger than 2 MiB"));
    assert!(refused("- a\n".repeat(300_000).as_bytes()).contains("more than 200000 values"));
    let long = format!("a: \"{}\"\n", "x".repeat(MAX_BYTES - 10));
    assert_eq!(loaded(&long).get("a").and_then(Node::text).map(str::len), Some(MAX_BYTES - 10));
}

#[test]
fn what_is_not_yaml_says_where_and_what_to_do() {
    for (text, place, hint) in [
        (&b"job:\n\tscript: x\n"[..], "ci.yml:2", "indent with spaces"),
        (b"script: echo: x\n", "ci.yml:1", "needs quotes"),
        (b"a: [1, 2\nb: 3\n", "ci.yml:", ""),
        (b"a: *nowhere\n", "ci.yml:1", ""),
        (b"a: &a [*a]\n", "ci.yml:1:8", "an alias stands within"),
        (b"? [a]\n: b\n", "ci.yml:1:3", "a key must be a text"),
        (b"<<: 1\n", "ci.yml:1:5", "takes a mapping"),
        (b"ok: 1\nname: \xe9t\xe9\n", "ci.yml:2:1", "save it as UTF-8"),
        (b"\xff\xfea\0:\0", "ci.yml:1:1", "UTF-16"),
        (b"a: \0\n", "ci.yml:1", ""),
    ] {
        let shown = refused(text);
        assert!(shown.contains(place) && shown.contains(hint), "{shown}");
    }
}
