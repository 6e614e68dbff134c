//! A repository in memory, and workflows with gates, for tests.

use std::collections::BTreeMap;

use super::{Files, Flags, Gate, Gates, Report, Severity, Subject, Unreadable, check, glob};

/// Files by path.
pub(super) struct Memory(pub(super) BTreeMap<String, String>);

impl Files for Memory {
    fn read(&self, path: &str) -> Result<Vec<u8>, Unreadable> {
        if path.split('/').any(|part| part == "..") {
            return Err(Unreadable::Outside);
        }
        self.0.get(path).map(|text| text.clone().into_bytes()).ok_or(Unreadable::Missing)
    }

    fn matching(&self, pattern: &str) -> Vec<String> {
        self.0.keys().filter(|path| glob::matches(pattern, path)).cloned().collect()
    }
}

pub(super) fn files(files: &[(&str, &str)]) -> Memory {
    Memory(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect())
}

pub(super) fn flags() -> Flags {
    Flags { with_value: ["state-store", "workflow", "reason", "input", "jobs", "hold"].map(str::to_owned).into() }
}

pub(super) fn gate(step: &str) -> Gate {
    Gate { step: step.to_owned(), approvals: 1, expires: None, verified: false, others_only: false, form: Vec::new() }
}

/// One round for each of these steps.
pub(super) fn gates(steps: &[&str]) -> Gates {
    Gates::asking(steps.iter().map(|step| vec![gate(step)]).collect())
}

/// Checks a text as the file of this name.
pub(super) fn checked(file: &str, text: &str, gates: &Gates, others: &Memory) -> Report {
    let subject =
        Subject { file, gates, workflow: ".shiro/workflow.json", is_default: true, flags: &flags(), files: others };
    check(&subject, text.as_bytes())
}

/// What was found, as `SEVERITY rule line`, in the order of the report.
pub(super) fn found(report: &Report) -> Vec<String> {
    report
        .findings
        .iter()
        .map(|finding| format!("{} {} {}", finding.severity, finding.rule, finding.place.position.line))
        .collect()
}

/// A rule spoke, with this severity.
pub(super) fn says(report: &Report, severity: Severity, rule: &str) -> bool {
    report.findings.iter().any(|finding| finding.rule == rule && finding.severity == severity)
}
