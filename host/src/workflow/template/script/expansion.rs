//! What begins with a `$`, and arithmetic.

use super::scan::{Expect, Frame, Operator, Quotes, Scanner, Stage, Step};
use super::word::{HOLE, OPAQUE, is_name_byte, is_name_start};
use super::{Dialect, Quoting, Refusal};

impl Scanner<'_> {
    pub(super) fn dollar(&mut self, quotes: Quotes) -> Step {
        let zsh = *self.dialect == Dialect::Zsh;
        match self.peek(1) {
            Some(HOLE) => {
                self.push(b'$', false);
                self.at += 1;
                self.settle(Err(Refusal::Dollar));
            }
            Some(b'\\') if self.peek(2) == Some(b'\n') => {
                return Err(self.uncertain("a line ends between `$` and what belongs to it"));
            }
            Some(b'(') => return self.parenthesis(),
            Some(b'{') => return self.open_parameter(quotes),
            Some(b'\'') if quotes == Quotes::None => return self.ansi(),
            Some(b'"') if quotes == Quotes::None => {
                self.open_quote();
                self.stack.push(Frame::Double { locale: true });
                self.at += 2;
            }
            Some(b'[') => return Err(self.uncertain("`$[` is arithmetic in some shells and text in others")),
            Some(first) if is_name_start(first) => {
                let name = self.text[self.at + 1..self.limit].iter().take_while(|byte| is_name_byte(**byte)).count();
                self.at += 1 + name;
                self.push(OPAQUE, false);
                return self.after_name(zsh);
            }
            Some(special) if special.is_ascii_digit() || b"@*#?-$!".contains(&special) => {
                self.at += 2;
                self.push(OPAQUE, false);
                return self.after_name(zsh);
            }
            Some(b'+' | b'=' | b'~' | b'^' | b':') if zsh => {
                return Err(self.uncertain("an expansion that only zsh has"));
            }
            _ => {
                self.push(b'$', false);
                self.at += 1;
            }
        }
        Ok(())
    }

    /// zsh reads subscripts and modifiers behind a name without braces too.
    fn after_name(&self, zsh: bool) -> Step {
        match self.peek(0) {
            Some(next) if zsh && (b"[:".contains(&next) || self.text[self.at - 1] == b'#' && is_name_byte(next)) => {
                Err(self.uncertain("zsh reads this as part of the expansion before: write `${name}`"))
            }
            _ => Ok(()),
        }
    }

    fn parenthesis(&mut self) -> Step {
        let mut ahead = 2;
        while self.starts_with(ahead, b"\\\n") {
            ahead += 2;
        }
        match self.peek(ahead) {
            Some(b'(') if ahead > 2 => Err(self.uncertain("a line ends between `$(` and `(`")),
            Some(b'(') => {
                self.word();
                self.open_arithmetic(3, false);
                Ok(())
            }
            _ => {
                self.open_substitution();
                Ok(())
            }
        }
    }

    /// Opens what is this many bytes long: `$((` or `((`.
    pub(super) fn open_arithmetic(&mut self, opener: usize, command: bool) {
        self.blocks.push(Refusal::Arithmetic);
        self.stack.push(Frame::Arithmetic { depth: 0, command, first_hole: self.hole });
        self.at += opener;
    }

    pub(super) fn arithmetic_byte(&mut self, byte: u8) -> Step {
        match byte {
            b'(' | b')' => {
                let next = self.peek(1);
                let Some(Frame::Arithmetic { depth, command, first_hole }) = self.stack.last_mut() else {
                    return Ok(());
                };
                let (command, first_hole) = (*command, *first_hole);
                match (byte, *depth, next) {
                    (b'(', ..) => *depth += 1,
                    (_, 1.., _) => *depth -= 1,
                    (_, 0, Some(b')')) => {
                        self.stack.pop();
                        self.blocks.pop();
                        self.at += 2;
                        match command {
                            true => self.commands().expect = Expect::End,
                            false => self.push_expansion(first_hole),
                        }
                        return Ok(());
                    }
                    _ => return Err(self.uncertain("this may be arithmetic or commands in parentheses")),
                }
                self.at += 1;
            }
            b'$' => return self.dollar(Quotes::Double),
            b'`' => return self.backtick(),
            b'"' | b'\'' | b'\\' => return Err(self.uncertain("quotes within arithmetic")),
            HOLE => self.settle(Err(Refusal::Arithmetic)),
            _ => {
                if byte == b'\n' {
                    self.inner_newline()?;
                }
                self.at += 1;
            }
        }
        Ok(())
    }

    /// `${` and the name behind it.
    fn open_parameter(&mut self, quotes: Quotes) -> Step {
        self.word();
        let first_hole = self.hole;
        let (mut length, mut indirect) = (false, false);
        self.at += 2;
        match (self.peek(0), self.peek(1)) {
            (Some(b'#' | b'!'), Some(b'}')) => {}
            (Some(b'#'), Some(next)) if is_name_byte(next) || matches!(next, b'@' | b'*' | HOLE) => {
                length = true;
                self.at += 1;
            }
            (Some(b'!'), Some(next)) if is_name_byte(next) || next == HOLE => {
                indirect = true;
                self.at += 1;
            }
            (Some(b'#' | b'!'), _) => return Err(self.uncertain("shells read this expansion differently")),
            _ => {}
        }
        match self.peek(0) {
            Some(first) if is_name_byte(first) => {
                let digits = first.is_ascii_digit();
                let part = |byte: &&u8| if digits { byte.is_ascii_digit() } else { is_name_byte(**byte) };
                self.at += self.text[self.at..self.limit].iter().take_while(part).count();
            }
            Some(b'@' | b'*' | b'?' | b'-' | b'$' | b'#' | b'!') => self.at += 1,
            Some(HOLE) => {}
            _ => return Err(self.uncertain("an expansion that not every shell has")),
        }
        let stage = Stage::Name { length, indirect, subscript: false };
        self.stack.push(Frame::Parameter { quotes, stage, first_hole });
        Ok(())
    }

    fn set_stage(&mut self, new: Stage) {
        if let Some(Frame::Parameter { stage, .. }) = self.stack.last_mut() {
            *stage = new;
        }
    }

    fn close_parameter(&mut self) {
        if let Some(Frame::Parameter { quotes, stage, first_hole }) = self.stack.pop() {
            if let Stage::Word(operator) = stage
                && block(operator, quotes).is_some()
            {
                self.blocks.pop();
            }
            self.push_expansion(first_hole);
        }
        self.at += 1;
    }

    pub(super) fn parameter_byte(&mut self, byte: u8, quotes: Quotes, stage: Stage) -> Step {
        match stage {
            Stage::Name { length, indirect, subscript } => {
                self.after_parameter(byte, quotes, length, indirect, subscript)
            }
            Stage::Subscript { length, indirect } => {
                if byte == b']' {
                    self.blocks.pop();
                    self.set_stage(Stage::Name { length, indirect, subscript: true });
                    self.at += 1;
                    return Ok(());
                }
                self.subscript_byte(byte, quotes)
            }
            Stage::Word(operator) => self.parameter_word_byte(byte, quotes, operator),
        }
    }

    fn after_parameter(&mut self, byte: u8, quotes: Quotes, length: bool, indirect: bool, subscript: bool) -> Step {
        let next = self.peek(1);
        let (operator, len) = match byte {
            b'}' => {
                self.close_parameter();
                return Ok(());
            }
            b'[' if !subscript => {
                self.blocks.push(Refusal::Subscript);
                self.set_stage(Stage::Subscript { length, indirect });
                self.at += 1;
                return Ok(());
            }
            HOLE => {
                self.settle(Err(Refusal::Name));
                return Ok(());
            }
            b'*' | b'@' if indirect && next == Some(b'}') => {
                self.at += 1;
                return Ok(());
            }
            b'@' if next.is_some_and(|letter| letter.is_ascii_alphabetic()) && self.peek(2) == Some(b'}') => {
                self.at += 2;
                return Ok(());
            }
            _ if length => return Err(self.uncertain("shells read this expansion differently")),
            b':' => match next {
                Some(b'-' | b'+' | b'?') => (Operator::Default, 2),
                Some(b'=') => (Operator::Assign, 2),
                _ => (Operator::Offset, 1),
            },
            b'-' | b'+' | b'?' => (Operator::Default, 1),
            b'=' => (Operator::Assign, 1),
            b'#' | b'%' => (Operator::Pattern, if next == Some(byte) { 2 } else { 1 }),
            b'/' | b'^' | b',' => (Operator::Replace, 1),
            _ => return Err(self.uncertain("an expansion that not every shell has")),
        };
        self.blocks.extend(block(operator, quotes));
        self.set_stage(Stage::Word(operator));
        self.at += len;
        Ok(())
    }

    fn subscript_byte(&mut self, byte: u8, quotes: Quotes) -> Step {
        match byte {
            HOLE => self.settle(Err(Refusal::Subscript)),
            b'$' => return self.dollar(Quotes::Double),
            b'"' if quotes == Quotes::None => {
                self.stack.push(Frame::Double { locale: false });
                self.at += 1;
            }
            b'\'' if quotes == Quotes::None => return self.single(Some(Refusal::Subscript)),
            b'"' | b'\'' | b'`' | b'\\' | b'[' | b'{' | b'}' | b'\n' => {
                return Err(self.uncertain("quotes or brackets within a subscript"));
            }
            _ => self.at += 1,
        }
        Ok(())
    }

    fn parameter_word_byte(&mut self, byte: u8, quotes: Quotes, operator: Operator) -> Step {
        match (byte, quotes) {
            (b'}', _) => self.close_parameter(),
            (b'\\', _) => {
                if matches!(self.peek(1), Some(HOLE | OPAQUE) | None) {
                    return Err(self.uncertain("a backslash quotes what is not known"));
                }
                self.at += 2;
            }
            (b'$', _) => return self.dollar(quotes),
            (b'`', _) => return self.backtick(),
            (b'\'' | b'"', _) if operator == Operator::Offset => return Err(self.uncertain("quotes within arithmetic")),
            (b'\'', Quotes::None) => return self.single(None),
            (b'"', Quotes::None) => {
                self.stack.push(Frame::Double { locale: false });
                self.at += 1;
            }
            (b'"', Quotes::Double) if matches!(operator, Operator::Pattern | Operator::Replace) => {
                self.stack.push(Frame::Double { locale: false });
                self.at += 1;
            }
            (b'\'' | b'"', _) => return Err(self.uncertain("shells read quotes within a quoted `${...}` differently")),
            (b'{', _) => return Err(self.uncertain("a `{` within `${...}`")),
            (b'<' | b'>', Quotes::None) if self.peek(1) == Some(b'(') => {
                return Err(self.uncertain("a process substitution within `${...}`"));
            }
            (HOLE, Quotes::Here) if operator == Operator::Pattern => self.settle(Err(Refusal::Replace)),
            (HOLE, Quotes::None) => self.settle(Ok(Quoting::Word)),
            (HOLE, _) if operator == Operator::Pattern => self.settle(Ok(Quoting::Word)),
            (HOLE, _) => self.settle(Ok(Quoting::Double)),
            _ => {
                if byte == b'\n' {
                    self.inner_newline()?;
                }
                self.at += 1;
            }
        }
        Ok(())
    }
}

/// Why no template may stand behind the operator.
fn block(operator: Operator, quotes: Quotes) -> Option<Refusal> {
    match operator {
        Operator::Offset => Some(Refusal::Arithmetic),
        Operator::Replace => Some(Refusal::Replace),
        Operator::Assign if quotes == Quotes::None => Some(Refusal::Assign),
        Operator::Default | Operator::Assign | Operator::Pattern => None,
    }
}
