//! What Go shiro's command line knows and this one writes otherwise: flags with a truth value, a run without its verb, and
//! verbs whose work is done another way.

use std::ffi::OsString;

use clap::{ArgAction, Command, CommandFactory};

use super::Cli;

/// A verb of Go shiro that is refused, why, and what there is instead.
pub struct Refused {
    /// As it was called.
    pub verb: String,
    /// Why it is not here.
    pub why: &'static str,
    /// What to call instead.
    pub instead: &'static str,
}

const MODULES: &str =
    "a module was a program that was found by a search, fetched unverified, and run with all that the job has";

/// Verbs that have no other meaning here.
const REFUSED: &[(&str, &str, &str)] = &[
    ("add", MODULES, "`shiro plugin add OCI|FILE` adds a component and pins it"),
    ("install", MODULES, "`shiro plugin fetch` fetches what is pinned, `shiro plugin add OCI|FILE` adds a component"),
    ("remove", MODULES, "`shiro plugin remove TYPE` removes a step type"),
    ("search", MODULES, "`shiro types` lists the step types there are; others are named by their full address"),
    ("info", MODULES, "`shiro plugin inspect TYPE|FILE|OCI` shows what a component is and asks for"),
    ("docs", MODULES, "`shiro types TYPE` documents a step type"),
    ("module", MODULES, "`shiro plugin` has the verbs for step types"),
    ("modules", MODULES, "`shiro plugin` has the verbs for step types"),
];

/// The refusal of a call such as `shiro add module jira`, if it is one. `args` begin with the program's name.
pub fn refused(args: &[OsString]) -> Option<Refused> {
    let mut words = args.iter().skip(1).filter_map(|arg| arg.to_str()).filter(|arg| !arg.starts_with('-'));
    let verb = words.next()?;
    let verb = match (verb, words.next()) {
        ("list", Some("modules")) => {
            return Some(Refused {
                verb: "list modules".to_owned(),
                why: MODULES,
                instead: "`shiro plugin list` lists the step types, and where each comes from",
            });
        }
        (verb, _) => verb,
    };
    let (_, why, instead) = REFUSED.iter().find(|(name, ..)| *name == verb)?;
    Some(Refused { verb: verb.to_owned(), why, instead })
}

/// The arguments as clap takes them: `run` where a flag of it or a workflow's file comes first, and `-fresh=true` without its
/// value. All long flags have two dashes already.
pub fn translate(args: Vec<OsString>) -> Vec<OsString> {
    let args = with_verb(args);
    let has_truth = |arg: &OsString| arg.to_str().is_some_and(|arg| truth(arg).is_some());
    if !args.iter().take_while(|arg| *arg != "--").any(has_truth) {
        return args;
    }
    let command = Cli::command();
    let command = verb_of(&command, &args);
    let is_switch = |name: &str| {
        command
            .get_arguments()
            .any(|arg| arg.get_long() == Some(name) && matches!(arg.get_action(), ArgAction::SetTrue))
    };
    let mut flags = true;
    args.iter()
        .filter_map(|arg| {
            flags &= arg != "--";
            match arg.to_str().and_then(truth) {
                Some((name, true)) if flags && is_switch(name) => Some(OsString::from(format!("--{name}"))),
                Some((name, false)) if flags && is_switch(name) => None,
                _ => Some(arg.clone()),
            }
        })
        .collect()
}

/// A verb that was mistyped never runs anything: only what can't be a verb is a run's first argument.
fn with_verb(mut args: Vec<OsString>) -> Vec<OsString> {
    let Some(first) = args.get(1).and_then(|arg| arg.to_str()) else { return args };
    let name = first.strip_prefix("--").map(|flag| flag.split('=').next().unwrap_or_default());
    match name {
        _ if first == "-v" => args[1] = "--version".into(),
        Some("" | "help" | "version" | "color") => {}
        Some(_) => args.insert(1, "run".into()),
        None if first.len() > ".json".len() && first.ends_with(".json") => args.insert(1, "run".into()),
        None => {}
    }
    args
}

/// The command that the words of a call lead to.
fn verb_of<'c>(command: &'c Command, args: &[OsString]) -> &'c Command {
    args.iter().skip(1).filter_map(|arg| arg.to_str()).fold(command, |command, word| {
        command.get_subcommands().find(|verb| verb.get_name() == word).unwrap_or(command)
    })
}

/// The name and value of `--name=true`, in the words that Go takes for a truth value.
fn truth(arg: &str) -> Option<(&str, bool)> {
    let (name, value) = arg.strip_prefix("--")?.split_once('=')?;
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some((name, true)),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some((name, false)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(line: &str) -> String {
        let args = super::super::normalise(line.split(' ').map(OsString::from));
        args.iter().map(|arg| arg.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_flag_may_have_its_truth_value() {
        for (line, expected) in [
            ("shiro run -fresh=true -dry-run=false w.json", "shiro run --fresh w.json"),
            ("shiro run --dry-run=1 --fresh=F", "shiro run --dry-run"),
            ("shiro data set --json=true k v", "shiro data set --json k v"),
            // These take a value, or are none of its flags.
            ("shiro run -input a=true", "shiro run --input a=true"),
            ("shiro get k -default=true", "shiro get k --default=true"),
            ("shiro run -frseh=true", "shiro run --frseh=true"),
            ("shiro run -fresh=maybe", "shiro run --fresh=maybe"),
            ("shiro set k -- -json=true", "shiro set k -- -json=true"),
        ] {
            assert_eq!(translated(line), expected);
        }
    }

    #[test]
    fn a_run_may_leave_its_verb_out() {
        for (line, expected) in [
            ("shiro w.json -fresh", "shiro run w.json --fresh"),
            ("shiro -workflow w.json -state-store filesystem", "shiro run --workflow w.json --state-store filesystem"),
            ("shiro -dry-run=true", "shiro run --dry-run"),
            ("shiro -v", "shiro --version"),
            ("shiro -version", "shiro --version"),
            ("shiro -help", "shiro --help"),
            ("shiro -color never types", "shiro --color never types"),
            ("shiro vaildate", "shiro vaildate"),
            ("shiro .json", "shiro .json"),
            ("shiro", "shiro"),
        ] {
            assert_eq!(translated(line), expected);
        }
    }

    #[test]
    fn verbs_for_modules_are_told_from_those_there_are() {
        let verb = |line: &str| {
            let args: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            refused(&args).map(|refused| refused.verb)
        };
        assert_eq!(verb("shiro add module jira").as_deref(), Some("add"));
        assert_eq!(verb("shiro list modules").as_deref(), Some("list modules"));
        for line in ["shiro list", "shiro list -prefix modules/", "shiro plugin add x", "shiro run add", "shiro"] {
            assert_eq!(verb(line), None, "{line}");
        }
        for (name, ..) in REFUSED {
            assert!(Cli::command().find_subcommand(name).is_none(), "{name} is a verb");
        }
    }
}
