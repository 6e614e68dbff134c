//! The workflow's shared data, as this process sees it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::ci::{Ci, Environment};
use super::error::CliError;
use crate::data::{Backend, Data, DataError, Files, Memory, Place};
use crate::event::{Event, Record};
use crate::journal::Store;
use crate::secret::Secrets;

/// Where it is, beside the journals.
const DIRECTORY: &str = "data";
/// All that use one state share this pipeline outside of CI.
const NO_PIPELINE: &str = "local";
/// No line that names a branch is longer.
const HEAD_BYTES: usize = 4096;

/// The data that is kept in a store.
pub(super) fn open(store: &Store, environment: &Environment, secrets: Arc<Secrets>) -> Data {
    let backend: Box<dyn Backend> = match store.beside(DIRECTORY) {
        Some(beside) => Box::new(Files::new(beside)),
        None => Box::<Memory>::default(),
    };
    // A run that was begun encrypted stays so, whatever the next process says: what the key can encrypt it does.
    Data::new(backend, place(environment), secrets).protected(store.seals().encrypting_for_the_key())
}

/// Removes what is over, and what runs left that nobody can go on with any more. Gives what could not be done: the run does
/// not depend on it.
pub(super) fn tidy(data: &Data, store: &Store) -> Vec<String> {
    let over = data.purge().map(drop);
    // The rooms first: a run that begins meanwhile has its journal before it has data.
    let forgotten =
        data.run_rooms().and_then(|rooms| if rooms.is_empty() { Ok(()) } else { forget(data, store, &rooms) });
    let warning = |error: DataError| format!("shared data that is over could not be removed: {error}");
    [over, forgotten].into_iter().filter_map(Result::err).map(warning).collect()
}

fn forget(data: &Data, store: &Store, rooms: &[String]) -> Result<(), DataError> {
    let Ok(journals) = store.runs() else { return Ok(()) };
    let mut kept = BTreeSet::new();
    for journal in journals {
        // Whose it is nobody knows: nothing is removed then.
        let Ok(loaded) = journal.loaded else { return Ok(()) };
        if let Some(Record { event: Event::RunStarted(started), .. }) = loaded.records.first() {
            kept.insert(started.run.clone());
        }
    }
    data.forget_rooms(rooms, &kept)
}

fn place(environment: &Environment) -> Place {
    let pipeline = environment.job().pipeline.unwrap_or_else(|| NO_PIPELINE.to_owned());
    Place { pipeline, branch: branch(environment) }
}

/// The branch or tag that this job, or else this directory, is about. A tag is told from a branch of the same name.
fn branch(environment: &Environment) -> Result<String, String> {
    let tag = |name: &str| format!("tag {name}");
    if environment.ci() == Some(Ci::Github) {
        // Of a pull request the branch that it comes from, not the merge that is tried.
        if let Some(head) = environment.filled("GITHUB_HEAD_REF") {
            return Ok(head.to_owned());
        }
        let name = environment.filled("GITHUB_REF_NAME").ok_or("GITHUB_REF_NAME is not set")?;
        return Ok(if environment.get("GITHUB_REF_TYPE") == Some("tag") { tag(name) } else { name.to_owned() });
    }
    if let Some(name) = environment.filled("CI_COMMIT_TAG") {
        return Ok(tag(name));
    }
    match environment.filled("CI_COMMIT_REF_NAME") {
        Some(name) => Ok(name.to_owned()),
        None => checked_out(&environment.project_dir()),
    }
}

/// The branch that is checked out in a directory.
fn checked_out(project: &Path) -> Result<String, String> {
    let dot_git = project.join(".git");
    // In a work tree of its own `.git` is a file that says where the directory is.
    let directory = match fs::read_to_string(&dot_git) {
        Ok(text) => project.join(text.trim().strip_prefix("gitdir: ").ok_or("`.git` can't be read")?),
        Err(_) => dot_git,
    };
    let head = fs::read(directory.join("HEAD")).map_err(|_| "this is no Git repository, and no CI job".to_owned())?;
    let head = String::from_utf8_lossy(&head[..head.len().min(HEAD_BYTES)]).into_owned();
    let branch = head.trim().strip_prefix("ref: refs/heads/");
    branch.map(str::to_owned).ok_or_else(|| "no branch is checked out (HEAD is detached)".to_owned())
}

impl From<DataError> for CliError {
    fn from(error: DataError) -> Self {
        let mut cli_error = Self::new(error.exit_code(), error.message);
        cli_error.hints.extend(error.hint);
        cli_error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment::new(variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn a_job_s_branch_comes_from_its_variables() {
        for (variables, expected) in [
            (&[("CI_COMMIT_REF_NAME", "main")][..], "main"),
            (&[("CI_COMMIT_REF_NAME", "v1"), ("CI_COMMIT_TAG", "v1")], "tag v1"),
            (&[("GITHUB_ACTIONS", "true"), ("GITHUB_REF_NAME", "main"), ("GITHUB_REF_TYPE", "branch")], "main"),
            (&[("GITHUB_ACTIONS", "true"), ("GITHUB_REF_NAME", "v1"), ("GITHUB_REF_TYPE", "tag")], "tag v1"),
            (&[("GITHUB_ACTIONS", "true"), ("GITHUB_REF_NAME", "7/merge"), ("GITHUB_HEAD_REF", "feature")], "feature"),
        ] {
            assert_eq!(branch(&environment(variables)), Ok(expected.to_owned()));
        }
    }

    #[test]
    fn elsewhere_it_is_the_one_that_is_checked_out() {
        let dir = tempfile::tempdir().unwrap();
        assert!(checked_out(dir.path()).unwrap_err().contains("no Git repository"));
        fs::create_dir(dir.path().join(".git")).unwrap();
        fs::write(dir.path().join(".git/HEAD"), "ref: refs/heads/feature/one\n").unwrap();
        assert_eq!(checked_out(dir.path()), Ok("feature/one".to_owned()));
        fs::write(dir.path().join(".git/HEAD"), "0123456789abcdef\n").unwrap();
        assert!(checked_out(dir.path()).unwrap_err().contains("detached"));
        let tree = dir.path().join("tree");
        fs::create_dir_all(dir.path().join(".git/worktrees/tree")).unwrap();
        fs::create_dir(&tree).unwrap();
        fs::write(tree.join(".git"), format!("gitdir: {}\n", dir.path().join(".git/worktrees/tree").display()))
            .unwrap();
        fs::write(dir.path().join(".git/worktrees/tree/HEAD"), "ref: refs/heads/other\n").unwrap();
        assert_eq!(checked_out(&tree), Ok("other".to_owned()));
    }

    #[test]
    fn a_pipeline_is_the_job_s_or_one_for_all() {
        assert_eq!(place(&environment(&[("CI_PIPELINE_ID", "9"), ("CI_JOB_NAME", "x")])).pipeline, "9");
        assert_eq!(place(&environment(&[])).pipeline, "local");
    }
}
