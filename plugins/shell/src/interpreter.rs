//! Which program runs, with which arguments.

use shiro_step::Failure;

use crate::config::Config;

/// One way to run what the config asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The program: a name or a path.
    pub(crate) program: String,
    /// Its arguments.
    pub(crate) args: Vec<String>,
    /// What the user wrote: the script, or the program and its arguments.
    pub(crate) command: String,
    /// The shell that was named, or chosen; none when a program runs without one.
    pub(crate) shell: Option<String>,
}

/// The ways to run it, best first. Never empty.
pub(crate) fn plans(config: &Config) -> Result<Vec<Plan>, Failure> {
    let args = || config.args.iter().flatten().map(|arg| arg.to_string()).collect::<Vec<_>>();
    let script = match (&config.script, &config.command) {
        (Some(script), _) => script.text(),
        (None, Some(program)) if config.args.is_some() => return Ok(vec![program_plan(program, args())?]),
        (None, Some(command)) => command.clone(),
        (None, None) => return Err(nothing_to_run()),
    };
    if script.trim().is_empty() {
        return Err(nothing_to_run());
    }
    let positional = args();
    let plan = |shell: &str| shell_plan(shell, &script, &positional);
    Ok(match config.shell.as_deref().map(str::trim).filter(|shell| !shell.is_empty()) {
        Some(shell) => vec![plan(shell)],
        None => vec![plan("bash"), plan("sh")],
    })
}

fn nothing_to_run() -> Failure {
    Failure::invalid_config("there is nothing to run: `command` or `script` has to hold a command")
}

fn program_plan(program: &str, args: Vec<String>) -> Result<Plan, Failure> {
    if program.trim().is_empty() {
        return Err(nothing_to_run());
    }
    let words = std::iter::once(program).chain(args.iter().map(String::as_str));
    let command = words.map(quoted).collect::<Vec<_>>().join(" ");
    Ok(Plan { program: program.to_owned(), args, command, shell: None })
}

fn shell_plan(shell: &str, script: &str, positional: &[String]) -> Plan {
    let mut args: Vec<String> = flags(shell).iter().map(|&flag| flag.to_owned()).collect();
    args.push(script.to_owned());
    if !positional.is_empty() {
        args.extend(before_positional(shell));
        args.extend_from_slice(positional);
    }
    Plan { program: shell.to_owned(), args, command: script.to_owned(), shell: Some(shell.to_owned()) }
}

/// The last part of a path, without a version or `.exe`: `/usr/bin/python3.12` is `python`.
fn family(shell: &str) -> String {
    let name = shell.rsplit(['/', '\\']).next().unwrap_or(shell).to_ascii_lowercase();
    let name = name.strip_suffix(".exe").unwrap_or(&name);
    name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-').to_owned()
}

/// What stands in front of the script. `--` ends a POSIX shell's options, so that a script may begin with a dash.
fn flags(shell: &str) -> &'static [&'static str] {
    match family(shell).as_str() {
        "bash" | "rbash" => &["-e", "-o", "pipefail", "-c", "--"],
        "sh" | "dash" | "ash" | "zsh" | "ksh" | "mksh" | "pdksh" | "lksh" | "yash" | "posh" => &["-e", "-c", "--"],
        "busybox" => &["sh", "-e", "-c", "--"],
        "node" | "nodejs" | "bun" | "perl" | "ruby" => &["-e"],
        "php" => &["-r"],
        "deno" => &["eval"],
        "pwsh" | "powershell" => &["-NoProfile", "-NonInteractive", "-Command"],
        _ => &["-c"],
    }
}

/// What stands between the script and its positional parameters: a POSIX shell takes the next argument as `$0`, and others
/// would take what begins with a dash as an option of their own.
fn before_positional(shell: &str) -> Option<String> {
    match flags(shell) {
        [.., "--"] => Some(shell.to_owned()),
        ["-e" | "-r"] => Some("--".to_owned()),
        _ => None,
    }
}

/// A word as a POSIX shell would read it back, for people.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-+=./:@%,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Each way as one line: the program and its arguments.
    fn lines(config: Value) -> Vec<Vec<String>> {
        let plans = plans(&serde_json::from_value(config).unwrap()).unwrap();
        plans.into_iter().map(|plan| std::iter::once(plan.program).chain(plan.args).collect()).collect()
    }

    #[test]
    fn without_a_shell_bash_is_tried_before_sh() {
        assert_eq!(
            lines(json!({ "command": "echo hi" })),
            [vec!["bash", "-e", "-o", "pipefail", "-c", "--", "echo hi"], vec!["sh", "-e", "-c", "--", "echo hi"]]
        );
    }

    #[test]
    fn a_named_shell_is_the_only_way() {
        for (shell, flags) in [
            ("bash", vec!["-e", "-o", "pipefail", "-c", "--"]),
            ("/usr/local/bin/bash", vec!["-e", "-o", "pipefail", "-c", "--"]),
            ("dash", vec!["-e", "-c", "--"]),
            ("busybox", vec!["sh", "-e", "-c", "--"]),
            ("python3", vec!["-c"]),
            ("/opt/python3.12", vec!["-c"]),
            ("node", vec!["-e"]),
            ("perl", vec!["-e"]),
            ("ruby3.1", vec!["-e"]),
            ("fish", vec!["-c"]),
            ("something", vec!["-c"]),
        ] {
            let expected = [vec![shell], flags, vec!["x"]].concat();
            assert_eq!(lines(json!({ "command": "x", "shell": shell })), [expected], "{shell}");
        }
    }

    #[test]
    fn the_script_goes_before_the_command() {
        let lines = lines(json!({ "command": "no", "script": ["a", "b"], "shell": "sh" }));
        assert_eq!(lines, [["sh", "-e", "-c", "--", "a\nb"]]);
    }

    #[test]
    fn a_command_with_args_is_a_program() {
        assert_eq!(lines(json!({ "command": "git", "args": ["log", 1, "$(id)"] })), [["git", "log", "1", "$(id)"]]);
        assert_eq!(lines(json!({ "command": "git", "args": [], "shell": "sh" })), [["git"]]);
        let config = serde_json::from_value(json!({ "command": "git", "args": ["log", "it's"] })).unwrap();
        assert_eq!(plans(&config).unwrap()[0].command, r"git log 'it'\''s'");
    }

    #[test]
    fn a_script_with_args_gets_them_as_parameters() {
        let with = |shell: &str| lines(json!({ "script": "s", "args": ["one"], "shell": shell })).remove(0);
        assert_eq!(with("sh"), ["sh", "-e", "-c", "--", "s", "sh", "one"]);
        assert_eq!(with("python3"), ["python3", "-c", "s", "one"]);
        assert_eq!(with("node"), ["node", "-e", "s", "--", "one"]);
    }

    #[test]
    fn nothing_to_run_is_a_wrong_config() {
        for config in
            [json!({}), json!({ "command": " " }), json!({ "script": [""] }), json!({ "command": "", "args": [] })]
        {
            assert!(plans(&serde_json::from_value(config.clone()).unwrap()).is_err(), "{config}");
        }
    }
}
