//! Components that no compiler would make, from WebAssembly text: the parts of one in the frame that all share.

use std::fs;
use std::path::PathBuf;

use super::guests::target;
use super::repository;

/// The parts that the frame has a place for; and a whole that has a place for the frame, as the component `$frame`.
const PARTS: [&str; 7] = ["AROUND", "FRAME", "COMPONENT", "WITH", "MODULE", "DESCRIBE", "RUN"];

/// What stands in a place where a component has nothing to say.
const DEFAULTS: [(&str, &str); 2] =
    [("DESCRIBE", "(call $described (i32.const 1024) (i32.const 67))"), ("RUN", "(call $succeed)")];

/// The component in `tests/guests/wat/` with this name, assembled; `None` if there is none.
pub(crate) fn guest(name: &str) -> Option<PathBuf> {
    let text = fs::read_to_string(repository().join(format!("tests/guests/wat/{name}.wat"))).ok()?;
    let dir = target().join("wat");
    fs::create_dir_all(&dir).expect("a directory for the components");
    // Another test may want the same one at the same time.
    let file = tempfile::NamedTempFile::new_in(&dir).expect("a file for the component");
    fs::write(file.path(), assemble(&text)).expect("write the component");
    let path = dir.join(format!("{name}.wasm"));
    file.persist(&path).expect("keep the component");
    Some(path)
}

/// A component from a text with parts, each after a line such as `;; MODULE`.
pub(crate) fn assemble(parts: &str) -> Vec<u8> {
    let frame = fs::read_to_string(repository().join("tests/guests/wat/frame.wat")).expect("read the frame");
    let mut whole = filled(&frame, |name| part(parts, name));
    let around = part(parts, "AROUND");
    if !around.is_empty() {
        let inner = whole.replacen("(component", "(component $frame", 1);
        whole = format!("{around}{inner}{}", part(parts, "FRAME"));
    }
    wat::parse_str(&whole).unwrap_or_else(|error| panic!("{error}\n{parts}"))
}

/// A text with its places filled.
fn filled(text: &str, part: impl Fn(&str) -> String) -> String {
    let line = |line| marked(line).map_or_else(|| line.to_owned(), &part) + "\n";
    text.lines().map(line).collect()
}

/// A component that describes itself with this, and does nothing.
pub(crate) fn describing(description: &str) -> Vec<u8> {
    let literal: String = description.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    let describe = format!("(call $described (i32.const 4096) (i32.const {}))", description.len());
    assemble(&format!(";; MODULE\n(data (i32.const 4096) \"{literal}\")\n;; DESCRIBE\n{describe}\n"))
}

fn part(parts: &str, name: &str) -> String {
    let lines = parts.lines().skip_while(|line| marked(line) != Some(name)).skip(1);
    let text: String = lines.take_while(|line| marked(line).is_none()).flat_map(|line| [line, "\n"]).collect();
    let default = DEFAULTS.iter().find(|(part, _)| *part == name).map_or("", |(_, text)| text);
    if text.is_empty() { default.to_owned() } else { text }
}

/// The part that begins with this line.
fn marked(line: &str) -> Option<&'static str> {
    let name = line.trim().strip_prefix(";; ")?;
    PARTS.into_iter().find(|part| *part == name)
}
