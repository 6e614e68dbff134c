//! What a process leaves for the CI system and for the next job, beside the journal.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt as _;

use rustix::fs::OFlags;

use super::args::state::{StateArgs, StateStore};
use super::ci::Environment;
use super::store;
use crate::approval::time;
use crate::id::RunId;
use crate::journal::Receipt;

/// Which run it is, and where it stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Left<'a> {
    /// The run (`SHIRO_RUN`).
    pub(super) run: Option<&'a RunId>,
    /// How far its journal goes (`SHIRO_STATE`).
    pub(super) receipt: Option<&'a Receipt>,
    /// When the first wait is over of a run that pauses for one (`SHIRO_UNTIL`): milliseconds since 1970-01-01 UTC.
    pub(super) until: Option<u64>,
}

impl Left<'_> {
    /// Leaves it, with how the run stands (`SHIRO_STATUS`): as outputs of a step in GitHub, and as a dotenv file beside the
    /// journal. It is a convenience: where it can't be written, the run's result stands.
    pub(super) fn leave(&self, environment: &Environment, args: &StateArgs, status: &str) {
        let mut lines = format!("SHIRO_STATUS={status}\n");
        if let Some(run) = self.run {
            lines.push_str(&format!("SHIRO_RUN={run}\n"));
            if let Some(receipt) = self.receipt {
                lines.push_str(&format!("SHIRO_STATE={run}:{receipt}\n"));
            }
        }
        if let Some(until) = self.until {
            lines.push_str(&format!("SHIRO_UNTIL={}\n", time(until)));
        }
        if let Some(path) = environment.filled("GITHUB_OUTPUT") {
            let file = OpenOptions::new().append(true).create(true).open(path);
            let _ = file.and_then(|mut file| file.write_all(lines.as_bytes()));
        }
        if store::kind(args, environment) != StateStore::Memory {
            let directory = environment.project_dir().join(".shiro/state");
            if !directory.exists() {
                let _ = std::fs::create_dir_all(&directory);
            }
            // A link could lead anywhere.
            let no_link = OFlags::NOFOLLOW.bits() as i32;
            let file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .custom_flags(no_link)
                .open(directory.join("status.env"));
            let _ = file.and_then(|mut file| file.write_all(lines.as_bytes()));
        }
    }
}
