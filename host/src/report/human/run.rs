//! From what happens to lines: keeps what the lines need, and writes them into a buffer. No I/O, no clock.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt::Display;
use std::io::Write as _;
use std::time::Duration;

use super::ask::{Ask, to_go_on};
use super::recap::{Failed, Tail, Tally};
use super::sections::Sections;
use super::text::{Paint, Tone, count, duration, milliseconds};
use super::{Outputs, Resumed, Style};
use crate::event::{Approver, Decision, Event, Level, Notice, Record, SkipReason};
use crate::id::StepId;
use crate::outcome::Outcome;
use crate::report::clean::{Clean, shortened};

/// A step's lines that wait for their section take at most this much memory.
const COLLECTED: usize = 256 * 1024;
/// What is shown of a message within a line.
const INLINE: usize = 300;
/// The live area has at most this many steps.
const LIVE_STEPS: usize = 8;

pub(super) struct Settings {
    pub(super) style: Style,
    pub(super) color: bool,
    pub(super) quiet: bool,
    pub(super) debug: bool,
    pub(super) workflow: String,
    pub(super) total: usize,
    pub(super) quiet_steps: HashSet<StepId>,
    /// Of the steps that are tried more than once.
    pub(super) attempts: HashMap<StepId, u32>,
    pub(super) resumed: Option<Resumed>,
    pub(super) resume: String,
    pub(super) outputs: Option<Outputs>,
}

/// How soon what was written should be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Urgency {
    Now,
    Soon,
}

pub(super) struct Run {
    settings: Settings,
    paint: Paint,
    /// For lines of steps.
    clean: Clean,
    sections: Sections,
    running: HashMap<StepId, Running>,
    /// What gates with `approval` ask for, in words.
    asks: HashMap<StepId, Ask>,
    tally: Tally,
    /// When the first and the last event so far happened: milliseconds since 1970.
    began: Option<u64>,
    last: u64,
}

/// A step that has started and not ended.
struct Running {
    /// By the reporter's clock.
    since: Duration,
    /// When its attempt started: milliseconds since 1970.
    at: u64,
    attempt: u32,
    /// It waits for its next attempt, until then (by the reporter's clock).
    waits: Option<Duration>,
    /// What stands before each of its lines.
    prefix: Vec<u8>,
    tail: Tail,
    /// Lines that wait for their section.
    collected: Vec<u8>,
    /// It had a section already.
    shown: bool,
}

impl Run {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            paint: Paint(settings.color),
            clean: Clean { color: settings.color, github: settings.style == Style::Github },
            sections: Sections::new(settings.style),
            running: HashMap::new(),
            asks: settings.resumed.iter().flat_map(|resumed| resumed.asks.iter().cloned()).collect(),
            tally: Tally::default(),
            began: None,
            last: 0,
            settings,
        }
    }

    /// Takes a notice, and appends what is to be told.
    pub(super) fn hear(&mut self, notice: Notice<'_>, now: Duration, out: &mut Vec<u8>) -> Urgency {
        match notice {
            Notice::Recorded(record) => self.record(record, now, out),
            Notice::Output { step, line, .. } => {
                self.line(step, "", line, self.settings.quiet, out);
                Urgency::Soon
            }
            Notice::Log { step, level, message } => {
                self.log(step, level, message, out);
                Urgency::Soon
            }
            Notice::Warning { step, message } => {
                self.tally.warnings += 1;
                let about = step.map(|step| format!("{}: ", self.safe(step.as_str()))).unwrap_or_default();
                self.say(out, &format!("{} {about}", self.paint.paint(Tone::Yellow, "warning:")), message);
                Urgency::Now
            }
        }
    }

    /// Something is drawn below the lines.
    pub(super) fn is_live(&self) -> bool {
        self.settings.style == Style::Terminal && !self.settings.quiet && !self.running.is_empty()
    }

    /// The report is over, maybe before the run is.
    pub(super) fn close(&mut self, out: &mut Vec<u8>) {
        self.sections.close(out, self.last);
    }

    fn record(&mut self, record: &Record, now: Duration, out: &mut Vec<u8>) -> Urgency {
        self.last = self.last.max(record.at);
        let began = *self.began.get_or_insert(record.at);
        match &record.event {
            Event::RunStarted(started) => {
                let steps = count(self.settings.total, "step");
                self.status(out, &format!("{}: run {}, {steps}", self.title(), self.safe(started.run.as_str())));
                Urgency::Soon
            }
            Event::RunResumed { .. } => {
                self.resumed(out);
                Urgency::Soon
            }
            Event::ChangesAccepted { .. } => {
                self.status(out, &format!("{}: changes since the pause were accepted", self.title()));
                Urgency::Soon
            }
            Event::RunPaused { waiting } => self.paused(waiting, began, out),
            Event::RunInterrupted { signal } => {
                self.sections.close(out, self.last);
                self.tally.write_failures(out, self.clean, self.paint);
                self.summary(out, &format!("interrupted by {}", self.safe(signal)), Tone::Yellow, began);
                let _ = writeln!(out, "State is saved. To go on: {}", self.safe(&self.settings.resume));
                Urgency::Now
            }
            Event::RunFinished { outcome, exit_code } => self.finished(*outcome, *exit_code, began, out),
            event => self.step_event(event, record.at, now, out),
        }
    }

    fn step_event(&mut self, event: &Event, at: u64, now: Duration, out: &mut Vec<u8>) -> Urgency {
        match event {
            Event::StepStarted { step, attempt, .. } => self.started(step, *attempt, at, now, out),
            Event::AttemptFailed { step, attempt, failure, duration_ms, retry_in_ms } => {
                if let Some(running) = self.running.get_mut(step) {
                    running.waits = Some(now + Duration::from_millis(*retry_in_ms));
                }
                self.close_section(step, false, out);
                let failed = format!("attempt {} failed", self.attempt(step, *attempt));
                let failed = self.paint.paint(Tone::Yellow, failed);
                let (took, wait) = (milliseconds(*duration_ms), milliseconds(*retry_in_ms));
                let why = self.inline(&failure.message);
                let step = self.safe(step.as_str());
                self.status(out, &format!("{step}: {failed} ({took}), next in {wait}: {why}"));
            }
            Event::StepSucceeded { step, output, duration_ms, .. } => {
                self.end(step, false, out);
                self.tally.succeeded += 1;
                if self.settings.outputs.is_some() && !output.is_null() {
                    self.tally.add_output(step, output);
                }
                self.ended(step, Tone::Green, "succeeded", format_args!(" ({})", milliseconds(*duration_ms)), out);
                self.promote(out);
            }
            Event::StepFailed { step, attempt, failure, duration_ms, tolerated } => {
                let tail = self.end(step, true, out);
                let failed = Failed {
                    step: step.clone(),
                    failure: failure.clone(),
                    attempt: *attempt,
                    duration_ms: *duration_ms,
                    tolerated: *tolerated,
                    tail,
                };
                self.failed(failed, out);
                self.promote(out);
                return Urgency::Now;
            }
            Event::StepSkipped { step, reason } => {
                self.tally.interrupted.remove(step);
                self.tally.skipped += 1;
                self.ended(step, Tone::Dim, "skipped", format_args!(": {}", self.reason(reason)), out);
            }
            Event::StepInterrupted { step, attempt } => {
                self.end(step, true, out);
                self.tally.interrupted.insert(step.clone());
                let step = self.safe(step.as_str());
                let interrupted = self.paint.paint(Tone::Yellow, "interrupted");
                let _ = writeln!(out, "{step}: {interrupted} in attempt {attempt}");
                self.promote(out);
                return Urgency::Now;
            }
            Event::InterruptionResolved { step, rerun, approver } => {
                let what = if *rerun { "runs again" } else { "is taken as done" };
                let who = self.who(approver);
                self.status(out, &format!("{}: {what} after the interruption, says {who}", self.safe(step.as_str())));
            }
            Event::ApprovalRequested { step, request } => {
                let asks = if request.rule.pause { String::new() } else { format!(": {}", request.rule.in_words()) };
                if !request.rule.pause {
                    self.asks.insert(step.clone(), Ask::of(step, request, request.rule.required));
                }
                self.status(out, &format!("{}: waits for approval{}", self.safe(step.as_str()), self.safe(&asks)));
            }
            Event::ApprovalDecided { step, decision, missing, approver, reason, .. } => {
                let tone = if *decision == Decision::Approved { Tone::Green } else { Tone::Red };
                let mut rest = format!(" by {}", self.who(approver));
                if let Some(reason) = reason {
                    rest += &format!(": {}", self.inline(reason));
                }
                match (decision, missing) {
                    (Decision::Rejected, _) | (_, 0) => {}
                    (_, 1) => rest += "; one more approval is missing",
                    (_, missing) => rest += &format!("; {missing} more approvals are missing"),
                }
                self.status(out, &format!("{}: {}{rest}", self.safe(step.as_str()), self.paint.paint(tone, decision)));
            }
            Event::ApprovalExpired { step, .. } => {
                let expired = self.paint.paint(Tone::Red, "expired");
                self.status(
                    out,
                    &format!("{}: the approval {expired}: nobody decided in time", self.safe(step.as_str())),
                );
            }
            // Told by `record`.
            _ => {}
        }
        Urgency::Soon
    }

    fn started(&mut self, step: &StepId, attempt: u32, at: u64, now: Duration, out: &mut Vec<u8>) {
        self.tally.interrupted.remove(step);
        let prefix = format!("{} ", self.paint.paint(Tone::Cyan, format_args!("{} |", self.safe(step.as_str()))));
        let running = self.running.entry(step.clone()).or_insert_with(|| Running {
            since: now,
            at,
            attempt,
            waits: None,
            prefix: prefix.into_bytes(),
            tail: Tail::default(),
            collected: Vec::new(),
            shown: false,
        });
        running.attempt = attempt;
        running.at = at;
        running.waits = None;
        running.tail.clear();
        if self.settings.style != Style::Terminal || attempt > 1 {
            let what = match attempt {
                1 => "started".to_owned(),
                _ => format!("attempt {} started", self.attempt(step, attempt)),
            };
            self.status(out, &format!("{}: {what}", self.safe(step.as_str())));
        }
    }

    fn failed(&mut self, failed: Failed, out: &mut Vec<u8>) {
        let verb = if failed.tolerated { "failed, which is tolerated" } else { "failed" };
        let tone = if failed.tolerated { Tone::Yellow } else { Tone::Red };
        let time = milliseconds(failed.duration_ms);
        let details = format!(" ({time}): {}", self.inline(&failed.failure.message));
        let step = failed.step.clone();
        self.tally.add_failure(failed);
        // Never hidden, neither by quiet mode nor in another step's section.
        self.sections.close(out, self.last);
        self.write_ended(&step, tone, verb, format_args!("{details}"), out);
    }

    /// A step has ended: shows what it has still to show.
    fn end(&mut self, step: &StepId, failed: bool, out: &mut Vec<u8>) -> Tail {
        self.close_section(step, failed, out);
        self.running.remove(step).map(|running| running.tail).unwrap_or_default()
    }

    /// An attempt has ended: its output is complete.
    fn close_section(&mut self, step: &StepId, failed: bool, out: &mut Vec<u8>) {
        self.show_collected(step, failed, out);
        if self.sections.open_step() == Some(step) {
            self.sections.close(out, self.last);
        }
    }

    fn ended(&self, step: &StepId, tone: Tone, verb: &str, details: std::fmt::Arguments<'_>, out: &mut Vec<u8>) {
        if !self.settings.quiet {
            self.write_ended(step, tone, verb, details, out);
        }
    }

    fn write_ended(&self, step: &StepId, tone: Tone, verb: &str, details: std::fmt::Arguments<'_>, out: &mut Vec<u8>) {
        let before = self.settings.resumed.as_ref().map_or(0, |resumed| resumed.done);
        let (done, total) = (before + self.tally.ended(), self.settings.total);
        let verb = self.paint.paint(tone, verb);
        let _ = writeln!(out, "[{done}/{total}] {}: {verb}{details}", self.safe(step.as_str()));
    }

    fn log(&mut self, step: &StepId, level: Level, message: &str, out: &mut Vec<u8>) {
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
    fn line(&mut self, step: &StepId, label: &str, line: &str, hidden: bool, out: &mut Vec<u8>) {
        let alone = self.running.len() == 1;
        let Some(running) = self.running.get_mut(step) else {
            if !hidden {
                let _ = write!(out, "{} | {label}", self.safe(step.as_str()));
                self.clean.push(out, line);
                out.push(b'\n');
            }
            return;
        };
        running.tail.push(line);
        if hidden || self.settings.quiet_steps.contains(step) && label.is_empty() {
            return;
        }
        let sections = matches!(self.settings.style, Style::Gitlab | Style::Github);
        let live = !sections || self.sections.open_step() == Some(step);
        let target = if live { &mut *out } else { &mut running.collected };
        target.extend_from_slice(&running.prefix);
        target.extend_from_slice(label.as_bytes());
        self.clean.push(target, line);
        target.push(b'\n');
        if !live {
            if alone && self.sections.open_step().is_none() {
                self.open_live(step, out);
            } else if self.running[step].collected.len() > COLLECTED {
                self.show_collected(step, false, out);
            }
        }
    }

    /// When one step is left, its lines are shown as they come.
    fn promote(&mut self, out: &mut Vec<u8>) {
        if self.running.len() == 1
            && self.sections.open_step().is_none()
            && let Some((step, running)) = self.running.iter().next()
            && !running.collected.is_empty()
        {
            let step = step.clone();
            self.open_live(&step, out);
        }
    }

    fn open_live(&mut self, step: &StepId, out: &mut Vec<u8>) {
        if let Some(running) = self.running.get_mut(step) {
            let collected = std::mem::take(&mut running.collected);
            let title = section_title(step, running.shown);
            running.shown = true;
            self.sections.open(out, step, &title, running.at, false);
            out.extend_from_slice(&collected);
        }
    }

    fn show_collected(&mut self, step: &StepId, failed: bool, out: &mut Vec<u8>) {
        if let Some(running) = self.running.get_mut(step)
            && !running.collected.is_empty()
        {
            self.sections.close(out, self.last);
            self.sections.open(out, step, &section_title(step, running.shown), running.at, !failed);
            running.shown = true;
            out.append(&mut running.collected);
            running.collected.shrink_to(4096);
            self.sections.close(out, self.last);
        }
    }

    fn resumed(&self, out: &mut Vec<u8>) {
        let Some(Resumed { run, done, .. }) = &self.settings.resumed else { return };
        let run = self.safe(run.as_str());
        let total = count(self.settings.total, "step");
        self.status(out, &format!("{}: going on with run {run}, {done} of {total} done before", self.title()));
    }

    fn paused(&mut self, waiting: &[StepId], began: u64, out: &mut Vec<u8>) -> Urgency {
        self.sections.close(out, self.last);
        self.tally.write_failures(out, self.clean, self.paint);
        self.summary(out, "paused", Tone::Yellow, began);
        let names: Vec<_> = waiting.iter().map(|step| format!("`{}`", self.safe(step.as_str()))).collect();
        let _ = writeln!(out, "Waiting for approval after {}", names.join(", "));
        for (step, ask) in waiting.iter().filter_map(|step| Some((step, self.asks.get(step)?))) {
            let step = self.safe(step.as_str());
            let _ = writeln!(out, "  {step}: {}", self.safe(&ask.words));
            let _ = writeln!(out, "  {step}: `{}`, or `shiro reject {step} -reason ...`", self.safe(&ask.command));
        }
        let to_go_on = to_go_on(waiting.iter().map(|step| self.asks.get(step)), &self.settings.resume);
        let _ = writeln!(out, "{}", self.safe(&to_go_on));
        Urgency::Now
    }

    fn finished(&mut self, outcome: Outcome, exit_code: u8, began: u64, out: &mut Vec<u8>) -> Urgency {
        self.sections.close(out, self.last);
        if let Some(format) = self.settings.outputs {
            self.tally.write_outputs(out, format, self.clean, self.paint);
        }
        self.tally.write_failures(out, self.clean, self.paint);
        match outcome {
            Outcome::Succeeded if self.settings.quiet => {}
            Outcome::Succeeded => self.summary(out, "succeeded", Tone::Green, began),
            Outcome::Rejected => self.summary(out, "rejected", Tone::Red, began),
            Outcome::Expired => self.summary(out, "expired without an approval", Tone::Red, began),
            _ => self.summary(out, &format!("failed with exit code {exit_code}"), Tone::Red, began),
        }
        Urgency::Now
    }

    fn summary(&mut self, out: &mut Vec<u8>, what: &str, tone: Tone, began: u64) {
        self.sections.close(out, self.last);
        let time = milliseconds(self.last.saturating_sub(began));
        let counts = self.tally.counts(self.settings.total, self.settings.resumed.as_ref(), self.paint);
        let what = self.paint.paint(tone, what);
        let _ = writeln!(out, "{}: {what} after {time}: {counts}", self.title());
    }

    /// What stands below the lines in a terminal: what runs, the longest first.
    pub(super) fn area(&self, now: Duration, (rows, columns): (u16, u16)) -> Vec<String> {
        let mut running: Vec<_> = self.running.iter().collect();
        running.sort_by(|(a_id, a), (b_id, b)| (a.since, a_id).cmp(&(b.since, b_id)));
        let room = LIVE_STEPS.min(usize::from(rows).saturating_sub(2)).max(1);
        let mut area: Vec<String> = Vec::with_capacity(room + 1);
        for (step, running) in running.iter().take(room) {
            let attempt = if running.attempt > 1 {
                format!(", attempt {}", self.attempt(step, running.attempt))
            } else {
                String::new()
            };
            let state = match running.waits {
                Some(until) => format!("next attempt in {}", duration(seconds(until.saturating_sub(now)))),
                None => format!("{}{attempt}", duration(seconds(now.saturating_sub(running.since)))),
            };
            area.push(format!("{} {} {state}", self.paint.paint(Tone::Cyan, ">"), self.safe(step.as_str())));
        }
        if running.len() > room {
            area.push(format!("  and {} more", running.len() - room));
        }
        // The last column stays free: some terminals wrap there.
        let width = usize::from(columns).saturating_sub(1).max(1);
        area.iter().map(|row| console::truncate_str(row, width, "…").into_owned()).collect()
    }

    /// A line of progress.
    fn status(&self, out: &mut Vec<u8>, line: &str) {
        if !self.settings.quiet {
            let _ = writeln!(out, "{line}");
        }
    }

    /// Something to be seen in any case, which may have several lines.
    fn say(&mut self, out: &mut Vec<u8>, label: &str, message: &str) {
        self.sections.close(out, self.last);
        let mut label = label;
        for line in message.lines() {
            out.extend_from_slice(label.as_bytes());
            self.plain().push(out, line);
            out.push(b'\n');
            label = "  | ";
        }
    }

    fn plain(&self) -> Clean {
        Clean { color: false, ..self.clean }
    }

    fn safe<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.plain().line_start(text)
    }

    /// The first line of a message.
    fn inline(&self, message: &str) -> String {
        let first = message.lines().next().unwrap_or_default();
        self.safe(&shortened(first, INLINE)).into_owned()
    }

    fn title(&self) -> impl Display {
        self.paint.paint(Tone::Bold, self.safe(&self.settings.workflow).into_owned())
    }

    /// `2 of 3`.
    fn attempt(&self, step: &StepId, attempt: u32) -> String {
        match self.settings.attempts.get(step) {
            Some(most) => format!("{attempt} of {most}"),
            None => attempt.to_string(),
        }
    }

    fn reason(&self, reason: &SkipReason) -> String {
        match reason {
            SkipReason::Condition => "its condition is false".to_owned(),
            SkipReason::Dependency(step) => format!("`{}` did not succeed", self.safe(step.as_str())),
            SkipReason::EarlierFailure => "another step had failed (-keep-going runs it)".to_owned(),
            SkipReason::Refused(step) => format!("the approval after `{}` was refused", self.safe(step.as_str())),
            SkipReason::Human => "taken as done (-skip)".to_owned(),
        }
    }

    fn who(&self, approver: &Approver) -> String {
        self.safe(&approver.to_string()).into_owned()
    }
}

fn section_title(step: &StepId, again: bool) -> String {
    let safe = Clean::default();
    format!("{}: output{}", safe.text(step.as_str()), if again { " (continued)" } else { "" })
}

/// In a live area, fractions of a second only flicker.
fn seconds(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs())
}
