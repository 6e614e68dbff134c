//! What happened, on disk: the append-only file of a run's events.
//!
//! One file per run, `.shiro/state/<name>.jsonl`: a header line, then one line per event, chained by checksums. Events that
//! are ready together are one batch: one write, one fdatasync. A process that ends cleanly (pause, end, signal) writes a seal as
//! its last line; the next process appends after it. In a remote store a batch is an object of its own.
//!
//! What a reader may rely on:
//!
//! * What [`Journal::append`] confirmed is there after a crash, and nothing that was written is ever rewritten.
//! * What a crash leaves of the last batch is dropped with a notice, its complete lines are kept, and the journal counts as not
//!   sealed: callers let no gate pass from it by itself.
//! * Everything else that does not check is an error with file and line. No damage makes a run look as if it had never begun.
//!
//! Without a state key the checksums find accidents and edits, not a forger who computes them anew. With one they are MACs: only
//! who has the key can write a journal that is read. Either way a file that is cut back to an earlier seal, or replaced by an
//! older copy of itself, is a valid earlier state of the run; who kept a [`Receipt`] elsewhere finds that out too.
//!
//! The calls block: they belong on a thread that may wait for the disk.

mod append;
mod beside;
mod carry;
mod error;
mod expect;
pub(crate) mod files;
mod format;
mod key;
mod local;
mod lock;
mod name;
mod protect;
mod read;
mod remote;
mod store;
#[cfg(test)]
mod tests;

pub use append::Journal;
pub use beside::{Beside, SealError, Seals};
pub use carry::{export, read_file};
pub use error::JournalError;
pub use expect::{Expected, ParseReceiptError, Receipt};
pub use key::{KeyError, Recipient, StateKey};
pub use lock::{Holder, RunLock};
pub(crate) use name::readable;
pub use name::{Origin, RunKey};
pub use remote::WaitingFn;
pub use store::{Loaded, RunSummaryFile, Store, StoreKind};
