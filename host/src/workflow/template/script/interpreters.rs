//! Programs that take code from their arguments or their standard input: where the shell's quoting ends.

use super::word::Word;

const SHELLS: [&str; 9] = ["sh", "bash", "dash", "zsh", "ksh", "mksh", "ash", "fish", "su"];

/// Programs, and the options whose value is code.
const BY_OPTION: [(&[&str], &[&str]); 9] = [
    (&["python", "python2", "python3", "pypy3"], &["-c"]),
    (&["perl"], &["-e", "-E"]),
    (&["ruby", "lua", "osascript", "Rscript"], &["-e"]),
    (&["node", "nodejs", "bun", "mongosh", "mongo"], &["-e", "-p", "--eval", "--print"]),
    (&["php"], &["-r"]),
    (&["psql"], &["-c", "--command"]),
    (&["mysql", "mariadb"], &["-e", "--execute"]),
    (&["sed", "gsed"], &["-e", "--expression"]),
    (&["env"], &["-S", "--split-string"]),
];

/// Names of programs; their options that take values, and how many; those options that bring the code from elsewhere.
type Operands = (&'static [&'static str], &'static [(&'static str, usize)], &'static [&'static str]);

/// Programs whose first operand is code.
const BY_OPERAND: [Operands; 5] = [
    (&["awk", "gawk", "mawk", "nawk"], &[("-v", 1), ("-F", 1), ("-i", 1)], &["-f", "--file"]),
    (&["sed", "gsed"], &[("-l", 1)], &["-e", "-f", "--expression", "--file"]),
    (
        &["jq", "yq"],
        &[("--arg", 2), ("--argjson", 2), ("--slurpfile", 2), ("--rawfile", 2), ("--indent", 1), ("-L", 1)],
        &["-f", "--from-file"],
    ),
    (&["watch"], &[("-n", 1)], &[]),
    (&["parallel"], &[("-j", 1)], &[]),
];

/// Programs that hand all they are given to a shell, on another machine or later.
const ALL: [&str; 3] = ["ssh", "rsh", "at"];

/// Builtins that read their arguments as code.
const BUILTINS: [&str; 8] = ["eval", "trap", "source", ".", "compgen", "complete", "bind", "fc"];

/// Words after which the next one is a program's name.
const WRAPPERS: [&str; 16] = [
    "sudo", "doas", "xargs", "exec", "command", "env", "nohup", "nice", "time", "setsid", "stdbuf", "-exec",
    "-execdir", "-ok", "--", "builtin",
];

/// At most this many interpreters are looked for in one command.
const CONSIDERED: usize = 16;

/// An argument that reaches an interpreter as code.
pub(super) struct Nested<'w> {
    pub(super) interpreter: &'w str,
    /// The argument's index among the words.
    pub(super) word: usize,
}

/// The arguments with a template's value in them that an interpreter, anywhere in the command, reads as code.
pub(super) fn nested(words: &[Word]) -> Vec<Nested<'_>> {
    let mut found = Vec::new();
    if !words.iter().any(Word::is_tainted) {
        return found;
    }
    let names: Vec<Option<&str>> = words.iter().map(|word| word.literal().map(basename)).collect();
    let interpreters = names.iter().enumerate().filter_map(|(index, name)| Some((index, (*name)?)));
    for (index, name) in interpreters.filter(|(_, name)| is_interpreter(name)).take(CONSIDERED) {
        let at_command = index == 0 || names[index - 1].is_some_and(|before| WRAPPERS.contains(&before));
        let rest = &words[index + 1..];
        let code = if at_command && (BUILTINS.contains(&name) || ALL.contains(&name)) {
            index + 1..words.len()
        } else {
            let operand = || at_command.then(|| by_operand(name, rest)).flatten();
            match by_option(name, rest).or_else(operand) {
                Some(at) => index + 1 + at..index + 2 + at,
                None => continue,
            }
        };
        let all = code.end == words.len() && code.len() > 1;
        found.extend(code.filter(|word| words[*word].is_tainted()).map(|word| Nested { interpreter: name, word }));
        if all {
            break;
        }
    }
    found
}

/// The interpreter in the command that reads code from its standard input.
pub(super) fn reads_code_from_stdin(words: &[Word]) -> Option<&str> {
    const SQL: [&str; 5] = ["psql", "mysql", "mariadb", "sqlite3", "mongosh"];
    const LANGUAGES: [&str; 8] = ["python", "python3", "perl", "ruby", "node", "php", "lua", "bun"];
    let code_from_stdin = |(index, name): (usize, &&str)| {
        let rest = &words[index + 1..];
        if SQL.contains(name) || ALL.contains(name) {
            return true;
        }
        let says_so = rest.iter().any(|word| matches!(word.literal(), Some("-s" | "-")));
        let operand = rest.iter().any(|word| !word.is_option());
        says_so || !operand && by_option(name, rest).is_none()
    };
    let interpreters = words.iter().enumerate().filter_map(|(index, word)| {
        let name = basename(word.literal()?);
        let first = index == 0 || words[index - 1].literal().map(basename).is_some_and(|word| WRAPPERS.contains(&word));
        let known = [&SQL[..], &LANGUAGES, &SHELLS, &ALL].iter().any(|names| names.contains(&name));
        (known && (first || SHELLS.contains(&name))).then_some((index, name))
    });
    interpreters.take(CONSIDERED).find(|(index, name)| code_from_stdin((*index, name))).map(|(_, name)| name)
}

/// Where in `rest` the value of an option that takes code stands.
fn by_option(name: &str, rest: &[Word]) -> Option<usize> {
    if SHELLS.contains(&name) {
        let at = rest.iter().take_while(|word| word.is_option()).position(is_dash_c)?;
        return rest
            .iter()
            .enumerate()
            .skip(at + 1)
            .find(|(_, word)| !word.is_option())
            .map(|(index, _)| index)
            .or(Some(at));
    }
    let (_, options) = BY_OPTION.iter().find(|(names, _)| names.contains(&name))?;
    rest.iter().enumerate().find_map(|(index, word)| {
        let known = word.known_prefix();
        let option = options.iter().find(|option| known.starts_with(option.as_bytes()))?;
        let joined = known.len() > option.len() || word.literal().is_none();
        match joined {
            true => Some(index),
            false => (index + 1 < rest.len()).then_some(index + 1),
        }
    })
}

/// `-c`, alone or among other letters.
fn is_dash_c(word: &Word) -> bool {
    let known = word.known_prefix();
    known == b"--command" || (known.starts_with(b"-") && !known.starts_with(b"--") && known.contains(&b'c'))
}

/// Where in `rest` the first operand stands, if it is code.
fn by_operand(name: &str, rest: &[Word]) -> Option<usize> {
    let (_, with_values, elsewhere) = BY_OPERAND.iter().find(|(names, _, _)| names.contains(&name))?;
    let mut index = 0;
    while let Some(word) = rest.get(index) {
        let option = word.literal().unwrap_or_default();
        if elsewhere.contains(&option) {
            return None;
        }
        if !word.is_option() {
            return Some(index);
        }
        index += 1 + with_values.iter().find(|(name, _)| *name == option).map_or(0, |(_, values)| *values);
    }
    None
}

fn is_interpreter(name: &str) -> bool {
    [&SHELLS[..], &BUILTINS, &ALL].iter().any(|names| names.contains(&name))
        || BY_OPTION.iter().any(|(names, _)| names.contains(&name))
        || BY_OPERAND.iter().any(|(names, ..)| names.contains(&name))
}

fn basename(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}
