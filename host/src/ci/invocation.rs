//! Where a script calls shiro, and what it asks of it.

use std::collections::BTreeSet;
use std::time::Duration;

use super::finding::Place;
use super::shell;
use crate::workflow::duration;

/// Programs whose arguments are only text.
const SPEAKERS: [&str; 4] = ["echo", "printf", "print", "Write-Output"];

/// What the command line of shiro looks like: which of its flags take a value. Without a dash, e.g. `state-store`.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// Their names.
    pub with_value: BTreeSet<String>,
}

/// One call of shiro in a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Invocation {
    /// The script's line, or the block it is in.
    pub(super) place: Place,
    /// What it does.
    pub(super) verb: Verb,
    /// The workflow that it names, if it names one: as written.
    pub(super) workflow: Option<String>,
    /// The store that it names, if it names one.
    pub(super) store: Option<String>,
    /// `-fresh`.
    pub(super) fresh: bool,
    /// A start of it approves what waits: not with `-no-approve`.
    pub(super) approves: bool,
    /// `-hold`: how long it stays for a wait.
    pub(super) hold: Option<Duration>,
}

/// What a call does with a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// Begins a run, or goes on with one.
    Run,
    /// Decides on gates, by the step it names.
    Approve(Option<String>),
    /// Rejects one.
    Reject(Option<String>),
    /// Nothing that matters here, such as `validate` or `run -dry-run`.
    Other,
}

/// Every call in a script.
pub(super) fn find(
    script: &str,
    place: &Place,
    flags: &Flags,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Vec<Invocation> {
    shell::commands(script, variable).iter().filter_map(|words| read(words, place, flags)).collect()
}

fn read(words: &[String], place: &Place, flags: &Flags) -> Option<Invocation> {
    let program = words.iter().find(|word| !word.contains('='))?;
    if SPEAKERS.contains(&program.as_str()) {
        return None;
    }
    // Behind wrappers and control words: `then`, `exec`, `timeout 1h`, `docker run image`. A verb must follow.
    words.iter().enumerate().filter(|(_, word)| is_shiro(word)).find_map(|(at, _)| call(&words[at + 1..], place, flags))
}

/// A word that names the program: a path to it, or a variable called after it.
fn is_shiro(word: &str) -> bool {
    let name = word.rsplit(['/', '\\']).next().unwrap_or(word);
    let name = name.strip_suffix(".exe").unwrap_or(name);
    name == "shiro" || name.strip_prefix('$').is_some_and(|variable| variable.to_ascii_uppercase().contains("SHIRO"))
}

fn call(words: &[String], place: &Place, flags: &Flags) -> Option<Invocation> {
    let mut values: Vec<(&str, Option<&str>)> = Vec::new();
    let mut positional = Vec::new();
    let mut rest = words.iter().map(String::as_str);
    while let Some(word) = rest.next() {
        if is_redirection(word) {
            continue;
        }
        let Some(flag) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')).filter(|flag| !flag.is_empty())
        else {
            positional.push(word);
            continue;
        };
        match flag.split_once('=') {
            Some((name, value)) => values.push((name, Some(value))),
            None if flags.with_value.contains(flag) => values.push((flag, rest.next())),
            None => values.push((flag, None)),
        }
    }
    let has = |flag: &str| values.iter().any(|(name, _)| *name == flag);
    let value = |flag: &str| values.iter().find(|(name, _)| *name == flag).and_then(|(_, value)| *value);
    let mut positional = positional.into_iter();
    let verb = match positional.next()? {
        "run" if has("dry-run") || has("help") || has("h") => Verb::Other,
        "run" => Verb::Run,
        "approve" => Verb::Approve(positional.next().map(str::to_owned)),
        "reject" => Verb::Reject(positional.next().map(str::to_owned)),
        _ => Verb::Other,
    };
    let file = if verb == Verb::Run { positional.next() } else { None };
    Some(Invocation {
        place: place.clone(),
        verb,
        workflow: file.or_else(|| value("workflow")).map(str::to_owned),
        store: value("state-store").map(str::to_owned),
        fresh: has("fresh"),
        approves: !has("no-approve"),
        hold: value("hold").and_then(|text| duration::parse(text).ok()),
    })
}

fn is_redirection(word: &str) -> bool {
    word.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with(['<', '>'])
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn calls(script: &str) -> Vec<Invocation> {
        let flags = Flags {
            with_value: ["state-store", "workflow", "input", "j", "reason", "color"].map(str::to_owned).into(),
        };
        let variable = |name: &str| (name == "RUNNER").then(|| "/opt/bin/shiro".to_owned());
        find(script, &Place::start_of(&Arc::from("ci.yml")), &flags, &variable)
    }

    #[test]
    fn a_run_is_recognised_however_it_is_called() {
        for script in [
            "shiro run -state-store gitlab -fresh w.json",
            "./shiro run --fresh --state-store=gitlab -workflow w.json",
            "cd x && sudo -E /usr/local/bin/shiro run -fresh -input a=b -state-store gitlab w.json 2>&1 | tee log",
            "if ! shiro -color never run w.json -fresh -state-store gitlab; then exit 1; fi",
            "A=1 timeout 10 \"$SHIRO_BIN\" run -state-store 'gitlab' -fresh w.json",
            "$RUNNER run -j 2 w.json -fresh -state-store gitlab > log",
            "docker run --rm image shiro run w.json -fresh -state-store gitlab",
            "out=$(shiro run w.json -fresh -state-store gitlab)",
        ] {
            let calls = calls(script);
            assert_eq!(calls.len(), 1, "{script}");
            let call = &calls[0];
            assert_eq!((&call.verb, call.fresh), (&Verb::Run, true), "{script}");
            assert_eq!((call.store.as_deref(), call.workflow.as_deref()), (Some("gitlab"), Some("w.json")), "{script}");
        }
    }

    #[test]
    fn what_only_speaks_of_it_is_no_run() {
        for script in [
            "echo shiro run",
            "echo 'shiro run'",
            "# shiro run",
            "which shiro",
            "apt-get install shirox run",
            "grep 'shiro run' README.md",
            "cat <<E\nshiro run\nE",
        ] {
            assert!(calls(script).is_empty(), "{script}");
        }
        for script in ["shiro validate", "shiro run -dry-run", "shiro run -help", "shiro status"] {
            assert_eq!(calls(script)[0].verb, Verb::Other, "{script}");
        }
    }

    #[test]
    fn decisions_name_their_step() {
        let calls = calls("shiro approve deploy -reason ok && shiro run\nshiro reject -reason 'not now' deploy");
        let verbs: Vec<&Verb> = calls.iter().map(|call| &call.verb).collect();
        let step = || Some("deploy".to_owned());
        assert_eq!(verbs, [&Verb::Approve(step()), &Verb::Run, &Verb::Reject(step())]);
    }
}
