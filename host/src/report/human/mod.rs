//! The report that a person reads, in a terminal or in a CI system's log.
//!
//! ```text
//! approval-workflow: run 0197..., 3 steps
//! build: started
//! build | compiling
//! [1/3] build: succeeded (1.2s)
//! ```
//!
//! Every line of a step's output has the step's id and a bar before it, so that lines of steps that run at once can be told
//! apart, and so that no step can write what shiro writes, or a command to the CI system (they are read at the beginning
//! of a line). What failed comes again near the end, then one line that counts; the very last line of a run that waits says
//! how it goes on.
//!
//! * *Plain*: lines of parallel steps alternate, never within a line.
//! * *GitLab, GitHub*: a step's output is a collapsible section. The step that runs alone shows its lines as they come, those of
//!   parallel steps come together at the end of each (see `sections`). What is collected is bounded: a step that wrote much
//!   shows it in several sections.
//! * *Terminal*: as plain, without the "started" lines: what runs, and for how long, stands below the lines.
//!
//! *Quiet* leaves out steps' output and progress; failures, warnings, the pause and interruptions are always told.
//!
//! The stream is written when 50 ms have passed since it was last, so that many short steps cost few writes and a slow step's
//! line does not wait; a thread of the reporter's own sees to the last lines before a silence. Warnings, failures and the end
//! are written at once.

mod ask;
mod items;
mod recap;
mod run;
mod screen;
mod sections;
mod text;

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::event::{Notice, Tell};
use crate::id::{RunId, StepId};
pub use ask::{Ask, to_go_on};
pub use items::ItemsBefore;
use run::{Run, Urgency};
use screen::Screen;

/// Lines wait at most this long before they are written.
const LATENCY: Duration = Duration::from_millis(50);

/// How often elapsed times in a terminal are brought up to date.
const TICK: Duration = Duration::from_millis(200);

/// Who reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// A file, a pipe, or a terminal that can do nothing.
    Plain,
    /// GitLab's job log.
    Gitlab,
    /// The log of a GitHub Actions job.
    Github,
    /// A terminal: what is running stands below the lines.
    Terminal,
}

/// How the steps' outputs are shown after a run that finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outputs {
    /// For people.
    Text,
    /// One JSON object with a member per step.
    Json,
}

/// What the reporter knows of a step.
#[derive(Clone, Debug)]
pub struct StepInfo {
    /// The step.
    pub id: StepId,
    /// Its output is not shown.
    pub quiet: bool,
    /// How often it is tried in all: at least 1.
    pub max_attempts: u32,
}

/// A run that this process goes on with.
#[derive(Clone, Debug)]
pub struct Resumed {
    /// The run.
    pub run: RunId,
    /// How many of its steps ended before.
    pub done: usize,
    /// What the gates that wait ask for.
    pub asks: Vec<(StepId, Ask)>,
    /// The items of the steps that are being run for each of theirs.
    pub items: Vec<ItemsBefore>,
    /// The waits that are not over: after which step, and until when in milliseconds since 1970-01-01 UTC.
    pub waits: Vec<(StepId, u64)>,
}

/// What a [`Human`] reporter needs.
pub struct HumanOptions {
    /// Where it writes. An error ends the report, not the run.
    pub out: Box<dyn Write + Send>,
    /// Who reads.
    pub style: Style,
    /// Colours may be used (see [`crate::report::color`]).
    pub color: bool,
    /// Only failures, warnings, the pause and interruptions are told.
    pub quiet: bool,
    /// Steps' messages of level debug are shown.
    pub debug: bool,
    /// The workflow's name.
    pub workflow: String,
    /// All its steps.
    pub steps: Vec<StepInfo>,
    /// Set when this process goes on with a run.
    pub resumed: Option<Resumed>,
    /// What to do to go on after a pause or an interruption, e.g. ``run `shiro run -state-store gitlab` ``.
    pub resume: String,
    /// The same for going on when a time has come, which approves nothing.
    pub resume_later: String,
    /// Show the steps' outputs at the end, so.
    pub outputs: Option<Outputs>,
    /// The time since any fixed moment, for what runs now. What has ended is timed by its events.
    pub clock: Box<dyn Fn() -> Duration + Send>,
    /// The terminal's rows and columns, asked for whenever the live area is drawn.
    pub size: fn() -> Option<(u16, u16)>,
}

impl HumanOptions {
    /// A plain report, without colours, of a new run.
    pub fn new(out: Box<dyn Write + Send>, workflow: impl Into<String>, steps: Vec<StepInfo>) -> Self {
        let start = Instant::now();
        Self {
            out,
            style: Style::Plain,
            color: false,
            quiet: false,
            debug: false,
            workflow: workflow.into(),
            steps,
            resumed: None,
            resume: "run `shiro run` again".to_owned(),
            resume_later: "run `shiro run` again".to_owned(),
            outputs: None,
            clock: Box::new(move || start.elapsed()),
            size: || console::Term::stderr().size_checked(),
        }
    }
}

/// Tells a person what happens.
pub struct Human {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

struct State {
    run: Run,
    screen: Screen,
    clock: Box<dyn Fn() -> Duration + Send>,
    size: fn() -> Option<(u16, u16)>,
    written: Option<Instant>,
    /// Something waits for the writer thread.
    due: bool,
    closed: bool,
}

impl Human {
    /// Starts a report; it ends when this is dropped.
    pub fn new(options: HumanOptions) -> Self {
        let HumanOptions { out, clock, size, .. } = options;
        let quiet_steps: HashSet<StepId> =
            options.steps.iter().filter(|step| step.quiet).map(|step| step.id.clone()).collect();
        let attempts = options
            .steps
            .iter()
            .filter(|step| step.max_attempts > 1)
            .map(|step| (step.id.clone(), step.max_attempts))
            .collect();
        let run = Run::new(run::Settings {
            style: options.style,
            color: options.color,
            quiet: options.quiet,
            debug: options.debug,
            workflow: options.workflow,
            total: options.steps.iter().filter(|step| !step.id.is_begin()).count(),
            outer: options.steps.iter().flat_map(|step| step.id.around().map(StepId::new)).collect(),
            quiet_steps,
            attempts,
            resumed: options.resumed,
            resume: options.resume,
            resume_later: options.resume_later,
            outputs: options.outputs,
        });
        let screen = Screen::new(out);
        let state = State { run, screen, clock, size, written: None, due: false, closed: false };
        let shared = Arc::new(Shared { state: Mutex::new(state), wake: Condvar::new() });
        let writer = {
            let shared = Arc::clone(&shared);
            // Without the thread every notice is written at once.
            std::thread::Builder::new().name("report".to_owned()).spawn(move || shared.write_until_closed()).ok()
        };
        Self { shared, writer }
    }
}

impl Tell for Human {
    fn tell(&self, notice: Notice<'_>) {
        let mut state = self.shared.lock();
        let state = &mut *state;
        let now = (state.clock)();
        let urgency = state.run.hear(notice, now, &mut state.screen.pending);
        let recent = state.written.is_some_and(|written| written.elapsed() < LATENCY);
        if urgency == Urgency::Now || !recent || state.screen.is_full() || self.writer.is_none() {
            state.flush();
        } else if !state.due {
            state.due = true;
            self.shared.wake.notify_one();
        }
    }
}

impl Drop for Human {
    fn drop(&mut self) {
        {
            let mut state = self.shared.lock();
            let state = &mut *state;
            state.closed = true;
            state.run.close(&mut state.screen.pending);
            state.screen.flush(Vec::new());
        }
        self.shared.wake.notify_one();
        if let Some(writer) = self.writer.take() {
            // It can't have panicked in a way that matters now.
            let _ = writer.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_until_closed(&self) {
        let mut state = self.lock();
        while !state.closed {
            let (was_due, live) = (state.due, state.run.is_live());
            if !was_due && !live {
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let wait = if was_due { LATENCY } else { TICK };
            let (woken, result) = self.wake.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            // Woken before the time is over: something became due during a tick, and has its own, shorter wait.
            if !state.closed && result.timed_out() {
                state.flush();
            }
        }
    }
}

impl State {
    fn flush(&mut self) {
        let area = match (self.run.is_live(), (self.size)()) {
            (true, size) => self.run.area((self.clock)(), size.unwrap_or((24, 80))),
            (false, _) => Vec::new(),
        };
        self.screen.flush(area);
        self.written = Some(Instant::now());
        self.due = false;
    }
}
