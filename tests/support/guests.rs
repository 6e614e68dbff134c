//! The components in `tests/guests/` and the example step, built from source once for each run of the tests.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use super::{Project, SHIRO, repository, wat};

/// The component with this name, built.
pub(crate) fn guest(name: &str) -> PathBuf {
    if let Some(path) = wat::guest(name) {
        return path;
    }
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let dir = BUILT.get_or_init(|| {
        let args = ["-p", "shiro-test-guests", "--examples", "--profile", "plugin"];
        build(&repository().join("Cargo.toml"), &args).join("wasm32-wasip2/plugin/examples")
    });
    let path = dir.join(format!("{}.wasm", name.replace('-', "_")));
    assert!(path.exists(), "tests/guests has no {name}: {} is missing", path.display());
    path
}

/// The example step outside of the workspace, built as its README says.
pub(crate) fn example_step() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT
        .get_or_init(|| {
            let manifest = repository().join("examples/plugins/rust/Cargo.toml");
            // By its name: other plugins are built in the same directory.
            let path = build(&manifest, &["--release"]).join("wasm32-wasip2/release/semver_bump.wasm");
            assert!(path.exists(), "the example builds {}", path.display());
            path
        })
        .clone()
}

/// The directory below `target` that guests are built in.
pub(crate) fn target() -> PathBuf {
    PathBuf::from(SHIRO).ancestors().nth(2).expect("target/PROFILE/shiro").join("guests")
}

fn build(manifest: &std::path::Path, args: &[&str]) -> PathBuf {
    let target = target();
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--target", "wasm32-wasip2", "--manifest-path"])
        .arg(manifest)
        .arg("--target-dir")
        .arg(&target)
        .args(args)
        .env_remove("RUSTFLAGS")
        .status()
        .expect("cargo starts");
    assert!(status.success(), "the guests build");
    target
}

impl Project {
    /// Puts a test guest into `.shiro/plugins/` under a type name.
    pub(crate) fn install_guest(&self, guest_name: &str, step_type: &str) {
        self.install(&guest(guest_name), step_type);
    }

    /// Puts a component into `.shiro/plugins/` under a type name.
    pub(crate) fn install(&self, component: &std::path::Path, step_type: &str) {
        let plugins = self.join(".shiro/plugins");
        std::fs::create_dir_all(&plugins).expect("create .shiro/plugins");
        std::fs::copy(component, plugins.join(format!("{step_type}.wasm"))).expect("install the component");
    }
}
