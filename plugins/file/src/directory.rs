//! One directory and the files in it. The sandbox keeps a path from leading out of it; what is checked here makes for
//! messages that say so.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Component, Path, PathBuf};

use globset::GlobBuilder;
use sha2::{Digest as _, Sha256};
use shiro_step::Failure;

/// More files than this are not what was meant.
const MOST_FILES: usize = 100_000;

/// How deep directories are looked into.
const DEEPEST: usize = 64;

/// A directory.
pub(crate) struct Directory {
    path: PathBuf,
}

/// A file that was found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Its path in the directory, with `/` between names.
    pub(crate) path: String,
    /// Its length.
    pub(crate) bytes: u64,
}

impl Directory {
    pub(crate) fn open(dir: &str) -> Result<Self, Failure> {
        let path = PathBuf::from(dir);
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => Ok(Self { path }),
            Ok(_) => Err(Failure::permanent("file", format!("{dir} is no directory"))),
            Err(error) => Err(failure("look into", dir, &error)),
        }
    }

    /// The whole file as text.
    pub(crate) fn read(&self, path: &str, most: u64) -> Result<String, Failure> {
        let file = File::open(self.place(path)?).map_err(|error| failure("read", path, &error))?;
        let mut bytes = Vec::new();
        file.take(most + 1).read_to_end(&mut bytes).map_err(|error| failure("read", path, &error))?;
        if bytes.len() as u64 > most {
            let message = format!("{path} is longer than {} MiB, the most that fits an output", most >> 20);
            return Err(Failure::permanent("too_large", message));
        }
        String::from_utf8(bytes).map_err(|_| Failure::permanent("not_text", format!("{path} is not UTF-8 text")))
    }

    /// Writes the whole file or nothing, and returns its length.
    pub(crate) fn write(&self, path: &str, content: &[u8]) -> Result<u64, Failure> {
        let place = self.place(path)?;
        let new = place.with_added_extension("new");
        let written = create_parent(&place)
            .and_then(|()| fs::write(&new, content))
            .and_then(|()| fs::rename(&new, &place))
            .inspect_err(|_| drop(fs::remove_file(&new)));
        written.map_err(|error| failure("write", path, &error))?;
        Ok(content.len() as u64)
    }

    /// Adds to the end of a file, and returns its length.
    pub(crate) fn append(&self, path: &str, content: &[u8]) -> Result<u64, Failure> {
        let place = self.place(path)?;
        let append = || {
            create_parent(&place)?;
            let mut file = OpenOptions::new().append(true).create(true).open(&place)?;
            file.write_all(content)?;
            Ok(file.metadata()?.len())
        };
        append().map_err(|error: io::Error| failure("append to", path, &error))
    }

    /// How long a file is; `None` if there is none.
    pub(crate) fn length(&self, path: &str) -> Result<Option<u64>, Failure> {
        match fs::metadata(self.place(path)?) {
            Ok(metadata) => Ok(metadata.is_file().then_some(metadata.len())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failure("look at", path, &error)),
        }
    }

    /// Whether there was one.
    pub(crate) fn remove(&self, path: &str) -> Result<bool, Failure> {
        match fs::remove_file(self.place(path)?) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failure("remove", path, &error)),
        }
    }

    /// A file's SHA-256 in hexadecimal, and its length.
    pub(crate) fn sha256(&self, path: &str) -> Result<(String, u64), Failure> {
        let hash = || {
            let mut file = File::open(self.place(path)?).map_err(|error| failure("read", path, &error))?;
            let (mut hasher, mut buffer, mut length) = (Sha256::new(), vec![0; 64 << 10], 0);
            loop {
                match file.read(&mut buffer) {
                    Ok(0) => return Ok((hasher.finalize(), length)),
                    Ok(read) => {
                        hasher.update(&buffer[..read]);
                        length += read as u64;
                    }
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return Err(failure("read", path, &error)),
                }
            }
        };
        let (digest, length) = hash()?;
        Ok((digest.iter().map(|byte| format!("{byte:02x}")).collect(), length))
    }

    /// The files that match, sorted. Links are not followed.
    pub(crate) fn find(&self, pattern: &str) -> Result<Vec<Found>, Failure> {
        let glob = GlobBuilder::new(pattern).literal_separator(true).backslash_escape(true).build();
        let glob = glob.map_err(|error| Failure::invalid_config(format!("`pattern`: {}", error.kind())))?;
        let matcher = glob.compile_matcher();
        let mut found = Vec::new();
        let mut open = vec![(String::new(), 0)];
        while let Some((dir, depth)) = open.pop() {
            let entries = fs::read_dir(self.path.join(&dir)).map_err(|error| failure("list", &dir, &error))?;
            for entry in entries {
                let entry = entry.map_err(|error| failure("list", &dir, &error))?;
                // A name that is not text can't stand in an output.
                let Ok(name) = entry.file_name().into_string() else { continue };
                let path = if dir.is_empty() { name } else { format!("{dir}/{name}") };
                let metadata = entry.metadata().map_err(|error| failure("look at", &path, &error))?;
                if metadata.is_dir() && depth < DEEPEST {
                    open.push((path, depth + 1));
                } else if metadata.is_file() && matcher.is_match(&path) {
                    if found.len() == MOST_FILES {
                        let message = format!("more than {MOST_FILES} files match `{pattern}`");
                        return Err(Failure::permanent("too_many_files", message));
                    }
                    found.push(Found { path, bytes: metadata.len() });
                }
            }
        }
        found.sort_unstable_by(|one, other| one.path.cmp(&other.path));
        Ok(found)
    }

    /// The place of a file that lies in the directory.
    fn place(&self, path: &str) -> Result<PathBuf, Failure> {
        let inside = |component: Component<'_>| matches!(component, Component::Normal(_) | Component::CurDir);
        if path.is_empty() || path.contains('\0') || !Path::new(path).components().all(inside) {
            let message = format!("`path` has to lie in `dir`, and {path:?} does not: no `..`, no `/` in front");
            return Err(Failure::invalid_config(message));
        }
        Ok(self.path.join(path))
    }
}

fn create_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}

fn failure(verb: &str, path: &str, error: &io::Error) -> Failure {
    let hint = match error.kind() {
        ErrorKind::NotFound if verb == "look into" => ": it is not there, or not granted",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => ": it may only be read",
        _ => "",
    };
    Failure::permanent("file", format!("can't {verb} {path}: {error}{hint}"))
}
