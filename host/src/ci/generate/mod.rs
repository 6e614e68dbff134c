//! CI files for a workflow: the job that begins its run, one for each approval and each time that it waits for, and one to
//! reject each approval.

mod github;
mod gitlab;
mod names;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::time::Duration;

use super::Platform;
use super::gates::{Gate, Gates, TimedStart};

/// What a file is made of, besides the workflow.
#[derive(Clone, Debug)]
pub struct Options {
    /// The workflow's name.
    pub name: String,
    /// Its file, where it is not the one that is found by itself.
    pub workflow: Option<String>,
    /// The environment whose protection says who may approve.
    pub environment: String,
    /// The container image that has shiro.
    pub image: Option<String>,
    /// The store to name, where it is not the one that artifacts carry.
    pub store: Option<String>,
    /// GitLab: put every job into this stage of the project, instead of naming stages.
    pub stage: Option<String>,
    /// What it runs for.
    pub trigger: Trigger,
    /// GitHub: secrets that every job gets as variables of these names. GitLab's jobs have theirs by themselves.
    pub secrets: Vec<String>,
}

/// What a file runs for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trigger {
    /// What is pushed to the default branch.
    #[default]
    DefaultBranch,
    /// Each merge request or pull request, and each push to one.
    MergeRequests,
}

/// How long artifacts are kept, unless an approval may take longer: GitHub lets nobody approve later either.
const KEPT_DAYS: u64 = 30;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Writes the file.
pub fn generate(platform: Platform, gates: &Gates, options: &Options) -> String {
    match platform {
        Platform::Gitlab => gitlab::generate(gates, options),
        Platform::Github => github::generate(gates, options),
    }
}

/// How many days an artifact is kept: a day more than the longest wait.
fn kept_days(gates: &Gates) -> u64 {
    let wait = gates.longest_wait().unwrap_or_default();
    KEPT_DAYS.max(wait.as_secs().div_ceil(DAY.as_secs()) + 1)
}

/// What an approving job runs. A form can be filled in only by `shiro approve`, from variables named as its fields.
fn approve(options: &Options, round: &[Gate], store: &str) -> Vec<String> {
    if round.iter().all(|gate| gate.form.is_empty()) {
        return vec![run(options, &format!("{store}-resume"))];
    }
    let mut commands: Vec<String> = round
        .iter()
        .map(|gate| {
            let mut command = format!("shiro approve {}{}", gate.step, named(options));
            command.push_str(if store.is_empty() { "" } else { " " });
            command.push_str(store.trim_end());
            for field in &gate.form {
                let _ = write!(command, " -form {}=\"${}\"", word(field), variable(field));
            }
            command
        })
        .collect();
    commands.push(run(options, &format!("{store}-resume -no-approve")));
    commands
}

/// What a rejecting job runs. The second command does the steps that ask for a rejection, and ends with exit code 6.
fn reject(options: &Options, gate: &Gate, store: &str, url: &str) -> [String; 2] {
    let reject = format!("shiro reject {}{} {store}-reason \"Rejected in {url}\"", gate.step, named(options));
    [reject, run(options, &format!("{store}-resume"))]
}

/// What a job runs that goes on after a time: it approves nothing. `hold`: it stays if it comes so much too early.
fn go_on(options: &Options, store: &str, hold: Option<Duration>) -> String {
    let hold = hold.map(|hold| format!(" -hold {}s", hold.as_secs())).unwrap_or_default();
    run(options, &format!("{store}-resume -no-approve{hold}"))
}

/// The steps that a job goes on after, for comments.
fn steps(start: &TimedStart<'_>) -> String {
    start.waits.iter().map(|wait| wait.step.as_str()).collect::<Vec<_>>().join(" and ")
}

/// A time as both CI systems and people read it: `2 hours 30 minutes`. In whole seconds, rather too long.
fn words(time: Duration) -> String {
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    let parts = [
        (seconds / 86_400, "day"),
        (seconds / 3600 % 24, "hour"),
        (seconds / 60 % 60, "minute"),
        (seconds % 60, "second"),
    ];
    let parts = parts.iter().filter(|(count, _)| *count > 0);
    parts
        .map(|(count, unit)| format!("{count} {unit}{}", if *count == 1 { "" } else { "s" }))
        .collect::<Vec<_>>()
        .join(" ")
}

fn run(options: &Options, flags: &str) -> String {
    let workflow = options.workflow.as_ref().map(|file| format!("{} ", word(file))).unwrap_or_default();
    format!("shiro run {workflow}{flags}")
}

/// Which workflow, for verbs that take it as a flag.
fn named(options: &Options) -> String {
    options.workflow.as_ref().map(|file| format!(" -workflow {}", word(file))).unwrap_or_default()
}

/// The variable for a field of a form: letters, digits and `_`.
fn variable(field: &str) -> String {
    let name: String =
        field.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
}

/// A YAML scalar that is this text, whatever is in it.
fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ' ' | '$' | ':' | '@');
    let first = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || matches!(c, '.' | '/' | '$'));
    let word = matches!(
        text.to_ascii_lowercase().as_str(),
        "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n" | "."
    );
    let risky = word || text.contains(": ") || text.ends_with([' ', ':']) || !text.chars().all(plain);
    if first && !risky {
        return text.to_owned();
    }
    if !text.contains('\'') && !text.chars().any(char::is_control) {
        return format!("'{text}'");
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(c);
            }
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04x}", c as u32);
            }
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

/// A word of a shell command.
fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ':' | '@' | '+');
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
