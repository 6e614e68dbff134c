//! Running programs on the machine. Needs [`Permissions::program`](crate::Permissions::program).

use std::fmt;
use std::time::Duration;

use crate::Failure;
use crate::bindings::shiro::step::process as host;

/// How many bytes of each stream are kept unless the command says otherwise.
pub const DEFAULT_CAPTURE: u32 = 256 * 1024;

/// A program to run: built up, then [`run`](Self::run).
///
/// ```no_run
/// # fn main() -> Result<(), shiro_step::Failure> {
/// use shiro_step::process::Command;
///
/// let done = Command::new("git").args(["rev-parse", "HEAD"]).run()?;
/// if done.status.success() {
///     println!("{}", done.stdout.text().trim());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    program: String,
    args: Vec<String>,
    env: Vec<(String, String)>,
    working_dir: Option<String>,
    stdin: Option<Vec<u8>>,
    capture: u32,
    timeout: Option<Duration>,
    quiet: bool,
}

impl Command {
    /// A name to look for on `PATH`, or a path with a slash in it.
    pub fn new(program: impl Into<String>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            working_dir: None,
            stdin: None,
            capture: DEFAULT_CAPTURE,
            timeout: None,
            quiet: false,
        }
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    pub fn args<T: Into<String>>(mut self, args: impl IntoIterator<Item = T>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable, on top of what the grant lets the program inherit.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Where it runs: relative to the project's directory, which is the default.
    pub fn working_dir(mut self, dir: impl Into<String>) -> Self {
        self.working_dir = Some(dir.into());
        self
    }

    /// What it reads. Without it, standard input is empty.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    /// How many bytes of each stream to keep: the first and the last half each. The host keeps 1 MiB at most.
    pub fn capture(mut self, bytes: u32) -> Self {
        self.capture = bytes;
        self
    }

    /// Ends it after this time.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Shows nothing that it writes in the step's log.
    pub fn quiet(mut self) -> Self {
        self.quiet = true;
        self
    }

    /// The program.
    pub fn program(&self) -> &str {
        &self.program
    }

    /// Its arguments.
    pub fn arguments(&self) -> &[String] {
        &self.args
    }

    /// Runs it and waits for its end. A program that says no is no error: see [`Completed::status`].
    pub fn run(self) -> Result<Completed, Error> {
        let program = self.program.clone();
        if cfg!(not(target_family = "wasm")) {
            return Err(Error::NotStarted { program, reason: "programs run only inside a component".to_owned() });
        }
        let command = host::Command {
            program: self.program,
            args: self.args,
            env: self.env,
            working_dir: self.working_dir,
            stdin: self.stdin,
            capture_bytes: self.capture,
            timeout_ms: self.timeout.map(|timeout| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)),
        };
        let result = if self.quiet { host::run_quietly(&command) } else { host::run(&command) };
        result.map(Completed::from).map_err(|error| Error::from_host(error, program))
    }
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// By itself, with this code.
    Exited(u8),
    /// By this signal.
    Signaled(u8),
}

impl Status {
    /// It ended by itself, with code 0.
    pub fn success(self) -> bool {
        self == Self::Exited(0)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exited with code {code}"),
            Self::Signaled(signal) => write!(f, "was ended by signal {signal}"),
        }
    }
}

/// A program that ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completed {
    /// How it ended.
    pub status: Status,
    /// What it wrote to standard output.
    pub stdout: Captured,
    /// What it wrote to standard error.
    pub stderr: Captured,
    /// How long it ran.
    pub duration: Duration,
}

impl From<host::Completed> for Completed {
    fn from(done: host::Completed) -> Self {
        let captured = |stream: host::Captured| Captured { head: stream.head, tail: stream.tail, total: stream.total };
        Self {
            status: match done.status {
                host::Status::Exited(code) => Status::Exited(code),
                host::Status::Signaled(signal) => Status::Signaled(signal),
            },
            stdout: captured(done.stdout),
            stderr: captured(done.stderr),
            duration: Duration::from_millis(done.duration_ms),
        }
    }
}

/// A stream as far as it was kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captured {
    /// The first bytes: all of them if nothing was left out.
    pub head: Vec<u8>,
    /// The last bytes, when `head` is not all.
    pub tail: Vec<u8>,
    /// How many bytes the program wrote.
    pub total: u64,
}

impl Captured {
    /// How many bytes were left out between head and tail.
    pub fn omitted(&self) -> u64 {
        self.total.saturating_sub((self.head.len() + self.tail.len()) as u64)
    }

    /// Head and tail as text, with a line between them that says what was left out. Bytes that are no UTF-8 become
    /// U+FFFD; a character that was cut is left out.
    pub fn text(&self) -> String {
        if self.omitted() == 0 {
            return String::from_utf8_lossy(&[&self.head[..], &self.tail].concat()).into_owned();
        }
        let head = without_cut_end(&self.head);
        let tail = without_cut_start(&self.tail);
        let omitted = self.total.saturating_sub((head.len() + tail.len()) as u64);
        let (head, tail) = (String::from_utf8_lossy(head), String::from_utf8_lossy(tail));
        format!("{head}\n[... {omitted} bytes left out ...]\n{tail}")
    }
}

/// Bytes without the beginning of a UTF-8 character at their end.
fn without_cut_end(bytes: &[u8]) -> &[u8] {
    let lead = bytes.iter().rev().take(4).position(|&byte| byte & 0b1100_0000 != 0b1000_0000);
    let Some(after) = lead else { return bytes };
    let start = bytes.len() - 1 - after;
    let needed = match bytes[start] {
        0b1100_0000..=0b1101_1111 => 2,
        0b1110_0000..=0b1110_1111 => 3,
        0b1111_0000..=0b1111_0111 => 4,
        _ => 1,
    };
    if after + 1 < needed { &bytes[..start] } else { bytes }
}

/// Bytes without the rest of a UTF-8 character at their start.
fn without_cut_start(bytes: &[u8]) -> &[u8] {
    let rest = bytes.iter().take(3).take_while(|&&byte| byte & 0b1100_0000 == 0b1000_0000).count();
    &bytes[rest..]
}

/// Why a program has no status.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Not granted.
    Denied {
        /// What was to run.
        program: String,
        /// What would allow it.
        hint: String,
    },
    /// There is no such program on `PATH`, or no such file.
    NotFound {
        /// What was to run.
        program: String,
    },
    /// It could not be started.
    NotStarted {
        /// What was to run.
        program: String,
        /// The system's reason.
        reason: String,
    },
    /// Its time was over. It is gone; what it had written is here.
    TimedOut {
        /// What ran.
        program: String,
        /// What it left.
        completed: Box<Completed>,
    },
    /// Something in the command can't be used.
    Invalid {
        /// What was to run.
        program: String,
        /// What, and why.
        reason: String,
    },
}

impl Error {
    fn from_host(error: host::Error, program: String) -> Self {
        match error {
            host::Error::Denied(hint) => Self::Denied { program, hint },
            host::Error::NotFound => Self::NotFound { program },
            host::Error::NotStarted(reason) => Self::NotStarted { program, reason },
            host::Error::TimedOut(done) => Self::TimedOut { program, completed: Box::new(done.into()) },
            host::Error::Invalid(reason) => Self::Invalid { program, reason },
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied { program, hint } => write!(f, "running `{program}` was denied: {hint}"),
            Self::NotFound { program } if program.contains('/') => write!(f, "there is no program at `{program}`"),
            Self::NotFound { program } => write!(f, "there is no program `{program}` on PATH"),
            Self::NotStarted { program, reason } => write!(f, "`{program}` could not be started: {reason}"),
            Self::TimedOut { program, completed } => {
                write!(f, "`{program}` did not end within {:.1?} and was stopped", completed.duration)
            }
            Self::Invalid { program, reason } => write!(f, "`{program}` can't be run like this: {reason}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::Denied { .. } => Self::permanent("denied", message),
            Error::NotFound { .. } => Self::permanent("not_found", message),
            Error::NotStarted { .. } => Self::permanent("not_started", message),
            Error::TimedOut { .. } => Self::transient("timeout", message),
            Error::Invalid { .. } => Self::permanent("invalid_command", message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captured(head: &[u8], tail: &[u8], total: u64) -> Captured {
        Captured { head: head.to_vec(), tail: tail.to_vec(), total }
    }

    #[test]
    fn a_whole_stream_reads_as_it_was_written() {
        assert_eq!(captured(b"one\n", b"", 4).text(), "one\n");
        // Kept in two halves, nothing between them: a character may lie across.
        assert_eq!(captured(b"caf\xc3", b"\xa9!", 6).text(), "café!");
        assert_eq!(captured(b"\xff", b"", 1).text(), "\u{fffd}");
    }

    #[test]
    fn a_cut_stream_says_what_is_missing() {
        assert_eq!(captured(b"head", b"tail", 108).text(), "head\n[... 100 bytes left out ...]\ntail");
    }

    #[test]
    fn a_cut_character_counts_as_left_out() {
        let stream = captured("né".as_bytes().split_last().unwrap().1, &"ü!".as_bytes()[1..], 100);
        assert_eq!(stream.text(), "n\n[... 98 bytes left out ...]\n!");
        for whole in ["ascii", "é", "€", "😀"] {
            assert_eq!(without_cut_end(whole.as_bytes()), whole.as_bytes());
            let (_, cut) = whole.as_bytes().split_last().unwrap();
            assert_eq!(without_cut_end(cut), if whole == "ascii" { &b"asci"[..] } else { &b""[..] });
        }
    }

    #[test]
    fn only_a_timeout_is_worth_another_attempt() {
        use crate::FailureKind::{Permanent, Transient};
        let program = || "git".to_owned();
        let done = Completed {
            status: Status::Signaled(9),
            stdout: Captured::default(),
            stderr: Captured::default(),
            duration: Duration::from_secs(2),
        };
        for (error, kind, code) in [
            (Error::Denied { program: program(), hint: "ask".into() }, Permanent, "denied"),
            (Error::NotFound { program: program() }, Permanent, "not_found"),
            (Error::NotStarted { program: program(), reason: "EACCES".into() }, Permanent, "not_started"),
            (Error::Invalid { program: program(), reason: "NUL".into() }, Permanent, "invalid_command"),
            (Error::TimedOut { program: program(), completed: Box::new(done) }, Transient, "timeout"),
        ] {
            let failure = Failure::from(error);
            assert_eq!((failure.kind(), failure.code()), (kind, code));
            assert!(failure.message().contains("git"), "{}", failure.message());
        }
    }
}
