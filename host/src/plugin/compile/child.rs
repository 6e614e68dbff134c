//! The compiler as a child process with limits on processor time, memory and output.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use wasmtime::Engine;

use crate::outcome::FailureClass;
use crate::plugin::error::PluginError;
use crate::plugin::limits::COMPONENT_BYTES;
use crate::plugin::load::compile_error;
use crate::plugin::process::own_program;
use crate::plugin::runtime::config_for_this_machine;

/// The verb with which this program compiles (see [`compile_main`]). Not for people.
pub const COMPILE_VERB: &str = "__compile";

/// Processor seconds, all threads together: a JavaScript engine of 12 MB takes 10, CPython 9.
const CPU_SECONDS: u64 = 120;
/// Wall clock, for a machine with other things to do.
const WALL: Duration = Duration::from_secs(300);
/// Bytes of memory: CPython takes 350 MiB.
const DATA_BYTES: u64 = 1 << 30;
/// Bytes of compiled code: it is two to six times its component's size.
pub(super) const CODE_BYTES: u64 = 512 << 20;
/// Threads: each holds the functions it is compiling.
const THREADS: usize = 4;
/// Bytes of an error's text.
const ERROR_BYTES: u64 = 64 << 10;
/// The exit code for a component that is not valid.
const INVALID: u8 = 3;
/// The exit code for compiled code that can't be written.
const NO_ROOM: u8 = 4;

/// The command line that starts this program as a compiler.
pub(super) fn own_command() -> Option<Vec<OsString>> {
    Some(vec![own_program()?.into(), COMPILE_VERB.into()])
}

/// Compiles standard input to standard output, within limits that it sets itself. Returns the process's exit code.
pub fn compile_main() -> u8 {
    match limit().map_err(|error| (70, error.to_string())).and_then(|()| compile_stdin()) {
        Ok(()) => 0,
        Err((code, message)) => {
            let _ = writeln!(io::stderr(), "{message}");
            code
        }
    }
}

fn limit() -> io::Result<()> {
    // A second more for the kernel's SIGKILL, so that SIGXCPU tells what happened.
    for (resource, current, maximum) in [
        (Resource::Cpu, CPU_SECONDS, CPU_SECONDS + 1),
        (Resource::Data, DATA_BYTES, DATA_BYTES),
        (Resource::Core, 0, 0),
        (Resource::Fsize, CODE_BYTES, CODE_BYTES),
    ] {
        // What was limited further stays so.
        let already = getrlimit(resource);
        let least = |limit: u64, already: Option<u64>| Some(already.map_or(limit, |already| already.min(limit)));
        let limits = Rlimit { current: least(current, already.current), maximum: least(maximum, already.maximum) };
        setrlimit(resource, limits)?;
    }
    Ok(())
}

fn compile_stdin() -> Result<(), (u8, String)> {
    let broken = |error: io::Error| (70, error.to_string());
    let mut component = Vec::new();
    io::stdin().take(COMPONENT_BYTES + 1).read_to_end(&mut component).map_err(broken)?;
    let engine = Engine::new(&config_for_this_machine()).map_err(|error| (70, format!("{error:#}")))?;
    let code = engine.precompile_component(&component).map_err(|error| (INVALID, format!("{error:#}")))?;
    io::stdout().write_all(&code).and_then(|()| io::stdout().flush()).map_err(|error| (NO_ROOM, error.to_string()))
}

/// Has a child compile these bytes, which came from `name`, to this file, which is empty.
pub(super) fn compile(command_line: &[OsString], bytes: &[u8], name: &str, code: &File) -> Result<(), PluginError> {
    let internal = |what: String| PluginError {
        class: FailureClass::Internal,
        ..PluginError::new("compiler", format!("{name}: it can't be compiled: {what}"))
    };
    let mut child = start(command_line, code).map_err(|error| internal(error.to_string()))?;
    let ended = converse(&mut child, bytes).map_err(|error| internal(error.to_string()))?;
    let limit = |what: String| PluginError {
        class: FailureClass::Limit,
        ..PluginError::new("compile-limit", format!("{name}: compiling it took more {what}"))
            .with_hint("a component that costs so much is broken or hostile: look at who made it")
    };
    let signal = ended.status.signal().and_then(Signal::from_named_raw);
    match (ended.status.code(), signal) {
        (Some(0), _) => Ok(()),
        (Some(code), _) if code == i32::from(INVALID) => Err(compile_error(ended.error.trim(), name)),
        (Some(code), _) if code == i32::from(NO_ROOM) => {
            let what = format!("{name}: its compiled form can't be written: {}", ended.error.trim());
            Err(PluginError::new("no-place", what).with_hint(
                "make room in the cache directory, or let SHIRO_CACHE_DIR name another; with -no-cache, let TMPDIR name one",
            ))
        }
        _ if ended.late => Err(limit(format!("than {} s", WALL.as_secs()))),
        (_, Some(Signal::XFSZ)) => Err(limit(format!("than {} MiB or less for its compiled code", CODE_BYTES >> 20))),
        (_, Some(Signal::XCPU)) => Err(limit(format!("processor time than the limit, {CPU_SECONDS} s or less"))),
        (_, Some(Signal::ABORT)) if ended.error.contains("memory allocation") => {
            Err(limit(format!("memory than the limit, {} MiB or less", DATA_BYTES >> 20)))
        }
        // By the system: out of memory, or a hard limit that was there before.
        (_, Some(Signal::KILL)) => Err(limit("memory or processor time than the system has for it".to_owned())),
        _ => Err(internal(format!("the compiler ended with {}: {}", ended.status, ended.error.trim()))),
    }
}

fn start(command_line: &[OsString], code: &File) -> io::Result<Child> {
    let (program, args) = command_line.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let threads = thread::available_parallelism().map_or(1, usize::from).min(THREADS);
    Command::new(program)
        .args(args)
        .env_clear()
        .env("RAYON_NUM_THREADS", threads.to_string())
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(code.try_clone()?)
        .stderr(Stdio::piped())
        .spawn()
}

/// How the child ended.
struct Ended {
    status: ExitStatus,
    /// It was killed for the time it took.
    late: bool,
    error: String,
}

fn converse(child: &mut Child, bytes: &[u8]) -> io::Result<Ended> {
    let pid = Pid::from_child(child);
    let (Some(mut stdin), Some(stderr)) = (child.stdin.take(), child.stderr.take()) else {
        return Err(io::ErrorKind::BrokenPipe.into());
    };
    let (finished, wait) = mpsc::channel::<()>();
    thread::scope(|scope| {
        // The child may end without having read everything.
        scope.spawn(move || drop(stdin.write_all(bytes)));
        let late = scope.spawn(move || {
            let late = wait.recv_timeout(WALL) == Err(RecvTimeoutError::Timeout);
            // Not waited for yet, so the number is still the child's.
            if late {
                let _ = kill_process(pid, Signal::KILL);
            }
            late
        });
        // It ends when the child does.
        let error = String::from_utf8_lossy(&beginning(stderr, ERROR_BYTES)).into_owned();
        drop(finished);
        let late = late.join().unwrap_or_default();
        let status = child.wait()?;
        Ok(Ended { status, late, error })
    })
}

/// The first bytes of what comes, read to its end.
fn beginning(mut reader: impl Read, most: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    // An error is the child's end: its status says more.
    let _ = reader.by_ref().take(most).read_to_end(&mut bytes);
    let _ = io::copy(&mut reader, &mut io::sink());
    bytes
}
