//! Plugins in every language, made by `shiro plugin new` and built by `shiro plugin build`, once for each run of the tests.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;

use super::{Outcome, Project, SHIRO, repository};

/// The languages, by the names that `-lang` has, and JavaScript with its other engine.
pub(crate) const LANGUAGES: [&str; 7] = ["rust", "js", "ts", "python", "c", "go", STARLINGMONKEY];

/// JavaScript on StarlingMonkey.
const STARLINGMONKEY: &str = "starlingmonkey";

/// What `plugin new` is told of a language.
pub(crate) fn flags(language: &str) -> &[&str] {
    match language {
        STARLINGMONKEY => &["-lang", "js", "-engine", STARLINGMONKEY],
        "rust" => &["-lang", "rust"],
        "js" => &["-lang", "js"],
        "ts" => &["-lang", "ts"],
        "python" => &["-lang", "python"],
        "c" => &["-lang", "c"],
        "go" => &["-lang", "go"],
        other => panic!("{other} is no language"),
    }
}

/// Makes a plugin's folder in a project.
#[must_use = "say which exit code is expected: `.exits(0)`"]
pub(crate) fn new(project: &Project, name: &str, language: &str) -> Outcome {
    project.shiro_args(["plugin", "new", name].iter().chain(flags(language)))
}

/// The step type that every template is: for each language a component.
pub(crate) fn template(language: &str) -> PathBuf {
    static BUILT: OnceLock<Vec<(&str, PathBuf)>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        thread::scope(|scope| {
            let builds = LANGUAGES.map(|language| scope.spawn(move || (language, build_template(language))));
            builds.into_iter().map(|build| build.join().expect("the template builds")).collect()
        })
    });
    let (_, path) = built.iter().find(|(name, _)| *name == language).expect("a language");
    path.clone()
}

fn build_template(language: &str) -> PathBuf {
    let project = tools();
    let name = type_name(language);
    new(&project, &name, language).exits(0).says(&format!("cd {name}"));
    build(&project, &name).exits(0).says("sha256:");
    let component = kept().join(format!("{name}.wasm"));
    fs::copy(project.join(&name).join(format!("{name}.wasm")), &component).expect("keep the component");
    component
}

/// The template's type in a language.
pub(crate) fn type_name(language: &str) -> String {
    format!("acme.check-{language}")
}

/// Builds a plugin's folder in a project.
pub(crate) fn build(project: &Project, folder: impl AsRef<Path>) -> Outcome {
    let mut command = project.command(SHIRO);
    command.args(["plugin", "build"]).arg(folder.as_ref());
    Outcome::of(command.output().expect("shiro starts"))
}

/// The components that were built: below `target`, since a temporary directory would have to outlive every test.
fn kept() -> PathBuf {
    let dir = target().join("guests/languages");
    fs::create_dir_all(&dir).expect("a directory for the components");
    dir
}

fn target() -> PathBuf {
    PathBuf::from(SHIRO).ancestors().nth(2).expect("target/PROFILE/shiro").to_owned()
}

/// A project in which every tool chain is there, and none uses the network.
pub(crate) fn tools() -> Project {
    let installed = target().join("tools/languages");
    assert!(installed.exists(), "{} is missing: run `make test`, which installs it", installed.display());
    let mut project = Project::new();
    let path = std::env::var("PATH").expect("PATH is set");
    let ours = [installed.join("node_modules/.bin"), installed.join("venv/bin")].map(|dir| dir.display().to_string());
    project.env("PATH", format!("{}:{path}", ours.join(":")));
    for (name, value) in [
        ("GOCACHE", installed.join("go-cache")),
        ("GOPATH", installed.join("go")),
        ("ZIG_GLOBAL_CACHE_DIR", installed.join("zig-cache")),
        ("CARGO_TARGET_DIR", target().join("guests")),
    ] {
        project.env(name, value.display().to_string());
    }
    for (name, value) in [("GOPROXY", "off"), ("GOTOOLCHAIN", "local"), ("CARGO_NET_OFFLINE", "true")] {
        project.env(name, value);
    }
    // Where rustup and cargo keep what they have.
    for name in ["HOME", "CARGO_HOME", "RUSTUP_HOME"] {
        if let Ok(value) = std::env::var(name) {
            project.env(name, value);
        }
    }
    project
}

/// Where what these tests compile is kept from one to the next: some take seconds.
pub(crate) fn share_compiled(project: &mut Project) {
    let dir = kept().join("compiled");
    project.env("SHIRO_CACHE_DIR", dir.display().to_string());
    project.env("SHIRO_CACHE_KEY", "of no worth beyond these tests: they compile components once");
}

/// A plugin of `examples/plugins`, built as its README says.
pub(crate) fn example(language: &str) -> PathBuf {
    static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    // One after the other: a tool chain may write beside the sources.
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let build = || {
        let project = tools();
        let folder = repository().join("examples/plugins").join(language);
        let component = kept().join(format!("example-{language}.wasm"));
        let mut command = project.command(SHIRO);
        command.args(["plugin", "build", "-o"]).arg(&component).arg(&folder);
        Outcome::of(command.output().expect("shiro starts")).exits(0);
        component
    };
    built.entry(language.to_owned()).or_insert_with(build).clone()
}
