//! Finds every form of every secret in a text, in one pass.
//!
//! The automaton knows only short anchors of each form: the beginning of a form that counts as a whole, and pieces of a
//! form of which any fragment counts. What stands around an anchor is then compared with the form itself. So the automaton
//! stays small however long the secrets are, and an encoded secret is found although a tool broke the line within it.

use std::ops::Range;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use super::forms::Form;

/// At most this much of a form that counts as a whole is an anchor.
const WHOLE_ANCHOR: usize = 24;
/// The length of an anchor within a form of which fragments count.
const FRAGMENT_ANCHOR: usize = 8;
/// How far apart those are. A fragment of `FRAGMENT_STEP + FRAGMENT_ANCHOR - 1` characters always holds one; lines of
/// base64 and hex tools have 60 or more.
const FRAGMENT_STEP: usize = 32;
/// A shorter fragment is taken for chance.
const SHORTEST_FRAGMENT: usize = 16;

/// A form and the secret it belongs to.
pub(super) struct Known {
    /// The name by which a journal refers to the secret.
    pub(super) name: Arc<str>,
    /// The form.
    pub(super) form: Form,
}

/// A place in a text that holds a form or a fragment of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hit {
    /// Bytes of the text.
    pub(super) range: Range<usize>,
    /// Which form: an index for [`Matcher::known`].
    pub(super) form: usize,
    /// Where in the form's text the hit begins.
    pub(super) offset: usize,
}

/// All secrets at one moment.
pub(super) struct Matcher {
    automaton: AhoCorasick,
    anchors: Vec<Anchor>,
    known: Vec<Known>,
    longest: usize,
    json: bool,
}

struct Anchor {
    form: usize,
    offset: usize,
    length: usize,
}

impl Matcher {
    pub(super) fn new(known: Vec<Known>) -> Self {
        let mut anchors = Vec::new();
        let mut patterns: Vec<&[u8]> = Vec::new();
        for (form, Known { form: Form { text, fragments, .. }, .. }) in known.iter().enumerate() {
            let text = text.as_bytes();
            let mut add = |offset: usize, length: usize| {
                anchors.push(Anchor { form, offset, length });
                patterns.push(&text[offset..offset + length]);
            };
            if *fragments && text.len() >= FRAGMENT_ANCHOR {
                let last = text.len() - FRAGMENT_ANCHOR;
                (0..last).step_by(FRAGMENT_STEP).chain([last]).for_each(|offset| add(offset, FRAGMENT_ANCHOR));
            } else {
                add(0, text.len().min(WHOLE_ANCHOR));
            }
        }
        // Building fails only for more states than a 32-bit number counts: gigabytes of secrets.
        let automaton = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::DFA))
            .build(&patterns)
            .expect("environment variables and config are far smaller than the automaton's limit");
        let longest = known.iter().map(|known| known.form.text.len()).max().unwrap_or(0);
        let json = known.iter().any(|known| known.form.text.contains('"'));
        Self { automaton, anchors, known, longest, json }
    }

    /// The length of the longest form in bytes.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// A form may hold JSON syntax, so that a value's text holds it although none of its strings does.
    pub(super) fn has_json(&self) -> bool {
        self.json
    }

    /// The form of a hit.
    pub(super) fn known(&self, hit: &Hit) -> &Known {
        &self.known[hit.form]
    }

    /// Whether there is a form in the text.
    pub(super) fn is_match(&self, text: &str) -> bool {
        let text = text.as_bytes();
        self.automaton.find_overlapping_iter(text).any(|found| self.hit(text, &found).is_some())
    }

    /// Every form in the text, by their beginnings, the longest first where several begin. They may overlap.
    pub(super) fn hits(&self, text: &[u8]) -> Vec<Hit> {
        let mut hits: Vec<Hit> = Vec::new();
        for found in self.automaton.find_overlapping_iter(text) {
            let anchor = &self.anchors[found.pattern().as_usize()];
            let seen = hits.last().is_some_and(|last| {
                last.form == anchor.form
                    && last.range.end >= found.end()
                    && last.range.start + anchor.offset == found.start() + last.offset
            });
            if !seen && let Some(hit) = self.hit(text, &found) {
                hits.push(hit);
            }
        }
        hits.sort_by_key(|hit| (hit.range.start, usize::MAX - hit.range.end));
        hits
    }

    fn hit(&self, text: &[u8], found: &aho_corasick::Match) -> Option<Hit> {
        let Anchor { form, offset, length } = self.anchors[found.pattern().as_usize()];
        let Form { text: wanted, fragments, .. } = &self.known[form].form;
        let wanted = wanted.as_bytes();
        if !fragments {
            let end = found.start() + wanted.len();
            return (text.get(found.end()..end)? == &wanted[length..]).then_some(Hit {
                range: found.start()..end,
                form,
                offset: 0,
            });
        }
        let same = |(a, b): &(&u8, &u8)| a == b;
        let before = text[..found.start()].iter().rev().zip(wanted[..offset].iter().rev()).take_while(same).count();
        let after = text[found.end()..].iter().zip(&wanted[offset + length..]).take_while(same).count();
        let range = found.start() - before..found.end() + after;
        (range.len() >= SHORTEST_FRAGMENT.min(wanted.len())).then_some(Hit { range, form, offset: offset - before })
    }
}
