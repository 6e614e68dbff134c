//! Compiling components that are not built in: once, by a child with limits, and nothing planted is believed.

use std::fs;
use std::path::PathBuf;

use serde_json::json;

use crate::support::{Outcome, Project, SHIRO};

/// A project with one step of a guest, and a home directory.
fn project() -> Project {
    let mut project = Project::with_workflow(&json!({ "name": "compile", "steps": [
        { "id": "greet", "type": "greet", "config": { "name": "you" } }
    ] }));
    project.install_guest("greet", "greet");
    let home = project.join("home");
    fs::create_dir(&home).expect("create the home directory");
    project.env("HOME", home.to_str().expect("text"));
    project
}

/// The compiled form, if it was kept.
fn kept(project: &Project) -> Option<PathBuf> {
    kept_as(project, "cwasm")
}

fn kept_as(project: &Project, extension: &str) -> Option<PathBuf> {
    let entries = fs::read_dir(project.join("home/.cache/shiro/components")).ok()?;
    let mut paths = entries.map(|entry| entry.expect("an entry").path());
    paths.find(|path| path.extension().is_some_and(|own| own == extension))
}

fn inode(path: &PathBuf) -> u64 {
    std::os::unix::fs::MetadataExt::ino(&fs::metadata(path).expect("it is there"))
}

#[test]
fn a_component_is_compiled_once() {
    let project = project();
    project.shiro("run -fresh").exits(0);
    let code = kept(&project).expect("it is kept");
    let first = inode(&code);
    project.shiro("run -fresh").exits(0);
    assert_eq!(inode(&code), first);
}

#[test]
fn no_cache_keeps_nothing() {
    let project = project();
    project.shiro("run -no-cache").exits(0);
    assert_eq!(kept(&project), None);
    assert!(!project.join("home/.local").exists());
}

#[test]
fn built_in_types_leave_no_trace_in_the_home_directory() {
    let project = project();
    project.write(
        "built-in.json",
        r#"{ "name": "b", "steps": [{ "id": "p", "type": "print", "config": { "message": "x" } }] }"#,
    );
    project.shiro("run built-in.json").exits(0);
    assert_eq!(fs::read_dir(project.join("home")).expect("it is there").count(), 0);
}

#[test]
fn a_planted_entry_is_ignored_with_a_warning() {
    let project = project();
    project.shiro("run -fresh").exits(0);
    let code = kept(&project).expect("it is kept");
    // Native code that somebody else prepared, with a seal of their own.
    fs::copy("/bin/true", &code).expect("plant it");
    let seal = kept_as(&project, "seal").expect("it is kept");
    fs::write(&seal, format!("shiro-seal-1 {} {}\n{{}}", "0".repeat(16), "0".repeat(64))).expect("seal");
    project.shiro("run -fresh").exits(0).says("not written by this user's shiro").says("compiled again");
    project.shiro("run -fresh").exits(0).does_not_say("compiled again");
}

#[test]
fn a_changed_entry_is_refused_and_names_what_to_do() {
    let project = project();
    project.shiro("run -fresh").exits(0);
    let (code, seal) = (kept(&project).expect("it is kept"), kept_as(&project, "seal").expect("it is kept"));
    fs::copy("/bin/true", &code).expect("change it");
    for verb in ["run -fresh", "validate", "plugin run greet -config {\"name\":\"you\"}"] {
        let refused = project.shiro(verb).exits(3).says("was changed since shiro wrote it").says("Find out who");
        refused.says(&format!("rm {} {}", code.display(), seal.display()));
    }
    project.shiro("run -fresh -no-cache").exits(0);
    fs::remove_file(&code).expect("remove it");
    project.shiro("run -fresh").exits(0);
    assert!(kept(&project).is_some());
}

#[test]
fn a_cache_that_others_can_write_is_not_used() {
    use std::os::unix::fs::PermissionsExt;
    let project = project();
    project.shiro("run -fresh").exits(0);
    let dir = project.join("home/.cache/shiro");
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o777)).expect("open it");
    project.shiro("run -fresh").exits(0).says("compiled components are not kept").says("chmod go-w");
}

/// A function so large that it takes seconds and hundreds of megabytes to compile.
fn bomb() -> Vec<u8> {
    let body = "local.get 0 local.get 1 i32.mul local.get 0 i32.add local.set 0 ".repeat(600_000);
    let text = format!("(component (core module (func (param i32 i32) (result i32) {body} local.get 0)))");
    wat::parse_str(text).expect("a component")
}

#[test]
fn a_component_that_costs_its_compiler_too_much_is_exit_5() {
    let project = project();
    fs::write(project.join("bomb.wasm"), bomb()).expect("write the component");
    for (limit, what) in [("-t 1", "processor time"), ("-d 120000", "memory")] {
        let script = format!("ulimit {limit}; exec {SHIRO} plugin inspect -no-cache bomb.wasm");
        let outcome = Outcome::of(project.command("sh").arg("-c").arg(script).output().expect("sh starts"));
        outcome.exits(5).says("bomb.wasm: compiling it took more").says(what).says("hint");
    }
}
