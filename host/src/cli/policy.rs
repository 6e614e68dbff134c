//! Finds the policies that hold, and writes the one that a run has learned.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::error::{CliError, USAGE};
use super::project::refused;
use crate::plan::Plan;
use crate::plugin::builtin_name;
use crate::policy::{FILE, Learned, Policies, Policy, Role, SYSTEM_FILE, VARIABLE};

/// Where a learned policy is written to, in the shiro directory.
const LEARNED: &str = "policy.learned.json";

/// The repository's policy, and what bounds it: the machine's, `-policy`, and what `SHIRO_POLICY` names. Each of the last
/// two has to be there if it is named.
pub(super) fn load(shiro_dir: &Path, flag: Option<&Path>) -> Result<Policies, CliError> {
    let variable = std::env::var_os(VARIABLE).filter(|value| !value.is_empty());
    load_from(shiro_dir, Path::new(SYSTEM_FILE), flag, variable.as_deref())
}

fn load_from(
    shiro_dir: &Path,
    system: &Path,
    flag: Option<&Path>,
    variable: Option<&OsStr>,
) -> Result<Policies, CliError> {
    let file = shiro_dir.join(FILE);
    let mut operators: Vec<Policy> = read(system, Role::Operator)?.into_iter().collect();
    let named = flag.map(|path| (path, "-policy")).into_iter().chain(variable.map(|path| (Path::new(path), VARIABLE)));
    for (path, by) in named {
        let policy = read(path, Role::Operator)?.ok_or_else(|| {
            let error = CliError::new(USAGE, format!("{by}: there is no file {}", path.display()));
            error.hint("a policy that bounds what steps may do is not passed over: nothing was started")
        })?;
        operators.push(policy);
    }
    Ok(Policies {
        repository: read(&file, Role::Repository)?,
        repository_file: file.display().to_string(),
        operators,
        learning: false,
    })
}

fn read(path: &Path, role: Role) -> Result<Option<Policy>, CliError> {
    let policy = Policy::read(path, role).map_err(|(source, problems)| {
        refused(&source, problems, &[]).hint("the format is described in docs/policy.md")
    })?;
    // Under another name it would bound nothing, and nobody would notice.
    let aliased = |name: &str| builtin_name(name).filter(|own| *own != name).map(|own| (name.to_owned(), own));
    match policy.as_ref().and_then(|policy| policy.types().find_map(aliased)) {
        Some((name, own)) => {
            let error = CliError::new(USAGE, format!("{}: `{name}` is another name of `{own}`", path.display()));
            Err(error.hint(format!("write `{own}`: it holds for both names")))
        }
        None => Ok(policy),
    }
}

/// What was learned is not written over something that waits for review.
pub(super) fn check_learned(shiro_dir: &Path) -> Result<(), CliError> {
    let path = learned(shiro_dir);
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    let policy = shiro_dir.join(FILE);
    let error = CliError::new(USAGE, format!("{} is there already: nothing was started", path.display()));
    Err(error.hint(format!("review what was learned, then `mv {} {}`, or remove it", path.display(), policy.display())))
}

/// The step types of which the repository's policy says something and not every step ran: what they need is not known.
/// `whole` is a run of which nothing was done before, and nothing is left.
pub(super) fn not_learned<'a>(
    plan: &'a Plan,
    policies: &Policies,
    learned: &Learned,
    whole: bool,
) -> BTreeSet<&'a str> {
    let left = plan.workflow().steps.iter().filter(|step| !learned.has_run(&step.id, whole));
    let types = left.map(|step| builtin_name(step.step_type.as_str()).unwrap_or(step.step_type.as_str()));
    types.filter(|name| policies.repository.iter().flat_map(Policy::types).any(|known| known == *name)).collect()
}

/// Writes what was learned, and says what to do with it. Types that are `kept` keep their grants in it.
pub(super) fn write_learned(
    shiro_dir: &Path,
    document: &Value,
    kept: &BTreeSet<&str>,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    if document["types"].as_object().is_none_or(serde_json::Map::is_empty) {
        writeln!(out, "\nLearned: no step used anything that a policy has to grant")?;
        return Ok(());
    }
    let path = learned(shiro_dir);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)
        .and_then(|mut file| file.write_all(format!("{document:#}\n").as_bytes()));
    written.map_err(|error| CliError::new(USAGE, format!("can't write {}: {error}", path.display())))?;
    let policy = shiro_dir.join(FILE);
    writeln!(out, "\nLearned: wrote {}", path.display())?;
    for name in kept {
        writeln!(out, "  not all steps of `{name}` ran: it keeps what {} grants it", policy.display())?;
    }
    if policy.exists() {
        writeln!(out, "  compare: diff {} {}", policy.display(), path.display())?;
    }
    writeln!(out, "  review it, then: mv {} {}", path.display(), policy.display())?;
    Ok(())
}

fn learned(shiro_dir: &Path) -> PathBuf {
    shiro_dir.join(LEARNED)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn every_policy_that_is_there_holds() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in ["policy.json", "system.json", "flag.json", "variable.json"] {
            fs::write(at(name), r#"{ "version": 1, "types": { "x": {} } }"#).unwrap();
        }
        let names = |policies: &Policies| {
            let shown = |policy: &Policy| Path::new(&policy.name).file_name().unwrap().to_string_lossy().into_owned();
            policies.operators.iter().map(shown).collect::<Vec<_>>()
        };
        let all =
            load_from(dir.path(), &at("system.json"), Some(&at("flag.json")), Some(at("variable.json").as_os_str()));
        let all = all.unwrap();
        assert!(all.repository.is_some());
        assert_eq!(names(&all), ["system.json", "flag.json", "variable.json"]);
        let none = load_from(&at("nowhere"), &at("none.json"), None, None).unwrap();
        assert!(none.repository.is_none() && none.operators.is_empty());
        let missing = load_from(dir.path(), &at("none.json"), Some(&at("none.json")), None).unwrap_err();
        assert_eq!(missing.exit_code, USAGE);
        fs::write(at("flag.json"), r#"{ "version": 1, "types": { "shell.exec": {} } }"#).unwrap();
        let alias = load_from(dir.path(), &at("none.json"), Some(&at("flag.json")), None).unwrap_err();
        assert!(alias.message.contains("another name of `shell`"), "{}", alias.message);
        fs::write(at("system.json"), "{").unwrap();
        assert!(
            load_from(dir.path(), &at("system.json"), None, None).is_err(),
            "what can't be read is not passed over"
        );
    }

    #[test]
    fn what_was_learned_is_never_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let document = serde_json::json!({ "version": 1, "types": { "x": {} } });
        check_learned(dir.path()).unwrap();
        let mut out = Vec::new();
        write_learned(dir.path(), &document, &BTreeSet::from(["y"]), &mut out).unwrap();
        let out = String::from_utf8(out).unwrap();
        assert!(out.contains("review it") && out.contains("not all steps of `y` ran"), "{out}");
        assert!(check_learned(dir.path()).is_err());
        assert!(write_learned(dir.path(), &document, &BTreeSet::new(), &mut Vec::new()).is_err());
    }
}
