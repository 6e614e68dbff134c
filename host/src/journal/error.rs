//! What can go wrong with a run's state, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use super::format::FORMAT;
use super::lock::Holder;
use super::name::RunKey;

const SHIRO: &str = env!("CARGO_PKG_VERSION");

/// Why a run's state can't be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file is not what was written.
    #[error("{}:{line}: the journal is damaged: {what}", path.display())]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// The first line that does not check, from 1.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
    /// The file is whole, but this version can't read it.
    #[error(
        "{}:{line}: written by shiro {writer} (format {format}), but this is shiro {SHIRO}, which reads formats up to {FORMAT}: {what}",
        path.display()
    )]
    Newer {
        /// The journal.
        path: PathBuf,
        /// The first line that this version does not understand, from 1.
        line: u64,
        /// The version of shiro that wrote it.
        writer: String,
        /// The format it says it has.
        format: u64,
        /// What this version does not know.
        what: String,
    },
    /// The file is whole, but it is the journal of another run: it was renamed or copied.
    #[error("{}: this is the journal of {found}", path.display())]
    Misplaced {
        /// The journal.
        path: PathBuf,
        /// Whose it is.
        found: RunKey,
    },
    /// The file is whole as far as it can be told, but it began in another project, pipeline or run.
    #[error("{}: this is the journal of {}, not of {what} {expected:?}", path.display(), whose(what, found.as_deref()))]
    Foreign {
        /// The journal.
        path: PathBuf,
        /// `project`, `project number`, `pipeline` or `run`.
        what: &'static str,
        /// Whose it is; `None` if it began outside of CI.
        found: Option<String>,
        /// Whose it should be.
        expected: String,
    },
    /// The journal was cut back, or is an older copy of itself, or of another history.
    #[error("{}: this is not the journal that was left at line {seq} of its run: {what}", path.display())]
    Rewound {
        /// The journal.
        path: PathBuf,
        /// How far the journal had come.
        seq: u64,
        /// How it differs.
        what: &'static str,
    },
    /// The journal was made with another key, or with one where none is given.
    #[error("{}: the journal is authenticated with the state key {found}, {}", path.display(), given_key(given.as_deref()))]
    WrongKey {
        /// The journal.
        path: PathBuf,
        /// The id of its key.
        found: String,
        /// The id of the key that was given, if one was.
        given: Option<String>,
    },
    /// A key is given, and the journal has none: anybody can have written it.
    #[error("{}: the journal is not authenticated: anybody who can replace it can have written it", path.display())]
    Unauthenticated {
        /// The journal.
        path: PathBuf,
    },
    /// Something else stands where state should be.
    #[error("{}: {what}", path.display())]
    Refused {
        /// Where.
        path: PathBuf,
        /// What stands there.
        what: &'static str,
    },
    /// Another process has this run.
    #[error("another process holds this run{}", holder.as_ref().map(|holder| format!(": {holder}")).unwrap_or_default())]
    Held {
        /// The lock file.
        path: PathBuf,
        /// Who, if they have said so yet.
        holder: Option<Holder>,
    },
    /// Another process has gone on with this run meanwhile: this one was taken for dead, or both began at once.
    #[error("another process has gone on with this run: {place}")]
    Fenced {
        /// The journal.
        place: String,
    },
    /// A store that is not on this machine refused, or can't be reached.
    #[error("cannot {doing} {place}: {what}")]
    Remote {
        /// The journal, or the store.
        place: String,
        /// What was tried, e.g. `write`.
        doing: &'static str,
        /// What was said.
        what: String,
        /// What to do.
        hint: String,
    },
    /// The system refused.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried, e.g. `append to`.
        doing: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An event was refused because it could not be read back.
    #[error("cannot append to {}: {what}", path.display())]
    Unreadable {
        /// The journal.
        path: PathBuf,
        /// What is wrong with the event.
        what: String,
    },
    /// The file was removed, replaced or written to by something else while this process had it open.
    #[error("{}: the journal was {what} while the run was using it", path.display())]
    Disturbed {
        /// The journal.
        path: PathBuf,
        /// What happened to it, e.g. `removed`.
        what: &'static str,
    },
    /// An earlier append failed: nothing more is written, so that nothing stands after a gap.
    #[error("{}: nothing is recorded after an append that failed", path.display())]
    Stopped {
        /// The journal.
        path: PathBuf,
    },
}

impl JournalError {
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, path: path.to_owned(), source }
    }

    /// The process's exit code: 6 for state that is refused, 7 for state that can't be written, 8 for a run that is held.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Damaged { .. }
            | Self::Newer { .. }
            | Self::Misplaced { .. }
            | Self::Foreign { .. }
            | Self::Rewound { .. }
            | Self::WrongKey { .. }
            | Self::Unauthenticated { .. } => 6,
            Self::Refused { .. }
            | Self::Io { .. }
            | Self::Remote { .. }
            | Self::Unreadable { .. }
            | Self::Disturbed { .. }
            | Self::Stopped { .. } => 7,
            Self::Held { .. } | Self::Fenced { .. } => 8,
        }
    }

    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Damaged { .. } => {
                "put back the file as the job that wrote it left it (its artifact has it); `shiro run -fresh` \
                starts over instead: every step runs again, and this file is kept aside"
                    .to_owned()
            }
            Self::Newer { writer, .. } => format!("go on with this run with shiro {writer} or newer"),
            Self::Misplaced { path, found } => {
                let name = format!("{}.jsonl", found.stem());
                format!("give it its own name back: mv {} {}", quoted(path), quoted(&path.with_file_name(name)))
            }
            Self::Foreign { what: "run", .. } => {
                "-expect names another run: has a newer one been started since? `shiro status` shows what is here"
                    .to_owned()
            }
            Self::Foreign { what: "project" | "project number", .. } => {
                "fetch the artifact of this pipeline's own job; to take a run to another project: `shiro state export` it \
                there, and `shiro state import` it here; to begin anew: shiro run -fresh"
                    .to_owned()
            }
            Self::Foreign { found, .. } => format!(
                "fetch the artifact of this pipeline's own job; to go on with this run from elsewhere, name it: -expect RUN \
                (`shiro status` shows it); to begin anew: shiro run -fresh{}",
                if found.is_none() { " (it began outside of CI)" } else { "" }
            ),
            Self::Rewound { .. } => {
                "put back the journal of the last job that worked on the run; never go on from an older copy: what was done \
                since would be done again"
                    .to_owned()
            }
            Self::WrongKey { given: Some(_), .. } => {
                "give the key it was begun with (-state-key); a key can't be changed within a run".to_owned()
            }
            Self::WrongKey { given: None, .. } => {
                "give it: -state-key file:PATH or env:NAME, or the variable SHIRO_STATE_KEY (protected variables are only \
                there on protected branches)"
                    .to_owned()
            }
            Self::Unauthenticated { .. } => {
                "to begin anew, with the key: shiro run -fresh; if you trust this journal: `shiro state export` it without \
                the key and `shiro state import` it with the key"
                    .to_owned()
            }
            Self::Refused { path, .. } => {
                format!("shiro keeps its state there in a directory and files of its own: rm {}", quoted(path))
            }
            Self::Held { holder, .. } => match holder {
                Some(Holder { pid, .. }) => format!(
                    "wait until it ends (or, on that machine: kill {pid}); in GitLab CI, `resource_group` keeps jobs apart"
                ),
                None => "wait until it ends; in GitLab CI, `resource_group` keeps jobs apart".to_owned(),
            },
            Self::Fenced { .. } => {
                "this process started nothing further; the other one goes on. In GitLab CI, `resource_group` keeps jobs apart"
                    .to_owned()
            }
            Self::Remote { hint, .. } => hint.clone(),
            Self::Io { path, source, .. } => io_hint(path, source),
            Self::Unreadable { .. } => "make the step's output flatter, or set `save_output` to false".to_owned(),
            Self::Disturbed { .. } => {
                "no step may touch .shiro/state; one that cleans the working copy has to leave it out: \
                git clean -e .shiro"
                    .to_owned()
            }
            Self::Stopped { .. } => "run again to go on from what was recorded".to_owned(),
        }
    }
}

fn whose(what: &str, found: Option<&str>) -> String {
    found.map_or_else(|| format!("no {what}"), |found| format!("{what} {found:?}"))
}

fn given_key(given: Option<&str>) -> String {
    given.map_or_else(|| "and none is given".to_owned(), |given| format!("and the one that is given is {given}"))
}

fn io_hint(path: &Path, source: &io::Error) -> String {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some space and run again: what was recorded before is kept".to_owned()
        }
        io::ErrorKind::FileTooLarge => {
            "raise the file size limit (ulimit -f) and run again: what was recorded before is kept".to_owned()
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => format!(
            "make {} readable and writable for this user; `-state-store memory` needs no directory, for a run that is never resumed",
            path.parent().unwrap_or(path).display()
        ),
        _ => "see to the disk and run again: what was recorded before is kept".to_owned(),
    }
}

/// The path as a word of a shell command.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}
