//! Collects the arguments, calls the command line, exits with its code. Nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(shiro::cli::main(std::env::args_os()))
}
