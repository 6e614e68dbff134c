//! The files of workflows that run as steps of others: found beside the file that names them, within the project.

use std::path::{Component, Path, PathBuf};

use crate::file::{self, Links};
use crate::workflow::Source;
use crate::workflow::model::Workflow;
use crate::workflow::source::MAX_BYTES;
use crate::workflow::subworkflow::{Expanded, Unreadable, expand};

/// Finds files for the workflow in the file `main`.
pub(super) struct Files {
    /// Nothing outside of it is read.
    root: PathBuf,
}

impl Files {
    /// The project is the directory of that name, or where `main` lies outside of it, the directory of `main`.
    pub(super) fn of(main: &Path, project_dir: &Path) -> Self {
        let own = main.canonicalize().ok().and_then(|main| main.parent().map(Path::to_owned));
        let project = project_dir.canonicalize().ok();
        let root = match (own, project) {
            (Some(own), Some(project)) if own.starts_with(&project) => project,
            (own, project) => own.or(project).unwrap_or_else(|| project_dir.to_owned()),
        };
        Self { root }
    }

    /// Puts the steps of the files that `workflow`'s steps run in their places. `file` is its own.
    pub(super) fn expand(&self, workflow: Workflow, file: &str) -> Expanded {
        let file = plain(Path::new(file)).display().to_string();
        expand(workflow, &file, &mut |from, named| self.read(from, named))
    }

    /// Reads the file that the file `from` calls `named`.
    fn read(&self, from: &str, named: &str) -> Result<Source, Unreadable> {
        if Path::new(named).is_absolute() {
            return Err(Unreadable::new(
                "a workflow's file is named relative to the file that names it",
                Some("take away what leads to the project's directory".to_owned()),
            ));
        }
        let path = plain(&Path::new(from).parent().unwrap_or(Path::new("")).join(named));
        let shown = path.display();
        let real = path.canonicalize().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Unreadable::new(
                format!("there is no file {shown}"),
                Some(format!("it is looked for beside {from}, the file that names it")),
            ),
            _ => Unreadable::new(format!("{shown} can't be read: {error}"), None),
        })?;
        if !real.starts_with(&self.root) {
            return Err(Unreadable::new(
                format!("{shown} lies outside of the project"),
                Some(format!("only files in {} are read", self.root.display())),
            ));
        }
        // What it leads to was looked at: nobody puts a link in its place.
        let bytes =
            file::read(&real, Links::Refuse, MAX_BYTES).map_err(|error| Unreadable::new(error.to_string(), None))?;
        let bytes = bytes.ok_or_else(|| Unreadable::new(format!("there is no file {shown}"), None))?;
        Source::from_bytes(shown.to_string(), bytes)
            .map_err(|problem| Unreadable { message: format!("{shown}: {}", problem.message), hint: problem.hint })
    }
}

/// Without `.`, and without `..` where there is something to go up from.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(plain.components().next_back(), Some(Component::Normal(_))) => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_found_beside_the_one_that_names_it() {
        for (path, expected) in [
            ("./a/../b.json", "b.json"),
            (".shiro/parts/../deploy.json", ".shiro/deploy.json"),
            ("../../x/./y", "../../x/y"),
            ("/p/a/../b", "/p/b"),
        ] {
            assert_eq!(plain(Path::new(path)), Path::new(expected), "{path}");
        }
    }

    #[test]
    fn nothing_outside_of_the_project_is_read() {
        let outer = tempfile::tempdir().unwrap();
        let project = outer.path().join("project");
        std::fs::create_dir_all(project.join(".shiro/parts")).unwrap();
        let write = |path: &&str| std::fs::write(outer.path().join(path), "{}").unwrap();
        ["secret.json", "project/.shiro/w.json", "project/.shiro/parts/a.json", "project/b.json"]
            .iter()
            .for_each(write);
        std::os::unix::fs::symlink(outer.path().join("secret.json"), project.join("link.json")).unwrap();
        std::os::unix::fs::symlink(project.join("b.json"), project.join("inner.json")).unwrap();
        let main = project.join(".shiro/w.json");
        let files = Files::of(&main, &project);
        let read = |named: &str| {
            let found = files.read(&main.display().to_string(), named);
            found.map(|source| source.name().to_owned()).map_err(|error| error.message)
        };
        assert!(read("parts/a.json").unwrap().ends_with("project/.shiro/parts/a.json"));
        assert!(read("../b.json").unwrap().ends_with("project/b.json"));
        assert!(read("../inner.json").is_ok());
        for outside in ["../../secret.json", "../link.json"] {
            assert!(read(outside).unwrap_err().ends_with("lies outside of the project"), "{outside}");
        }
        assert!(read("/etc/passwd").unwrap_err().contains("relative"));
        assert!(read("gone.json").unwrap_err().starts_with("there is no file "));
        assert!(read("parts").unwrap_err().contains("a directory, not a file"));
        // Of a workflow that lies elsewhere, what lies beside it.
        let elsewhere = Files::of(&outer.path().join("secret.json"), &project);
        assert!(elsewhere.read("secret.json", "x").is_err());
        assert_eq!(elsewhere.root, outer.path().canonicalize().unwrap());
    }
}
