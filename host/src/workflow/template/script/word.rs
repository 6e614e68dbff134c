//! A word of a script as far as it is known before the script runs.

use std::ops::Range;

/// In a script: a template's place. In a word: the same.
pub(super) const HOLE: u8 = 0;
/// In a script: pasted text that is not known yet. In a word: an expansion.
pub(super) const OPAQUE: u8 = 1;
/// In a word: an expansion that holds a template somewhere, so a template's value may be part of its result.
pub(super) const TAINTED: u8 = 2;

/// A word with its quotes taken away and expansions replaced by the bytes above.
#[derive(Debug, Default)]
pub(super) struct Word {
    /// The bytes.
    pub(super) text: Vec<u8>,
    /// How many bytes at the start are unquoted.
    pub(super) plain: usize,
    /// A part of it is quoted, if only an empty one.
    pub(super) quoted: bool,
    /// The templates in it, those in its command substitutions included.
    pub(super) holes: Range<usize>,
    /// The template in it that has the `args` filter.
    pub(super) args: Option<usize>,
    /// Unquoted braces that are open.
    pub(super) braces: usize,
    /// It ends with an array in parentheses, which the shell reads as such.
    pub(super) compound: bool,
}

impl Word {
    pub(super) fn starting(hole: usize) -> Self {
        Self { holes: hole..hole, ..Self::default() }
    }

    pub(super) fn push(&mut self, byte: u8, quoted: bool) {
        self.quoted |= quoted;
        self.text.push(byte);
        if !self.quoted {
            self.plain = self.text.len();
        }
    }

    /// The whole text, if it is known.
    pub(super) fn literal(&self) -> Option<&str> {
        if self.text.iter().any(|byte| is_marker(*byte)) { None } else { std::str::from_utf8(&self.text).ok() }
    }

    /// The whole text, if it is known and nothing in it is quoted: what a reserved word must be.
    pub(super) fn unquoted(&self) -> Option<&str> {
        if self.quoted { None } else { self.literal() }
    }

    /// The part of it that is known from the start.
    pub(super) fn known_prefix(&self) -> &[u8] {
        let end = self.text.iter().position(|byte| is_marker(*byte)).unwrap_or(self.text.len());
        &self.text[..end]
    }

    /// A template's value may be part of it.
    pub(super) fn is_tainted(&self) -> bool {
        self.text.iter().any(|byte| matches!(*byte, HOLE | TAINTED))
    }

    /// An option, by its looks.
    pub(super) fn is_option(&self) -> bool {
        self.text.first().is_some_and(|first| matches!(first, b'-' | b'+'))
    }

    /// What it assigns to, if the shell reads it as an assignment.
    pub(super) fn assignment(&self) -> Option<Assignment<'_>> {
        let plain = &self.text[..self.plain];
        let name = name_len(plain);
        let rest = &plain[name..];
        let plain_value = rest.starts_with(b"=") || rest.starts_with(b"+=");
        if name == 0 || !(plain_value || rest.starts_with(b"[")) {
            return None;
        }
        let name = std::str::from_utf8(&plain[..name]).ok()?;
        Some(Assignment { name, subscript: !plain_value })
    }

    /// The name in `name=` or `name+=` at its start, quoted or not.
    pub(super) fn assigned_name(&self) -> Option<&str> {
        let name = name_len(&self.text);
        let rest = &self.text[name..];
        let assigns = name > 0 && (rest.starts_with(b"=") || rest.starts_with(b"+="));
        assigns.then(|| std::str::from_utf8(&self.text[..name]).ok()).flatten()
    }

    /// An element of an array is assigned to, and a template's value may be part of the subscript.
    pub(super) fn has_tainted_subscript(&self) -> bool {
        let name = name_len(&self.text);
        if self.text.get(name) != Some(&b'[') || !self.is_tainted() {
            return false;
        }
        let subscript = &self.text[name + 1..];
        let simple =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(*byte, b'_' | b'-' | b'+' | b'@' | b'*' | OPAQUE);
        let end = subscript.iter().position(|byte| !simple(byte)).unwrap_or(subscript.len());
        !(subscript[end..].starts_with(b"]=") || subscript[end..].starts_with(b"]+="))
    }

    /// It is `name=` or `name+=` and nothing more: an array may follow in parentheses.
    pub(super) fn awaits_array(&self) -> bool {
        let name = name_len(&self.text);
        name > 0 && !self.quoted && matches!(&self.text[name..], b"=" | b"+=")
    }
}

/// What a word assigns to.
pub(super) struct Assignment<'w> {
    pub(super) name: &'w str,
    /// An element of an array.
    pub(super) subscript: bool,
}

fn is_marker(byte: u8) -> bool {
    byte <= TAINTED
}

/// How many bytes at the start are a variable's name.
pub(super) fn name_len(text: &[u8]) -> usize {
    match text.first() {
        Some(first) if is_name_start(*first) => text.iter().position(|byte| !is_name_byte(*byte)).unwrap_or(text.len()),
        _ => 0,
    }
}

pub(super) fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

pub(super) fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &[u8]) -> Word {
        let mut word = Word::starting(0);
        text.iter().for_each(|byte| word.push(*byte, false));
        word
    }

    #[test]
    fn tells_assignments_and_their_subscripts() {
        assert_eq!(word(b"A=\0").assignment().map(|a| a.name.to_owned()), Some("A".into()));
        assert!(word(b"1A=x").assignment().is_none());
        assert!(word(b"a[0]=\0").assignment().is_some_and(|a| a.subscript));
        assert!(!word(b"a[0]=\0").has_tainted_subscript());
        assert!(!word(b"a[\x01]+=\0").has_tainted_subscript());
        assert!(word(b"a[\0]=x").has_tainted_subscript());
        assert!(word(b"a[[]=\0]=x").has_tainted_subscript());
        assert!(word(b"a[0").assignment().is_some());
        let mut quoted = Word::starting(0);
        quoted.push(b'A', true);
        quoted.push(b'=', false);
        assert!(quoted.assignment().is_none());
        assert_eq!(quoted.assigned_name(), Some("A"));
    }
}
