//! A step's lines: shown as they come, or collected for its section.

use std::io::Write as _;

use super::Run;
use crate::event::Level;
use crate::id::StepId;
use crate::report::clean::Clean;
use crate::report::human::Style;
use crate::report::human::items::owner;
use crate::report::human::text::Tone;

/// A step's lines that wait for their section take at most this much memory.
const COLLECTED: usize = 256 * 1024;

impl Run {
    pub(super) fn log(&mut self, step: &StepId, level: Level, message: &str, out: &mut Vec<u8>) {
        let paint = self.paint;
        let label = match level {
            Level::Debug if !self.settings.debug => return,
            Level::Debug => paint.paint(Tone::Dim, "debug: ").to_string(),
            Level::Info => String::new(),
            Level::Warn => paint.paint(Tone::Yellow, "warning: ").to_string(),
            Level::Error => paint.paint(Tone::Red, "error: ").to_string(),
        };
        let hidden = self.settings.quiet && level < Level::Warn;
        for line in message.lines() {
            self.line(step, &label, line, hidden, out);
        }
    }

    /// A line of a step: shown now, collected for its section, or only kept for the recap.
    pub(super) fn line(&mut self, step: &StepId, label: &str, line: &str, hidden: bool, out: &mut Vec<u8>) {
        let alone = self.running.len() == 1;
        let (owner, item) = owner(step);
        let Some(running) = self.running.get_mut(owner) else {
            if !hidden {
                let _ = write!(out, "{} | {label}", self.safe(step.as_str()));
                self.clean.push(out, line);
                out.push(b'\n');
            }
            return;
        };
        let of_item = item.zip(running.items.as_mut()).and_then(|(item, items)| items.voice(item));
        let (prefix, tail) = of_item.unwrap_or((&running.prefix, &mut running.tail));
        tail.push(line);
        if hidden || self.settings.quiet_steps.contains(owner) && label.is_empty() {
            return;
        }
        let sections = matches!(self.settings.style, Style::Gitlab | Style::Github);
        let live = !sections || self.sections.open_step().is_some_and(|open| open.as_str() == owner);
        let target = if live { &mut *out } else { &mut running.collected };
        target.extend_from_slice(prefix);
        target.extend_from_slice(label.as_bytes());
        self.clean.push(target, line);
        target.push(b'\n');
        if !live {
            if alone && self.sections.open_step().is_none() {
                self.open_live(owner, out);
            } else if running.collected.len() > COLLECTED {
                self.show_collected(owner, false, out);
            }
        }
    }

    /// When one step is left, its lines are shown as they come.
    pub(super) fn promote(&mut self, out: &mut Vec<u8>) {
        if self.running.len() == 1
            && self.sections.open_step().is_none()
            && let Some((step, running)) = self.running.iter().next()
            && !running.collected.is_empty()
        {
            let step = step.clone();
            self.open_live(step.as_str(), out);
        }
    }

    fn open_live(&mut self, step: &str, out: &mut Vec<u8>) {
        if let Some((id, running)) = self.running.get_key_value(step) {
            let (id, title, at) = (id.clone(), section_title(id, running.shown), running.at);
            self.sections.open(out, &id, &title, at, false);
            if let Some(running) = self.running.get_mut(step) {
                running.shown = true;
                out.append(&mut running.collected);
            }
        }
    }

    pub(in crate::report::human) fn show_collected(&mut self, step: &str, failed: bool, out: &mut Vec<u8>) {
        let Some((id, running)) = self.running.get_key_value(step).filter(|(_, running)| !running.collected.is_empty())
        else {
            return;
        };
        let (id, title, at) = (id.clone(), section_title(id, running.shown), running.at);
        self.sections.close(out, self.last);
        self.sections.open(out, &id, &title, at, !failed);
        if let Some(running) = self.running.get_mut(step) {
            running.shown = true;
            out.append(&mut running.collected);
            running.collected.shrink_to(4096);
        }
        self.sections.close(out, self.last);
    }

    /// An attempt has ended: its output is complete.
    pub(super) fn close_section(&mut self, step: &str, failed: bool, out: &mut Vec<u8>) {
        self.show_collected(step, failed, out);
        if self.sections.open_step().is_some_and(|open| open.as_str() == step) {
            self.sections.close(out, self.last);
        }
    }
}

fn section_title(step: &StepId, again: bool) -> String {
    let safe = Clean::default();
    format!("{}: output{}", safe.text(step.as_str()), if again { " (continued)" } else { "" })
}
