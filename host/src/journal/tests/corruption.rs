//! Every flipped bit, every cut, every kind of tear, and files that another version wrote.

use super::super::format::{self, Header};
use super::super::protect::{Chain, Protection};
use super::super::read::{self, Contents};
use super::*;

fn parse(bytes: &[u8]) -> Result<Contents, JournalError> {
    read::read(Path::new("x.jsonl"), bytes.to_vec(), None, &Expected::default())
}

fn plain() -> Protection {
    Protection::new(None, &[])
}

/// Batches of records, one after the other, as bytes; `None` is a seal. With the offsets of all line ends.
fn journal(batches: &[Option<&[Record]>]) -> (Vec<u8>, Vec<usize>) {
    let bytes = written(&Header::new(&key("deploy"), origin(), None, &[]), &plain(), batches);
    let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(index, _)| index + 1).collect();
    (bytes, ends)
}

/// A whole journal with this header.
pub(super) fn written(header: &Header, protection: &Protection, batches: &[Option<&[Record]>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut sum = format::push_header(&mut bytes, &protection.chain, header).unwrap();
    let mut seq = 0;
    for batch in batches {
        match batch {
            None => {
                seq += 1;
                sum = format::push_seal(&mut bytes, &protection.chain, &sum, seq);
            }
            Some(records) => {
                sum = format::push_batch(&mut bytes, protection, &sum, seq + 1, records).unwrap();
                seq += records.len() as u64;
            }
        }
    }
    bytes
}

pub(super) fn records() -> Vec<Record> {
    vec![
        started(),
        step_started("a"),
        // Bytes that turn into line ends and NUL by one bit.
        step_succeeded("a", json!({"stdout": "J*\u{b}@ \u{10}", "exit_code": 0, "ratio": 0.1})),
        step_started("b"),
        resumed("0.1.0"),
    ]
}

/// Paused and sealed once, resumed, and sealed again.
fn sealed_twice() -> (Vec<u8>, Vec<usize>) {
    let records = records();
    journal(&[Some(&records[..1]), Some(&records[1..2]), Some(&records[2..4]), None, Some(&records[4..]), None])
}

#[test]
fn an_intact_journal_reads_back() {
    let contents = parse(&sealed_twice().0).unwrap();
    assert_eq!(contents.records, records());
    assert!(contents.sealed);
    assert_eq!(contents.notices, [""; 0]);
    assert_eq!(contents.key, key("deploy"));
}

#[test]
fn every_flipped_bit_of_a_sealed_journal_is_an_error_that_says_where() {
    let (bytes, ends) = sealed_twice();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let error = parse(&flipped).expect_err("a flipped bit is found");
        assert_eq!(error.exit_code(), 6, "bit {bit}");
        let (JournalError::Damaged { line, .. } | JournalError::Newer { line, .. }) = error else {
            panic!("bit {bit}: {error:?}");
        };
        let at = ends.iter().position(|end| bit / 8 < *end).unwrap() as u64 + 1;
        assert_eq!(line, at, "bit {bit}");
    }
}

#[test]
fn every_cut_of_a_sealed_journal_is_found_and_keeps_the_whole_lines() {
    let (bytes, ends) = sealed_twice();
    let all = records();
    // Lines: header, started, then 2 batches with 3 events, seal, resumed, seal.
    let records_by_lines = [0, 0, 1, 2, 3, 4, 4, 5, 5];
    for cut in 0..bytes.len() {
        let lines = ends.iter().filter(|end| **end <= cut).count();
        let result = parse(&bytes[..cut]);
        if lines < 2 {
            assert_eq!(result.expect_err("never a run that has not begun").exit_code(), 6, "cut at {cut}");
            continue;
        }
        let contents = result.unwrap();
        assert_eq!(contents.records, all[..records_by_lines[lines]], "cut at {cut}");
        // Cut back to its first seal exactly, it is what it was then: no checksum without a key tells.
        assert_eq!(contents.sealed, cut == ends[5], "cut at {cut}");
        let at_end_of_line = ends.contains(&cut);
        let within_batch = lines == 4;
        assert_eq!(
            contents.notices.is_empty(),
            at_end_of_line && !within_batch,
            "cut at {cut}: {:?}",
            contents.notices
        );
        assert_eq!(contents.end.offset, ends[lines - 1] as u64);
    }
}

#[test]
fn a_cut_within_what_the_file_was_created_with_is_damage() {
    let (bytes, ends) = journal(&[Some(&records()[..3]), Some(&records()[3..])]);
    for cut in 0..ends[3] {
        assert_eq!(parse(&bytes[..cut]).expect_err("not a crash").exit_code(), 6, "cut at {cut}");
    }
    parse(&bytes[..ends[3]]).unwrap();
}

#[test]
fn nothing_may_be_missing_doubled_or_swapped() {
    let (bytes, ends) = sealed_twice();
    let line = |index: usize| &bytes[if index == 0 { 0 } else { ends[index - 1] }..ends[index]];
    for lines in [
        [0, 1, 3, 4, 5, 6, 7].as_slice(),
        &[0, 1, 2, 2, 3, 4, 5],
        &[0, 1, 3, 2, 4, 5],
        &[0, 1, 2, 3, 4, 6, 7],
        &[1, 2, 3, 4, 5],
        &[0, 2, 3],
        &[0, 1, 2, 3, 4, 5, 7],
    ] {
        let bytes: Vec<u8> = lines.iter().flat_map(|index| line(*index)).copied().collect();
        assert_eq!(parse(&bytes).expect_err("not as it was").exit_code(), 6, "{lines:?}");
    }
}

#[test]
fn nothing_else_may_follow_a_seal() {
    let (bytes, _) = sealed_twice();
    for tail in ["\n", " ", "x", "{}\n", "{\"seq\":9,\"batch\":9,\"seal\":true,\"sum\":\"\"}\n", "{\"seq\":9,"] {
        let damaged = [&bytes, tail.as_bytes()].concat();
        assert_eq!(parse(&damaged).expect_err("something follows").exit_code(), 6, "{tail:?}");
    }
}

#[test]
fn a_write_that_was_cut_short_after_a_seal_takes_the_seal_away() {
    let (mut bytes, ends) = sealed_twice();
    bytes.extend_from_slice(b"{\"seq\":8,\"batch\":8,\"at\":1,\"ev");
    let contents = parse(&bytes).unwrap();
    assert!(!contents.sealed);
    assert_eq!(contents.records, records());
    assert_eq!(contents.end.offset, *ends.last().unwrap() as u64);
    assert!(contents.notices[0].starts_with("x.jsonl:9: "), "{:?}", contents.notices);
}

/// A journal whose last batch is long enough for sectors, and where that batch begins.
fn with_long_batch() -> (Vec<u8>, Vec<usize>, usize) {
    let records = records();
    let long: Vec<_> = (0..6).map(|index| step_succeeded(&index.to_string(), json!("x".repeat(700)))).collect();
    let (bytes, ends) = journal(&[Some(&records[..1]), Some(&records[1..2]), Some(&long)]);
    let begin = ends[2];
    (bytes, ends, begin)
}

#[test]
fn sectors_that_were_never_written_are_a_tear_in_the_last_batch_and_damage_before() {
    let (bytes, ends, last_batch) = with_long_batch();
    for start in (0..bytes.len()).step_by(512) {
        let end = bytes.len().min(start + 512);
        let mut torn = bytes.clone();
        // What was there before the batch is on the disk already.
        torn[start.max(last_batch).min(end)..end].fill(0);
        if end <= last_batch {
            torn[start..end].fill(0);
            assert_eq!(parse(&torn).expect_err("this was durable").exit_code(), 6, "sector at {start}");
            continue;
        }
        let contents = parse(&torn).unwrap_or_else(|error| panic!("sector at {start}: {error}"));
        let intact = ends.iter().filter(|end| **end <= start.max(last_batch)).count();
        assert_eq!(contents.records.len(), intact - 1, "sector at {start}");
        assert_eq!(contents.notices.len(), 1);
        assert!(!contents.sealed);
    }
}

#[test]
fn a_hole_before_a_later_batch_is_damage() {
    let records = records();
    let long = [step_succeeded("x", json!("x".repeat(2000)))];
    let (mut bytes, ends) = journal(&[Some(&records[..1]), Some(&long), Some(&records[3..4]), Some(&records[4..])]);
    let hole = ends[1].next_multiple_of(512);
    bytes[hole..hole + 512].fill(0);
    let error = parse(&bytes).expect_err("a batch follows, so this one was durable");
    assert_eq!(error.to_string().split(": ").next(), Some("x.jsonl:3"));
}

#[test]
fn a_batch_that_lost_its_end_may_be_followed_by_another() {
    let (bytes, ends, _) = with_long_batch();
    let cut = parse(&bytes[..ends[4]]).unwrap();
    let mut resumed_bytes = bytes[..ends[4]].to_vec();
    let seq = cut.end.seq + 1;
    let sum = format::push_batch(&mut resumed_bytes, &plain(), &cut.end.sum, seq, &[resumed("0.1.0")]).unwrap();
    format::push_seal(&mut resumed_bytes, &plain().chain, &sum, seq + 1);
    let contents = parse(&resumed_bytes).unwrap();
    assert!(contents.sealed);
    assert_eq!(contents.notices, [""; 0]);
    assert_eq!(contents.records.len(), cut.records.len() + 1);
}

/// A journal with a line that a later version wrote: `body` stands between the position and the sum.
fn with_foreign_line(body: &str) -> Vec<u8> {
    let (mut bytes, ends) = journal(&[Some(&[started(), resumed("0.9.0")])]);
    let last = &bytes[ends[1]..ends[2] - 1];
    let (_, sum) = format::split_sum(last).unwrap();
    let mut covered = sum.to_vec();
    let line = format!(r#"{{"seq":3,"batch":3{body}"#);
    covered.extend_from_slice(line.as_bytes());
    // The next link hashes the sum before and the line: the same as a first link over both.
    let sum = Chain::new(None).first(&covered);
    bytes.extend_from_slice(line.as_bytes());
    bytes.extend_from_slice(br#","sum":""#);
    bytes.extend_from_slice(sum.as_bytes());
    bytes.extend_from_slice(b"\"}\n");
    bytes
}

#[test]
fn what_a_later_version_wrote_is_named_with_that_version() {
    parse(&with_foreign_line(r#","at":1,"event":"step_started","step":"a","attempt":1,"idempotent":true"#)).unwrap();
    for (body, what) in [
        (r#","at":1,"event":"step_rewound","step":"a""#, "unknown variant `step_rewound`"),
        (r#","at":1,"event":"step_started","step":"a","attempt":1,"idempotent":true,"why":1"#, "an event with a field"),
        (r#","at":1,"event":"run_finished","outcome":"lost","exit_code":0"#, "unknown variant `lost`"),
        (r#","seal":false"#, "missing field `at`"),
    ] {
        let error = parse(&with_foreign_line(body)).expect_err("unknown");
        assert_eq!(error.exit_code(), 6);
        let text = error.to_string();
        assert!(text.starts_with("x.jsonl:4: written by shiro 0.9.0 (format 1), but this is shiro "), "{text}");
        assert!(text.contains(what), "{text}");
        assert_eq!(error.hint(), "go on with this run with shiro 0.9.0 or newer");
    }
}

#[test]
fn a_later_format_is_named_whatever_else_it_has() {
    for header in
        [r#"{"journal":"shiro","format":2,"shiro":"2.0.0","hash":"blake3"}"#, r#"{"journal":"shiro","format":2}"#]
    {
        let error = parse(format!("{header}\n\0\0\n").as_bytes()).expect_err("newer");
        assert!(matches!(error, JournalError::Newer { line: 1, format: 2, .. }), "{error:?}");
        assert_eq!(error.exit_code(), 6);
    }
}

#[test]
fn a_file_that_is_no_journal_is_damage_never_nothing() {
    for text in [
        "",
        "\n",
        "{}\n",
        "[]\n",
        "null",
        "{\"journal\":\"other\",\"format\":1}\n",
        "\0\0\0\0",
        "x".repeat(9000).as_str(),
    ] {
        let error = parse(text.as_bytes()).expect_err("no journal");
        assert!(matches!(error, JournalError::Damaged { line: 1, .. }), "{error:?}");
    }
}

#[test]
fn a_header_with_more_in_it_is_a_later_version_s() {
    let covered = r#"{"journal":"shiro","format":1,"shiro":"0.9.0","run":"0198","workflow":"deploy","signed":true"#;
    let sum = Chain::new(None).first(covered.as_bytes());
    let text = [covered.as_bytes(), br#","sum":""#, sum.as_bytes(), b"\"}\n"].concat();
    assert!(matches!(parse(&text), Err(JournalError::Newer { line: 1, .. })));
}

#[test]
fn a_record_that_could_not_be_read_back_is_refused() {
    let nested = |levels: usize| (0..levels).fold(json!(null), |inner, _| json!([inner]));
    // The record itself is one level.
    let (bytes, _) = journal(&[Some(&[started(), step_succeeded("[\"{", nested(126))])]);
    parse(&bytes).unwrap();
    let first = plain().chain.first(b"");
    let error = format::push_batch(&mut Vec::new(), &plain(), &first, 1, &[step_succeeded("a", nested(127))]);
    assert_eq!(error.unwrap_err().to_string(), "the event nests 128 levels deep, and at most 127 can be read back");
}

mod fuzz {
    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::vec((any::<String>(), inner), 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn whatever_is_written_reads_back_the_same(output in value(), step in any::<String>()) {
            let records = [started(), step_succeeded(&step, output)];
            let (bytes, _) = journal(&[Some(&records)]);
            prop_assert_eq!(parse(&bytes).unwrap().records, records);
        }

        #[test]
        fn no_bytes_make_the_reader_panic(at in any::<prop::sample::Index>(), len in 0..64_usize, with: Vec<u8>) {
            let (mut bytes, _) = sealed_twice();
            let at = at.index(bytes.len());
            let end = bytes.len().min(at + len);
            let changed = bytes[at..end] != *with;
            bytes.splice(at..end, with);
            let result = parse(&bytes);
            prop_assert!(!changed || result.is_err() || !result.unwrap().sealed);
        }
    }
}
