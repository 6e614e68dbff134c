//! The end of a report: what failed and why, the outputs, and how many steps ended how.

use std::collections::{HashSet, VecDeque};
use std::io::Write as _;

use serde_json::{Map, Value};

use super::text::{Paint, Tone, class, count, milliseconds};
use super::{Outputs, Resumed};
use crate::id::StepId;
use crate::outcome::Failure;
use crate::report::clean::{Clean, shortened};
use crate::secret::visible::is_all_plain;

/// As many of a step's last lines are kept for the recap, each of at most so many characters.
const TAIL_LINES: usize = 15;
const TAIL_WIDTH: usize = 400;
/// As much of a failure's message and hint is shown.
const MESSAGE_LINES: usize = 60;
const MESSAGE_WIDTH: usize = 2000;
/// As many failures are told in full.
const FAILURES: usize = 30;

/// A step's last lines.
#[derive(Default)]
pub(super) struct Tail {
    lines: VecDeque<String>,
    /// There were more.
    cut: bool,
}

impl Tail {
    pub(super) fn push(&mut self, line: &str) {
        // The text of the line that leaves is used again: this happens for every line of every step.
        let mut kept = if self.lines.len() == TAIL_LINES {
            self.cut = true;
            self.lines.pop_front().unwrap_or_default()
        } else {
            String::new()
        };
        kept.clear();
        kept.push_str(&shortened(line, TAIL_WIDTH));
        self.lines.push_back(kept);
    }

    pub(super) fn clear(&mut self) {
        self.lines.clear();
        self.cut = false;
    }
}

/// A step that failed.
pub(super) struct Failed {
    pub(super) step: StepId,
    pub(super) failure: Failure,
    pub(super) attempt: u32,
    pub(super) duration_ms: u64,
    pub(super) tolerated: bool,
    pub(super) tail: Tail,
}

/// How many steps ended how, and what is kept of them for the end.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) succeeded: usize,
    pub(super) failed: usize,
    pub(super) tolerated: usize,
    pub(super) skipped: usize,
    /// Steps that were interrupted and have not started again.
    pub(super) interrupted: HashSet<StepId>,
    pub(super) warnings: usize,
    failures: Vec<Failed>,
    /// Further ones, which were not kept.
    more: usize,
    outputs: Map<String, Value>,
}

impl Tally {
    /// Steps that have ended.
    pub(super) fn ended(&self) -> usize {
        self.succeeded + self.failed + self.tolerated + self.skipped + self.interrupted.len()
    }

    /// A step failed.
    pub(super) fn count_failure(&mut self, tolerated: bool) {
        if tolerated {
            self.tolerated += 1;
        } else {
            self.failed += 1;
        }
    }

    /// What is told of a failure, of a step or an item, at the end.
    pub(super) fn keep_failure(&mut self, mut failed: Failed) {
        failed.failure.output = None;
        if self.failures.len() < FAILURES {
            self.failures.push(failed);
        } else {
            self.more += 1;
        }
    }

    pub(super) fn add_output(&mut self, step: &StepId, sealed: &Value) {
        self.outputs.insert(step.as_str().to_owned(), crate::secret::redact(sealed));
    }

    /// Of one of so many items: they stand in a list, `null` where there is none.
    pub(super) fn add_item_output(&mut self, step: &str, index: u32, total: usize, sealed: &Value) {
        let list = self.outputs.entry(step).or_insert_with(|| Value::Array(vec![Value::Null; total]));
        if let Some(place) = list.as_array_mut().and_then(|list| list.get_mut(index as usize)) {
            *place = crate::secret::redact(sealed);
        }
    }

    /// `3 succeeded, 1 failed, 2 not started`.
    pub(super) fn counts(&self, total: usize, resumed: Option<&Resumed>, paint: Paint) -> String {
        let before = resumed.map_or(0, |resumed| resumed.done);
        let rest = total.saturating_sub(before + self.ended());
        let counts = [
            (before, "done before", None),
            (self.succeeded, "succeeded", Some(Tone::Green)),
            (self.failed, "failed", Some(Tone::Red)),
            (self.tolerated, "failed but tolerated", Some(Tone::Yellow)),
            (self.interrupted.len(), "interrupted", Some(Tone::Yellow)),
            (self.skipped, "skipped", None),
            (rest, "not started", None),
        ];
        let mut parts: Vec<String> = Vec::new();
        for (number, what, tone) in counts.into_iter().filter(|(number, ..)| *number > 0) {
            parts.push(match tone {
                Some(tone) => paint.paint(tone, format_args!("{number} {what}")).to_string(),
                None => format!("{number} {what}"),
            });
        }
        if self.warnings > 0 {
            parts.push(paint.paint(Tone::Yellow, count(self.warnings, "warning")).to_string());
        }
        parts.join(", ")
    }

    /// What failed and why.
    pub(super) fn write_failures(&self, out: &mut Vec<u8>, clean: Clean, paint: Paint) {
        if self.failures.is_empty() {
            return;
        }
        let _ = writeln!(out, "\n{}", paint.paint(Tone::Bold, "Failures:"));
        for failed in &self.failures {
            write_failure(out, failed, clean, paint);
        }
        if self.more > 0 {
            let _ = writeln!(out, "  and {}", count(self.more, "more failure"));
        }
        out.push(b'\n');
    }

    /// The steps' outputs, in the order in which the steps succeeded.
    pub(super) fn write_outputs(&self, out: &mut Vec<u8>, format: Outputs, clean: Clean, paint: Paint) {
        match format {
            Outputs::Json => {
                // Compact objects can't fail to be written to memory.
                let text = serde_json::to_string_pretty(&self.outputs).unwrap_or_default();
                let _ = writeln!(out, "{}", safe_json(&text));
            }
            Outputs::Text if self.outputs.is_empty() => {}
            Outputs::Text => {
                let _ = writeln!(out, "{}", paint.paint(Tone::Bold, "Outputs:"));
                for (step, output) in &self.outputs {
                    let _ = writeln!(out, "  {}:", clean.line_start(step));
                    let text = serde_json::to_string_pretty(output).unwrap_or_default();
                    write_quoted(out, safe_json(&text).lines(), clean);
                }
            }
        }
    }
}

fn write_failure(out: &mut Vec<u8>, failed: &Failed, clean: Clean, paint: Paint) {
    let Failed { step, failure, attempt, duration_ms, tolerated, tail } = failed;
    let plain = Clean { color: false, ..clean };
    let attempts = if *attempt > 1 { format!(" after {attempt} attempts") } else { String::new() };
    let tolerated = if *tolerated { ", tolerated" } else { "" };
    let _ = writeln!(
        out,
        "  {}: {}{attempts}{tolerated} ({}, {})",
        paint.paint(Tone::Bold, plain.line_start(step.as_str())),
        paint.paint(Tone::Red, class(failure.class)),
        plain.text(&shortened(&failure.code, 100)),
        milliseconds(*duration_ms)
    );
    write_quoted(out, failure.message.lines().take(MESSAGE_LINES), plain);
    if let Some(hint) = &failure.hint {
        let mut lines = hint.lines().take(MESSAGE_LINES);
        let first = lines.next().unwrap_or_default();
        let _ =
            writeln!(out, "    {} {}", paint.paint(Tone::Cyan, "hint:"), plain.text(&shortened(first, MESSAGE_WIDTH)));
        write_quoted(out, lines, plain);
    }
    if !tail.lines.is_empty() {
        let _ = writeln!(out, "    {}", if tail.cut { "last lines of its output:" } else { "its output:" });
        write_quoted(out, tail.lines.iter().map(String::as_str), clean);
    }
}

/// Every line with a bar before it: nothing from outside stands at the beginning of a line, where a CI system looks for
/// commands.
fn write_quoted<'a>(out: &mut Vec<u8>, lines: impl Iterator<Item = &'a str>, clean: Clean) {
    for line in lines {
        out.extend_from_slice(b"    | ");
        clean.push(out, &shortened(line, MESSAGE_WIDTH));
        out.push(b'\n');
    }
}

/// The same JSON with nothing in it that acts on a terminal or a CI system: within strings, such characters have another
/// spelling.
fn safe_json(text: &str) -> String {
    let text = text.replace("##[", "#\\u0023[");
    if is_all_plain(&text) {
        return text;
    }
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if is_all_plain(c.encode_utf8(&mut [0; 4])) {
            safe.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                safe.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    safe
}
