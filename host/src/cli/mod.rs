//! The command line: clap types and glue, one file per verb.
//!
//! Data goes to standard output; errors go to standard error. The log of a run is its data.

mod accepted;
mod approve;
mod approver;
pub mod args;
mod audit;
mod bind;
mod ci;
mod ci_files;
mod complete;
mod data;
mod dry_run;
mod early_scope;
mod error;
mod gates;
mod graph;
mod held;
mod init;
mod inputs;
mod leave;
mod nested;
mod output;
mod plugin;
mod policy;
mod project;
mod retry;
mod run;
mod schema;
mod settings;
mod shared_data;
mod start;
mod state;
mod status;
mod store;
mod types;
mod validate;
mod version;

use std::ffi::OsString;
use std::io::{self, Write};

use clap::Parser;

use args::data::DataVerb;
use args::{Cli, Verb};
use ci::Environment;
use error::{BUG, CliError};

pub use error::CliError as Error;

/// How a verb ends: an exit code, or an error that has one.
type Exit = Result<u8, CliError>;

/// Runs the command line. Returns the process's exit code; `docs/exit-codes.md` has them all.
pub fn main(args: impl IntoIterator<Item = OsString>) -> u8 {
    keep_to_itself();
    let args: Vec<OsString> = args.into_iter().collect();
    report_bugs();
    let outcome = std::panic::catch_unwind(|| {
        if let Some(args::go::Refused { verb, why, instead }) = args::go::refused(&args) {
            let error = CliError::new(error::USAGE, format!("`shiro {verb}` is of Go shiro: {why}")).hint(instead);
            let _ = writeln!(io::stderr(), "{error}");
            return error.exit_code;
        }
        let args = args::normalise(args);
        let cli = match Cli::try_parse_from(args) {
            Ok(cli) => cli,
            Err(error) => {
                // `--help` and `--version` are errors to clap, with code 0.
                let _ = error.print();
                return u8::try_from(error.exit_code()).unwrap_or(error::USAGE);
            }
        };
        match execute(cli) {
            Ok(code) => code,
            Err(error) => {
                if !error.message.is_empty() {
                    let _ = writeln!(io::stderr(), "{error}");
                }
                error.exit_code
            }
        }
    });
    outcome.unwrap_or(BUG)
}

/// Programs that steps run are this user's, as shiro is: they could read its memory, and its variables, the state key among
/// them. Nor is any of that left in a core file.
fn keep_to_itself() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

fn execute(cli: Cli) -> Exit {
    let mut out = io::stdout().lock();
    match cli.verb {
        Verb::Run(args) => {
            // A run writes from many threads.
            drop(out);
            run::run(&args, cli.color, Environment::of_process())
        }
        Verb::Validate(args) => validate::validate(&args, &mut out),
        Verb::Status(args) => status::status(&args, &Environment::of_process(), &mut out),
        Verb::Approve(args) => approve::approve(&args, &Environment::of_process(), &mut out),
        Verb::Reject(args) => approve::reject(&args, &Environment::of_process(), &mut out),
        Verb::Rework(args) => approve::rework(&args, &Environment::of_process(), &mut out),
        Verb::Audit(args) => audit::audit(&args, &Environment::of_process(), &mut out),
        Verb::State(verb) => state::state(&verb, &Environment::of_process(), &mut out),
        Verb::Graph(args) => graph::graph(&args, &mut out),
        Verb::Init(args) => init::init(&args, &mut out),
        Verb::Ci(verb) => ci_files::ci(&verb, &mut out),
        Verb::Types(args) => types::types(&args, &mut out),
        Verb::Schema(args) => schema::schema(&args, &mut out),
        Verb::Data(verb) => data::data(&verb, &Environment::of_process(), &mut out),
        Verb::Set(args) => data::data(&DataVerb::Set(args), &Environment::of_process(), &mut out),
        Verb::Get(args) => data::data(&DataVerb::Get(args), &Environment::of_process(), &mut out),
        Verb::Delete(args) => data::data(&DataVerb::Delete(args), &Environment::of_process(), &mut out),
        Verb::List(args) => data::data(&DataVerb::List(args), &Environment::of_process(), &mut out),
        Verb::Plugin(verb) => plugin::plugin(&verb, &mut out),
        Verb::Version => version::version(&mut out),
        Verb::Completions { shell } => complete::complete(shell, &mut out),
        Verb::Watch => Ok(crate::plugin::process::watch_main()),
        Verb::Compile => Ok(crate::plugin::compile_main()),
    }
}

/// What someone else wrote, as one line with nothing in it that acts on a terminal or a CI system's log.
fn one_line(text: &str) -> String {
    crate::secret::visible::visible(text).replace(['\n', '\r', '\t'], " ")
}

/// A panic is a bug of ours: the user gets one line to report, and exit code 70.
fn report_bugs() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map_or_else(String::new, |place| format!(" at {}:{}", place.file(), place.line()));
        let _ = writeln!(
            io::stderr(),
            "error: a bug in shiro {}{place}; what was recorded of the run is kept\n  hint: please report it with this line",
            env!("CARGO_PKG_VERSION")
        );
    }));
}
