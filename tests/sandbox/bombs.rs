//! Components that take without end: memory, tables, handles, and what the host has to hold for them. The host's own memory
//! stays within its bound: [`Case`] checks it for each.

use serde_json::{Value, json};

use super::Case;
use crate::support::http::{Answer, Server};

#[test]
fn memory_has_a_limit() {
    Case::of("greedy", json!({})).ends(5).says("more than 64 MiB of memory");
    // What is too large from the start never starts.
    for guest in ["initial-memory", "memories-together"] {
        Case::of(guest, json!({})).memory_mib(256).refused(5).says("more than 256 MiB of memory");
    }
}

#[test]
fn tables_have_a_limit() {
    Case::of("growing-tables", json!({})).ends(5).says("table elements");
    Case::of("initial-table", json!({})).refused(5).says("table elements");
}

#[test]
fn instances_have_a_limit() {
    for guest in ["many-memories", "many-tables", "many-instances"] {
        Case::of(guest, json!({})).refused(5).says("64 core instances, 64 tables or 16 memories");
    }
}

#[test]
fn what_is_held_has_a_limit() {
    for what in ["pollables", "fields"] {
        Case::of("hoarder", json!({ "what": what })).ends(5).says("handles");
    }
    Case::of("own-resources", json!({})).ends(5).says("handles");
}

#[test]
fn open_files_have_a_limit_that_leaves_others_some() {
    let case = Case::of("hoarder", json!({ "what": "files" })).granted("files", json!([{ "path": "data" }]));
    case.project.write("data/in.txt", "x");
    case.ends(5).says("open files");
}

#[test]
fn requests_that_nobody_waits_for_have_a_limit() {
    let server = Server::start(|_, _| Answer::new(200, "ok"));
    let config = json!({ "what": "requests", "url": server.url("") });
    Case::of("hoarder", config).granted("network", json!([{ "url": "{config.url}" }])).ends(5).says("handles");
}

#[test]
fn a_list_of_things_to_wait_for_has_a_limit() {
    Case::of("hoarder", json!({ "what": "polls" })).ends(5);
}

#[test]
fn what_is_written_to_the_log_has_a_limit() {
    for to in ["log", "stdout", "stderr"] {
        for (length, lines) in [(65_536, true), (0, false), (65_536, false)] {
            // Nothing at all is nothing for a stream.
            if length == 0 && to != "log" {
                continue;
            }
            let case = Case::of("chatty", json!({ "to": to, "length": length, "lines": lines }));
            let outcome = case.ends(5).says("more than 4 MiB").says("output cut off");
            assert!(outcome.stdout.len() < 32 << 20, "{to}: {} bytes", outcome.stdout.len());
        }
    }
}

#[test]
fn an_answer_has_a_limit() {
    Case::of("big-output", json!({ "bytes": 67_108_864 })).memory_mib(256).ends(5);
    Case::of("answer-giant", json!({})).memory_mib(256).ends(5).says("in one call");
}

/// What is short as text and large in memory counts by what it takes there.
#[test]
fn dense_json_does_not_grow_in_the_host() {
    for by in ["numbers", "lists"] {
        Case::of("amplifier", json!({ "by": by })).ends(5).says("output_mib");
    }
    Case::of("dense-failure", json!({})).ends(1).says("hostile");
    Case::of("amplifier", json!({ "by": "log_fields" })).ends(0);
}

#[test]
fn json_that_is_too_deep_to_keep_is_the_components_fault() {
    Case::of("amplifier", json!({ "by": "depth" })).ends(3).says("deep");
}

#[test]
fn what_is_said_of_a_failure_is_bounded() {
    for (by, code) in [("failure", 1), ("program", 4)] {
        let case = Case::of("amplifier", json!({ "by": by }));
        let outcome = case.run().exits(code);
        assert!(outcome.all().len() < 1 << 20, "{by}: {} bytes are shown", outcome.all().len());
        let journal: usize = case.project.journals().values().map(String::len).sum();
        assert!(journal < 1 << 20, "{by}: {journal} bytes are recorded");
    }
}

#[test]
fn a_schema_can_not_keep_the_host_busy() {
    // Each definition is two of the next one: as many checks as there are grains on a chessboard.
    let mut definitions: Value = json!({ "d40": { "type": ["object"] } });
    for level in 0..40 {
        let next = json!({ "$ref": format!("#/$defs/d{}", level + 1) });
        definitions[format!("d{level}")] = json!({ "allOf": [next, next] });
    }
    let schema = json!({ "$ref": "#/$defs/d0", "$defs": definitions });
    let description =
        json!({ "name": "busy", "version": "1.0.0", "summary": "Hard to check.", "config_schema": schema });
    super::loading::describing("busy", &description.to_string()).refused(3).says("10000 checks");
    Case::of("wrong-items", json!({})).ends(3).says("too large to say where");
}
