//! `shiro plugin new`: a folder to write a step type in.

use std::io::Write;
use std::path::Path;

use super::super::Exit;
use super::super::args::plugin::{EngineArg, LanguageArg, NewArgs};
use super::super::error::{CliError, USAGE};
use super::authoring_error;
use crate::authoring::{self, Engine, Language};
use crate::plugin::check_new_name;

/// Writes the folder.
pub(super) fn new(args: &NewArgs, out: &mut dyn Write) -> Exit {
    let NewArgs { name, lang, engine } = args;
    check_new_name(name).map_err(|error| {
        let mut usage = CliError::new(USAGE, error.message);
        usage.hints.extend(error.hint);
        usage
    })?;
    let language = Language::from(*lang);
    authoring::create(name, language, engine.map(Engine::from), Path::new("")).map_err(authoring_error)?;
    writeln!(
        out,
        "{name}/: a step type in {language}\n\n  cd {name} && make test\n\nIts README.md says what is what."
    )?;
    Ok(0)
}

impl From<LanguageArg> for Language {
    fn from(arg: LanguageArg) -> Self {
        match arg {
            LanguageArg::Rust => Self::Rust,
            LanguageArg::Js => Self::Js,
            LanguageArg::Ts => Self::Ts,
            LanguageArg::Python => Self::Python,
            LanguageArg::C => Self::C,
            LanguageArg::Go => Self::Go,
        }
    }
}

impl From<EngineArg> for Engine {
    fn from(arg: EngineArg) -> Self {
        match arg {
            EngineArg::Quickjs => Self::QuickJs,
            EngineArg::Starlingmonkey => Self::StarlingMonkey,
        }
    }
}
