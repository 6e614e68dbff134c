//! What a check of a CI file has to say.

use std::fmt;
use std::sync::Arc;

use super::Platform;
use crate::diagnostic::{Diagnostic, Position, Severity as Level};
use crate::yaml;

pub use crate::yaml::Place;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Info,
    /// It works, and something about it should be better.
    Warning,
    /// It can't work, or lets pass what nobody approved.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Info => "INFO",
            Self::Warning => "WARN",
            Self::Error => "ERROR",
        })
    }
}

/// One thing that a rule found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The rule's name, stable for machines and tests: `docs/ci.md` lists them all.
    pub rule: &'static str,
    /// What is wrong: one sentence without a full stop.
    pub message: String,
    /// Where.
    pub place: Place,
    /// What to do next.
    pub hint: Option<String>,
}

impl Finding {
    /// Something that can't work.
    pub(super) fn error(rule: &'static str, place: &Place, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, rule, message: message.into(), place: place.clone(), hint: None }
    }

    /// Something that should be better.
    pub(super) fn warning(rule: &'static str, place: &Place, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(rule, place, message) }
    }

    /// Something good to know.
    pub(super) fn info(rule: &'static str, place: &Place, message: impl Into<String>) -> Self {
        Self { severity: Severity::Info, ..Self::error(rule, place, message) }
    }

    /// The same with a hint.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A file that can't be read.
    pub(super) fn unreadable(problem: yaml::Problem) -> Self {
        Self { hint: problem.hint, ..Self::error("yaml", &problem.place, problem.message) }
    }

    /// A problem in the workflow that matters for CI. Its place has been looked up.
    pub fn of_workflow(file: &str, problem: Diagnostic) -> Self {
        let position = problem.place.position.unwrap_or(Position { line: 1, column: 1 });
        let file = Arc::from(problem.place.file().unwrap_or(file));
        Self {
            severity: match problem.severity {
                Level::Warning => Severity::Warning,
                Level::Error => Severity::Error,
            },
            rule: problem.code,
            message: problem.message,
            place: Place { file, position },
            hint: problem.hint,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}: {} ({})", self.severity, self.place, self.message, self.rule)?;
        match &self.hint {
            Some(hint) => write!(f, "\n        Hint: {}", hint.replace('\n', "\n              ")),
            None => Ok(()),
        }
    }
}

/// Everything that was found in one CI file and what it includes, worst first, then in the order of the text.
#[derive(Clone, Debug)]
pub struct Report {
    /// The file.
    pub file: Arc<str>,
    /// What it is for.
    pub platform: Platform,
    /// What was found.
    pub findings: Vec<Finding>,
}

impl Report {
    pub(super) fn new(file: Arc<str>, platform: Platform, findings: Vec<Finding>) -> Self {
        let mut report = Self { file, platform, findings };
        report.sort();
        report
    }

    /// Adds what was found elsewhere.
    pub fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        self.findings.extend(findings);
        self.sort();
    }

    fn sort(&mut self) {
        // The checked file before what it includes, and before the workflow.
        let own = Arc::clone(&self.file);
        self.findings.sort_by(|a, b| {
            let key = |f: &Finding| (f.place.file != own, Arc::clone(&f.place.file), f.place.position);
            b.severity.cmp(&a.severity).then_with(|| key(a).cmp(&key(b))).then_with(|| a.rule.cmp(b.rule))
        });
        self.findings.dedup();
    }

    /// How many findings are of this severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "[CI-CHECK] CI: {} ({})", self.file, self.platform)?;
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        if self.findings.is_empty() {
            return writeln!(f, "[CI-CHECK] All checks passed. No issues found.");
        }
        let counted = |severity, one: &str| match self.count(severity) {
            1 => format!("1 {one}"),
            count => format!("{count} {one}s"),
        };
        writeln!(
            f,
            "[CI-CHECK] {}, {}, {}",
            counted(Severity::Error, "error"),
            counted(Severity::Warning, "warning"),
            counted(Severity::Info, "note"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(file: &str, line: u32) -> Place {
        Place { file: Arc::from(file), position: Position { line, column: 3 } }
    }

    #[test]
    fn the_worst_comes_first_then_the_order_of_the_text() {
        let mut report = Report::new(
            Arc::from("ci.yml"),
            Platform::Gitlab,
            vec![
                Finding::info("note", &at("ci.yml", 1), "n"),
                Finding::error("late", &at("ci.yml", 9), "l"),
                Finding::error("included", &at("a.yml", 1), "i"),
                Finding::error("early", &at("ci.yml", 2), "e").hint("one\ntwo"),
            ],
        );
        report.extend([Finding::warning("warn", &at("ci.yml", 5), "w")]);
        assert_eq!(
            report.to_string(),
            "[CI-CHECK] CI: ci.yml (GitLab CI)\n\
             [ERROR] ci.yml:2:3: e (early)\n        Hint: one\n              two\n\
             [ERROR] ci.yml:9:3: l (late)\n\
             [ERROR] a.yml:1:3: i (included)\n\
             [WARN] ci.yml:5:3: w (warn)\n\
             [INFO] ci.yml:1:3: n (note)\n\
             [CI-CHECK] 3 errors, 1 warning, 1 note\n"
        );
    }
}
