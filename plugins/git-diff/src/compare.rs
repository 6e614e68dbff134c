//! Two commits, or a commit and the working tree: which files changed, and how.

use shiro_step::{Failure, log};

use crate::base::Range;
use crate::config::Config;
use crate::git::{Git, visible};
use crate::output::{Change, Output};

/// A diff as everybody writes it, whatever the repository's settings say.
const FORMAT: [&str; 6] =
    ["--no-color", "--no-ext-diff", "--no-textconv", "--find-renames", "--src-prefix=a/", "--dst-prefix=b/"];

/// The most files that are asked for one by one, where all of them together are too long.
const ONE_BY_ONE: usize = 500;

/// The most names in a note.
const NAMED: usize = 20;

/// What is compared, as git's arguments, ready for paths.
struct Between {
    base: String,
    target: Option<String>,
}

impl Between {
    fn args<'a>(&'a self, options: &[&'a str]) -> Vec<&'a str> {
        let mut args = FORMAT.to_vec();
        args.extend(options);
        args.push("--end-of-options");
        args.push(&self.base);
        args.extend(self.target.as_deref());
        args.push("--");
        args
    }
}

/// `get_changes`: the changed files.
pub(crate) fn changes(git: &Git, config: &Config, range: Range) -> Result<Output, Failure> {
    let (between, output) = open(range)?;
    let listed = list(git, config, &between)?;
    let note = listed.note();
    Ok(Output { truncated: listed.cut, note, ..listed.into_output(output) })
}

/// `diff`: the changes as text, within a limit.
pub(crate) fn diff(git: &Git, config: &Config, range: Range) -> Result<Output, Failure> {
    let (between, output) = open(range)?;
    let listed = list(git, config, &between)?;
    let context = format!("-U{}", config.context);
    let mut args = between.args(&[&context]);
    args.extend(config.paths.iter().map(String::as_str));
    let whole = git.output("diff", &args)?;
    if whole.total <= config.max_bytes as u64 && whole.omitted() == 0 {
        let note = listed.note();
        return Ok(Output { diff: Some(whole.text()), truncated: listed.cut, note, ..listed.into_output(output) });
    }
    let fitted = fit(git, config, &between, &context, &listed.changes)?;
    let omitted: Vec<String> = fitted.omitted.iter().map(|omitted| omitted.path.clone()).collect();
    let note = [fitted.note(config.max_bytes, listed.changes.len()), listed.note()].join(" ").trim().to_owned();
    log::warn(&note);
    let diff = Some(format!("{}\n[{note}]\n", fitted.text));
    Ok(Output { diff, truncated: true, omitted, note, ..listed.into_output(output) })
}

fn open(range: Range) -> Result<(Between, Output), Failure> {
    let Range { base, target, from } = range;
    let Some(base) = base else { return Err(Failure::invalid_config("there is nothing to compare with: set `base`")) };
    let shown = target.clone().unwrap_or_else(|| "working tree".to_owned());
    let output = Output::of(base.clone(), shown, from);
    Ok((Between { base, target }, output))
}

/// The changed files, as far as their list was kept.
struct Listed {
    changes: Vec<Change>,
    cut: bool,
}

impl Listed {
    fn note(&self) -> String {
        match self.cut {
            true => format!("the list of files is cut: there are more than {}", self.changes.len()),
            false => String::new(),
        }
    }

    fn into_output(self, output: Output) -> Output {
        let files: Vec<String> = self.changes.iter().map(|change| change.path.clone()).collect();
        Output { count: Some(files.len()), files: Some(files), changes: Some(self.changes), ..output }
    }
}

fn list(git: &Git, config: &Config, between: &Between) -> Result<Listed, Failure> {
    let mut args = between.args(&["--raw", "--numstat", "-z"]);
    args.extend(config.paths.iter().map(String::as_str));
    let written = git.output("diff", &args)?;
    let cut = written.omitted() > 0;
    // The counts come after all the names: where the list is cut, they are missing.
    Ok(Listed { changes: parse(&String::from_utf8_lossy(&written.head), cut), cut })
}

/// Reads what `--raw --numstat -z` writes: first the status and name of each file, then its counts, in the same order.
fn parse(text: &str, cut: bool) -> Vec<Change> {
    let mut tokens: Vec<&str> = text.split('\0').collect();
    if cut {
        tokens.pop();
    }
    let mut tokens = tokens.into_iter();
    let mut changes: Vec<Change> = Vec::new();
    let mut counted = 0;
    while let Some(token) = tokens.next() {
        if let Some(raw) = token.strip_prefix(':') {
            let letter = raw.rsplit(' ').next().unwrap_or_default().chars().next().unwrap_or_default();
            let Some(first) = tokens.next() else { break };
            let second = if matches!(letter, 'R' | 'C') { tokens.next() } else { None };
            let (path, old_path) = match second {
                Some(new) => (new, Some(first.to_owned())),
                None => (first, None),
            };
            let status = status(letter);
            changes.push(Change { path: path.to_owned(), status, old_path, additions: None, deletions: None });
            continue;
        }
        let mut fields = token.splitn(3, '\t');
        let (Some(added), Some(deleted), Some(path)) = (fields.next(), fields.next(), fields.next()) else { continue };
        if path.is_empty() {
            // A renamed file's two names follow.
            tokens.next();
            tokens.next();
        }
        if let Some(change) = changes.get_mut(counted) {
            (change.additions, change.deletions) = (added.parse().ok(), deleted.parse().ok());
        }
        counted += 1;
    }
    changes
}

fn status(letter: char) -> &'static str {
    match letter {
        'A' => "added",
        'D' => "deleted",
        'R' => "renamed",
        'C' => "copied",
        'T' => "type_changed",
        'U' => "unmerged",
        _ => "modified",
    }
}

/// As many files' changes as fit.
#[derive(Default)]
struct Fitted {
    text: String,
    omitted: Vec<Omitted>,
}

struct Omitted {
    path: String,
    /// How many bytes its changes have, where that was asked.
    bytes: Option<u64>,
}

impl Fitted {
    fn note(&self, max_bytes: usize, files: usize) -> String {
        let shown = |omitted: &Omitted| match omitted.bytes {
            Some(bytes) => format!("{} ({bytes} bytes)", visible(&omitted.path)),
            None => visible(&omitted.path),
        };
        let names: Vec<String> = self.omitted.iter().take(NAMED).map(shown).collect();
        let more = self.omitted.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!(
            "the diff is longer than {max_bytes} bytes: the changes of {} of {files} files are left out: {}{more}.",
            self.omitted.len(),
            names.join(", ")
        )
    }
}

/// Takes file by file what still fits.
fn fit(git: &Git, config: &Config, between: &Between, context: &str, changes: &[Change]) -> Result<Fitted, Failure> {
    let mut fitted = Fitted::default();
    for (number, change) in changes.iter().enumerate() {
        let room = config.max_bytes - fitted.text.len();
        let omitted = |bytes| Omitted { path: change.path.clone(), bytes };
        if number >= ONE_BY_ONE || room == 0 {
            fitted.omitted.push(omitted(None));
            continue;
        }
        let mut args = between.args(&[context]);
        args.extend(change.old_path.as_deref());
        args.push(&change.path);
        let written = git.output_of_files("diff", &args)?;
        let text = written.text();
        // Bytes that are no UTF-8 take more room as U+FFFD.
        if written.omitted() > 0 || text.len() > room {
            fitted.omitted.push(omitted(Some(written.total)));
        } else {
            fitted.text.push_str(&text);
        }
    }
    Ok(fitted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_their_status_their_names_and_their_counts() {
        let text = ":100644 100644 a b M\0src/a b.rs\0:100644 100644 a b R087\0old\tname\0new\nname\0:000000 100644 0 b A\0bin\0\
                    3\t1\tsrc/a b.rs\0\u{30}\t2\t\0old\tname\0new\nname\0-\t-\tbin\0";
        let changes = parse(text, false);
        let shown: Vec<_> = changes.iter().map(|c| (c.path.as_str(), c.status, c.additions, c.deletions)).collect();
        assert_eq!(
            shown,
            [
                ("src/a b.rs", "modified", Some(3), Some(1)),
                ("new\nname", "renamed", Some(0), Some(2)),
                ("bin", "added", None, None)
            ]
        );
        assert_eq!(changes[1].old_path.as_deref(), Some("old\tname"));
        assert!(parse("", false).is_empty());
    }

    #[test]
    fn a_list_that_was_cut_has_whole_names() {
        let changes = parse(":1 2 a b M\0one\0:1 2 a b M\0tw", true);
        assert_eq!(changes.len(), 1);
    }

    #[test]
    fn a_note_names_what_is_missing() {
        let omitted = |number: u64| Omitted { path: format!("f{number}\x1b"), bytes: Some(number) };
        let fitted = Fitted { text: String::new(), omitted: (1..=25).map(omitted).collect() };
        let note = fitted.note(100, 30);
        assert!(note.contains("the changes of 25 of 30 files are left out: f1\\u{1b} (1 bytes), "), "{note}");
        assert!(note.ends_with("and 5 more."), "{note}");
    }
}
