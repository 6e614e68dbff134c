//! What a journal has to be to be gone on with: of which project, pipeline and run, and how far it must go at least.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use super::error::JournalError;
use super::name::{Origin, RunKey};
use super::protect::Sum;
use crate::id::RunId;

/// What is known of the journal that should be there. What is `None` is not compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// The run's key.
    pub key: Option<RunKey>,
    /// The CI project that this process runs in.
    pub project: Option<String>,
    /// That project's number: another project may have its path by now, or on another server.
    pub project_id: Option<String>,
    /// The CI pipeline that this process runs in. With `run` it does not matter: a run may be gone on with in another
    /// pipeline when it is named.
    pub pipeline: Option<String>,
    /// The run.
    pub run: Option<RunId>,
    /// What an earlier process left.
    pub receipt: Option<Receipt>,
}

impl Expected {
    /// Refuses the journal of another project, pipeline, workflow or run.
    pub(super) fn check(&self, path: &Path, key: &RunKey, origin: &Origin) -> Result<(), JournalError> {
        if self.key.as_ref().is_some_and(|expected| expected != key) {
            return Err(JournalError::Misplaced { path: path.to_owned(), found: key.clone() });
        }
        let pipeline = self.pipeline.as_deref().filter(|_| self.run.is_none());
        let run = self.run.as_ref().map(RunId::as_str);
        let compared = [
            ("project", self.project.as_deref(), origin.project.as_deref()),
            ("project number", self.project_id.as_deref(), origin.project_id.as_deref()),
            ("pipeline", pipeline, origin.pipeline.as_deref()),
            ("run", run, Some(origin.run.as_str())),
        ];
        match compared.into_iter().find(|(_, expected, found)| expected.is_some() && expected != found) {
            None => Ok(()),
            Some((what, expected, found)) => Err(JournalError::Foreign {
                path: path.to_owned(),
                what,
                found: found.map(str::to_owned),
                expected: expected.unwrap_or_default().to_owned(),
            }),
        }
    }
}

/// How far a run's journal had come when a process ended: whoever keeps it apart from the journal finds out whether that was
/// cut back, or replaced by an older copy of itself. Written `RUN:SEQ:SUM`; the run alone says less.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The `seq` of the journal's last line.
    pub(super) seq: u64,
    /// Its sum, which covers everything before.
    pub(super) sum: Sum,
}

impl Receipt {
    /// Whether a line with this `seq` and sum contradicts it.
    pub(super) fn agrees(&self, seq: u64, sum: &Sum) -> bool {
        self.seq != seq || self.sum == *sum
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, String::from_utf8_lossy(self.sum.as_bytes()))
    }
}

/// A text that is no receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a run's id, or RUN:SEQ:SUM as in SHIRO_STATE")]
pub struct ParseReceiptError;

impl FromStr for Receipt {
    type Err = ParseReceiptError;

    fn from_str(text: &str) -> Result<Self, ParseReceiptError> {
        let (seq, sum) = text.split_once(':').ok_or(ParseReceiptError)?;
        let seq = seq.parse().map_err(|_| ParseReceiptError)?;
        Ok(Self { seq, sum: Sum::parse(sum).ok_or(ParseReceiptError)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_reads_back_what_it_prints() {
        let text = "12:0123456789abcdef0123456789abcdef";
        let receipt: Receipt = text.parse().unwrap();
        assert_eq!(receipt.to_string(), text);
        for wrong in ["", "12", "x:0123456789abcdef0123456789abcdef", "12:0123", "12:0123456789ABCDEF0123456789ABCDEF"]
        {
            assert_eq!(wrong.parse::<Receipt>(), Err(ParseReceiptError), "{wrong}");
        }
    }
}
