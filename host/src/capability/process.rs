//! Process permissions: which programs, with which arguments, where, and with which of the job's variables.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::files::{clean, is_below};
use super::names;
use super::{is_empty_list, is_false};

/// Running one program, or any.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessPermission {
    /// The program as the step names it, or `*` for any. In a policy a path stands for the program of that name, too: the
    /// file that runs.
    pub program: String,
    /// Its arguments, one pattern each: a text is itself, `*` any one argument, `**` at the end any further ones. None means
    /// any arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args: Option<Vec<String>>,
    /// The directory it runs in, or below: relative to the project's directory. None means there; `/` is anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// The job's variables that it inherits: a name, or the beginning of one and `*`, which does not mean secret ones.
    /// Besides these it gets what the call names.
    #[serde(default, skip_serializing_if = "is_empty_list")]
    pub environment: Vec<String>,
    /// It inherits the whole environment of the job (less `SHIRO_*`), with every secret in it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub inherit_environment: bool,
}

impl ProcessPermission {
    /// Every run that `other` covers, this one covers.
    pub fn covers(&self, other: &Self) -> bool {
        let dir = |permission: &Self| permission.working_dir.as_deref().map(clean).unwrap_or_default();
        self.covers_program(&other.program)
            && args_cover(self.args.as_deref(), other.args.as_deref())
            && is_below(&dir(other), &dir(self))
            && (self.inherit_environment
                || (!other.inherit_environment && names::cover(&self.environment, &other.environment)))
    }

    /// Whether it is about this program. A name is no path to a program of that name.
    pub fn covers_program(&self, program: &str) -> bool {
        self.program == "*" || self.program == program
    }

    /// Whether a call of this program may be this one: it names the program, or a path to one of that name, which is then
    /// the file that runs.
    pub fn means(&self, program: &str) -> bool {
        let file = self.program.rsplit_once('/').map(|(_, file)| file);
        self.covers_program(program) || file.is_some_and(|file| !file.is_empty() && file == program)
    }

    /// Whether it is about these arguments.
    pub fn covers_args(&self, args: &[String]) -> bool {
        self.args.as_deref().is_none_or(|patterns| match patterns.split_last() {
            Some((last, first)) if last == ANY_TAIL => {
                args.len() >= first.len() && matches_each(first, &args[..first.len()])
            }
            _ => patterns.len() == args.len() && matches_each(patterns, args),
        })
    }

    /// Whether the program inherits this variable of the job.
    pub fn inherits(&self, variable: &str) -> bool {
        self.inherit_environment || names::matches(&self.environment, variable)
    }

    /// What is wrong with it, if something is.
    pub(super) fn problem(&self) -> Option<(&'static str, String)> {
        if self.program.is_empty() || self.program.contains('\0') {
            return Some(("program", "it is a program's name, a path to one, or `*`".into()));
        }
        let args = self.args.as_deref().unwrap_or_default();
        if args.iter().rev().skip(1).any(|pattern| pattern == ANY_TAIL) {
            return Some(("args", "`**` stands for all further arguments, so it comes last".into()));
        }
        if self.working_dir.as_deref().is_some_and(|dir| dir.is_empty() || dir.split('/').any(|part| part == "..")) {
            return Some(("working_dir", "it is a directory, relative to the project's, without `..`".into()));
        }
        names::problem(&self.environment).map(|problem| ("environment", problem))
    }
}

impl fmt::Display for ProcessPermission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.program.as_str() {
            "*" => f.write_str("any program")?,
            program => write!(f, "`{program}`")?,
        }
        match self.args.as_deref() {
            None => {}
            Some([]) => f.write_str(" without arguments")?,
            Some(args) => write!(f, " with the arguments `{}`", args.join(" "))?,
        }
        match self.working_dir.as_deref() {
            None => {}
            Some("/") => f.write_str(", in any directory")?,
            Some(dir) => write!(f, ", in {dir}")?,
        }
        if self.inherit_environment {
            f.write_str(", with the job's environment")?;
        } else if !self.environment.is_empty() {
            write!(f, ", with the job's {}", self.environment.join(", "))?;
        }
        Ok(())
    }
}

const ANY: &str = "*";
const ANY_TAIL: &str = "**";

fn matches_each(patterns: &[String], args: &[String]) -> bool {
    patterns.iter().zip(args).all(|(pattern, arg)| pattern == ANY || pattern == arg)
}

/// Every list of arguments that `other` matches, `own` matches.
fn args_cover(own: Option<&[String]>, other: Option<&[String]>) -> bool {
    let Some(own) = own else { return true };
    let Some(other) = other else { return own == [ANY_TAIL] };
    let parts = |patterns: &[String]| match patterns.split_last() {
        Some((last, first)) if last == ANY_TAIL => (first.to_vec(), true),
        _ => (patterns.to_vec(), false),
    };
    let ((own, open), (other, others_open)) = (parts(own), parts(other));
    let lengths = if open { own.len() <= other.len() } else { own.len() == other.len() && !others_open };
    lengths && matches_each(&own, &other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(args: &[&str]) -> Vec<String> {
        args.iter().map(|&arg| arg.to_owned()).collect()
    }

    fn git(args: &[&str]) -> ProcessPermission {
        ProcessPermission { program: "git".into(), args: Some(texts(args)), ..ProcessPermission::default() }
    }

    #[test]
    fn a_name_is_not_a_path() {
        assert!(git(&[]).covers_program("git"));
        assert!(!git(&[]).covers_program("/tmp/git"));
        assert!(ProcessPermission { program: "*".into(), ..git(&[]) }.covers_program("/bin/sh"));
    }

    #[test]
    fn arguments_match_one_by_one() {
        for (patterns, args, matches) in [
            (&["diff", "**"][..], &["diff"][..], true),
            (&["diff", "**"], &["diff", "--stat", "HEAD"], true),
            (&["diff", "**"], &["push"], false),
            (&["diff", "*"], &["diff", "HEAD"], true),
            (&["diff", "*"], &["diff"], false),
            (&["diff", "*"], &["diff", "a", "b"], false),
            (&["**"], &[], true),
            (&[], &[], true),
            (&[], &["x"], false),
        ] {
            assert_eq!(git(patterns).covers_args(&texts(args)), matches, "{patterns:?} {args:?}");
        }
        assert!(ProcessPermission { args: None, ..git(&[]) }.covers_args(&texts(&["x"])));
    }

    #[test]
    fn wider_patterns_cover_narrower_ones() {
        let any = ProcessPermission { args: None, ..git(&[]) };
        for (wide, narrow) in [
            (git(&["**"]), git(&["diff"])),
            (git(&["diff", "**"]), git(&["diff", "*", "**"])),
            (git(&["diff", "*"]), git(&["diff", "HEAD"])),
            (any.clone(), git(&["**"])),
            (ProcessPermission { inherit_environment: true, ..git(&["x"]) }, git(&["x"])),
            (ProcessPermission { environment: texts(&["CI_*"]), ..git(&["x"]) }, git(&["x"])),
            (ProcessPermission { working_dir: Some("/".into()), ..git(&["x"]) }, git(&["x"])),
            (git(&["x"]), ProcessPermission { working_dir: Some("sub".into()), ..git(&["x"]) }),
        ] {
            assert!(wide.covers(&narrow), "{wide} | {narrow}");
            // `**` and no pattern at all mean the same.
            assert!(!narrow.covers(&wide) || wide == any, "{narrow} | {wide}");
        }
        assert!(git(&["**"]).covers(&any));
    }

    #[test]
    fn problems_name_their_field() {
        assert_eq!(git(&["diff", "**"]).problem(), None);
        assert_eq!(git(&["**", "x"]).problem().map(|(field, _)| field), Some("args"));
        let dir = ProcessPermission { working_dir: Some("../x".into()), ..git(&[]) };
        assert_eq!(dir.problem().map(|(field, _)| field), Some("working_dir"));
        assert_eq!(ProcessPermission::default().problem().map(|(field, _)| field), Some("program"));
    }
}
