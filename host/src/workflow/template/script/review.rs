//! Looks at a whole simple command: some take a word apart once more, quoted or not.

use std::ops::Range;

use super::interpreters::{nested, reads_code_from_stdin};
use super::word::{HOLE, OPAQUE, Word};
use super::{Dialect, Refusal, Warning};

/// What a command does with the values in it.
#[derive(Debug, Default)]
pub(super) struct Review {
    /// Templates that must not stand where they stand.
    pub(super) refused: Vec<(Range<usize>, Refusal)>,
    /// Templates whose values go further than the shell.
    pub(super) warnings: Vec<(Range<usize>, Warning)>,
    /// The command changes how the shell reads what follows, or what assignments do: how.
    pub(super) changes_shell: Option<&'static str>,
    /// The interpreter in it that reads code from its standard input.
    pub(super) interpreter: Option<String>,
}

/// Variables whose values the shell evaluates, on assignment or later.
const EVALUATED: [&str; 43] = [
    "RANDOM",
    "SRANDOM",
    "SECONDS",
    "LINENO",
    "OPTIND",
    "HISTCMD",
    "HISTSIZE",
    "HISTFILESIZE",
    "SAVEHIST",
    "BASHPID",
    "EPOCHSECONDS",
    "EPOCHREALTIME",
    "COLUMNS",
    "LINES",
    "TMOUT",
    "UID",
    "EUID",
    "GID",
    "EGID",
    "PPID",
    "PGRP",
    "SHLVL",
    "FUNCNEST",
    "ERRNO",
    "KEYTIMEOUT",
    "LISTMAX",
    "LOGCHECK",
    "MAILCHECK",
    "TTYIDLE",
    "TRY_BLOCK_ERROR",
    "PIPESTATUS",
    "USER_ID",
    "KSHUID",
    "KSHEGID",
    "KSHGID",
    "PS0",
    "PS1",
    "PS2",
    "PS3",
    "PS4",
    "PROMPT_COMMAND",
    "BASH_ENV",
    "BASH_COMPAT",
];

/// Comparisons of numbers.
pub(super) const NUMERIC: [&str; 6] = ["-eq", "-ne", "-lt", "-le", "-gt", "-ge"];

/// Assigning to this variable evaluates the value, or decides how the shell reads what follows.
pub(super) fn is_evaluated(name: &str) -> bool {
    EVALUATED.contains(&name)
}

/// Looks at the words of a simple command, the assignments before it left out.
pub(super) fn review(words: &[Word], dialect: &Dialect) -> Review {
    let mut review = Review::default();
    let all = words.len();
    let words = without_prefixes(words);
    let Some((first, arguments)) = words.split_first() else { return review };
    for nested in nested(words) {
        review.warn(&words[nested.word], Warning::Nested(nested.interpreter.to_owned()));
    }
    review.interpreter = reads_code_from_stdin(words).map(str::to_owned);
    if first.is_tainted() {
        review.dynamic_command(first, words.len() == all);
        return review;
    }
    // An expansion in the name may be empty.
    let name: Vec<u8> = first.text.iter().copied().filter(|byte| *byte != OPAQUE).collect();
    match std::str::from_utf8(&name).unwrap_or_default() {
        "let" => review.refuse_all(arguments, Refusal::Arithmetic),
        name @ ("declare" | "typeset" | "local" | "export" | "readonly" | "integer" | "float" | "nameref"
        | "private" | "compound") => review.declaration(name, arguments),
        "read" | "mapfile" | "readarray" | "unset" | "getopts" | "wait" | "vared" => {
            review.refuse_all(arguments, Refusal::Name);
        }
        "alias" => review.changes_shell = Some("`alias` changes how the shell reads what follows"),
        "set" => review.set(arguments, dialect),
        "setopt" | "unsetopt" | "emulate" if *dialect == Dialect::Zsh => {
            review.changes_shell = Some("options of zsh change how it reads what follows");
        }
        "printf" => review.printf(arguments, dialect),
        "print" if dialect.evaluates_operands() => review.print(arguments),
        "test" => review.test(arguments, dialect),
        "[" => review.test(arguments.split_last().map_or(arguments, |(_, operands)| operands), dialect),
        "exit" | "bye" | "logout" | "return" | "shift" | "limit" | "break" | "continue" | "ulimit" | "repeat"
        | "sleep" | "sched"
            if dialect.evaluates_operands() =>
        {
            review.refuse_all(arguments, Refusal::Arithmetic);
        }
        _ => {}
    }
    review
}

/// The command without `command`, `builtin` and the like, which run builtins too, and without expansions that may be empty.
fn without_prefixes(mut words: &[Word]) -> &[Word] {
    while let Some((first, rest)) = words.split_first() {
        let may_vanish = !first.quoted && first.text.iter().all(|byte| *byte == OPAQUE);
        if rest.is_empty()
            || !(may_vanish || matches!(first.literal(), Some("command" | "builtin" | "noglob" | "nocorrect" | "-")))
        {
            break;
        }
        let options = rest.iter().take_while(|word| word.literal().is_some_and(|text| text.starts_with('-'))).count();
        words = &rest[options..];
    }
    words
}

impl Review {
    fn refuse(&mut self, word: &Word, refusal: Refusal) {
        if word.is_tainted() {
            self.refused.push((word.holes.clone(), refusal));
        }
    }

    fn refuse_all(&mut self, words: &[Word], refusal: Refusal) {
        words.iter().for_each(|word| self.refuse(word, refusal));
    }

    fn warn(&mut self, word: &Word, warning: Warning) {
        self.warnings.push((word.holes.clone(), warning));
    }

    /// A value says what runs. `name=...` is no assignment when the name comes from a value.
    fn dynamic_command(&mut self, first: &Word, only: bool) {
        let equals = first.text.iter().position(|byte| *byte == b'=').unwrap_or(0);
        if first.text[..equals].contains(&HOLE) {
            self.refuse(first, Refusal::Name);
        } else if only && first.text.first() == Some(&HOLE) {
            self.warn(first, Warning::Command);
        }
    }

    /// `export NAME=value` and the like: only the value may hold a template, and no option may make more of it than text.
    fn declaration(&mut self, name: &str, arguments: &[Word]) {
        let mut plain = !matches!(name, "integer" | "float" | "nameref" | "compound");
        let mut array = false;
        for option in arguments.iter().take_while(|word| word.is_option()) {
            let Some(letters) = option.literal() else {
                plain = false;
                continue;
            };
            array |= letters.contains(['a', 'A']);
            plain &= letters[1..].chars().all(|letter| "-grxaAp".contains(letter));
            if letters.contains(['i', 'n', 'E', 'F']) && name != "export" {
                self.changes_shell = Some("an integer variable or a name reference evaluates what is assigned to it");
            }
        }
        if matches!(name, "integer" | "float" | "nameref") {
            self.changes_shell = Some("an integer variable or a name reference evaluates what is assigned to it");
        }
        for argument in arguments {
            match argument.assigned_name() {
                Some(variable) if is_evaluated(variable) => self.refuse(argument, Refusal::Evaluated),
                Some(_) if plain && (!array || argument.compound) => {}
                _ => self.refuse(argument, Refusal::Name),
            }
        }
    }

    fn set(&mut self, arguments: &[Word], dialect: &Dialect) {
        let Some(first) = arguments.first() else { return };
        let known = first.known_prefix();
        let option = known.starts_with(b"-") || known.starts_with(b"+");
        if option && dialect.evaluates_operands() && known.contains(&b'A') {
            self.refuse_all(&arguments[..arguments.len().min(2)], Refusal::Name);
        }
        if option && *dialect == Dialect::Zsh && known.contains(&b'o') {
            self.changes_shell = Some("options of zsh change how it reads what follows");
        }
        if first.text.first() == Some(&HOLE) {
            self.refuse(first, Refusal::Option);
        }
    }

    /// A format that begins with a value may be an option that names a variable (`-v`); where numbers are evaluated, only
    /// `%s` leaves text alone.
    fn printf(&mut self, mut arguments: &[Word], dialect: &Dialect) {
        let mut options_end = false;
        while let ([option, rest @ ..], false) = (arguments, options_end) {
            match option.literal() {
                Some("--") => (arguments, options_end) = (rest, true),
                Some(text) if text.starts_with("-v") => {
                    let joined = text.len() > 2;
                    let Some(name) = (if joined { Some(option) } else { rest.first() }) else { return };
                    self.refuse(name, Refusal::Name);
                    if name.literal().is_some_and(|name| is_evaluated(name.strip_prefix("-v").unwrap_or(name))) {
                        self.refuse_all(rest, Refusal::Evaluated);
                    }
                    arguments = if joined { rest } else { &rest[1..] };
                }
                _ => break,
            }
        }
        let Some((format, values)) = arguments.split_first() else { return };
        if !options_end && format.literal().is_none() && matches!(format.known_prefix(), [] | [b'-', ..]) {
            self.refuse(format, Refusal::Format);
            self.refuse_all(values, Refusal::Format);
        } else if format.is_tainted() {
            self.warn(format, Warning::Format);
        }
        if dialect.evaluates_operands() && !format.literal().is_some_and(is_text_format) {
            self.refuse_all(values, Refusal::Arithmetic);
        }
    }

    fn print(&mut self, arguments: &[Word]) {
        let options = arguments.iter().take_while(|word| word.is_option() || word.literal().is_none());
        let plain =
            |word: &Word| word.literal().is_some_and(|text| text[1..].chars().all(|letter| "-lnrR".contains(letter)));
        for option in options {
            if !plain(option) {
                return self.refuse_all(arguments, Refusal::Format);
            }
        }
    }

    /// Only the shapes whose reading depends on no value: `[ x ]`, `[ -n x ]`, `[ x = y ]`, each with `!` before it.
    fn test(&mut self, operands: &[Word], dialect: &Dialect) {
        const UNARY: [&str; 21] = [
            "-n", "-z", "-b", "-c", "-d", "-e", "-f", "-g", "-h", "-k", "-p", "-r", "-s", "-u", "-w", "-x", "-L", "-S",
            "-O", "-G", "-N",
        ];
        const BINARY: [&str; 8] = ["=", "==", "!=", "<", ">", "-nt", "-ot", "-ef"];
        let operands = match operands {
            [first, rest @ ..] if first.literal() == Some("!") && !rest.is_empty() => rest,
            all => all,
        };
        let known = match operands {
            [] | [_] => true,
            [operator, _] => operator.literal().is_some_and(|text| UNARY.contains(&text)),
            [_, operator, _] => operator
                .literal()
                .is_some_and(|text| BINARY.contains(&text) || NUMERIC.contains(&text) && !dialect.evaluates_operands()),
            _ => false,
        };
        if !known || operands.iter().any(|word| word.args.is_some()) {
            self.refuse_all(operands, Refusal::Test);
        }
    }
}

/// Every conversion in it is `%s`, `%b` or `%q`.
fn is_text_format(format: &str) -> bool {
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        rest = rest[at + 1..].trim_start_matches(|c: char| c.is_ascii_digit() || "-.+ #".contains(c));
        if !rest.starts_with(['s', 'b', 'q', '%']) {
            return false;
        }
        rest = &rest[1..];
    }
    true
}
