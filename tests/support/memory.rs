//! How much memory `shiro` itself takes, and apart from it its children: the peak of the resident set, as Linux keeps it.

use std::io::Read;
use std::process::{Child, Output, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use serde_json::json;

use super::guests::target;
use super::{Outcome, Project, SHIRO};

/// What a bomb may make the host take beyond a harmless run, besides the memory that the component itself was granted.
const GROWTH_MIB: u64 = 32;

/// How often the peak is read. The kernel keeps it, so only what comes after the last reading can be missed.
const INTERVAL: Duration = Duration::from_millis(1);

/// A run, and the most memory that it took.
pub(crate) struct Measured {
    pub(crate) outcome: Outcome,
    pub(crate) peak_mib: u64,
    /// Of the largest of its children.
    pub(crate) child_peak_mib: u64,
}

impl Measured {
    /// Fails if the host took more than it takes for a component that does nothing, and what this one was granted.
    #[track_caller]
    pub(crate) fn within(self, granted_mib: u64) -> Outcome {
        let bound = harmless_mib() + granted_mib + GROWTH_MIB;
        assert!(
            self.peak_mib <= bound,
            "shiro took {} MiB, and at most {bound} MiB are right\n{}",
            self.peak_mib,
            self.outcome.all()
        );
        self.outcome
    }
}

impl Project {
    /// Runs `shiro` with these arguments, separated by spaces, and watches its memory.
    #[must_use = "say how much it may take: `.within(256)`"]
    pub(crate) fn measured(&self, args: &str) -> Measured {
        // On a busy machine one may be over before anybody has looked.
        let mut tries = (0..5).map(|_| self.measured_once(args));
        let seen = tries.find(|measured| measured.peak_mib > 0 || !cfg!(target_os = "linux"));
        seen.expect("its memory was read")
    }

    fn measured_once(&self, args: &str) -> Measured {
        let mut command = self.command(SHIRO);
        command.args(args.split_whitespace()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("shiro starts");
        let stdout = read(child.stdout.take());
        let stderr = read(child.stderr.take());
        let (status, peak_kib, child_peak_kib) = watch(&mut child);
        let [stdout, stderr] = [stdout, stderr].map(|reader| reader.join().expect("what it wrote"));
        let outcome = Outcome::of(Output { status, stdout, stderr });
        Measured { outcome, peak_mib: peak_kib >> 10, child_peak_mib: child_peak_kib >> 10 }
    }

    /// Lets this project share compiled components with others of its kind: what is tested is how they run.
    pub(crate) fn sharing_compiled(&mut self) -> &mut Self {
        static DIR: OnceLock<String> = OnceLock::new();
        let dir = DIR.get_or_init(|| {
            let dir = target().join("compiled");
            let _ = std::fs::remove_dir_all(&dir);
            std::fs::create_dir_all(&dir).expect("a directory for compiled components");
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o700)).expect("it is ours");
            dir.display().to_string()
        });
        self.env("SHIRO_CACHE_DIR", dir.as_str()).env("SHIRO_CACHE_KEY", "a key that only these tests ever use")
    }
}

/// What a run of one component that does nothing takes.
fn harmless_mib() -> u64 {
    static MIB: OnceLock<u64> = OnceLock::new();
    *MIB.get_or_init(|| {
        let mut project =
            Project::with_workflow(&json!({ "name": "harmless", "steps": [{ "id": "a", "type": "echo" }] }));
        project.install_guest("echo", "echo");
        project.sharing_compiled();
        let first = project.measured("run -fresh");
        first.outcome.exits(0);
        let second = project.measured("run -fresh");
        second.outcome.exits(0);
        first.peak_mib.min(second.peak_mib)
    })
}

fn read(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    let mut pipe = pipe.expect("it is piped");
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("read what it writes");
        bytes
    })
}

/// Waits for its end; gives its peak in KiB, and that of its largest child.
fn watch(child: &mut Child) -> (std::process::ExitStatus, u64, u64) {
    let (mut peak, mut child_peak) = (0, 0);
    loop {
        peak = peak.max(peak_kib(child.id()));
        child_peak = children(child.id()).into_iter().map(peak_kib).fold(child_peak, u64::max);
        if let Some(status) = child.try_wait().expect("it can be waited for") {
            return (status, peak, child_peak);
        }
        thread::sleep(INTERVAL);
    }
}

/// Zero of a process that has ended.
fn peak_kib(process: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

fn children(process: u32) -> Vec<u32> {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let lists = threads.map(|thread| std::fs::read_to_string(thread.path().join("children")).unwrap_or_default());
    lists.flat_map(|list| list.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<_>>()).collect()
}
