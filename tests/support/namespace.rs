//! Runs in namespaces of their own, where files of the system can be others.

use std::process::Command;

use super::{Outcome, Project};

impl Project {
    /// Runs a shell script in new namespaces: `flags` are those of `unshare`. `None` where a user may not make them, which
    /// is allowed anywhere but in CI.
    pub(crate) fn unshared(&self, flags: &str, script: &str) -> Option<Outcome> {
        let unshare =
            |mut command: Command, script: &str| command.args(flags.split(' ')).args(["sh", "-euc", script]).output();
        // With what such scripts begin with: a network that works, a mount.
        let probe = if flags.contains("-n") { "ip link set lo up" } else { "mount -t tmpfs tmpfs /tmp" };
        if !unshare(Command::new("unshare"), probe).is_ok_and(|output| output.status.success()) {
            assert!(std::env::var_os("CI").is_none(), "CI must be able to make namespaces (unshare {flags}, iproute2)");
            eprintln!("skipped: this machine does not let a user make namespaces");
            return None;
        }
        Some(Outcome::of(unshare(self.command("unshare"), script).expect("unshare starts")))
    }
}
