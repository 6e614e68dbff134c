//! From what happens to lines: keeps what the lines need, and writes them into a buffer. No I/O, no clock.

mod lines;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt::Display;
use std::io::Write as _;
use std::time::Duration;

use super::ask::{Ask, to_go_on};
use super::items::{Items, owner};
use super::recap::{Failed, Tail, Tally};
use super::sections::Sections;
use super::text::{Paint, Tone, count, duration, milliseconds};
use super::{Outputs, Resumed, Style};
use crate::approval::time;
use crate::event::{Approver, Decision, Event, Notice, Record, SkipReason};
use crate::id::StepId;
use crate::outcome::{Failure, Outcome};
use crate::report::clean::{Clean, shortened};

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
    /// The steps that others stand in.
    pub(super) outer: HashSet<StepId>,
    /// Of the steps that are tried more than once.
    pub(super) attempts: HashMap<StepId, u32>,
    pub(super) resumed: Option<Resumed>,
    pub(super) resume: String,
    pub(super) resume_later: String,
    pub(super) outputs: Option<Outputs>,
}

/// How soon what was written should be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Urgency {
    Now,
    Soon,
}

pub(super) struct Run {
    pub(super) settings: Settings,
    pub(super) paint: Paint,
    /// For lines of steps.
    clean: Clean,
    sections: Sections,
    pub(super) running: HashMap<StepId, Running>,
    /// What gates with `approval` ask for, in words.
    asks: HashMap<StepId, Ask>,
    /// The waits that are not over, and until when: milliseconds since 1970.
    waits: HashMap<StepId, u64>,
    pub(super) tally: Tally,
    /// When the first and the last event so far happened: milliseconds since 1970.
    began: Option<u64>,
    last: u64,
}

/// A step that has started and not ended.
pub(super) struct Running {
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
    /// It is run for each of these.
    pub(super) items: Option<Items>,
}

impl Run {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            paint: Paint(settings.color),
            clean: Clean { color: settings.color, github: settings.style == Style::Github },
            sections: Sections::new(settings.style),
            running: HashMap::new(),
            asks: settings.resumed.iter().flat_map(|resumed| resumed.asks.iter().cloned()).collect(),
            waits: settings.resumed.iter().flat_map(|resumed| resumed.waits.iter().cloned()).collect(),
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
            Event::RunPaused { waiting, .. } => self.paused(waiting, began, out),
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
        let item = event.step().and_then(|id| match owner(id) {
            (step, Some(item)) => Some((id, step, item)),
            _ => None,
        });
        if let (Some(item), false) = (item, matches!(event, Event::InterruptionResolved { .. })) {
            return self.item_event(item, event, at, now, out);
        }
        match event {
            // Nobody wrote a step of this name: it is told of the step that it begins, which fails if it does.
            Event::StepSucceeded { step, .. } if step.is_begin() => {
                let outer = step.around().next().unwrap_or_default();
                self.status(out, &format!("{}: started", self.safe(outer)));
            }
            Event::StepStarted { step, .. }
            | Event::StepFailed { step, .. }
            | Event::StepSkipped { step, .. }
            | Event::StepInterrupted { step, .. }
                if step.is_begin() => {}
            Event::StepExpanded { step, items } => self.expanded(step, items.len(), at, now, out),
            Event::StepStarted { step, attempt, .. } => self.started(step, *attempt, at, now, out),
            Event::AttemptFailed { step, attempt, failure, duration_ms, retry_in_ms } => {
                if let Some(running) = self.running.get_mut(step) {
                    running.waits = Some(now + Duration::from_millis(*retry_in_ms));
                }
                self.close_section(step.as_str(), false, out);
                self.attempt_failed(step, *attempt, failure, *duration_ms, *retry_in_ms, out);
            }
            Event::StepSucceeded { step, output, duration_ms, .. } => {
                let items = self.end(step.as_str(), false, out).and_then(|running| running.items);
                self.tally.succeeded += 1;
                let shown = self.settings.outputs.is_some() && !self.settings.quiet_steps.contains(step);
                if shown && !output.is_null() {
                    self.tally.add_output(step, output);
                }
                let items = items.map_or_else(String::new, |items| format!(", {}", items.progress()));
                let time = milliseconds(*duration_ms);
                self.ended(step, Tone::Green, "succeeded", format_args!(" ({time}{items})"), out);
                self.promote(out);
            }
            Event::StepFailed { step, attempt, failure, duration_ms, tolerated } => {
                let running = self.end(step.as_str(), true, out);
                let told = running.as_ref().and_then(|running| running.items.as_ref()).is_some_and(Items::told_failure);
                let tail = running.map(|running| running.tail).unwrap_or_default();
                let failed = Failed {
                    step: step.clone(),
                    failure: failure.clone(),
                    attempt: *attempt,
                    duration_ms: *duration_ms,
                    tolerated: *tolerated,
                    tail,
                };
                self.failed(failed, told, out);
                self.promote(out);
                return Urgency::Now;
            }
            Event::StepSkipped { step, reason } => {
                self.tally.interrupted.remove(step);
                self.tally.skipped += 1;
                if matches!(reason, SkipReason::NotBegun(_)) {
                    // Told of what it stands in.
                    return Urgency::Soon;
                }
                let items = self.end(step.as_str(), true, out).and_then(|running| running.items);
                let items = items.map_or_else(String::new, |items| format!(", {} done", items.progress()));
                self.ended(step, Tone::Dim, "skipped", format_args!(": {}{items}", self.reason(reason)), out);
            }
            Event::StepInterrupted { step, attempt } => {
                self.end(step.as_str(), true, out);
                self.tally.interrupted.insert(step.clone());
                self.write_interrupted(step, *attempt, out);
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
            Event::WaitStarted { step, until, .. } => {
                self.waits.insert(step.clone(), *until);
                let until = self.until(*until);
                self.status(out, &format!("{}: waits {until}", self.safe(step.as_str())));
            }
            Event::WaitEnded { step, skipped_by } => {
                self.waits.remove(step);
                let who = skipped_by.as_ref().map(|who| format!(" early, says {}", self.who(who))).unwrap_or_default();
                self.status(out, &format!("{}: the wait is over{who}", self.safe(step.as_str())));
            }
            // Told by `record`.
            _ => {}
        }
        Urgency::Soon
    }

    fn started(&mut self, step: &StepId, attempt: u32, at: u64, now: Duration, out: &mut Vec<u8>) {
        self.tally.interrupted.remove(step);
        let running = match self.running.remove(step) {
            Some(running) => Running { attempt, at, waits: None, ..running },
            None => Running { attempt, ..self.running_step(step, at, now) },
        };
        let running = self.running.entry(step.clone()).or_insert(running);
        running.tail.clear();
        // What begins a step that others stand in was told when it did.
        let is_told = self.settings.style != Style::Terminal && !self.settings.outer.contains(step);
        if is_told || attempt > 1 {
            self.attempt_started(step, attempt, out);
        }
    }

    /// A step that starts now.
    pub(super) fn running_step(&self, step: &StepId, at: u64, now: Duration) -> Running {
        Running {
            since: now,
            at,
            attempt: 1,
            waits: None,
            prefix: self.prefix(step),
            tail: Tail::default(),
            collected: Vec::new(),
            shown: false,
            items: None,
        }
    }

    /// What stands before each line of a step, or an item.
    pub(super) fn prefix(&self, step: &StepId) -> Vec<u8> {
        format!("{} ", self.paint.paint(Tone::Cyan, format_args!("{} |", self.safe(step.as_str())))).into_bytes()
    }

    pub(super) fn attempt_started(&self, step: &StepId, attempt: u32, out: &mut Vec<u8>) {
        let what = match attempt {
            1 => "started".to_owned(),
            _ => format!("attempt {} started", self.attempt(step, attempt)),
        };
        self.status(out, &format!("{}: {what}", self.safe(step.as_str())));
    }

    /// Another attempt follows.
    pub(super) fn attempt_failed(
        &self,
        step: &StepId,
        attempt: u32,
        failure: &Failure,
        duration_ms: u64,
        retry_in_ms: u64,
        out: &mut Vec<u8>,
    ) {
        let failed = format!("attempt {} failed", self.attempt(step, attempt));
        let failed = self.paint.paint(Tone::Yellow, failed);
        let (took, wait) = (milliseconds(duration_ms), milliseconds(retry_in_ms));
        let why = self.inline(&failure.message);
        let step = self.safe(step.as_str());
        self.status(out, &format!("{step}: {failed} ({took}), next in {wait}: {why}"));
    }

    pub(super) fn write_interrupted(&self, step: &StepId, attempt: u32, out: &mut Vec<u8>) {
        let step = self.safe(step.as_str());
        let interrupted = self.paint.paint(Tone::Yellow, "interrupted");
        let _ = writeln!(out, "{step}: {interrupted} in attempt {attempt}");
    }

    pub(super) fn item_failed(&mut self, failed: Failed, out: &mut Vec<u8>) {
        let (verb, tone, details) = self.failure_line(&failed);
        let verb = self.paint.paint(tone, verb);
        self.sections.close(out, self.last);
        let _ = writeln!(out, "{}: {verb}{details}", self.safe(failed.step.as_str()));
        self.tally.keep_failure(failed);
    }

    fn failure_line(&self, failed: &Failed) -> (&'static str, Tone, String) {
        let verb = if failed.tolerated { "failed, which is tolerated" } else { "failed" };
        let tone = if failed.tolerated { Tone::Yellow } else { Tone::Red };
        let time = milliseconds(failed.duration_ms);
        (verb, tone, format!(" ({time}): {}", self.inline(&failed.failure.message)))
    }

    /// `told`: what it failed for was told with its items.
    fn failed(&mut self, failed: Failed, told: bool, out: &mut Vec<u8>) {
        let (verb, tone, details) = self.failure_line(&failed);
        let step = failed.step.clone();
        self.tally.count_failure(failed.tolerated);
        if !told {
            self.tally.keep_failure(failed);
        }
        // Never hidden, neither by quiet mode nor in another step's section.
        self.sections.close(out, self.last);
        self.write_ended(&step, tone, verb, format_args!("{details}"), out);
    }

    /// A step has ended: shows what it has still to show.
    pub(super) fn end(&mut self, step: &str, failed: bool, out: &mut Vec<u8>) -> Option<Running> {
        self.close_section(step, failed, out);
        self.running.remove(step)
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

    fn resumed(&self, out: &mut Vec<u8>) {
        let Some(Resumed { run, done, waits, .. }) = &self.settings.resumed else { return };
        let run = self.safe(run.as_str());
        let total = count(self.settings.total, "step");
        self.status(out, &format!("{}: going on with run {run}, {done} of {total} done before", self.title()));
        for (step, until) in waits {
            self.status(out, &format!("{}: waits {}", self.safe(step.as_str()), self.until(*until)));
        }
    }

    fn paused(&mut self, waiting: &[StepId], began: u64, out: &mut Vec<u8>) -> Urgency {
        self.sections.close(out, self.last);
        self.tally.write_failures(out, self.clean, self.paint);
        self.summary(out, "paused", Tone::Yellow, began);
        // What a start at that time is for comes first: the last line is about a decision, if one is asked for.
        let mut waits: Vec<(u64, &StepId)> = self.waits.iter().map(|(step, until)| (*until, step)).collect();
        waits.sort_unstable();
        for (until, step) in &waits {
            let _ = writeln!(out, "Waiting {} after `{}`", self.until(*until), self.safe(step.as_str()));
        }
        if !waits.is_empty() {
            let _ = writeln!(out, "To go on then: {}", self.safe(&self.settings.resume_later));
        }
        if waiting.is_empty() {
            return Urgency::Now;
        }
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

    /// `until 2026-12-01T08:00:00Z (12m 00s)`.
    fn until(&self, until: u64) -> String {
        let left = until.saturating_sub(self.last);
        format!("until {}{}", time(until), if left > 0 { format!(" ({})", milliseconds(left)) } else { String::new() })
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
            let since = duration(seconds(now.saturating_sub(running.since)));
            let state = match (running.waits, &running.items) {
                (Some(until), _) => format!("next attempt in {}", duration(seconds(until.saturating_sub(now)))),
                (None, Some(items)) => format!("{since}, {}", items.progress()),
                (None, None) => format!("{since}{attempt}"),
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

    /// What runs stands below the lines.
    pub(super) fn is_terminal(&self) -> bool {
        self.settings.style == Style::Terminal
    }

    /// A line of progress.
    pub(super) fn status(&self, out: &mut Vec<u8>, line: &str) {
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

    pub(super) fn safe<'a>(&self, text: &'a str) -> Cow<'a, str> {
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
        match self.settings.attempts.get(owner(step).0) {
            Some(most) => format!("{attempt} of {most}"),
            None => attempt.to_string(),
        }
    }

    pub(super) fn reason(&self, reason: &SkipReason) -> String {
        match reason {
            SkipReason::Condition => "its condition is false".to_owned(),
            SkipReason::Dependency(step) => format!("`{}` did not succeed", self.safe(step.as_str())),
            SkipReason::EarlierFailure => "another step had failed (-keep-going runs it)".to_owned(),
            SkipReason::Refused(step) => format!("the approval after `{}` was refused", self.safe(step.as_str())),
            SkipReason::NotBegun(step) => format!("`{}` did not begin", self.safe(step.as_str())),
            SkipReason::Human => "taken as done (-skip)".to_owned(),
        }
    }

    fn who(&self, approver: &Approver) -> String {
        self.safe(&approver.to_string()).into_owned()
    }
}

/// In a live area, fractions of a second only flicker.
fn seconds(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs())
}
