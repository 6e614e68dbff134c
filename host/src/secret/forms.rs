//! Every text that gives a secret away: the value itself, its parts, and the common ways of writing them.

use std::collections::HashSet;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::alphabet::{Alphabet, STANDARD, URL_SAFE};
use base64::engine::{GeneralPurpose, general_purpose::NO_PAD};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

/// A part of a value (a line, a URL's path) shorter than this is not looked for by itself.
pub(super) const SHORTEST_PART: usize = 8;

/// A part of a URL's path that is at least this long, with letters and digits in it, is taken for a token.
const SHORTEST_TOKEN: usize = 20;

/// One text that gives a secret away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Form {
    /// Names it within its value: a journal refers to it, so a label keeps its meaning for ever.
    pub(super) label: String,
    /// The text: never empty.
    pub(super) text: String,
    /// A piece of it gives the secret away too, and tools break lines anywhere in it.
    pub(super) fragments: bool,
}

/// The label of the value as it is.
pub(super) const RAW: &str = "raw";

/// Every form of a value, the value itself first. The same value always has the same forms.
pub(super) fn forms(value: &str) -> Vec<Form> {
    let mut forms = Forms::default();
    forms.add_part("", value);
    forms.add_encoded("", value);
    if let Ok(document @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str(value) {
        forms.add_fields("", &document);
    }
    forms.list
}

#[derive(Default)]
struct Forms {
    list: Vec<Form>,
    seen: HashSet<String>,
}

impl Forms {
    fn add(&mut self, part: &str, writing: &str, text: String, fragments: bool) {
        if !text.is_empty() && self.seen.insert(text.clone()) {
            let label = if part.is_empty() { writing.to_owned() } else { format!("{part}:{writing}") };
            self.list.push(Form { label, text, fragments });
        }
    }

    /// A text and what it consists of: its lines, and the secret places of a URL.
    fn add_part(&mut self, part: &str, text: &str) {
        self.add_written(part, text);
        let within = |what: &str| if part.is_empty() { what.to_owned() } else { format!("{part}.{what}") };
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            let counts = line.len() >= SHORTEST_PART || line == text.trim();
            if counts && line != text && !is_armour(line) {
                self.add_written(&within(&format!("line{number}")), line);
            }
        }
        for (name, place) in url_parts(text) {
            self.add_written(&within(&name), place);
        }
    }

    /// The ways in which text is written into other text.
    fn add_written(&mut self, part: &str, text: &str) {
        self.add(part, RAW, text.to_owned(), false);
        if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
            return;
        }
        let json = json_escaped(text);
        self.add(part, "json-slash", json.replace('/', "\\/"), false);
        self.add(part, "json-html", html_safe_json(&json), false);
        self.add(part, "json-ascii", ascii_json(&json), false);
        self.add(part, "json", json, false);
        self.add(part, "debug", text.escape_debug().to_string(), false);
        for (writing, apostrophe, quote) in [
            ("xml", "&apos;", "&quot;"),
            ("html", "&#39;", "&quot;"),
            ("html-hex", "&#x27;", "&quot;"),
            ("xml-text", "'", "\""),
        ] {
            self.add(part, writing, xml_escaped(text, apostrophe, quote), false);
        }
        for (writing, set) in
            [("url", UNRESERVED), ("url-component", COMPONENT), ("url-path", PATH), ("url-lenient", LENIENT)]
        {
            let upper = utf8_percent_encode(text, set).to_string();
            self.add(part, &format!("{writing}-lower"), lower_percent(&upper), false);
            self.add(part, writing, upper, false);
        }
        let form = utf8_percent_encode(text, FORM).to_string().replace("%20", "+");
        self.add(part, "form-lower", lower_percent(&form), false);
        self.add(part, "form", form, false);
        self.add(part, "shell-single", text.replace('\'', r"'\''"), false);
        self.add(part, "shell-python", text.replace('\'', r#"'"'"'"#), false);
        self.add(part, "shell-double", backslashed(text, |c| r#"$`"\!"#.contains(c)), false);
        let safe = |c: char| c.is_alphanumeric() || "_@%+=:./-".contains(c);
        self.add(part, "shell-backslash", backslashed(text, |c| !safe(c) && c != ','), false);
        self.add(part, "shell-backslash-comma", backslashed(text, |c| !safe(c)), false);
    }

    /// The ways in which bytes are written as text. A value may begin at any byte of what was encoded, so there are three
    /// alignments of base64, of which only the characters are kept that don't depend on what stands around.
    fn add_encoded(&mut self, part: &str, value: &str) {
        let mut add = |writing: String, text: String| {
            if text.len() >= SHORTEST_PART {
                self.add(part, &writing, text, true);
            }
        };
        for shift in 0..3 {
            let standard = base64_middle(value.as_bytes(), shift, &STANDARD);
            for outer in 0..3 {
                add(format!("base64.{shift}.{outer}"), base64_middle(standard.as_bytes(), outer, &STANDARD));
            }
            add(format!("base64.{shift}"), standard);
            add(format!("base64url.{shift}"), base64_middle(value.as_bytes(), shift, &URL_SAFE));
        }
        let mut hex = String::with_capacity(2 * value.len());
        for byte in value.bytes() {
            let _ = write!(hex, "{byte:02x}");
        }
        let upper = hex.to_ascii_uppercase();
        add("hex".to_owned(), hex);
        add("hex-upper".to_owned(), upper);
    }

    /// A JSON document (a cloud's key file): its fields with a secret's name are secrets of their own.
    fn add_fields(&mut self, pointer: &str, value: &Value) {
        match value {
            Value::Object(fields) => {
                for (name, field) in fields {
                    let pointer = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
                    match field {
                        Value::String(text) if text.len() >= SHORTEST_PART && super::looks_secret(name) => {
                            self.add_part(&pointer, text);
                            self.add_encoded(&pointer, text);
                        }
                        _ => self.add_fields(&pointer, field),
                    }
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.add_fields(&format!("{pointer}/{index}"), item);
                }
            }
            _ => {}
        }
    }
}

/// The first and last lines of a PEM block are the same for everyone.
fn is_armour(line: &str) -> bool {
    (line.starts_with("-----BEGIN ") || line.starts_with("-----END ")) && line.ends_with("-----")
}

/// The places of a URL that hold secrets and are shown without the rest: a password, the path (a webhook's), a long token in
/// it, the query and its values.
fn url_parts(text: &str) -> Vec<(String, &str)> {
    let mut parts = Vec::new();
    let Some((scheme, rest)) = text.split_once("://") else { return parts };
    if scheme.is_empty() || !scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b)) {
        return parts;
    }
    let rest = rest.trim_end();
    let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if let Some((_, password)) = authority.rsplit_once('@').and_then(|(user, _)| user.split_once(':')) {
        parts.push(("password".to_owned(), password));
    }
    let (path, query) = rest.split_at(rest.find(['?', '#']).unwrap_or(rest.len()));
    parts.push(("path".to_owned(), path.trim_matches('/')));
    for (number, segment) in path.split('/').enumerate() {
        let has = |kind: fn(&u8) -> bool| segment.as_bytes().iter().any(kind);
        if segment.len() >= SHORTEST_TOKEN && has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic) {
            parts.push((format!("segment{number}"), segment));
        }
    }
    let query = query.trim_start_matches('?');
    parts.push(("query".to_owned(), query));
    for (number, pair) in query.split(['&', '#']).enumerate() {
        parts.push((format!("query{number}"), pair.split_once('=').map_or(pair, |(_, value)| value)));
    }
    parts.retain(|(_, place)| place.len() >= SHORTEST_PART);
    parts
}

fn base64_middle(bytes: &[u8], shift: usize, alphabet: &Alphabet) -> String {
    let mut shifted = vec![0; shift];
    shifted.extend_from_slice(bytes);
    let encoded = GeneralPurpose::new(alphabet, NO_PAD).encode(&shifted);
    encoded[(shift * 8).div_ceil(6)..shifted.len() * 8 / 6].to_owned()
}

const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const COMPONENT: &AsciiSet = &UNRESERVED.remove(b'!').remove(b'\'').remove(b'(').remove(b')').remove(b'*');
const PATH: &AsciiSet = &UNRESERVED.remove(b'/');
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'*');
/// What a parsed URL's path shows in percent form.
const LENIENT: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'?').add(b'^').add(b'`').add(b'{').add(b'}');

fn lower_percent(encoded: &str) -> String {
    let mut digits = 0;
    let lower = |c: char| {
        if c == '%' {
            digits = 2;
            return c;
        }
        let within = digits > 0;
        digits = u8::saturating_sub(digits, 1);
        if within { c.to_ascii_lowercase() } else { c }
    };
    encoded.chars().map(lower).collect()
}

fn json_escaped(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// As encoders write that keep JSON safe within HTML, Go's among them.
fn html_safe_json(json: &str) -> String {
    json.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e")
}

/// As encoders write that keep to ASCII, Python's among them.
fn ascii_json(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() {
            text.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
    }
    text
}

fn xml_escaped(text: &str, apostrophe: &str, quote: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', quote).replace('\'', apostrophe)
}

fn backslashed(text: &str, special: impl Fn(char) -> bool) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if special(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(forms: &[Form], label: &str) -> String {
        forms.iter().find(|form| form.label == label).unwrap_or_else(|| panic!("no form {label}")).text.clone()
    }

    #[test]
    fn a_plain_token_has_no_form_twice() {
        let forms = forms("abcdefgh12345678");
        let labels: Vec<_> = forms.iter().map(|form| form.label.as_str()).collect();
        assert_eq!(forms[0], Form { label: RAW.into(), text: "abcdefgh12345678".into(), fragments: false });
        assert!(!labels.contains(&"json") && !labels.contains(&"base64url.0"), "{labels:?}");
        assert_eq!(text_of(&forms, "hex"), "61626364656667683132333435363738");
    }

    #[test]
    fn base64_keeps_what_does_not_depend_on_the_neighbours() {
        let engine = base64::engine::general_purpose::STANDARD;
        let secret = "p4ssw0rd/+~ü?x";
        let forms = forms(secret);
        for prefix in ["", "u", "us", "use", "user:"] {
            let encoded = engine.encode(format!("{prefix}{secret}\n"));
            let middle = text_of(&forms, &format!("base64.{}", prefix.len() % 3));
            assert!(encoded.contains(&middle), "{prefix}: {encoded} {middle}");
            assert!(middle.len() + 5 >= secret.len() * 4 / 3);
        }
    }

    #[test]
    fn writings_are_those_of_common_tools() {
        let forms = forms("a b&'\"<c>/é$");
        for (label, text) in [
            ("json", r#"a b&'\"<c>/é$"#),
            ("json-slash", r#"a b&'\"<c>\/é$"#),
            ("json-html", r#"a b\u0026'\"\u003cc\u003e/é$"#),
            ("json-ascii", r#"a b&'\"<c>/\u00e9$"#),
            ("html", "a b&amp;&#39;&quot;&lt;c&gt;/é$"),
            ("xml-text", "a b&amp;'\"&lt;c&gt;/é$"),
            ("url", "a%20b%26%27%22%3Cc%3E%2F%C3%A9%24"),
            ("url-lower", "a%20b%26%27%22%3cc%3e%2f%c3%a9%24"),
            ("url-component", "a%20b%26'%22%3Cc%3E%2F%C3%A9%24"),
            ("form", "a+b%26%27%22%3Cc%3E%2F%C3%A9%24"),
            ("shell-single", r#"a b&'\''"<c>/é$"#),
            ("shell-double", r#"a b&'\"<c>/é\$"#),
            ("shell-backslash", r#"a\ b\&\'\"\<c\>/é\$"#),
        ] {
            assert_eq!(text_of(&forms, label), text, "{label}");
        }
    }

    #[test]
    fn a_url_gives_its_secret_places() {
        let found = url_parts(
            "https://me:hunter2hunter2@host.example/services/T0000/abcdefghij0123456789XYZ?token=0123456789&a=b#frag",
        );
        assert_eq!(
            found,
            [
                ("password".to_owned(), "hunter2hunter2"),
                ("path".to_owned(), "services/T0000/abcdefghij0123456789XYZ"),
                ("segment3".to_owned(), "abcdefghij0123456789XYZ"),
                ("query".to_owned(), "token=0123456789&a=b#frag"),
                ("query0".to_owned(), "0123456789"),
            ]
        );
        assert!(url_parts("https://host.example/").is_empty());
        assert!(url_parts("no url").is_empty());
    }

    #[test]
    fn lines_count_unless_they_are_the_same_for_everyone() {
        let forms = forms("-----BEGIN PRIVATE KEY-----\r\nMIIEvQIBADANBgkq\r\nshort\r\n-----END PRIVATE KEY-----\r\n");
        let lines: Vec<_> = forms.iter().filter(|form| form.label.starts_with("line")).collect();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_eq!(lines[0].text, "MIIEvQIBADANBgkq");
    }

    #[test]
    fn a_key_file_gives_its_secret_fields() {
        let forms = forms(r#"{"type":"service_account","a":[{"private_key":"line one!\nline two!"}]}"#);
        assert_eq!(text_of(&forms, "/a/0/private_key.line1:raw"), "line two!");
        assert!(!forms.iter().any(|form| form.text == "service_account"));
    }
}
