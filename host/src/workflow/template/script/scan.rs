//! Reads a script as the shell will, far enough to know what quotes each template stands in.
//!
//! The reading goes once through the text, with a stack of what is open. It is meant to be right where it says anything: at
//! whatever shells read differently, or that this reader doesn't know, it stops and says so ([`Uncertain`]).

use std::collections::VecDeque;

use super::review;
use super::word::{HOLE, OPAQUE, TAINTED, Word};
use super::{Dialect, Quoting, Refusal, Warning};

/// What is known of a script.
#[derive(Debug)]
pub(super) struct Scan {
    /// For each template: how its reference must be written, or why there can be none.
    pub(super) holes: Vec<Result<Quoting, Refusal>>,
    /// Templates whose values the script hands on to something that reads them as code.
    pub(super) warnings: Vec<(usize, Warning)>,
    /// The reading stopped: nothing above can be relied on.
    pub(super) uncertain: Option<Uncertain>,
}

/// Where and why a reading stopped.
#[derive(Debug)]
pub(super) struct Uncertain {
    pub(super) at: usize,
    pub(super) why: &'static str,
}

pub(super) type Step<T = ()> = Result<T, Uncertain>;

/// Reads `text`, in which the byte [`HOLE`] stands for each template; `args` says for each whether it has that filter.
pub(super) fn scan(text: &[u8], args: &[bool], dialect: &Dialect) -> Scan {
    let mut scanner = Scanner {
        text,
        args,
        dialect,
        at: 0,
        limit: text.len(),
        stack: vec![Frame::Commands(Box::new(Commands::new(Kind::Script, 0)))],
        blocks: Vec::new(),
        hole: 0,
        pending: 0,
        holes: vec![Ok(Quoting::Word); args.len()],
        warnings: Vec::new(),
    };
    let uncertain = scanner.run().err();
    Scan { holes: scanner.holes, warnings: scanner.warnings, uncertain }
}

pub(super) struct Scanner<'a> {
    pub(super) text: &'a [u8],
    pub(super) args: &'a [bool],
    pub(super) dialect: &'a Dialect,
    pub(super) at: usize,
    /// The end of the text, or of the here-document's body that is being read.
    pub(super) limit: usize,
    pub(super) stack: Vec<Frame>,
    /// Why no template may stand in what is open; the last one counts.
    pub(super) blocks: Vec<Refusal>,
    /// The number of the next template.
    pub(super) hole: usize,
    /// Here-documents, of all open command lists, whose bodies have not begun.
    pub(super) pending: usize,
    pub(super) holes: Vec<Result<Quoting, Refusal>>,
    pub(super) warnings: Vec<(usize, Warning)>,
}

/// Something that is open.
pub(super) enum Frame {
    Commands(Box<Commands>),
    /// `"..."`, or `$"..."`.
    Double {
        locale: bool,
    },
    /// `${...}`
    Parameter {
        quotes: Quotes,
        stage: Stage,
        first_hole: usize,
    },
    /// `$((...))`, `((...))`.
    Arithmetic {
        depth: usize,
        command: bool,
        first_hole: usize,
    },
    /// `name=(...)`
    Array {
        word: Option<Word>,
        first_hole: usize,
    },
    /// The body of a here-document in which expansions count.
    HereBody {
        resume: usize,
        outer_limit: usize,
        first_hole: usize,
        interpreter: Option<String>,
    },
}

/// What an expansion stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quotes {
    None,
    Double,
    Here,
}

/// How far a `${...}` has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Behind the name. `${#name`, `${!name`.
    Name {
        length: bool,
        indirect: bool,
        subscript: bool,
    },
    Subscript {
        length: bool,
        indirect: bool,
    },
    /// Behind the operator.
    Word(Operator),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    /// `-`, `+`, `?`
    Default,
    /// `=`
    Assign,
    /// `#`, `%`
    Pattern,
    /// `/`, `^`, `,`
    Replace,
    /// `:offset`
    Offset,
}

/// A list of commands.
pub(super) struct Commands {
    pub(super) kind: Kind,
    pub(super) first_hole: usize,
    /// The `case` commands that are open, outermost first.
    pub(super) cases: Vec<Case>,
    pub(super) expect: Expect,
    pub(super) words: Vec<Word>,
    /// An assignment or a redirection came before the command's name: no reserved word is recognised.
    pub(super) prefixed: bool,
    /// `time` came before.
    pub(super) timed: bool,
    pub(super) word: Option<Word>,
    pub(super) redirect: Option<Redirect>,
    /// Here-strings of the command.
    pub(super) here_strings: Vec<std::ops::Range<usize>>,
    /// Here-documents whose bodies follow the end of the line.
    pub(super) here_documents: VecDeque<HereDocument>,
    /// Where the pipeline began: the next template and the here-documents before it.
    pub(super) pipeline: (usize, usize),
    /// A pipe came before the command.
    pub(super) piped: bool,
    pub(super) test: TestTerm,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Script,
    /// `( ... )`
    Subshell,
    /// `$( ... )`, `<( ... )`
    Substitution,
}

/// A `case` behind its `in`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case {
    /// Patterns are read, not commands.
    pub(super) pattern: bool,
    /// Nothing of the pattern has been read.
    pub(super) first: bool,
}

/// What the next word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expect {
    Command,
    Argument,
    /// Behind a compound command.
    End,
    ForName,
    ForIn {
        evaluated: bool,
    },
    ForWord {
        evaluated: bool,
    },
    CaseWord,
    CaseIn,
    FunctionName,
    /// Inside `[[ ... ]]`.
    Test,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Redirect {
    File,
    /// `>&`, `<&`: bash expands the word twice if it is no number.
    Descriptor,
    HereString,
}

pub(super) struct HereDocument {
    pub(super) delimiter: Vec<u8>,
    pub(super) quoted: bool,
    pub(super) strip_tabs: bool,
    /// What reads the body as code.
    pub(super) interpreter: Option<String>,
}

/// What `&&` and `||` separate within `[[ ... ]]`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TestTerm {
    pub(super) first_hole: usize,
    pub(super) refusal: Option<Refusal>,
}

impl Commands {
    pub(super) fn new(kind: Kind, first_hole: usize) -> Self {
        Self {
            kind,
            first_hole,
            cases: Vec::new(),
            expect: Expect::Command,
            words: Vec::new(),
            prefixed: false,
            timed: false,
            word: None,
            redirect: None,
            here_strings: Vec::new(),
            here_documents: VecDeque::new(),
            pipeline: (first_hole, 0),
            piped: false,
            test: TestTerm::default(),
        }
    }

    pub(super) fn in_pattern(&self) -> bool {
        self.cases.last().is_some_and(|case| case.pattern)
    }
}

impl Scanner<'_> {
    fn run(&mut self) -> Step {
        loop {
            if self.at < self.limit {
                let byte = self.text[self.at];
                match self.stack.last() {
                    Some(Frame::Commands(_)) => self.command_byte(byte)?,
                    Some(Frame::Double { locale }) => {
                        let locale = *locale;
                        self.double_byte(byte, locale)?;
                    }
                    Some(Frame::Parameter { quotes, stage, .. }) => {
                        let (quotes, stage) = (*quotes, *stage);
                        self.parameter_byte(byte, quotes, stage)?;
                    }
                    Some(Frame::Arithmetic { .. }) => self.arithmetic_byte(byte)?,
                    Some(Frame::Array { .. }) => self.array_byte(byte)?,
                    Some(Frame::HereBody { .. }) => self.here_body_byte(byte)?,
                    None => return Ok(()),
                }
            } else {
                match self.stack.last() {
                    Some(Frame::HereBody { .. }) => self.close_here_body()?,
                    Some(Frame::Commands(_)) if self.stack.len() == 1 => return self.finish(),
                    _ => return Err(self.uncertain("a quote or a bracket that was opened before has no end")),
                }
            }
        }
    }

    pub(super) fn uncertain(&self, why: &'static str) -> Uncertain {
        Uncertain { at: self.at.min(self.text.len()), why }
    }

    /// The byte this far ahead, within what is being read.
    pub(super) fn peek(&self, ahead: usize) -> Option<u8> {
        let at = self.at + ahead;
        if at < self.limit { self.text.get(at).copied() } else { None }
    }

    pub(super) fn starts_with(&self, ahead: usize, token: &[u8]) -> bool {
        self.text[..self.limit].get(self.at + ahead..).is_some_and(|rest| rest.starts_with(token))
    }

    pub(super) fn commands(&mut self) -> &mut Commands {
        match self.stack.last_mut() {
            Some(Frame::Commands(commands)) => commands,
            _ => unreachable!("called only while a command list is on top"),
        }
    }

    /// The word being read, if what is on top of the stack is part of one as it stands.
    pub(super) fn word(&mut self) -> Option<&mut Word> {
        let hole = self.hole;
        let (top, below) = self.stack.split_last_mut()?;
        let owner = match top {
            Frame::Double { .. } => below.last_mut()?,
            other => other,
        };
        match owner {
            Frame::Commands(commands) => Some(commands.word.get_or_insert_with(|| Word::starting(hole))),
            Frame::Array { word, .. } => Some(word.get_or_insert_with(|| Word::starting(hole))),
            _ => None,
        }
    }

    pub(super) fn has_word(&self) -> bool {
        match self.stack.last() {
            Some(Frame::Commands(commands)) => commands.word.is_some(),
            Some(Frame::Array { word, .. }) => word.is_some(),
            _ => false,
        }
    }

    pub(super) fn push(&mut self, byte: u8, quoted: bool) {
        let quoted = quoted || matches!(self.stack.last(), Some(Frame::Double { .. }));
        if let Some(word) = self.word() {
            word.push(byte, quoted);
        }
    }

    /// An expansion that began before `first_hole` is part of the word.
    pub(super) fn push_expansion(&mut self, first_hole: usize) {
        let marker = if self.hole > first_hole { TAINTED } else { OPAQUE };
        self.push(marker, false);
    }

    pub(super) fn open_quote(&mut self) {
        if let Some(word) = self.word() {
            word.quoted = true;
        }
    }

    /// The template here is settled. Blocks of what is around it come first.
    pub(super) fn settle(&mut self, outcome: Result<Quoting, Refusal>) {
        let index = self.hole;
        let unquoted = outcome == Ok(Quoting::Word);
        let owned = matches!(self.stack.last(), Some(Frame::Commands(_) | Frame::Array { .. }));
        self.hole += 1;
        self.holes[index] = match (outcome, self.blocks.last()) {
            (Ok(Quoting::Comment), _) => outcome,
            (Ok(_), Some(block)) => Err(*block),
            (Ok(_), None) if self.args[index] && !(owned && unquoted) => Err(Refusal::ArgsPlace),
            (outcome, _) => outcome,
        };
        if outcome != Ok(Quoting::Comment) {
            self.push(HOLE, !unquoted);
        }
        if self.args[index]
            && owned
            && unquoted
            && let Some(word) = self.word()
            && word.args.replace(index).is_some()
        {
            self.holes[index] = Err(Refusal::ArgsPlace);
        }
        self.at += 1;
    }

    pub(super) fn refuse(&mut self, holes: std::ops::Range<usize>, refusal: Refusal) {
        for hole in &mut self.holes[holes] {
            if matches!(hole, Ok(quoting) if *quoting != Quoting::Comment) {
                *hole = Err(refusal);
            }
        }
    }

    pub(super) fn warn(&mut self, holes: std::ops::Range<usize>, warning: &Warning) {
        self.warnings.extend(holes.map(|hole| (hole, warning.clone())));
    }

    /// A newline that is not the end of a command: the bodies of here-documents begin behind another one, in some shells.
    pub(super) fn inner_newline(&self) -> Step {
        match self.pending {
            0 => Ok(()),
            _ => Err(self.uncertain("a line ends within quotes or brackets before a here-document has begun")),
        }
    }

    /// What words are made of, wherever they stand.
    pub(super) fn word_byte(&mut self, byte: u8) -> Step {
        match byte {
            HOLE => {
                let braces = self.word().is_some_and(|word| word.braces > 0);
                self.settle(if braces { Err(Refusal::Brace) } else { Ok(Quoting::Word) });
                Ok(())
            }
            b'\\' => self.escape(),
            b'\'' => self.single(None),
            b'"' => {
                self.open_quote();
                self.stack.push(Frame::Double { locale: false });
                self.at += 1;
                Ok(())
            }
            b'$' => self.dollar(Quotes::None),
            b'`' => self.backtick(),
            _ => {
                if let Some(word) = self.word() {
                    match byte {
                        b'{' => word.braces += 1,
                        b'}' => word.braces = word.braces.saturating_sub(1),
                        _ => {}
                    }
                    word.push(byte, false);
                }
                self.at += 1;
                Ok(())
            }
        }
    }

    /// A backslash outside quotes: a line that continues, or a quoted character.
    fn escape(&mut self) -> Step {
        match self.peek(1) {
            Some(b'\n') => {
                let comment = !self.has_word() && self.peek(2) == Some(b'#');
                if comment {
                    return Err(self.uncertain("a line that begins with `#` continues another one"));
                }
            }
            Some(HOLE | OPAQUE) | None => return Err(self.uncertain("a backslash quotes what is not known")),
            Some(byte) => self.push(byte, true),
        }
        self.at += 2;
        Ok(())
    }

    /// `'...'`; a template in it gets `refusal`, if there is one.
    pub(super) fn single(&mut self, refusal: Option<Refusal>) -> Step {
        self.open_quote();
        self.at += 1;
        loop {
            match self.peek(0) {
                Some(b'\'') => break,
                Some(HOLE) => {
                    self.settle(refusal.map_or(Ok(Quoting::Single), Err));
                    continue;
                }
                Some(byte) => {
                    if byte == b'\n' {
                        self.inner_newline()?;
                    }
                    self.push(byte, true);
                }
                None => return Err(self.uncertain("a `'` before has no end")),
            }
            self.at += 1;
        }
        self.at += 1;
        Ok(())
    }

    /// `$'...'`
    pub(super) fn ansi(&mut self) -> Step {
        let plain_sh = *self.dialect == Dialect::Posix;
        self.open_quote();
        self.at += 2;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some(b'\''), _) => break,
                (Some(HOLE), _) if plain_sh => self.settle(Err(Refusal::Ansi)),
                (Some(HOLE), _) => self.settle(Ok(Quoting::Ansi)),
                (Some(b'\\'), Some(b'\'')) if matches!(self.dialect, Dialect::Posix | Dialect::Default) => {
                    return Err(self.uncertain(r"`\'` within `$'...'` is read differently by bash and by other shells"));
                }
                (Some(b'\\'), Some(HOLE | OPAQUE) | None) => {
                    return Err(self.uncertain("a backslash quotes what is not known"));
                }
                (Some(b'\\'), Some(_)) => {
                    self.push(OPAQUE, true);
                    self.at += 2;
                }
                (Some(byte), _) => {
                    if byte == b'\n' {
                        self.inner_newline()?;
                    }
                    self.push(byte, true);
                    self.at += 1;
                }
                (None, _) => return Err(self.uncertain("a `$'` before has no end")),
            }
        }
        self.at += 1;
        Ok(())
    }

    pub(super) fn backtick(&mut self) -> Step {
        let first_hole = self.hole;
        self.at += 1;
        loop {
            match self.peek(0) {
                Some(b'`') => break,
                Some(b'\\') if !matches!(self.peek(1), Some(HOLE)) => self.at += 2,
                Some(b'\n') => {
                    self.inner_newline()?;
                    self.at += 1;
                }
                Some(HOLE) => {
                    self.holes[self.hole] = Err(Refusal::Backtick);
                    self.hole += 1;
                    self.at += 1;
                }
                Some(_) => self.at += 1,
                None => return Err(self.uncertain("a back-tick before has no end")),
            }
        }
        self.at += 1;
        self.push_expansion(first_hole);
        Ok(())
    }

    pub(super) fn comment(&mut self) {
        while let Some(byte) = self.peek(0) {
            match byte {
                b'\n' => break,
                HOLE => self.settle(Ok(Quoting::Comment)),
                _ => self.at += 1,
            }
        }
    }

    fn double_byte(&mut self, byte: u8, locale: bool) -> Step {
        match byte {
            b'"' => {
                self.stack.pop();
                self.at += 1;
            }
            b'\\' => {
                match self.peek(1) {
                    Some(HOLE | OPAQUE) | None => return Err(self.uncertain("a backslash quotes what is not known")),
                    Some(b'\n') => {}
                    Some(next) => {
                        if !matches!(next, b'$' | b'`' | b'"' | b'\\') {
                            self.push(b'\\', true);
                        }
                        self.push(next, true);
                    }
                }
                self.at += 2;
            }
            b'$' => return self.dollar(Quotes::Double),
            b'`' => return self.backtick(),
            HOLE => self.settle(if locale { Err(Refusal::Locale) } else { Ok(Quoting::Double) }),
            _ => {
                if byte == b'\n' {
                    self.inner_newline()?;
                }
                self.push(byte, true);
                self.at += 1;
            }
        }
        Ok(())
    }

    fn array_byte(&mut self, byte: u8) -> Step {
        match byte {
            b' ' | b'\t' | b'\n' | b')' => {
                if byte == b'\n' {
                    self.inner_newline()?;
                }
                self.end_element();
                self.at += 1;
                if byte == b')'
                    && let Some(Frame::Array { first_hole, .. }) = self.stack.pop()
                {
                    self.blocks_pop_array();
                    self.push_expansion(first_hole);
                    if let Some(word) = self.word() {
                        word.compound = true;
                    }
                }
                Ok(())
            }
            b'#' if !self.has_word() => {
                self.comment();
                Ok(())
            }
            b'<' | b'>' if self.peek(1) == Some(b'(') => {
                self.open_substitution();
                Ok(())
            }
            b'(' | b';' | b'&' | b'|' | b'<' | b'>' => Err(self.uncertain("an operator within an array's parentheses")),
            _ => self.word_byte(byte),
        }
    }

    fn end_element(&mut self) {
        let hole = self.hole;
        let Some(Frame::Array { word, .. }) = self.stack.last_mut() else { return };
        let Some(mut word) = word.take() else { return };
        word.holes.end = hole;
        if word.text.first() == Some(&b'[') && word.has_tainted_subscript() {
            self.refuse(word.holes.clone(), Refusal::Subscript);
        }
        self.check_args(&word);
    }

    /// ksh reads an array in parentheses as declarations, if its words look so.
    pub(super) fn open_array(&mut self) {
        if *self.dialect == Dialect::Ksh {
            self.blocks.push(Refusal::Array);
        }
        self.stack.push(Frame::Array { word: None, first_hole: self.hole });
        self.at += 1;
    }

    fn blocks_pop_array(&mut self) {
        if *self.dialect == Dialect::Ksh {
            self.blocks.pop();
        }
    }

    /// `$(`, `<(` or `>(`: a list of commands within a word.
    pub(super) fn open_substitution(&mut self) {
        self.word();
        self.stack.push(Frame::Commands(Box::new(Commands::new(Kind::Substitution, self.hole))));
        self.at += 2;
    }

    /// The `args` filter needs a word of its own.
    pub(super) fn check_args(&mut self, word: &Word) {
        if let Some(index) = word.args
            && (word.text != [HOLE] || word.quoted)
        {
            self.refuse(index..index + 1, Refusal::ArgsPlace);
        }
    }

    /// What a finished command does with its words.
    pub(super) fn review(&mut self) -> Step {
        let commands = self.commands();
        let words = std::mem::take(&mut commands.words);
        let here_strings = std::mem::take(&mut commands.here_strings);
        let piped = commands.piped;
        let (pipeline_hole, pipeline_documents) = commands.pipeline;
        if words.is_empty() {
            return Ok(());
        }
        let review = review::review(&words, self.dialect);
        if let Some(why) = review.changes_shell {
            return Err(self.uncertain(why));
        }
        for (holes, refusal) in review.refused {
            self.refuse(holes, refusal);
        }
        for (holes, warning) in review.warnings {
            self.warn(holes, &warning);
        }
        if let Some(interpreter) = review.interpreter {
            let warning = Warning::Nested(interpreter.clone());
            here_strings.into_iter().for_each(|holes| self.warn(holes, &warning));
            if piped {
                self.warn(pipeline_hole..words[0].holes.start, &warning);
            }
            for document in self.commands().here_documents.iter_mut().skip(pipeline_documents) {
                document.interpreter.get_or_insert_with(|| interpreter.clone());
            }
        }
        Ok(())
    }
}
