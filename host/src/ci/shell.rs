//! The commands of a script, as far as they can be read without running it: enough to find the one that is looked for within
//! a longer line, behind variables, wrappers and control words.

use std::iter::Peekable;
use std::str::Chars;

/// One simple command: its words, quotes taken away, known variables replaced. What an unknown variable stands for stays as
/// `$NAME`.
pub(super) type Command = Vec<String>;

/// Splits a script into its commands. `variable` knows the values of some variables. Never fails: what can't be read is
/// taken as text.
pub(super) fn commands(script: &str, variable: &dyn Fn(&str) -> Option<String>) -> Vec<Command> {
    let mut reader = Reader {
        rest: script.chars().peekable(),
        variable,
        commands: Vec::new(),
        words: Vec::new(),
        word: None,
        heredocs: Vec::new(),
    };
    while let Some(c) = reader.rest.next() {
        reader.take(c);
    }
    reader.end_command();
    reader.commands
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    variable: &'a dyn Fn(&str) -> Option<String>,
    commands: Vec<Command>,
    words: Command,
    word: Option<String>,
    /// Delimiters of the here-documents that begin on the next line.
    heredocs: Vec<String>,
}

impl Reader<'_> {
    fn take(&mut self, c: char) {
        match c {
            '\n' => {
                self.end_command();
                self.skip_heredocs();
            }
            ';' | '|' | '&' | '(' | ')' | '`' => self.end_command(),
            ' ' | '\t' | '\r' => self.end_word(),
            '#' if self.word.is_none() => while self.rest.next_if(|c| *c != '\n').is_some() {},
            '\\' => match self.rest.next() {
                Some('\n') | None => {}
                Some(c) => self.push(c),
            },
            '\'' => {
                self.push_str("");
                while let Some(c) = self.rest.next().filter(|c| *c != '\'') {
                    self.push(c);
                }
            }
            '"' => self.double_quoted(),
            '$' => self.expansion(false),
            '<' if self.rest.next_if_eq(&'<').is_some() => self.heredoc(),
            c => self.push(c),
        }
    }

    fn double_quoted(&mut self) {
        self.push_str("");
        while let Some(c) = self.rest.next() {
            match c {
                '"' => return,
                '$' => self.expansion(true),
                '\\' => match self.rest.next() {
                    Some(c @ ('"' | '\\' | '$' | '`')) => self.push(c),
                    Some('\n') | None => {}
                    Some(c) => {
                        self.push('\\');
                        self.push(c);
                    }
                },
                c => self.push(c),
            }
        }
    }

    /// After a dollar sign. A command substitution's commands count as commands, since they run.
    fn expansion(&mut self, quoted: bool) {
        let name = if self.rest.next_if_eq(&'{').is_some() {
            let mut inner = String::new();
            while let Some(c) = self.rest.next().filter(|c| *c != '}') {
                inner.push(c);
            }
            let length = inner.find(|c: char| !is_name(c)).unwrap_or(inner.len());
            inner.truncate(length);
            inner
        } else if !quoted && self.rest.next_if_eq(&'(').is_some() {
            return self.end_command();
        } else {
            let mut name = String::new();
            while let Some(c) = self.rest.next_if(|c| is_name(*c)) {
                name.push(c);
            }
            name
        };
        match (self.variable)(&name) {
            Some(value) if !quoted => {
                // Split, as an unquoted expansion is.
                for (index, part) in value.split_whitespace().enumerate() {
                    if index > 0 {
                        self.end_word();
                    }
                    self.push_str(part);
                }
            }
            Some(value) => self.push_str(&value),
            None => {
                self.push('$');
                self.push_str(&name);
            }
        }
    }

    /// After `<<`.
    fn heredoc(&mut self) {
        if self.rest.next_if_eq(&'<').is_some() {
            return;
        }
        self.rest.next_if_eq(&'-');
        while self.rest.next_if(|c| matches!(c, ' ' | '\t')).is_some() {}
        let mut delimiter = String::new();
        while let Some(c) = self.rest.next_if(|c| !c.is_whitespace() && !matches!(c, ';' | '|' | '&' | ')')) {
            if !matches!(c, '\'' | '"' | '\\') {
                delimiter.push(c);
            }
        }
        if !delimiter.is_empty() {
            self.heredocs.push(delimiter);
        }
    }

    fn skip_heredocs(&mut self) {
        for delimiter in std::mem::take(&mut self.heredocs) {
            while self.rest.peek().is_some() {
                let mut line = String::new();
                while let Some(c) = self.rest.next().filter(|c| *c != '\n') {
                    line.push(c);
                }
                if line.trim_start_matches('\t') == delimiter {
                    break;
                }
            }
        }
    }

    fn push(&mut self, c: char) {
        self.word.get_or_insert_default().push(c);
    }

    fn push_str(&mut self, text: &str) {
        self.word.get_or_insert_default().push_str(text);
    }

    fn end_word(&mut self) {
        self.words.extend(self.word.take());
    }

    fn end_command(&mut self) {
        self.end_word();
        if !self.words.is_empty() {
            self.commands.push(std::mem::take(&mut self.words));
        }
    }
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(script: &str) -> Vec<String> {
        let variable = |name: &str| match name {
            "FLAGS" => Some("-state-store gitlab".to_owned()),
            "BIN" => Some("./bin/shiro".to_owned()),
            _ => None,
        };
        commands(script, &variable).into_iter().map(|words| words.join("|")).collect()
    }

    #[test]
    fn commands_are_found_within_lines() {
        for (script, expected) in [
            ("shiro run -fresh", &["shiro|run|-fresh"][..]),
            ("cd app && ./shiro run; echo done", &["cd|app", "./shiro|run", "echo|done"]),
            ("if true; then shiro run; fi", &["if|true", "then|shiro|run", "fi"]),
            ("$BIN run $FLAGS 'a b' \"$FLAGS\"", &["./bin/shiro|run|-state-store|gitlab|a b|-state-store gitlab"]),
            ("${BIN} run \"${OTHER:-x}\"", &["./bin/shiro|run|$OTHER"]),
            ("echo \"shiro run\" # shiro run", &["echo|shiro run"]),
            ("out=$(shiro status -json) || exit 1", &["out=", "shiro|status|-json", "exit|1"]),
            ("shiro run \\\n  -fresh", &["shiro|run|-fresh"]),
            ("cat <<'EOF' > x\nshiro run\nEOF\nls", &["cat|>|x", "ls"]),
            ("cat <<-EOF\n\tshiro run\n\tEOF\nls", &["cat", "ls"]),
            ("echo 'unclosed", &["echo|unclosed"]),
            ("a\\ b $", &["a b|$"]),
            ("", &[]),
        ] {
            assert_eq!(read(script), expected, "{script}");
        }
    }
}
