//! What is told of a command that ran, or could not.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use shiro_step::process::{Captured, Completed, Error, Status};
use shiro_step::{Failure, show_duration};

use crate::interpreter::Plan;

/// How many of the last lines of stderr stand in a failure's message, and how long one may be there.
const SHOWN_LINES: usize = 10;
const SHOWN_CHARS: usize = 300;

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// The command exited with code 0.
    pub(crate) success: bool,
    /// Its exit code; -1 when a signal or the timeout ended it.
    exit_code: i32,
    /// What ran: the command or script as it was given to the shell, or the program with its arguments.
    command: String,
    /// The shell that ran it. Left out when a program ran without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    shell: Option<String>,
    /// What it wrote to standard output. When it is very long, its beginning and its end, with a line between them that
    /// says so. Left out with `capture_output: false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    stdout: Option<String>,
    /// The same for standard error.
    #[serde(skip_serializing_if = "Option::is_none")]
    stderr: Option<String>,
    /// `stdout` is not all of it.
    stdout_truncated: bool,
    /// `stderr` is not all of it.
    stderr_truncated: bool,
    /// How many bytes it wrote to standard output.
    stdout_bytes: u64,
    /// How many bytes it wrote to standard error.
    stderr_bytes: u64,
    /// The signal that ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<u8>,
    /// How long it ran.
    duration_ms: u64,
    /// Why it did not succeed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip)]
    code: &'static str,
}

impl Output {
    /// The step's failure: worth another attempt, since commands fail for passing reasons.
    pub(crate) fn into_failure(self) -> Failure {
        let mut message = self.error.clone().unwrap_or_default();
        let lines = last_lines(self.stderr.as_deref().unwrap_or_default());
        if !lines.is_empty() {
            message += "; the last it wrote to stderr:";
            lines.iter().for_each(|line| message += &format!("\n  {line}"));
        }
        Failure::transient(self.code, message).output(&self)
    }
}

/// What ran, and whether its output is kept.
pub(crate) struct Run {
    pub(crate) plan: Plan,
    pub(crate) captured: bool,
}

impl Run {
    /// A command that came to its end.
    pub(crate) fn completed(self, done: Completed) -> Output {
        let error = match done.status {
            Status::Exited(0) => None,
            Status::Exited(code) => Some(format!("the command exited with code {code}{}", meaning(code))),
            Status::Signaled(signal) => Some(format!("the command was ended by {}", signal_name(signal))),
        };
        let code = if matches!(done.status, Status::Exited(_)) { "exit" } else { "signal" };
        self.output(done, error, code)
    }

    /// A command that took too long.
    pub(crate) fn timed_out(self, done: Completed, limit: Option<Duration>) -> Output {
        let limit = show_duration(limit.unwrap_or(done.duration));
        let error = format!("the command did not end within {limit} and was stopped");
        Output { exit_code: -1, success: false, ..self.output(done, Some(error), "timeout") }
    }

    fn output(self, done: Completed, error: Option<String>, code: &'static str) -> Output {
        let text = |stream: &Captured| self.captured.then(|| stream.text());
        let truncated = |stream: &Captured| self.captured && stream.omitted() > 0;
        let (exit_code, signal) = match done.status {
            Status::Exited(code) => (i32::from(code), None),
            Status::Signaled(signal) => (-1, Some(signal)),
        };
        Output {
            success: error.is_none(),
            exit_code,
            stdout: text(&done.stdout),
            stderr: text(&done.stderr),
            stdout_truncated: truncated(&done.stdout),
            stderr_truncated: truncated(&done.stderr),
            stdout_bytes: done.stdout.total,
            stderr_bytes: done.stderr.total,
            signal,
            duration_ms: u64::try_from(done.duration.as_millis()).unwrap_or(u64::MAX),
            error,
            code,
            command: self.plan.command,
            shell: self.plan.shell,
        }
    }

    /// A command that could not be run at all: `allow_failure` does not cover that.
    pub(crate) fn not_run(self, error: Error) -> Failure {
        match (&error, &self.plan.shell) {
            (Error::NotFound { .. }, Some(shell)) if shell == "sh" => Failure::permanent(
                "not_found",
                "there is no shell on PATH, neither bash nor sh: install one, or name a program with `command` and `args`",
            ),
            (Error::NotFound { .. }, Some(shell)) => Failure::permanent(
                "not_found",
                format!("the shell `{shell}` was not found: install it, or name another in `shell`"),
            ),
            (Error::NotFound { program }, None) => Failure::permanent(
                "not_found",
                format!("there is no program `{program}`; leave `args` out to run `command` in a shell"),
            ),
            _ => error.into(),
        }
    }
}

/// What shells mean by some exit codes.
fn meaning(code: u8) -> String {
    match code {
        126 => " (found, but it can't be executed)".to_owned(),
        127 => " (command not found)".to_owned(),
        // 128 + signal, where a signal ended what the shell ran.
        129..=159 => format!(" (something it ran was ended by {})", signal_name(code - 128)),
        _ => String::new(),
    }
}

fn signal_name(signal: u8) -> String {
    let name = match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        6 => "SIGABRT",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        _ => return format!("signal {signal}"),
    };
    format!("signal {signal} ({name})")
}

/// The last lines that aren't blank, each cut to a readable length.
fn last_lines(text: &str) -> Vec<String> {
    let lines = text.lines().rev().filter(|line| !line.trim().is_empty()).take(SHOWN_LINES);
    let cut = |line: &str| match line.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line.trim_end().to_owned(),
    };
    let mut lines: Vec<String> = lines.map(cut).collect();
    lines.reverse();
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use shiro_step::FailureKind;

    use super::*;

    fn run() -> Run {
        let plan = Plan { program: "bash".into(), args: vec![], command: "make".into(), shell: Some("bash".into()) };
        Run { plan, captured: true }
    }

    fn done(status: Status, stdout: &str, stderr: &str) -> Completed {
        let stream = |text: &str| Captured { head: text.into(), tail: vec![], total: text.len() as u64 };
        Completed { status, stdout: stream(stdout), stderr: stream(stderr), duration: Duration::from_millis(12) }
    }

    fn shown(output: &Output) -> Value {
        serde_json::to_value(output).unwrap()
    }

    #[test]
    fn a_success_has_everything_but_an_error() {
        let output = run().completed(done(Status::Exited(0), "out\n", ""));
        assert!(output.success);
        assert_eq!(
            shown(&output),
            json!({
                "success": true, "exit_code": 0, "command": "make", "shell": "bash", "stdout": "out\n", "stderr": "",
                "stdout_truncated": false, "stderr_truncated": false, "stdout_bytes": 4, "stderr_bytes": 0,
                "duration_ms": 12
            })
        );
    }

    #[test]
    fn an_exit_code_fails_with_what_there_is_to_see() {
        let failure = run().completed(done(Status::Exited(2), "out", "one\n\ntwo\n")).into_failure();
        assert_eq!((failure.kind(), failure.code()), (FailureKind::Transient, "exit"));
        assert_eq!(failure.message(), "the command exited with code 2; the last it wrote to stderr:\n  one\n  two");
        let output = failure.shown().unwrap();
        assert_eq!(output["exit_code"], 2);
        assert_eq!(output["stdout"], "out");
        assert_eq!(output["error"], "the command exited with code 2");
    }

    #[test]
    fn exit_codes_with_a_meaning_are_explained() {
        let message = |code| run().completed(done(Status::Exited(code), "", "")).into_failure().message().to_owned();
        assert_eq!(message(1), "the command exited with code 1");
        assert_eq!(message(127), "the command exited with code 127 (command not found)");
        assert!(message(137).contains("SIGKILL"), "{}", message(137));
    }

    #[test]
    fn a_signal_is_no_exit_code() {
        let output = run().completed(done(Status::Signaled(9), "", ""));
        assert_eq!(shown(&output)["exit_code"], -1);
        assert_eq!(shown(&output)["signal"], 9);
        let failure = output.into_failure();
        assert_eq!((failure.code(), failure.message()), ("signal", "the command was ended by signal 9 (SIGKILL)"));
    }

    #[test]
    fn a_timeout_names_its_limit() {
        let limit = Some(Duration::from_secs(90));
        let output = run().timed_out(done(Status::Signaled(15), "so far", ""), limit);
        assert_eq!(shown(&output)["exit_code"], -1);
        assert_eq!(shown(&output)["stdout"], "so far");
        let failure = output.into_failure();
        assert_eq!((failure.kind(), failure.code()), (FailureKind::Transient, "timeout"));
        assert_eq!(failure.message(), "the command did not end within 1m 30s and was stopped");
    }

    #[test]
    fn a_shell_that_is_missing_is_named() {
        let named = |shell: &str| {
            let run = Run { plan: Plan { shell: Some(shell.into()), ..run().plan }, captured: true };
            run.not_run(Error::NotFound { program: shell.into() })
        };
        assert!(named("fish").message().contains("`fish`"));
        assert!(named("sh").message().contains("neither bash nor sh"));
        assert_eq!(named("fish").kind(), FailureKind::Permanent);
    }

    #[test]
    fn uncaptured_output_is_counted_only() {
        let run = Run { captured: false, ..run() };
        let stream = Captured { head: vec![], tail: vec![], total: 7 };
        let output = run.completed(Completed { stdout: stream, ..done(Status::Exited(0), "", "") });
        let shown = shown(&output);
        assert_eq!((shown.get("stdout"), shown.get("stderr")), (None, None));
        assert_eq!((&shown["stdout_bytes"], &shown["stdout_truncated"]), (&json!(7), &json!(false)));
    }

    #[test]
    fn a_failure_shows_the_end_of_stderr() {
        let text = (1..=30).map(|n| format!("line {n}\n")).collect::<String>() + &"x".repeat(1000);
        let lines = last_lines(&text);
        assert_eq!(lines.len(), SHOWN_LINES);
        assert_eq!(lines[0], "line 22");
        assert_eq!(lines[9].len(), SHOWN_CHARS + 3);
    }
}
