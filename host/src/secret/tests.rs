use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::outcome::FailureClass;

const WEBHOOK: &str = "https://hooks.slack.example/services/T00000000/B00000000/abcdefghijklmnop12345678";

fn secrets(values: &[&str]) -> Secrets {
    let secrets = Secrets::new();
    for (number, value) in values.iter().enumerate() {
        secrets.add(&format!("env:S{number}"), value);
    }
    secrets
}

fn lines_of(secrets: &Arc<Secrets>, writes: &[&[u8]]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut emit = |line: &str| lines.push(line.to_owned());
    let mut masker = LineMasker::new(Arc::clone(secrets));
    for write in writes {
        masker.push(write, &mut emit);
    }
    masker.finish(&mut emit);
    lines
}

#[test]
fn short_values_are_not_masked() {
    let secrets = Secrets::new();
    assert_eq!(secrets.add("env:A_KEY", "1234567"), Added::TooShort);
    assert_eq!(secrets.add("env:A_KEY", "      12      "), Added::TooShort);
    assert_eq!(secrets.add_listed("env:PIN", "123"), Added::TooShort);
    assert_eq!(secrets.add_listed("env:PIN", "true"), Added::TooShort);
    assert!(secrets.is_empty());
    assert_eq!(secrets.add_listed("env:PIN", "1234"), Added::Masked);
    assert_eq!(secrets.mask("pin=1234;"), "pin=***;");
    assert_eq!(secrets.mask(&format!("pin={}", STANDARD.encode("1234567"))), "pin=MTIzNDU2Nw==");
}

#[test]
fn names_look_secret_by_whole_segments() {
    for name in [
        "TOKEN",
        "CI_JOB_TOKEN",
        "github_token",
        "AWS_SECRET_ACCESS_KEY",
        "DB_PASSWORD",
        "API_KEYS",
        "SLACK_WEBHOOK_URL",
        "GOOGLE_CREDENTIALS",
        "private-key",
        "x.password",
        "Passwd",
        "SSH_KEY_PATH",
    ] {
        assert!(looks_secret(name), "{name}");
    }
    for name in
        ["MONKEY", "TOKENIZER", "KEYBOARD", "WEBHOOK_HOST", "URL_WEBHOOK", "PATH", "SECRETARY", "PASS", "", "__"]
    {
        assert!(!looks_secret(name), "{name}");
    }
}

#[test]
fn every_common_writing_is_masked() {
    let secret = "pä$$ w0rd/+'\"<&>\\x";
    let secrets = secrets(&[secret]);
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    for written in [
        secret.to_owned(),
        STANDARD.encode(secret),
        URL_SAFE.encode(secret),
        STANDARD.encode(format!("user:{secret}")),
        STANDARD.encode(STANDARD.encode(secret)),
        hex.to_uppercase(),
        hex,
        serde_json::to_string(secret).unwrap(),
        format!("{secret:?}"),
        percent_encoding::utf8_percent_encode(secret, percent_encoding::NON_ALPHANUMERIC)
            .to_string()
            .replace("%20", "+"),
        "p&auml;".replace("&auml;", "ä") + "$$ w0rd/+&#39;&quot;&lt;&amp;&gt;\\x",
        r#"'pä$$ w0rd/+'\''"<&>\x'"#.to_owned(),
    ] {
        let masked = secrets.mask(&written);
        assert!(masked.contains(MASK) && masked.len() < MASK.len() + 12, "{written} -> {masked}");
    }
}

#[test]
fn a_webhook_is_masked_in_part_too() {
    let secrets = secrets(&[WEBHOOK]);
    assert_eq!(secrets.mask(&format!("POST {WEBHOOK}: 404")), "POST ***: 404");
    let shown = "host hooks.slack.example, path /services/T00000000/B00000000/abcdefghijklmnop12345678.";
    assert_eq!(secrets.mask(shown), "host hooks.slack.example, path /***.");
    assert_eq!(secrets.mask("token abcdefghijklmnop12345678"), "token ***");
    assert_eq!(
        secrets.mask("https://hooks.slack.example/services/other"),
        "https://hooks.slack.example/services/other"
    );
}

#[test]
fn overlapping_secrets_are_both_masked() {
    let secrets = secrets(&["abcdefgh", "efghijkl", "ghijklmnop"]);
    assert_eq!(secrets.mask("<abcdefghijklmnop>"), "<***>");
    assert_eq!(secrets.mask("abcdefghabcdefgh efghijkl"), "*** ***");
}

#[test]
fn what_cannot_be_seen_does_not_hide_a_secret() {
    let secrets = secrets(&["abcdefghijkl"]);
    for text in
        ["abcd\u{1b}[31mefghijkl", "abcd\u{200b}efghijkl", "abcd\u{0}efghijkl", "\u{1b}]0;x\u{7}abcdefg\u{7f}hijkl"]
    {
        assert_eq!(secrets.mask(text), MASK, "{text:?}");
    }
    assert_eq!(secrets.mask("\u{1b}[31mabcdefghijkl\u{1b}[0m"), "\u{1b}[31m***\u{1b}[0m");
}

#[test]
fn wrapped_base64_and_hex_are_masked_line_by_line() {
    let secret: String = (0..200).map(|n: u32| char::from(b'!' + (n * 7 % 90) as u8)).collect();
    let secrets = secrets(&[&secret]);
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    for (text, width) in
        [(STANDARD.encode(format!("a:{secret}:b")), 76), (STANDARD_NO_PAD.encode(&secret), 64), (hex, 60)]
    {
        for line in text.as_bytes().chunks(width) {
            let line = std::str::from_utf8(line).unwrap();
            let masked = secrets.mask(line);
            assert!(masked.len() < MASK.len() + 8 || line.len() < 16, "{line} -> {masked}");
        }
    }
}

#[test]
fn values_are_masked_in_strings_numbers_and_keys() {
    let secrets = secrets(&["hunter2hunter2", "1234567890"]);
    let mut value = json!({ "hunter2hunter2": ["x hunter2hunter2", 1234567890, 7], "***": 1, "k": null });
    secrets.mask_value(&mut value);
    assert_eq!(value, json!({ "***": ["x ***", "***", 7], "*** (2)": 1, "k": null }));

    let mut failure =
        Failure::new(FailureClass::Step, "hunter2hunter2", "no hunter2hunter2").with_hint("not hunter2hunter2");
    failure.output = Some(json!({ "stdout": "hunter2hunter2" }));
    secrets.mask_failure(&mut failure);
    assert!(!serde_json::to_string(&failure).unwrap().contains("hunter2"));
    assert_eq!(failure.message, "no ***");
}

#[test]
fn nothing_is_copied_when_nothing_matches() {
    let secrets = secrets(&["hunter2hunter2"]);
    assert!(matches!(secrets.mask("nothing here"), Cow::Borrowed(_)));
    assert!(matches!(Secrets::new().mask("hunter2hunter2"), Cow::Borrowed(_)));
}

#[test]
fn a_sealed_value_names_the_variable() {
    let secrets = Secrets::new();
    secrets.add("config:notify:/webhook_url", WEBHOOK);
    secrets.add("env:SLACK_WEBHOOK_URL", WEBHOOK);
    let output = json!({ "stdout": format!("curl {WEBHOOK}\n"), "ok": true });
    let sealed = secrets.seal(output.clone());
    let reference = json!({ "$shiro.secret": ["curl ", { "name": "env:SLACK_WEBHOOK_URL" }, "\n"] });
    assert_eq!(sealed, json!({ "stdout": reference, "ok": true }));
    assert_eq!(secrets.open(&sealed), Ok(output));
    assert_eq!(redact(&sealed), json!({ "stdout": "curl ***\n", "ok": true }));
    let missing = Secrets::new().open(&sealed).unwrap_err();
    assert_eq!(missing.name, "env:SLACK_WEBHOOK_URL");
    let message = "a stored value refers to the environment variable `SLACK_WEBHOOK_URL`, which is not set";
    assert_eq!(missing.to_string(), message);
}

#[test]
fn a_renewed_secret_opens_as_the_new_one() {
    let old = secrets(&["first-token-0001"]);
    let sealed = old.seal(json!(["t=first-token-0001", STANDARD.encode("u:first-token-0001")]));
    let renewed = secrets(&["another-longer-token-0002"]);
    assert_eq!(renewed.open(&sealed[0]), Ok(json!("t=another-longer-token-0002")));
    let overlapping = secrets(&["abcdefgh", "efghijkl"]);
    let sealed = overlapping.seal(json!("abcdefghijkl"));
    assert_eq!(secrets(&["12345678", "efghijklm"]).open(&sealed).unwrap_err().trouble, Trouble::Changed);
}

#[test]
fn a_name_with_two_values_keeps_both_apart() {
    let secrets = Secrets::new();
    secrets.add("config:a:/token", "first-token-0001");
    secrets.add("config:a:/token", "second-token-0002");
    let value = json!(["first-token-0001", "second-token-0002"]);
    let sealed = secrets.seal(value.clone());
    assert_eq!(sealed[0], json!({ "$shiro.secret": [{ "name": "config:a:/token" }] }));
    assert_eq!(secrets.open(&sealed), Ok(value));
}

#[test]
fn an_output_cannot_forge_a_reference() {
    let forged = json!({ "$shiro.secret": [{ "name": "env:S0" }], "a": { "$$shiro.object": [] }, "$shirox": 1 });
    for secrets in [Secrets::new(), secrets(&["hunter2hunter2"])] {
        let sealed = secrets.seal(forged.clone());
        assert_ne!(sealed, forged);
        assert_eq!(secrets.open(&sealed), Ok(forged.clone()));
    }
    let tampered = json!({ "$shiro.secret": [{ "name": 1 }] });
    assert_eq!(Secrets::new().open(&tampered).unwrap_err().trouble, Trouble::Malformed);
    assert_eq!(redact(&tampered), json!(MASK));
}

#[test]
fn a_parsed_key_file_is_sealed_as_a_whole() {
    let document = json!({ "type": "account", "id": 7, "client": "x" });
    let secrets = secrets(&[&document.to_string()]);
    let sealed = secrets.seal(json!({ "parsed": document }));
    assert!(!sealed.to_string().contains("account"), "{sealed}");
    assert_eq!(secrets.open(&sealed), Ok(json!({ "parsed": document })));
}

#[test]
fn lines_end_at_feeds_and_returns() {
    let none = Arc::new(Secrets::new());
    let writes: &[&[u8]] = &[b"a\nb\r", b"\nc\r\rd\n\n", b"\r\n\r10%", b"\r20%\r", b"e\xff\xc3", b"\xa9"];
    assert_eq!(lines_of(&none, writes), ["a", "b", "c", "d", "", "", "10%", "20%", "e\u{fffd}é"]);
    assert_eq!(lines_of(&none, &[b"x\n", b""]), ["x"]);
}

#[test]
fn a_secret_split_across_writes_is_masked() {
    let secrets = Arc::new(secrets(&[WEBHOOK]));
    let text = format!("a {WEBHOOK} b\n");
    let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
    assert_eq!(lines_of(&secrets, &bytes), ["a *** b"]);
}

#[test]
fn a_line_without_end_takes_bounded_memory_and_hides_secrets_across_its_pieces() {
    let secrets = Arc::new(secrets(&[WEBHOOK]));
    let mut masker = LineMasker::new(Arc::clone(&secrets));
    let mut shown = String::new();
    let mut pieces = 0;
    let mut emit = |piece: &str| {
        assert!(piece.len() <= 128 * 1024);
        shown.push_str(piece);
        pieces += 1;
    };
    let unit = format!("é{WEBHOOK}-");
    for _ in 0..5_000 {
        masker.push(unit.as_bytes(), &mut emit);
    }
    masker.finish(&mut emit);
    assert!(pieces > 5);
    assert_eq!(shown, "é***-".repeat(5_000));
}

#[test]
fn a_secret_with_lines_is_masked_line_by_line() {
    let secrets = Arc::new(secrets(&["-----BEGIN X-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END X-----\n"]));
    let lines = lines_of(&secrets, &[b"-----BEGIN X-----\r\nMIIEvQIBADANBgkq\r\n  hkiG9w0BAQEFAASC\r\n"]);
    assert_eq!(lines, ["-----BEGIN X-----", "***", "  ***"]);
}

fn any_secret() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-d]{8,12}",
        "[ -~]{8,40}",
        "[a-zA-Z0-9]{20,200}",
        "\\PC{8,30}",
        "https://h\\.example/[a-z0-9/]{8,60}"
    ]
    .prop_filter("long enough", |secret| secret.trim().len() >= SHORTEST)
}

/// Text around secrets, and secrets as they are or written in some way.
fn any_text(secrets: Vec<String>) -> impl Strategy<Value = String> {
    let piece = (proptest::sample::select(secrets), 0..9_u8, "[a-d =:]{0,6}").prop_map(|(secret, writing, around)| {
        let written = match writing {
            0..=2 => secret,
            3 => STANDARD.encode(format!("{around}{secret}{around}")),
            4 => URL_SAFE.encode(&secret),
            5 => secret.bytes().map(|byte| format!("{byte:02X}")).collect(),
            6 => serde_json::to_string(&secret).unwrap(),
            7 => percent_encoding::utf8_percent_encode(&secret, percent_encoding::NON_ALPHANUMERIC).to_string(),
            _ => return around,
        };
        format!("{around}{written}")
    });
    proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

fn secrets_and_texts() -> impl Strategy<Value = (Vec<String>, Vec<String>)> {
    proptest::collection::vec(any_secret(), 1..4).prop_flat_map(|secrets| {
        let texts = proptest::collection::vec(any_text(secrets.clone()), 1..5);
        (Just(secrets), texts)
    })
}

fn value_of(texts: &[String]) -> Value {
    let mut fields = Map::new();
    for (number, text) in texts.iter().enumerate() {
        fields.insert(text.clone(), json!([text, number, { "$shiro.secret": text }]));
    }
    Value::Object(fields)
}

fn all_forms(values: &[String]) -> Vec<String> {
    values.iter().flat_map(|value| forms::forms(value)).map(|form| form.text).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn masked_text_holds_no_form((values, texts) in secrets_and_texts()) {
        let secrets = secrets(&values.iter().map(String::as_str).collect::<Vec<_>>());
        for text in &texts {
            let masked = secrets.mask(text);
            for form in all_forms(&values) {
                // The mask itself may make a form of asterisks.
                prop_assert!(!masked.contains(&form) || form.contains(MASK), "{form:?} in {masked:?} of {text:?}");
            }
        }
    }

    #[test]
    fn lines_are_the_same_however_they_are_split(
        (values, texts) in secrets_and_texts(),
        ends in proptest::collection::vec(prop_oneof![Just("\n"), Just("\r\n")], 5),
        sizes in proptest::collection::vec(1..20_usize, 1..20),
    ) {
        let secrets = Arc::new(secrets(&values.iter().map(String::as_str).collect::<Vec<_>>()));
        let mut whole = Vec::new();
        let mut expected = Vec::new();
        for (text, end) in texts.iter().zip(&ends) {
            whole.extend_from_slice(text.as_bytes());
            whole.extend_from_slice(end.as_bytes());
            expected.push(secrets.mask(text).into_owned());
        }
        let mut writes = Vec::new();
        let mut rest = &whole[..];
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (write, after) = rest.split_at((*size).min(rest.len()));
            writes.push(write);
            rest = after;
        }
        prop_assert_eq!(lines_of(&secrets, &writes), expected);
    }

    #[test]
    fn a_sealed_value_opens_as_it_was_and_holds_no_secret((values, texts) in secrets_and_texts()) {
        let secrets = secrets(&values.iter().map(String::as_str).collect::<Vec<_>>());
        let value = value_of(&texts);
        let sealed = secrets.seal(value.clone());
        prop_assert_eq!(secrets.open(&sealed), Ok(value));
        let mut strings = Vec::new();
        collect_strings(&sealed, &mut strings);
        for form in all_forms(&values) {
            prop_assert!(!strings.iter().any(|text| text.contains(&form)), "{form:?} in {sealed}");
        }
    }

    #[test]
    fn numbers_survive_sealing(whole in any::<i64>(), float in any::<f64>().prop_filter("finite", |float| float.is_finite())) {
        let value = json!([whole, float]);
        let digits = [value[0].to_string(), value[1].to_string()];
        let secrets = secrets(&[digits[0].trim_start_matches('-'), &digits[1]]);
        prop_assert_eq!(secrets.open(&secrets.seal(value.clone())), Ok(value));
    }
}

fn collect_strings<'a>(value: &'a Value, strings: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => strings.push(text),
        Value::Array(items) => items.iter().for_each(|item| collect_strings(item, strings)),
        Value::Object(fields) => fields.iter().for_each(|(key, field)| {
            strings.push(key);
            collect_strings(field, strings);
        }),
        _ => {}
    }
}
