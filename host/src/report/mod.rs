//! Telling someone what happens: reporters hear every event once it is in the journal, and what steps write meanwhile.
//!
//! A reporter cannot change a run: it returns nothing, never panics, and an error of the stream it writes to ends its
//! output, not the run. The text it gets holds no secret, but it comes out of steps and is not to be trusted: [`human`] lets
//! no escape sequence, no overwritten line and no command for the CI system through.

mod clean;
mod detect;
pub mod human;

use std::sync::Arc;

use crate::event::{Notice, Tell};

pub use detect::{color, style};

/// Several reporters as one.
pub struct Tee(Vec<Arc<dyn Tell>>);

impl Tee {
    /// All of these, told in this order.
    pub fn new(reporters: Vec<Arc<dyn Tell>>) -> Self {
        Self(reporters)
    }
}

impl Tell for Tee {
    fn tell(&self, notice: Notice<'_>) {
        self.0.iter().for_each(|reporter| reporter.tell(notice));
    }
}

/// One line of text from outside, safe to show: without escape sequences, line ends and overwriting. Not to be shown at the
/// beginning of a line, where a CI system may read a command.
pub fn clean_line(text: &str) -> String {
    let mut line = Vec::new();
    clean::Clean { color: false, github: true }.push(&mut line, text);
    String::from_utf8_lossy(&line).into_owned()
}
