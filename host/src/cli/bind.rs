//! The content of the files that an approval is bound to.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::id::Digest;
use crate::outcome::{Failure, FailureClass};

/// More than this is not looked at by whoever approves.
const MAX_FILES: usize = 10_000;
const MAX_BYTES: u64 = 1 << 30;

/// What changes by itself.
const LEFT_OUT: [&str; 2] = [".git", ".shiro/state"];

/// The digest of every file that these paths name, directories with all that is in them. The failure names the path.
pub(super) fn digests(project_dir: &Path, bind: &[String]) -> Result<BTreeMap<String, Digest>, Box<Failure>> {
    let mut walk = Walk { project_dir, found: BTreeMap::new(), bytes: 0 };
    let mut pending: Vec<String> = bind.to_vec();
    while let Some(path) = pending.pop() {
        walk.add(&path, &mut pending).map_err(|why| {
            let message = format!("the approval is bound to `{path}`, {why}");
            let failure = Failure::new(FailureClass::State, "bind", message);
            Box::new(
                failure.with_hint(
                    "\"bind\" names files and directories of the project that are there when it is asked for",
                ),
            )
        })?;
    }
    Ok(walk.found)
}

struct Walk<'a> {
    project_dir: &'a Path,
    found: BTreeMap<String, Digest>,
    bytes: u64,
}

impl Walk<'_> {
    /// Adds a file; what is in a directory goes to `pending`.
    fn add(&mut self, path: &str, pending: &mut Vec<String>) -> Result<(), String> {
        let at = self.project_dir.join(path);
        let unreadable = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => "which is not there".to_owned(),
            _ => format!("which can't be read: {error}"),
        };
        let link = at.symlink_metadata().map_err(unreadable)?.is_symlink();
        let metadata = at.metadata().map_err(unreadable)?;
        if metadata.is_dir() && !link {
            for entry in fs::read_dir(&at).map_err(unreadable)? {
                let name = entry.map_err(unreadable)?.file_name();
                let name = name.to_str().ok_or("which holds a file whose name is not UTF-8")?;
                let inside = if path == "." { name.to_owned() } else { format!("{path}/{name}") };
                if !LEFT_OUT.contains(&inside.as_str()) {
                    pending.push(inside);
                }
            }
            return Ok(());
        }
        if !metadata.is_file() {
            return Err(if metadata.is_dir() {
                "which leads to a directory of another name"
            } else {
                "which is no file"
            }
            .into());
        }
        let mut hasher = Sha256::new();
        if link {
            let target = fs::read_link(&at).map_err(unreadable)?;
            hasher.update(b"link\0");
            hasher.update(target.as_os_str().as_encoded_bytes());
            hasher.update(b"\0");
        }
        self.hash(&at, &mut hasher).map_err(unreadable)?;
        if self.found.len() == MAX_FILES || self.bytes > MAX_BYTES {
            return Err(format!("and that is more than {MAX_FILES} files or {} MiB", MAX_BYTES >> 20));
        }
        self.found.insert(path.to_owned(), Digest::from(<[u8; 32]>::from(hasher.finalize())));
        Ok(())
    }

    fn hash(&mut self, path: &Path, hasher: &mut Sha256) -> io::Result<()> {
        let mut file = File::open(path)?;
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => {
                    self.bytes += count as u64;
                    hasher.update(&buffer[..count]);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            if self.bytes > MAX_BYTES {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(project: &Path, bind: &[&str]) -> Result<Vec<String>, String> {
        let bind: Vec<String> = bind.iter().map(|path| (*path).to_owned()).collect();
        digests(project, &bind).map(|found| found.into_keys().collect()).map_err(|failure| failure.message)
    }

    #[test]
    fn files_count_by_content_and_directories_by_all_that_is_in_them() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        for (path, content) in
            [("k8s/a/x.yaml", "x"), ("k8s/y.yaml", "y"), (".git/HEAD", "z"), (".shiro/state/j", "j"), ("f", "")]
        {
            fs::create_dir_all(at(path).parent().unwrap()).unwrap();
            fs::write(at(path), content).unwrap();
        }
        assert_eq!(names(dir.path(), &["f", "k8s", "k8s/y.yaml"]).unwrap(), ["f", "k8s/a/x.yaml", "k8s/y.yaml"]);
        assert_eq!(names(dir.path(), &["."]).unwrap(), ["f", "k8s/a/x.yaml", "k8s/y.yaml"]);
        let digest = || digests(dir.path(), &["k8s/y.yaml".to_owned()]).unwrap()["k8s/y.yaml"];
        let before = digest();
        assert_eq!(before, Digest::of(b"y"));
        fs::write(at("k8s/y.yaml"), "Y").unwrap();
        assert_ne!(digest(), before);
        // A link is what it says and what it leads to.
        fs::remove_file(at("k8s/y.yaml")).unwrap();
        std::os::unix::fs::symlink("../f", at("k8s/y.yaml")).unwrap();
        assert_ne!(digest(), Digest::of(b""));
    }

    #[test]
    fn what_can_not_be_read_is_not_approved() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("d")).unwrap();
        std::os::unix::fs::symlink("d", dir.path().join("l")).unwrap();
        std::os::unix::fs::symlink("gone", dir.path().join("dead")).unwrap();
        assert!(names(dir.path(), &["missing"]).unwrap_err().contains("`missing`, which is not there"));
        assert!(names(dir.path(), &["dead"]).unwrap_err().contains("not there"));
        assert!(names(dir.path(), &["l"]).unwrap_err().contains("leads to a directory"));
        assert!(names(dir.path(), &["d"]).unwrap().is_empty());
    }
}
