//! With a state key: what a forger, a thief of artifacts and a mix-up can do, and what is found.

use super::super::format::{self, Header};
use super::super::protect::Protection;
use super::super::read::{self, Contents};
use super::corruption::{records, written};
use super::*;

const KEY: &str = "0123456789abcdef0123456789abcdef";
const IDENTITY: &str = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";

fn state_key(text: &str) -> StateKey {
    text.parse().unwrap()
}

/// An age identity: of a fixed secret, so that a failure can be looked at again.
fn identity() -> StateKey {
    state_key(IDENTITY)
}

fn parse(bytes: &[u8], key: &StateKey) -> Result<Contents, JournalError> {
    read::read(Path::new("x.jsonl"), bytes.to_vec(), Some(key), &Expected::default())
}

/// Paused and sealed once, resumed, and sealed again, for this key; encrypted for it too if it says so.
fn sealed(key: &StateKey, encrypted: bool) -> Vec<u8> {
    let recipients = if encrypted { vec![key.recipient().unwrap()] } else { Vec::new() };
    let header = Header::new(&super::key("deploy"), origin(), Some(key), &recipients);
    let records = records();
    let batches = [Some(&records[..2]), Some(&records[2..4]), None, Some(&records[4..]), None];
    written(&header, &Protection::new(Some(key), &recipients), &batches)
}

/// Every flipped bit and every cut is an error, but for cuts that leave the journal as it once was: those are not sealed, or
/// end with an earlier seal.
fn assert_tampering_is_found(bytes: &[u8], key: &StateKey) {
    assert!(parse(bytes, key).unwrap().sealed);
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let error = parse(&flipped, key).expect_err("a flipped bit is found");
        assert_eq!(error.exit_code(), 6, "bit {bit}: {error}");
    }
    let receipt = parse(bytes, key).unwrap().end;
    let receipt = Receipt { seq: receipt.seq, sum: receipt.sum };
    let expected = Expected { receipt: Some(receipt), ..Expected::default() };
    let first_seal = bytes.windows(12).position(|window| window == br#""seal":true,"#).unwrap();
    let first_seal = first_seal + bytes[first_seal..].iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for cut in 0..bytes.len() {
        match parse(&bytes[..cut], key) {
            Ok(contents) => assert_eq!(contents.sealed, cut == first_seal, "cut at {cut}"),
            Err(error) => assert_eq!(error.exit_code(), 6, "cut at {cut}"),
        }
        // Who kept a receipt finds all of them.
        let cut_back = read::read(Path::new("x.jsonl"), bytes[..cut].to_vec(), Some(key), &expected);
        assert_eq!(cut_back.expect_err("it was cut back").exit_code(), 6, "cut at {cut}");
    }
    read::read(Path::new("x.jsonl"), bytes.to_vec(), Some(key), &expected).unwrap();
}

#[test]
fn every_flipped_bit_and_every_cut_of_an_authenticated_journal_is_found() {
    let key = state_key(KEY);
    assert_tampering_is_found(&sealed(&key, false), &key);
}

#[test]
fn every_flipped_bit_and_every_cut_of_an_encrypted_journal_is_found() {
    let key = identity();
    let bytes = sealed(&key, true);
    assert_eq!(parse(&bytes, &key).unwrap().records, records());
    assert_tampering_is_found(&bytes, &key);
}

#[test]
fn a_journal_that_was_rewritten_and_chained_anew_is_found() {
    let key = state_key(KEY);
    let header = Header::new(&super::key("deploy"), origin(), Some(&key), &[]);
    let records = records();
    let batches = [Some(&records[..1]), Some(&records[4..]), None];
    // Without a key, with another one, and with a header that says there is none.
    let other = state_key("ffffffffffffffffffffffffffffffff");
    let forged = [
        written(&header, &Protection::new(None, &[]), &batches),
        written(&header, &Protection::new(Some(&other), &[]), &batches),
    ];
    for bytes in forged {
        assert!(matches!(parse(&bytes, &key), Err(JournalError::Damaged { line: 1, .. })));
    }
    let stripped = Header::new(&super::key("deploy"), origin(), None, &[]);
    let stripped = written(&stripped, &Protection::new(None, &[]), &batches);
    let error = parse(&stripped, &key).unwrap_err();
    assert!(matches!(error, JournalError::Unauthenticated { .. }), "{error}");
    assert_eq!(error.exit_code(), 6);

    // The header that the key made, and lines that it did not.
    let mut spliced = Vec::new();
    let with_key = Protection::new(Some(&key), &[]);
    let sum = format::push_header(&mut spliced, &with_key.chain, &header).unwrap();
    format::push_batch(&mut spliced, &Protection::new(None, &[]), &sum, 1, &records[..1]).unwrap();
    assert!(matches!(parse(&spliced, &key), Err(JournalError::Damaged { line: 2, .. })));
}

#[test]
fn lines_of_another_journal_with_the_same_key_do_not_fit() {
    let key = state_key(KEY);
    let of_run = |run: &str| {
        let mut record = started();
        if let Event::RunStarted(started) = &mut record.event {
            started.run = RunId::new(run);
        }
        let origin = Origin { run: RunId::new(run), ..origin() };
        let header = Header::new(&super::key("deploy"), origin, Some(&key), &[]);
        written(&header, &Protection::new(Some(&key), &[]), &[Some(&[record, step_started("a")]), None])
    };
    let (one, two) = (of_run("1"), of_run("2"));
    parse(&one, &key).unwrap();
    let lines = |bytes: &[u8]| bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>();
    let (one, two) = (lines(&one), lines(&two));
    for line in 0..one.len() {
        let mut mixed = one.clone();
        mixed[line].clone_from(&two[line]);
        assert_eq!(parse(&mixed.concat(), &key).expect_err("of another run").exit_code(), 6, "line {line}");
    }
}

#[test]
fn the_wrong_key_and_a_missing_one_are_named() {
    let project = Project::new();
    let key = state_key(KEY);
    let store = project.store.clone().with_key(key.clone(), Vec::new());
    let lock = store.lock(&project.key, quietly()).unwrap();
    store.begin(&project.key, &lock, &[started()]).unwrap().seal().unwrap();
    assert!(store.load(&project.key).unwrap().unwrap().authenticated);

    let error = project.store.load(&project.key).unwrap_err();
    assert!(error.to_string().contains(&format!("state key {}, and none is given", key.id())), "{error}");
    let other = state_key("ffffffffffffffffffffffffffffffff");
    let error = project.store.clone().with_key(other.clone(), Vec::new()).load(&project.key).unwrap_err();
    assert!(error.to_string().ends_with(&format!("the one that is given is {}", other.id())), "{error}");
    assert_eq!(error.exit_code(), 6);
}

#[test]
fn a_journal_of_another_project_pipeline_or_run_is_refused_by_name() {
    let project = Project::new();
    project.begin(&[started()]).seal().unwrap();
    let load = |expected: Expected| project.store.clone().expecting(expected).load(&project.key);
    let own = Expected { project: Some("group/name".into()), pipeline: Some("7".into()), ..Expected::default() };
    load(own.clone()).unwrap();
    for (expected, text) in [
        (Expected { project: Some("group/fork".into()), ..own.clone() }, "of project \"group/name\", not of project"),
        (Expected { project_id: Some("21".into()), ..own.clone() }, "of project number \"20\", not of project number"),
        (Expected { pipeline: Some("8".into()), ..own.clone() }, "of pipeline \"7\", not of pipeline \"8\""),
        (Expected { run: Some(RunId::new("0199")), ..own.clone() }, "of run \"0198\", not of run \"0199\""),
    ] {
        let error = load(expected).unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
        assert_eq!(error.exit_code(), 6);
    }
    // Who names the run may go on with it in another pipeline.
    load(Expected { pipeline: Some("8".into()), run: Some(RunId::new("0198")), ..own }).unwrap();
}

#[test]
fn an_older_copy_is_found_by_who_kept_a_receipt() {
    let project = Project::new();
    project.begin(&[started(), step_started("a")]).seal().unwrap();
    let paused = fs::read(project.journal()).unwrap();
    let first = project.load().receipt();
    let mut journal = project.resume();
    journal.append(&[resumed("0.1.0")]).unwrap();
    let last = journal.seal().unwrap().unwrap();
    assert_eq!(last, project.load().receipt());
    let expecting = |receipt: &Receipt| {
        let expected = Expected { receipt: Some(receipt.clone()), ..Expected::default() };
        project.store.clone().expecting(expected).load(&project.key)
    };
    // One that has gone on since is good, too.
    expecting(&first).unwrap();
    expecting(&last).unwrap();
    fs::write(project.journal(), &paused).unwrap();
    expecting(&first).unwrap();
    let error = expecting(&last).unwrap_err();
    assert!(matches!(error, JournalError::Rewound { what: "it ends before that", .. }), "{error}");
    // Another history from there on.
    fs::write(project.journal(), &paused).unwrap();
    let mut journal = project.resume();
    journal.append(&[resumed("0.2.0")]).unwrap();
    journal.seal().unwrap();
    let error = expecting(&last).unwrap_err();
    assert!(matches!(error, JournalError::Rewound { what: "at that place it holds something else", .. }), "{error}");
}

#[test]
fn an_encrypted_run_goes_on_encrypted_and_shows_nothing() {
    let project = Project::new();
    let key = identity();
    let auditor = age::x25519::Identity::generate();
    let recipients = vec![key.recipient().unwrap(), auditor.to_public().to_string().parse().unwrap()];
    let store = project.store.clone().with_key(key.clone(), recipients);
    let lock = store.lock(&project.key, quietly()).unwrap();
    store.begin(&project.key, &lock, &[started(), step_succeeded("a", json!("the-output"))]).unwrap().seal().unwrap();
    // A process that was not told to encrypt: what was begun so stays so.
    let store = project.store.clone().with_key(key, Vec::new());
    let loaded = store.load(&project.key).unwrap().unwrap();
    assert!(loaded.encrypted() && loaded.authenticated && loaded.sealed);
    let mut journal = store.resume(&project.key, &lock, &loaded).unwrap();
    journal.append(&[step_started("the-step"), step_succeeded("the-step", json!("the-output"))]).unwrap();
    journal.seal().unwrap();
    let text = fs::read_to_string(project.journal()).unwrap();
    for hidden in ["the-output", "the-step", "run_started"] {
        assert!(!text.contains(hidden), "{hidden} in {text}");
    }
    assert_eq!(store.load(&project.key).unwrap().unwrap().records.len(), 4);

    // As docs/state-and-approvals.md has it: each batch is an age file, for everyone who was named.
    use base64::Engine as _;
    let mut plain = String::new();
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        if let Some(batch) = line["age"].as_str() {
            let file = base64::engine::general_purpose::STANDARD.decode(batch).unwrap();
            plain += &String::from_utf8(age::decrypt(&auditor, &file).unwrap()).unwrap();
        }
    }
    assert_eq!(plain.lines().count(), 4);
    assert!(plain.contains("the-output"));
}

#[test]
fn what_a_crash_left_of_an_encrypted_batch_is_dropped() {
    let key = identity();
    let recipients = [key.recipient().unwrap()];
    let header = Header::new(&super::key("deploy"), origin(), Some(&key), &recipients);
    let records = records();
    let protection = Protection::new(Some(&key), &recipients);
    let bytes = written(&header, &protection, &[Some(&records[..2]), Some(&records[2..])]);
    let last = bytes[..bytes.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    for cut in last + 1..bytes.len() - 1 {
        let contents = parse(&bytes[..cut], &key).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
        assert_eq!((contents.records.len(), contents.sealed, contents.notices.len()), (2, false, 1), "cut at {cut}");
        assert_eq!(contents.end.offset, last as u64);
    }
}
