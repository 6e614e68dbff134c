//! The variables and directories that an attempt's guest has, and what it asks for and has not.
//!
//! A guest is not told that something was withheld: a variable is simply not there. So it is remembered when it looks, and
//! if the step then fails, what it was not given is said.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::filesystem::preopens::Host as _;

use super::attempt::Attempt;
use super::rights::Rights;
use crate::capability::{FilePermission, Origin, Permissions, Variables, names, never};

/// The version that wasmtime's own interfaces have: any compatible one links to it.
const ENVIRONMENT: &str = "wasi:cli/environment@0.2.12";
const PREOPENS: &str = "wasi:filesystem/preopens@0.2.12";

/// What the job has that steps may be given.
#[derive(Clone, Debug, Default)]
pub(super) struct Job {
    /// Variables whose names and values are text, less `SHIRO_*`.
    variables: Variables,
    /// The names of those that are secret.
    secrets: Arc<BTreeSet<String>>,
    project_dir: PathBuf,
}

impl Job {
    pub(super) fn new(env: &[(OsString, OsString)], secrets: BTreeSet<String>, project_dir: PathBuf) -> Self {
        let text = |(name, value): &(OsString, OsString)| Some((name.to_str()?.to_owned(), value.to_str()?.to_owned()));
        let variables = env.iter().filter_map(text).filter(|(name, _)| !name.starts_with("SHIRO_")).collect();
        Self { variables, secrets: Arc::new(secrets), project_dir }
    }

    /// Its variables, secret ones too: what permissions may refer to.
    pub(super) fn variables(&self) -> &Variables {
        &self.variables
    }
}

/// A directory that a guest has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Directory {
    /// Where it really is.
    pub(super) host: PathBuf,
    /// What the guest calls it.
    pub(super) guest: String,
    pub(super) writes: bool,
}

/// The variables and directories of one attempt.
#[derive(Debug, Default)]
pub(super) struct Surroundings {
    pub(super) variables: Vec<(String, String)>,
    pub(super) directories: Vec<Directory>,
    secrets: Arc<BTreeSet<String>>,
    used_variables: Permissions,
    /// What `directories` were granted by, in the same order.
    granted: Vec<FilePermission>,
    missing_variables: Vec<Missing>,
    missing_directories: Vec<Missing>,
}

/// Something that was asked for and is not there: what, and why or what would allow it.
#[derive(Debug)]
struct Missing {
    tried: String,
    why: Why,
}

#[derive(Debug)]
enum Why {
    NotGranted(Origin, Box<Permissions>),
    Always(String),
}

impl Surroundings {
    /// What these rights give of what the job has.
    pub(super) fn new(rights: &Rights, job: &Job) -> Self {
        let mut surroundings = Self { secrets: Arc::clone(&job.secrets), ..Self::default() };
        // The first layer is the request, with the config's values in it.
        let Some(asked) = rights.grants().layers.first().map(|layer| layer.permissions.clone()) else {
            return surroundings;
        };
        for (name, value) in &job.variables {
            surroundings.add_variable(rights, &asked, job, name, value);
        }
        let present = |pattern: &&String| {
            let pattern = std::slice::from_ref(*pattern);
            job.variables.keys().any(|name| names::matches(pattern, name) && !job.secrets.contains(name))
        };
        surroundings.used_variables.environment = asked.environment.iter().filter(present).cloned().collect();
        surroundings.add_directories(rights, &asked, job);
        surroundings
    }

    /// The names of the job's variables that are secret.
    pub(super) fn secrets(&self) -> &Arc<BTreeSet<String>> {
        &self.secrets
    }

    /// What the directory with this index in `directories` was granted by.
    pub(super) fn granted(&self, index: usize) -> Option<FilePermission> {
        self.granted.get(index).cloned()
    }

    fn add_variable(&mut self, rights: &Rights, asked: &Permissions, job: &Job, name: &str, value: &str) {
        let wanted = asked.environment.iter().find(|pattern| names::matches(std::slice::from_ref(*pattern), name));
        let wanted_as_secret = asked.secrets.iter().any(|secret| secret == name);
        let (what, granted, need) = if wanted_as_secret {
            self.used_variables.secrets.push(name.to_owned());
            let need = Permissions { secrets: vec![name.to_owned()], ..Permissions::default() };
            (format!("the secret `{name}`"), rights.grants().secret(name), need)
        } else if job.secrets.contains(name) {
            // A pattern such as `CI_*` does not mean the secrets among them.
            if asked.environment.iter().any(|asked| asked == name) {
                let why = "it is a secret, and the step type asks for it as a plain variable: whoever makes it has to ask \
                           for it under `secrets`";
                self.missing_variables.push(Missing::always(format!("see the variable `{name}`"), why.to_owned()));
            }
            return;
        } else if let Some(pattern) = wanted {
            let granted = rights.grants().variable(name);
            // All that it asks for so, unless whoever refuses it has made a choice among them.
            let chosen = granted.as_ref().is_err_and(|by| rights.grants().touch_variables(by, pattern));
            let need = if chosen { name } else { pattern };
            let what = format!("the variable{} `{need}`", if need.ends_with('*') { "s" } else { "" });
            (what, granted, Permissions { environment: vec![need.to_owned()], ..Permissions::default() })
        } else {
            return;
        };
        match granted {
            Ok(()) => self.variables.push((name.to_owned(), value.to_owned())),
            Err(by) => {
                let tried = format!("see {what}");
                if !self.missing_variables.iter().any(|missing| missing.tried == tried) {
                    self.missing_variables.push(Missing { tried, why: Why::NotGranted(by, Box::new(need)) });
                }
            }
        }
    }

    fn add_directories(&mut self, rights: &Rights, asked: &Permissions, job: &Job) {
        for file in &asked.files {
            let tried = format!("use the directory {} ({})", file.path, file.access);
            let why = match (never(&file.path), rights.grants().file(file)) {
                (Some(why), _) => Why::Always(why.to_owned()),
                (None, Err(by)) => {
                    Why::NotGranted(by, Box::new(Permissions { files: vec![file.clone()], ..Permissions::default() }))
                }
                (None, Ok(())) => continue,
            };
            self.missing_directories.push(Missing { tried, why });
        }
        for file in rights.grants().files() {
            match locate(&job.project_dir, &file) {
                Ok(host) => {
                    let writes = file.access.writes();
                    self.directories.push(Directory { host, guest: file.path.clone(), writes });
                    self.granted.push(file);
                }
                Err(why) => {
                    let tried = format!("use the directory {} ({})", file.path, file.access);
                    self.missing_directories.push(Missing::always(tried, why));
                }
            }
        }
    }
}

impl Missing {
    fn always(tried: String, why: String) -> Self {
        Self { tried, why: Why::Always(why) }
    }
}

/// Notes what is missing where a guest looks: what one policy would have to allow together, so that it can be done at once.
fn note(missing: &[Missing], rights: &Rights) {
    let mut noted: Vec<&Origin> = Vec::new();
    for one in missing {
        match &one.why {
            Why::Always(why) => rights.notes().missing(one.tried.clone(), why.clone()),
            Why::NotGranted(by, _) if noted.contains(&by) => {}
            Why::NotGranted(by, _) => {
                noted.push(by);
                let (tried, need) = together(missing, by);
                rights.missing(tried, by, &need);
            }
        }
    }
}

fn together(missing: &[Missing], by: &Origin) -> (String, Permissions) {
    let mut all = Permissions::default();
    let mut tried = Vec::new();
    for one in missing {
        if let Why::NotGranted(other, need) = &one.why
            && other == by
        {
            all.environment.extend(need.environment.iter().cloned());
            all.secrets.extend(need.secrets.iter().cloned());
            all.files.extend(need.files.iter().cloned());
            tried.push(one.tried.as_str());
        }
    }
    (tried.join(", "), all)
}

/// Where a granted directory really is. The error says why it is not given all the same.
fn locate(project: &Path, file: &FilePermission) -> Result<PathBuf, String> {
    if let Some(why) = never(&file.path) {
        return Err(why.to_owned());
    }
    let missing = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => "it does not exist: make it before this step".to_owned(),
        _ => format!("it can't be used: {error}"),
    };
    let project = fs::canonicalize(project).map_err(missing)?;
    let host = fs::canonicalize(project.join(&file.path)).map_err(missing)?;
    if !host.is_dir() {
        return Err("it is not a directory".to_owned());
    }
    fs::read_dir(&host).map_err(missing)?;
    if !file.path.starts_with('/') && !host.starts_with(&project) {
        return Err(
            "it leads out of the project by a link: grant the directory it leads to by its absolute path".into()
        );
    }
    if project.starts_with(&host) {
        return Err("it holds the project with `.git` and `.shiro`, which are never granted".into());
    }
    if let Some(why) = host.to_str().map_or(Some("its name is not text"), never) {
        return Err(why.to_owned());
    }
    match [".git", ".shiro"].iter().find(|name| host.join(name).symlink_metadata().is_ok()) {
        Some(name) => Err(format!("it holds `{name}`, which is never granted: grant a directory in it")),
        None => Ok(host),
    }
}

/// Notices when a guest looks at its variables or its directories.
pub(super) fn watch(linker: &mut Linker<Attempt>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    linker.instance(ENVIRONMENT)?.func_wrap("get-environment", |mut store: StoreContextMut<'_, Attempt>, (): ()| {
        let attempt = store.data_mut();
        let surroundings = &attempt.surroundings;
        note(&surroundings.missing_variables, &attempt.rights);
        attempt.rights.used(|| surroundings.used_variables.clone());
        Ok((surroundings.variables.clone(),))
    })?;
    linker.instance(PREOPENS)?.func_wrap("get-directories", |mut store: StoreContextMut<'_, Attempt>, (): ()| {
        let attempt = store.data_mut();
        let surroundings = &attempt.surroundings;
        note(&surroundings.missing_directories, &attempt.rights);
        let directories: Vec<(Resource<Descriptor>, String)> = attempt.filesystem().get_directories()?;
        if attempt.rights.learning() {
            attempt.roots.granted(directories.iter().map(|(directory, _)| directory));
        }
        Ok((directories,))
    })?;
    linker.allow_shadowing(false);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::capability::{Access, Grants, Layer};
    use crate::plugin::imports::Notes;

    fn rights(asked: &str, granted: &str) -> Rights {
        let layer = |origin, json: &str| Layer {
            origin,
            permissions: serde_json::from_str(json).unwrap(),
            named: vec![],
            open: false,
        };
        let layers = vec![layer(Origin::Asked, asked), layer(Origin::Repository, granted)];
        Rights::builtin_for_tests(Grants { layers }, Notes::default())
    }

    fn job(variables: &[(&str, &str)], secrets: &[&str]) -> Job {
        let env: Vec<_> = variables.iter().map(|&(name, value)| (name.into(), value.into())).collect();
        Job::new(&env, secrets.iter().map(|&name| name.to_owned()).collect(), PathBuf::from("."))
    }

    fn names(surroundings: &Surroundings) -> Vec<&str> {
        surroundings.variables.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn variables_are_those_that_are_asked_for_and_granted() {
        let job = job(&[("CI_A", "1"), ("CI_TOKEN", "s"), ("HOME", "/"), ("SHIRO_X", "y")], &["CI_TOKEN"]);
        let given = |asked: &str, granted: &str| Surroundings::new(&rights(asked, granted), &job);
        let all = r#"{"environment":["*"]}"#;
        assert_eq!(names(&given(all, all)), ["CI_A", "HOME"], "neither secrets nor shiro's own");
        assert_eq!(names(&given(r#"{"environment":["CI_*"]}"#, all)), ["CI_A"]);
        let none = given(all, "{}");
        assert!(none.variables.is_empty());
        assert_eq!(none.missing_variables.len(), 1, "the pattern");
        let some = given(all, r#"{"environment":["HOME"]}"#);
        assert_eq!(some.missing_variables[0].tried, "see the variable `CI_A`", "the one that was left out");
        let secret = r#"{"secrets":["CI_TOKEN"]}"#;
        assert_eq!(names(&given(secret, secret)), ["CI_TOKEN"]);
        assert!(given(secret, all).variables.is_empty());
        let plain = given(r#"{"environment":["CI_TOKEN"]}"#, all);
        assert!(plain.variables.is_empty());
        assert!(matches!(plain.missing_variables[0].why, Why::Always(_)));
    }

    #[test]
    fn a_directory_is_where_it_really_is_and_never_what_holds_the_state() {
        let dir = tempfile::tempdir().unwrap();
        let project = dir.path().canonicalize().unwrap();
        for inner in ["dist", "sub/.git", ".shiro", "p/.shiro"] {
            fs::create_dir_all(project.join(inner)).unwrap();
        }
        fs::write(project.join("file"), "").unwrap();
        symlink("/etc", project.join("etc")).unwrap();
        symlink("dist", project.join("out")).unwrap();
        symlink(".shiro", project.join("state")).unwrap();
        symlink("..", project.join("dist/up")).unwrap();
        let at = |path: &str| locate(&project, &FilePermission { path: path.into(), access: Access::Read });
        assert_eq!(at("dist"), Ok(project.join("dist")));
        assert_eq!(at("out"), Ok(project.join("dist")), "a link within the project");
        assert!(at("/etc").is_ok(), "absolute, by grant");
        for (path, why) in [
            ("etc", "leads out"),
            ("file", "not a directory"),
            ("nowhere", "does not exist"),
            ("state", ".shiro"),
            ("dist/up", "holds the project"),
            ("sub", "holds `.git`"),
            ("p", "holds `.shiro`"),
            (".", "never"),
            ("/", "never"),
            ("/proc/self", "never"),
            (".git", "never"),
            (project.parent().unwrap().to_str().unwrap(), "holds the project"),
        ] {
            let error = at(path).unwrap_err();
            assert!(error.contains(why), "{path}: {error}");
        }
    }
}
