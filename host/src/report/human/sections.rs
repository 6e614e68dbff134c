//! Collapsible sections of a CI log.
//!
//! A section holds one step's output, and sections can't nest, so at most one is open. The step that runs alone gets it and
//! shows its lines as they come. It keeps it while other steps start; their lines are collected, and stand in a section of
//! their own, before the line that says how the step ended. That closes the first section, and its step's lines are collected
//! from then on, until it is alone again. A failed step's section is not collapsed.

use crate::id::StepId;
use crate::report::clean::Clean;

use super::Style;

pub(super) struct Sections {
    style: Style,
    /// The step whose section is open, and the section's name.
    open: Option<(StepId, String)>,
    /// Names of sections are unique in a log.
    count: u64,
}

impl Sections {
    pub(super) fn new(style: Style) -> Self {
        Self { style, open: None, count: 0 }
    }

    /// The step whose section is open.
    pub(super) fn open_step(&self) -> Option<&StepId> {
        self.open.as_ref().map(|(step, _)| step)
    }

    /// Opens a step's section, after closing any other. `at` is in milliseconds since 1970.
    pub(super) fn open(&mut self, out: &mut Vec<u8>, step: &StepId, title: &str, at: u64, collapsed: bool) {
        self.close(out, at);
        self.count += 1;
        let safe = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' };
        let name = format!("step_{}_{}", self.count, step.as_str().chars().take(60).map(safe).collect::<String>());
        let start = match self.style {
            Style::Gitlab => {
                let options = if collapsed { "[collapsed=true]" } else { "" };
                format!("\u{1b}[0Ksection_start:{}:{name}{options}\r\u{1b}[0K{title}\n", at / 1000)
            }
            Style::Github => {
                let title = Clean { color: false, github: true }.text(title).replace('%', "%25");
                format!("::group::{title}\n")
            }
            Style::Plain | Style::Terminal => String::new(),
        };
        out.extend_from_slice(start.as_bytes());
        self.open = Some((step.clone(), name));
    }

    /// Closes the open section, if there is one.
    pub(super) fn close(&mut self, out: &mut Vec<u8>, at: u64) {
        let Some((_, name)) = self.open.take() else { return };
        match self.style {
            Style::Gitlab => {
                out.extend_from_slice(format!("\u{1b}[0Ksection_end:{}:{name}\r\u{1b}[0K\n", at / 1000).as_bytes());
            }
            Style::Github => out.extend_from_slice(b"::endgroup::\n"),
            Style::Plain | Style::Terminal => {}
        }
    }
}
