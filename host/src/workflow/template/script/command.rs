//! Lists of commands: where words end, which of them are reserved, and where commands begin.

use super::review::{NUMERIC, is_evaluated};
use super::scan::{Case, Commands, Expect, Frame, Kind, Redirect, Scanner, Step, TestTerm};
use super::word::{Word, is_name_byte};
use super::{Dialect, Refusal};

/// What ends a command.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Newline,
    /// `;`, `&`, `&&`, `||`, `)`
    Sequence,
    Pipe,
}

impl Scanner<'_> {
    pub(super) fn command_byte(&mut self, byte: u8) -> Step {
        let commands = self.commands();
        if commands.expect == Expect::Test {
            return self.test_byte(byte);
        }
        if commands.in_pattern() {
            return self.pattern_byte(byte);
        }
        match byte {
            b'#' if !self.has_word() => {
                self.comment();
                Ok(())
            }
            b'(' => self.open_parenthesis(),
            b'<' | b'>' if self.peek(1) == Some(b'(') => {
                self.open_substitution();
                Ok(())
            }
            b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'<' | b'>' | b')' if self.has_word() => {
                if matches!(byte, b'<' | b'>') && self.names_descriptor() {
                    self.commands().word = None;
                    return Ok(());
                }
                self.end_word()
            }
            b' ' | b'\t' => {
                self.at += 1;
                Ok(())
            }
            b'\n' => self.newline(),
            b';' => self.semicolon(),
            b'&' => self.ampersand(),
            b'|' => {
                let (len, end) = match self.peek(1) {
                    Some(b'|') => (2, End::Sequence),
                    Some(b'&') => (2, End::Pipe),
                    _ => (1, End::Pipe),
                };
                self.end_command(end)?;
                self.at += len;
                Ok(())
            }
            b'<' => self.less(),
            b'>' => match self.peek(1) {
                Some(b'&') => self.redirect(Redirect::Descriptor, 2),
                Some(b'>' | b'|') => self.redirect(Redirect::File, 2),
                _ => self.redirect(Redirect::File, 1),
            },
            b')' => self.close_parenthesis(),
            _ => self.word_byte(byte),
        }
    }

    /// The word is the number, or `{name}`, of a descriptor in front of a redirection.
    fn names_descriptor(&mut self) -> bool {
        let word = self.commands().word.as_ref().and_then(Word::unquoted).unwrap_or_default();
        let name = word.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or_default();
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit())
            || !name.is_empty() && name.bytes().all(is_name_byte)
    }

    fn newline(&mut self) -> Step {
        if self.pending != self.commands().here_documents.len() {
            return Err(self.uncertain("a line ends within brackets before a here-document has begun"));
        }
        if !matches!(self.commands().expect, Expect::ForIn { .. } | Expect::CaseIn) {
            self.end_command(End::Newline)?;
        }
        self.at += 1;
        self.here_bodies()
    }

    fn semicolon(&mut self) -> Step {
        if self.starts_with(1, b"\\\n") || self.peek(1) == Some(b'|') {
            return Err(self.uncertain("a `;` with something behind it that shells read differently"));
        }
        self.end_command(End::Sequence)?;
        let len = match (self.peek(1), self.peek(2)) {
            (Some(b';'), Some(b'&')) => 3,
            (Some(b';' | b'&'), _) => 2,
            _ => 1,
        };
        if len > 1 {
            let Some(case) = self.commands().cases.last_mut() else {
                return Err(self.uncertain("the end of a `case` branch outside `case`"));
            };
            *case = Case { pattern: true, first: true };
        }
        self.at += len;
        Ok(())
    }

    fn ampersand(&mut self) -> Step {
        match self.peek(1) {
            Some(b'>') if *self.dialect == Dialect::Posix => {
                Err(self.uncertain("`&>` is a redirection only in bash: write `>file 2>&1`"))
            }
            Some(b'>') => {
                let len = if self.peek(2) == Some(b'>') { 3 } else { 2 };
                self.redirect(Redirect::File, len)
            }
            next => {
                self.end_command(End::Sequence)?;
                self.at += if next == Some(b'&') { 2 } else { 1 };
                Ok(())
            }
        }
    }

    fn less(&mut self) -> Step {
        match (self.peek(1), self.peek(2)) {
            (Some(b'<'), Some(b'<')) => self.redirect(Redirect::HereString, 3),
            (Some(b'<'), Some(b'\\')) if self.peek(3) == Some(b'\n') => {
                Err(self.uncertain("a line ends within an operator"))
            }
            (Some(b'<'), _) => {
                if self.commands().redirect.is_some() {
                    return Err(self.uncertain("a redirection without a target"));
                }
                self.here_document()
            }
            (Some(b'&'), _) => self.redirect(Redirect::Descriptor, 2),
            (Some(b'>'), _) => self.redirect(Redirect::File, 2),
            _ => self.redirect(Redirect::File, 1),
        }
    }

    fn redirect(&mut self, redirect: Redirect, len: usize) -> Step {
        if self.starts_with(len, b"\\\n") || self.commands().redirect.is_some() {
            return Err(self.uncertain("a redirection without a target"));
        }
        let commands = self.commands();
        commands.redirect = Some(redirect);
        commands.prefixed |= commands.expect == Expect::Command;
        self.at += len;
        Ok(())
    }

    fn open_parenthesis(&mut self) -> Step {
        let zero_or_more = |text: &[u8]| text.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let blanks = zero_or_more(&self.text[self.at + 1..self.limit]);
        let empty = self.peek(1 + blanks) == Some(b')');
        let double = self.peek(1) == Some(b'(');
        if self.starts_with(1, b"\\\n") {
            return Err(self.uncertain("a line ends behind `(`"));
        }
        let no_double = double && *self.dialect == Dialect::Posix;
        let commands = self.commands();
        if commands.redirect.is_some() {
            return Err(self.uncertain("a redirection without a target"));
        }
        let plain = |word: &Word| word.unquoted().is_some();
        match (&commands.word, commands.expect) {
            (Some(word), Expect::Command | Expect::Argument) if word.awaits_array() => {
                let declares = matches!(
                    commands.words.first().and_then(Word::literal),
                    None | Some("declare" | "typeset" | "local" | "export" | "readonly")
                );
                if !declares {
                    return Err(self.uncertain("an array that is assigned to nothing"));
                }
                self.open_array();
                Ok(())
            }
            (Some(word), Expect::Command) if empty && !commands.prefixed && plain(word) => {
                commands.word = None;
                self.at += blanks + 2;
                Ok(())
            }
            (None, Expect::Argument) if empty && commands.words.len() == 1 && plain(&commands.words[0]) => {
                commands.words.clear();
                commands.expect = Expect::Command;
                commands.prefixed = false;
                self.at += blanks + 2;
                Ok(())
            }
            (Some(_), Expect::FunctionName) => self.end_word(),
            (None, Expect::Command | Expect::ForName) if no_double => {
                Err(self.uncertain("`((` is arithmetic only in bash: write `( (` or `$((`"))
            }
            (None, Expect::ForName) if double => {
                self.open_arithmetic(2, true);
                Ok(())
            }
            (None, Expect::Command) if !commands.prefixed => {
                if double {
                    self.open_arithmetic(2, true);
                } else {
                    let hole = self.hole;
                    self.stack.push(Frame::Commands(Box::new(Commands::new(Kind::Subshell, hole))));
                    self.at += 1;
                }
                Ok(())
            }
            _ => Err(self.uncertain("a `(` where shells read different things")),
        }
    }

    fn close_parenthesis(&mut self) -> Step {
        if self.commands().kind == Kind::Script {
            return Err(self.uncertain("a `)` that closes nothing"));
        }
        self.end_command(End::Sequence)?;
        let commands = self.commands();
        if !commands.here_documents.is_empty() {
            return Err(self.uncertain("a `)` in the line of a here-document that has not begun"));
        }
        if !commands.cases.is_empty() {
            return Err(self.uncertain("a `)` before the end of a `case`"));
        }
        let (kind, first_hole) = (commands.kind, commands.first_hole);
        self.stack.pop();
        self.at += 1;
        match kind {
            Kind::Subshell => self.commands().expect = Expect::End,
            Kind::Substitution | Kind::Script => self.push_expansion(first_hole),
        }
        Ok(())
    }

    /// The text is at its end.
    pub(super) fn finish(&mut self) -> Step {
        if self.commands().in_pattern() {
            self.end_pattern();
        } else if self.commands().expect == Expect::Test {
            self.end_test_word()?;
        }
        if self.commands().in_pattern() || self.commands().expect == Expect::Test {
            return Err(self.uncertain("a `case` or `[[` before has no end"));
        }
        self.end_word()?;
        self.end_command(End::Sequence)?;
        if !self.commands().cases.is_empty() {
            return Err(self.uncertain("a `case` before has no end"));
        }
        if self.pending > 0 {
            return Err(self.uncertain("a here-document has no body"));
        }
        Ok(())
    }

    fn end_command(&mut self, end: End) -> Step {
        let commands = self.commands();
        match commands.expect {
            Expect::ForName | Expect::CaseWord | Expect::CaseIn | Expect::FunctionName => {
                return Err(self.uncertain("a command ends before it is complete"));
            }
            Expect::ForIn { .. } if end == End::Pipe => {
                return Err(self.uncertain("a command ends before it is complete"));
            }
            _ => {}
        }
        if commands.redirect.is_some() {
            return Err(self.uncertain("a redirection without a target"));
        }
        let empty = commands.expect == Expect::Command && commands.words.is_empty() && !commands.prefixed;
        match commands.expect {
            Expect::Argument => self.review()?,
            _ => commands.words.clear(),
        }
        let hole = self.hole;
        let commands = self.commands();
        commands.here_strings.clear();
        commands.expect = Expect::Command;
        commands.prefixed = false;
        commands.timed = false;
        if end == End::Pipe {
            commands.piped = true;
        } else if !(empty && end == End::Newline && commands.piped) {
            commands.piped = false;
            commands.pipeline = (hole, commands.here_documents.len());
        }
        Ok(())
    }

    /// The word that was read, if any, is complete.
    pub(super) fn end_word(&mut self) -> Step {
        let hole = self.hole;
        let commands = self.commands();
        let Some(mut word) = commands.word.take() else { return Ok(()) };
        word.holes.end = hole;
        let redirect = commands.redirect.take();
        let expect = commands.expect;
        let argument = redirect.is_none() && matches!(expect, Expect::Argument | Expect::ForWord { .. });
        self.check_args(&word);
        if let (Some(index), false) = (word.args, argument) {
            self.refuse(index..index + 1, Refusal::ArgsPlace);
        }
        if let Some(redirect) = redirect {
            match redirect {
                Redirect::File => {}
                Redirect::Descriptor => self.refuse(word.holes, Refusal::Descriptor),
                Redirect::HereString => self.commands().here_strings.push(word.holes),
            }
            return Ok(());
        }
        match expect {
            Expect::Command => self.command_word(word),
            Expect::Argument => {
                self.commands().words.push(word);
                Ok(())
            }
            Expect::End => match word.unquoted() {
                Some("then" | "do" | "done" | "fi" | "esac" | "else" | "elif" | "}") => self.command_word(word),
                _ => Err(self.uncertain("a word behind the end of a compound command")),
            },
            Expect::ForName => self.for_name(&word),
            Expect::ForIn { evaluated } => {
                self.commands().expect = match word.unquoted() {
                    Some("in") => Expect::ForWord { evaluated },
                    Some("do") => Expect::Command,
                    _ => return Err(self.uncertain("`for` in a form that not every shell has")),
                };
                Ok(())
            }
            Expect::ForWord { evaluated } => {
                if evaluated {
                    self.refuse(word.holes.clone(), Refusal::Evaluated);
                }
                Ok(())
            }
            Expect::CaseWord => {
                self.commands().expect = Expect::CaseIn;
                Ok(())
            }
            Expect::CaseIn => {
                if word.unquoted() != Some("in") {
                    return Err(self.uncertain("`case` in a form that not every shell has"));
                }
                let commands = self.commands();
                commands.cases.push(Case { pattern: true, first: true });
                commands.expect = Expect::Command;
                Ok(())
            }
            Expect::FunctionName => self.function_name(&word),
            Expect::Test => Ok(()),
        }
    }

    fn for_name(&mut self, word: &Word) -> Step {
        if word.is_tainted() {
            self.refuse(word.holes.clone(), Refusal::Name);
        }
        self.commands().expect = Expect::ForIn { evaluated: word.literal().is_none_or(is_evaluated) };
        Ok(())
    }

    /// `function NAME` and the `()` that may follow.
    fn function_name(&mut self, word: &Word) -> Step {
        if word.unquoted().is_none() {
            return Err(self.uncertain("a function whose name is not plain text"));
        }
        self.commands().expect = Expect::Command;
        let blanks = |scanner: &Self, from: usize| {
            scanner.text[from..scanner.limit].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
        };
        let open = self.at + blanks(self, self.at);
        if self.text[..self.limit].get(open) == Some(&b'(') {
            let close = open + 1 + blanks(self, open + 1);
            if self.text[..self.limit].get(close) != Some(&b')') {
                return Err(self.uncertain("a `(` where shells read different things"));
            }
            self.at = close + 1;
        }
        Ok(())
    }

    /// A word where a command begins: a reserved word, an assignment or the command's name.
    fn command_word(&mut self, word: Word) -> Step {
        if let Some(text) = word.unquoted()
            && !self.commands().prefixed
            && self.reserved(text)?
        {
            return Ok(());
        }
        if *self.dialect == Dialect::Zsh && word.text.first() == Some(&b'{') && !word.quoted {
            return Err(self.uncertain("zsh reads a `{` without a space behind it as a reserved word"));
        }
        if let Some(assignment) = word.assignment() {
            let refusal = match assignment.subscript {
                true => word.has_tainted_subscript().then_some(Refusal::Subscript),
                false => is_evaluated(assignment.name).then_some(Refusal::Evaluated),
            };
            if let Some(refusal) = refusal {
                self.refuse(word.holes.clone(), refusal);
            }
            self.commands().prefixed = true;
            return Ok(());
        }
        let commands = self.commands();
        commands.words.push(word);
        commands.expect = Expect::Argument;
        Ok(())
    }

    /// Whether the word is reserved here; if so, it has done its work.
    fn reserved(&mut self, text: &str) -> Step<bool> {
        let bash = *self.dialect != Dialect::Posix;
        let zsh = *self.dialect == Dialect::Zsh;
        let commands = self.commands();
        let timed = std::mem::replace(&mut commands.timed, text == "time");
        let expect = match text {
            "if" | "then" | "elif" | "else" | "while" | "until" | "do" | "{" | "!" | "time" => Expect::Command,
            "-p" | "--" if timed => {
                commands.timed = true;
                Expect::Command
            }
            "fi" | "done" | "}" => Expect::End,
            "esac" => {
                if commands.cases.pop().is_none() {
                    return Err(self.uncertain("an `esac` that ends nothing"));
                }
                Expect::End
            }
            "for" | "select" => Expect::ForName,
            "case" => Expect::CaseWord,
            "function" if bash => Expect::FunctionName,
            "[[" if bash => {
                let first_hole = self.hole;
                self.commands().test = TestTerm { first_hole, refusal: None };
                Expect::Test
            }
            "function" | "[[" => return Err(self.uncertain("this is not part of every `sh`: name bash as the shell")),
            "coproc" => return Err(self.uncertain("`coproc`")),
            "foreach" | "repeat" | "end" | "nocorrect" | "always" if zsh => {
                return Err(self.uncertain("a reserved word that only zsh has"));
            }
            _ => return Ok(false),
        };
        self.commands().expect = expect;
        Ok(true)
    }

    /// Within `case ... in`, where patterns stand.
    fn pattern_byte(&mut self, byte: u8) -> Step {
        let first = self.commands().cases.last().is_some_and(|case| case.first);
        match byte {
            b'#' if !self.has_word() && first => self.comment(),
            b' ' | b'\t' | b'\n' | b'|' | b')' | b';' | b'&' if self.has_word() => self.end_pattern(),
            b' ' | b'\t' => self.at += 1,
            b'\n' if first => {
                if self.pending != self.commands().here_documents.len() {
                    return Err(self.uncertain("a line ends within brackets before a here-document has begun"));
                }
                self.at += 1;
                return self.here_bodies();
            }
            b'(' if first && !self.has_word() => {
                // `(esac)` is a pattern.
                if let Some(case) = self.commands().cases.last_mut() {
                    case.first = false;
                }
                self.at += 1;
            }
            b'|' => self.at += 1,
            b')' if !first => {
                if let Some(case) = self.commands().cases.last_mut() {
                    case.pattern = false;
                }
                self.at += 1;
            }
            b'\n' | b'(' | b')' | b';' | b'&' | b'<' | b'>' => {
                return Err(self.uncertain("an operator within a `case` pattern"));
            }
            _ => return self.word_byte(byte),
        }
        Ok(())
    }

    /// A pattern, or the `esac` in its place, is complete.
    fn end_pattern(&mut self) {
        let commands = self.commands();
        let Some(word) = commands.word.take() else { return };
        let first = commands.cases.last().is_some_and(|case| case.first);
        if first && word.unquoted() == Some("esac") {
            commands.cases.pop();
            commands.expect = Expect::End;
        } else if let Some(case) = commands.cases.last_mut() {
            case.first = false;
        }
        if let Some(index) = word.args {
            self.refuse(index..index + 1, Refusal::ArgsPlace);
        }
    }

    /// Within `[[ ... ]]`.
    fn test_byte(&mut self, byte: u8) -> Step {
        let double = self.peek(1) == Some(byte);
        let closed = self.commands().word.as_ref().and_then(Word::unquoted) == Some("]]");
        match byte {
            b';' | b'&' | b'|' | b')' if closed => return self.end_test_word(),
            b'#' if !self.has_word() => return Err(self.uncertain("a `#` within `[[ ... ]]`")),
            b'<' | b'>' if self.peek(1) == Some(b'(') => self.open_substitution(),
            b' ' | b'\t' | b'\n' | b'<' | b'>' if self.has_word() => return self.end_test_word(),
            b'&' | b'|' if double && self.has_word() => return self.end_test_word(),
            b'\n' => {
                self.inner_newline()?;
                self.at += 1;
            }
            b' ' | b'\t' => self.at += 1,
            b'&' | b'|' if double => {
                self.end_test_term();
                self.at += 2;
            }
            b'<' | b'>' if double => return Err(self.uncertain("an operator within `[[ ... ]]`")),
            b'<' | b'>' => self.at += 1,
            b'&' | b';' => return Err(self.uncertain("an operator within `[[ ... ]]`")),
            _ => return self.word_byte(byte),
        }
        Ok(())
    }

    fn end_test_word(&mut self) -> Step {
        let hole = self.hole;
        let dialect = self.dialect;
        let commands = self.commands();
        let Some(mut word) = commands.word.take() else { return Ok(()) };
        word.holes.end = hole;
        if let Some(index) = word.args {
            self.refuse(index..index + 1, Refusal::ArgsPlace);
        }
        if word.text.windows(3).any(|bytes| bytes == b")]]") {
            return Err(self.uncertain("a `]]` without a space before it"));
        }
        if word.unquoted() == Some("]]") {
            self.end_test_term();
            self.commands().expect = Expect::End;
            return Ok(());
        }
        let operator = word.literal().unwrap_or_default().trim_start_matches(['(', '!']);
        let refusal = match operator {
            "-v" | "-R" => Some(Refusal::Test),
            "-t" if dialect.evaluates_operands() => Some(Refusal::Test),
            "=~" if *dialect == Dialect::Zsh => Some(Refusal::Test),
            _ if NUMERIC.contains(&operator) => Some(Refusal::Comparison),
            _ => None,
        };
        let test = &mut self.commands().test;
        test.refusal = test.refusal.or(refusal);
        Ok(())
    }

    fn end_test_term(&mut self) {
        let hole = self.hole;
        let term = std::mem::replace(&mut self.commands().test, TestTerm { first_hole: hole, refusal: None });
        if let Some(refusal) = term.refusal {
            self.refuse(term.first_hole..hole, refusal);
        }
    }
}
