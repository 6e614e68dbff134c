//! Comments on lines of files, as users and models write them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shiro_step::Failure;

/// How comments are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Lines of text: `path/to/file:12: what there is to say`, or with a dash in place of the second colon.
    #[default]
    Text,
    /// A JSON array of objects.
    Json,
}

/// A comment on a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Comment {
    /// The file, as the repository names it.
    pub file: String,
    /// The line, counted from 1.
    pub line: u32,
    /// What there is to say.
    pub comment: String,
    /// Which version of the file the line is of.
    pub side: Side,
}

/// A version of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// After the change.
    #[default]
    New,
    /// Before it: for lines that were removed.
    Old,
}

/// An object in `comments`. Models write other names for the same.
#[derive(Deserialize)]
struct Written {
    #[serde(alias = "path", alias = "filename")]
    file: String,
    line: Value,
    #[serde(alias = "body", alias = "message")]
    comment: Value,
    #[serde(default)]
    side: Side,
}

/// Reads comments: of a text, or of JSON that may be text, too. Each is there once, however often it was written.
pub fn read(format: Format, body: Option<&str>, comments: Option<&Value>) -> Result<Vec<Comment>, Failure> {
    let mut read = match (format, body, comments) {
        (Format::Text, Some(body), _) => text(body),
        (Format::Text, None, _) => return Err(Failure::invalid_config("`body` is needed with `output_format` text")),
        (Format::Json, _, Some(comments)) => json(comments)?,
        (Format::Json, Some(body), None) => json(&Value::from(body))?,
        (Format::Json, None, None) => {
            return Err(Failure::invalid_config("`comments` is needed with `output_format` json"));
        }
    };
    let mut seen: Vec<Comment> = Vec::new();
    read.retain(|comment| {
        let new = !seen.contains(comment);
        if new {
            seen.push(comment.clone());
        }
        new
    });
    Ok(read)
}

/// The lines that are comments; others are passed over.
fn text(body: &str) -> Vec<Comment> {
    body.lines().filter_map(text_line).collect()
}

/// `file:12: comment`, after whatever stands before the file's name, e.g. a list's dash.
fn text_line(line: &str) -> Option<Comment> {
    for (colon, _) in line.match_indices(':') {
        let file = line[..colon].rsplit(|c: char| c.is_whitespace() || c == ':').next().unwrap_or_default();
        let after = &line[colon + 1..];
        let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let Some(number) = after[..digits].parse().ok().filter(|number| *number > 0) else { continue };
        // Markdown around the place.
        let rest = after[digits..].trim_start_matches(['`', '*', ')', ']', ' ', '\t']);
        let Some(comment) = rest.strip_prefix(['-', ':', '–', '—']).map(str::trim).filter(|text| !text.is_empty())
        else {
            continue;
        };
        let file = path(file.trim_start_matches(['`', '*', '(', '[', '"', '\'']));
        if file.is_empty() {
            continue;
        }
        return Some(Comment { file, line: number, comment: comment.to_owned(), side: Side::New });
    }
    None
}

/// A file's name without what doesn't belong to it.
fn path(file: &str) -> String {
    let file = file.trim();
    file.strip_prefix("./").unwrap_or(file).trim_start_matches('/').to_owned()
}

fn json(comments: &Value) -> Result<Vec<Comment>, Failure> {
    let parsed;
    let items = match comments {
        Value::String(text) => {
            parsed = serde_json::from_str::<Value>(unfenced(text))
                .map_err(|error| Failure::invalid_config(format!("`comments` is not JSON: {error}")))?;
            &parsed
        }
        other => other,
    };
    // A model's answer with a schema is an object: the list is its only member.
    let items = match items {
        Value::Object(members) => members.get("comments").unwrap_or(items),
        other => other,
    };
    let Value::Array(items) = items else {
        return Err(Failure::invalid_config(
            "`comments` has to be a list of objects with `file`, `line` and `comment`",
        ));
    };
    items.iter().enumerate().map(|(index, item)| one(index, item)).collect()
}

fn one(index: usize, item: &Value) -> Result<Comment, Failure> {
    let wrong = |what: &str| Failure::invalid_config(format!("`comments[{index}]` {what}"));
    let written = Written::deserialize(item)
        .map_err(|error| wrong(&format!("is no object with `file`, `line` and `comment`: {error}")))?;
    let line = match &written.line {
        Value::Number(number) => number.as_u64().and_then(|number| u32::try_from(number).ok()),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    let line = line.filter(|line| *line > 0).ok_or_else(|| wrong("has a `line` that is no number from 1"))?;
    let comment = match written.comment {
        Value::String(text) => text.trim().to_owned(),
        other => other.to_string(),
    };
    let file = path(&written.file);
    match file.is_empty() || comment.is_empty() {
        true => Err(wrong("has an empty `file` or `comment`")),
        false => Ok(Comment { file, line, comment, side: written.side }),
    }
}

/// A text without the fence of a code block, which models like to put around JSON.
fn unfenced(text: &str) -> &str {
    let text = text.trim();
    let inner = text.strip_prefix("```").and_then(|rest| rest.strip_suffix("```"));
    inner.map_or(text, |inner| inner.split_once('\n').map_or(inner, |(_, body)| body).trim())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read_text(body: &str) -> Vec<(String, u32, String)> {
        let comments = read(Format::Text, Some(body), None).unwrap();
        comments.into_iter().map(|comment| (comment.file, comment.line, comment.comment)).collect()
    }

    fn comment(file: &str, line: u32, comment: &str) -> (String, u32, String) {
        (file.into(), line, comment.into())
    }

    #[test]
    fn text_is_read_line_by_line() {
        let body = "Here is my review:\n- src/a.rs:12: use {{env.TOKEN}}\nsrc/b.rs:3 - $(id): no\n\nNothing else: 12 things.\n\
                    * `docs/x y/c.md:7` — see https://a.b:80/x\n**./d.rs:1**: ok\nhttps://host:443: a URL is a name, too\n";
        assert_eq!(
            read_text(body),
            [
                comment("src/a.rs", 12, "use {{env.TOKEN}}"),
                comment("src/b.rs", 3, "$(id): no"),
                comment("y/c.md", 7, "see https://a.b:80/x"),
                comment("d.rs", 1, "ok"),
                comment("host", 443, "a URL is a name, too"),
            ]
        );
        assert!(read_text("no comments: 1 line\n:5: x\na:0: zero\na:5\na:5:\n").is_empty());
    }

    #[test]
    fn json_is_a_list_or_its_text() {
        let list = json!([{ "file": "a", "line": 1, "comment": "x" }, { "path": "./b", "line": "2", "body": "y", "side": "old" }]);
        let read_json = |value: Value| read(Format::Json, None, Some(&value));
        let comments = read_json(list.clone()).unwrap();
        assert_eq!((comments[1].file.as_str(), comments[1].line, comments[1].side), ("b", 2, Side::Old));
        let fenced = format!("```json\n{list}\n```");
        for same in [json!(list.to_string()), json!(fenced), json!({ "comments": list })] {
            assert_eq!(read_json(same).unwrap(), comments);
        }
        for wrong in [json!("no"), json!({}), json!([1]), json!([{ "file": "a", "line": 0, "comment": "x" }]), json!(7)]
        {
            assert!(read_json(wrong.clone()).is_err(), "{wrong}");
        }
        assert!(read_json(json!([{ "file": "a", "line": 1, "comment": " " }])).unwrap_err().message().contains("[0]"));
    }

    #[test]
    fn the_same_comment_counts_once() {
        assert_eq!(read_text("a:1: x\na:1: x\na:2: x\n").len(), 2);
    }

    #[test]
    fn what_a_format_needs_is_said() {
        assert!(read(Format::Text, None, None).unwrap_err().message().contains("`body`"));
        assert!(read(Format::Json, None, None).unwrap_err().message().contains("`comments`"));
    }
}
