//! What is said about a template in a script, and what to do instead.

use serde_json::Value;

use super::super::check::TemplateProblem;
use super::super::expression::{Expression, Path};
use super::super::render::RenderErrorKind;
use super::super::scope::{Lack, kind_of};
use super::{Dialect, Refusal, Unportable, Warning};
use crate::diagnostic::Severity;

/// Code, message and hint.
pub(super) type Advice = (&'static str, String, String);

const UNSAFE: &str = "template-unsafe";

pub(super) fn refused(refusal: Refusal, expression: &Expression, dialect: &Dialect) -> Advice {
    let variable = Variable::of(expression);
    let (what, hint) = match refusal {
        Refusal::Arithmetic => (
            "in arithmetic, which evaluates the text of a value, command substitutions included",
            variable.checked_number(),
        ),
        Refusal::Comparison => (
            "in a comparison of numbers within `[[ ... ]]`, which evaluates the text of a value",
            match dialect.evaluates_operands() {
                true => variable.checked_number(),
                false => "write `[ ... ]` for this comparison: it takes nothing but a number".into(),
            },
        ),
        Refusal::Subscript => {
            ("in a subscript, which the shell evaluates, command substitutions included", variable.checked_number())
        }
        Refusal::Backtick => ("in back-ticks", "write `$( ... )` in place of the back-ticks".into()),
        Refusal::QuotedHereDocument => (
            "in a here-document whose delimiter is quoted, where nothing is filled in",
            format!(
                "take the quotes of the delimiter away, and write `\\$` for a `$` that is text; or {}",
                variable.file()
            ),
        ),
        Refusal::Name => {
            ("where the shell expects a variable's name", format!("write the name out; {}", variable.through_env()))
        }
        Refusal::Evaluated => (
            "in the value of a variable that the shell evaluates",
            format!("use another variable; {}", variable.through_env()),
        ),
        Refusal::Replace => ("in an expansion that edits text", variable.through_env()),
        Refusal::Assign => {
            ("in a `${name:=word}` without quotes around it", "write `\"${name:=word}\"`, in double quotes".into())
        }
        Refusal::Descriptor => (
            "behind `>&` or `<&`, where bash expands the text of a value once more",
            format!("write `>{expression} 2>&1` for a file"),
        ),
        Refusal::Brace => ("in braces that the shell may expand", "put the word in double quotes: `\"...\"`".into()),
        Refusal::Dollar => (
            "behind a `$`, which would belong to it",
            format!("take the `$` away: `{expression}`; for a `$` that is text write `\\$`"),
        ),
        Refusal::Locale => ("in `$\"...\"`", "take the `$` away: `\"...\"`".into()),
        Refusal::Ansi => ("in `$'...'`, which not every `sh` has", "write `\"...\"`, or name bash as the shell".into()),
        Refusal::Array => ("in an array in ksh, which may read it as a declaration", variable.through_env()),
        Refusal::Test if dialect.evaluates_operands() => (
            "in a test that evaluates it, or whose reading depends on values",
            format!("compare text: `[ {expression} = x ]`; {}", variable.through_env()),
        ),
        Refusal::Test => (
            "in a test whose reading depends on values",
            format!("write one comparison in each `[ ... ]`, e.g. `[ {expression} = x ] && [ -n \"$y\" ]`"),
        ),
        Refusal::Format => (
            "where it may be read as an option or as a format",
            format!("give the format first: `printf '%s\\n' {expression}`"),
        ),
        Refusal::Option => ("where it may be read as an option", format!("write `set -- {expression}`")),
        Refusal::ArgsPlace => (
            "with `args` where it is not an argument of its own",
            format!("write it between spaces, outside quotes, behind the command: `command {expression}`"),
        ),
    };
    (UNSAFE, format!("`{}` stands {what}", expression.path), hint)
}

pub(super) fn uncertain(why: &str, expression: &Expression) -> Advice {
    (
        "template-uncertain",
        format!("how the shell reads this script can't be told for certain, so no template in it is filled in: {why}"),
        format!("write this part in a simpler way; or {}", Variable::of(expression).through_env()),
    )
}

pub(super) fn language(expression: &Expression, dialect: &Dialect) -> Advice {
    let variable = Variable::of(expression);
    let what = match dialect {
        Dialect::Other(name) => format!("in code for `{name}`, which is no shell whose quoting is known"),
        _ => "in code whose interpreter is named by a template".into(),
    };
    let program = match dialect {
        Dialect::Other(name) => name.rsplit('/').next().unwrap_or(name),
        _ => "",
    };
    ("template-language", format!("`{}` stands {what}", expression.path), variable.in_language(program))
}

pub(super) fn warned(warning: &Warning, expression: &Expression) -> Advice {
    let variable = Variable::of(expression);
    match warning {
        Warning::Nested(interpreter) => (
            "template-nested",
            format!("`{interpreter}` reads `{}` once more, as code", expression.path),
            nested_hint(interpreter, expression, &variable),
        ),
        Warning::Command => (
            "template-command",
            format!("`{}` says which program runs", expression.path),
            "write the program's name out; for a value that is a whole command use `| raw`, and mind where it comes from"
                .into(),
        ),
        Warning::Format => (
            "template-format",
            format!("`printf` reads `%` and `\\` in `{}`", expression.path),
            format!("write `printf '...%s...' {expression}`"),
        ),
    }
}

fn nested_hint(interpreter: &str, expression: &Expression, variable: &Variable) -> String {
    match interpreter {
        "sh" | "bash" | "dash" | "zsh" | "ksh" | "mksh" | "ash" => {
            format!("pass it as an argument: `{interpreter} -c 'echo \"$1\"' {interpreter} {expression}`")
        }
        "awk" | "gawk" | "mawk" | "nawk" => {
            format!("pass it through the environment: {}, and read `ENVIRON[\"{}\"]`", variable.entry(), variable.name)
        }
        "jq" => format!("pass it as an argument: `jq --arg value {expression} '... $value ...'`"),
        "psql" => format!("pass it as a variable: `psql -v value={expression}`, and read `:'value'`"),
        "ssh" => format!("send it on standard input: `printf '%s' {expression} | ssh host 'cat > file'`"),
        "python" | "python3" | "node" | "ruby" | "perl" | "php" => variable.in_language(interpreter),
        _ => format!("make sure that it can't be code, or {}", variable.through_env()),
    }
}

/// `args` outside a script.
pub(in super::super) fn args_outside() -> Lack {
    Lack {
        kind: RenderErrorKind::Type,
        message: "`args` is for shell scripts only".into(),
        hint: Some("a list alone in a string stays a list: take `| args` away".into()),
    }
}

pub(super) fn args_of(expression: &Expression, value: &Value) -> Lack {
    Lack {
        kind: RenderErrorKind::Type,
        message: format!("`args` is for lists, but `{}` is {}", expression.path, kind_of(value)),
        hint: Some("take `| args` away to pass it as one argument".into()),
    }
}

pub(super) fn unportable(expression: &Expression, why: Unportable) -> Lack {
    let what = match why {
        Unportable::Nul => "holds a NUL character",
        Unportable::TooLong => "is longer than 128 KiB",
    };
    let template = Value::from(expression.to_string());
    Lack {
        kind: RenderErrorKind::Unportable,
        message: format!("`{}` {what}, which an environment variable can't carry", expression.path),
        hint: Some(format!("pass it on standard input: `\"stdin\": {template}`, and read it with `cat`")),
    }
}

pub(super) fn control_in_raw() -> Lack {
    Lack {
        kind: RenderErrorKind::Script,
        message: "the pasted text holds a control character that no script can".into(),
        hint: Some("take `| raw` away".into()),
    }
}

pub(super) fn no_script(pointer: &str) -> TemplateProblem {
    TemplateProblem {
        pointer: pointer.to_owned(),
        offset: 0,
        severity: Severity::Error,
        code: UNSAFE,
        message: "a script is a string or an array of strings".into(),
        hint: None,
    }
}

/// The environment variable that a hint proposes for a value.
struct Variable {
    name: String,
    template: String,
    /// It is a variable of the job, so the script has it anyway.
    inherited: bool,
}

impl Variable {
    fn of(expression: &Expression) -> Self {
        let template = Value::from(expression.to_string().replace(" | args", "")).to_string();
        if let Path::Env(name) = &expression.path
            && expression.filters.is_empty()
            && !name.starts_with("SHIRO_")
        {
            return Self { name: name.clone(), template, inherited: true };
        }
        let path = expression.path.to_string();
        let path = path.split_once('.').map_or(path.as_str(), |(_, rest)| rest);
        let mut name: String =
            path.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            name.insert_str(0, "VALUE_");
        }
        Self { name: name.trim_end_matches('_').to_owned(), template, inherited: false }
    }

    fn entry(&self) -> String {
        format!("`\"env\": {{ \"{}\": {} }}`", self.name, self.template)
    }

    fn through_env(&self) -> String {
        match self.inherited {
            true => format!("the script has it already: write `\"${}\"`", self.name),
            false => format!(
                "pass it through the environment: {}, and write `\"${}\"` in the script",
                self.entry(),
                self.name
            ),
        }
    }

    /// For a place that evaluates what it is given: also what comes from the environment.
    fn checked_number(&self) -> String {
        let name = &self.name;
        let first = match self.inherited {
            true => "check that it is a number first".to_owned(),
            false => format!("pass it through the environment, {}, and check that it is a number first", self.entry()),
        };
        format!("{first}: `case \"${name}\" in ''|*[!0-9]*) exit 1;; esac`; then write `${name}` here")
    }

    fn file(&self) -> String {
        format!("pass the text on standard input: `\"stdin\": \"...{}...\"`", self.template.trim_matches('"'))
    }

    fn in_language(&self, program: &str) -> String {
        let name = &self.name;
        let program = program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        let read = match program {
            "python" | "pypy" => format!("`os.environ[\"{name}\"]`"),
            "node" | "nodejs" | "bun" => format!("`process.env.{name}`"),
            "ruby" => format!("`ENV[\"{name}\"]`"),
            "perl" => format!("`$ENV{{{name}}}`"),
            "php" => format!("`getenv(\"{name}\")`"),
            _ => format!("the variable `{name}`"),
        };
        match self.inherited {
            true => format!("the code has it already: read {read}"),
            false => format!(
                "pass it through the environment: {}, and read {read}; or on standard input: `\"stdin\": {}`",
                self.entry(),
                self.template
            ),
        }
    }
}
