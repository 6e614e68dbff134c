//! Files that somebody else may have made: opened without being led astray, read within bounds, replaced whole.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// Bytes that are hashed at once: they stay in a processor's own cache.
const CHUNK: usize = 256 << 10;

/// What to do about a symbolic link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// Follow it: a user named the file, or its content is checked by other means.
    Follow,
    /// Refuse it.
    Refuse,
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum Why {
    /// It is something else, e.g. `a directory`.
    #[error("{0}, not a file")]
    NotAFile(&'static str),
    /// It has more bytes than this.
    #[error("larger than {}", size(*.0))]
    TooLarge(u64),
    /// The system does not let us.
    #[error("can't be read: {0}")]
    Io(#[from] io::Error),
}

/// A file that can't be used, and why.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", path.display())]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: Why,
}

/// A regular file of reasonable size, open for reading.
#[derive(Debug)]
pub struct Regular {
    file: File,
    path: PathBuf,
    /// Its size when it was opened.
    size: u64,
    most: u64,
}

/// Opens a regular file of at most `most` bytes; `None` if nothing is there. No pipe or device is waited for.
pub fn open(path: &Path, links: Links, most: u64) -> Result<Option<Regular>, FileError> {
    let refused = |why: Why| FileError { path: path.to_owned(), why };
    // Looked at before it is opened, since opening a device may do things, and again afterwards, since it may have been
    // replaced; without blocking, since a pipe would.
    let seen = match links {
        Links::Follow => fs::metadata(path),
        Links::Refuse => fs::symlink_metadata(path),
    };
    match seen {
        Ok(seen) => check(&seen, most).map_err(refused)?,
        // A link that leads nowhere is there, and is a mistake.
        Err(error) if error.kind() == io::ErrorKind::NotFound && path.symlink_metadata().is_err() => return Ok(None),
        Err(error) => return Err(refused(error.into())),
    }
    let no_links = if links == Links::Refuse { OFlags::NOFOLLOW } else { OFlags::empty() };
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY | no_links;
    let opened = OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path);
    let opened = opened.and_then(|file| file.metadata().map(|metadata| (file, metadata)));
    let (file, metadata) = opened.map_err(|error| refused(error.into()))?;
    check(&metadata, most).map_err(refused)?;
    Ok(Some(Regular { file, path: path.to_owned(), size: metadata.len(), most }))
}

/// The bytes of a regular file of at most `most` bytes; `None` if nothing is there.
pub fn read(path: &Path, links: Links, most: u64) -> Result<Option<Vec<u8>>, FileError> {
    open(path, links, most)?.map(|file| file.read()).transpose()
}

fn check(metadata: &Metadata, most: u64) -> Result<(), Why> {
    let kind = metadata.file_type();
    let what = if kind.is_file() {
        return if metadata.len() > most { Err(Why::TooLarge(most)) } else { Ok(()) };
    } else if kind.is_symlink() {
        "a symbolic link"
    } else if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    Err(Why::NotAFile(what))
}

fn size(bytes: u64) -> String {
    if bytes >= 1 << 20 { format!("{} MiB", bytes >> 20) } else { format!("{bytes} bytes") }
}

impl Regular {
    /// Its path, as it was named.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The open file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// All its bytes, read once.
    pub fn read(&self) -> Result<Vec<u8>, FileError> {
        // One more, to see that there is no more.
        let mut bytes = Vec::with_capacity(usize::try_from(self.size).map_or(0, |size| size + 1));
        let read = self.rewound().and_then(|mut file| file.read_to_end(&mut bytes));
        match read {
            Ok(count) if count as u64 > self.most => Err(self.refused(Why::TooLarge(self.most))),
            Ok(_) => Ok(bytes),
            Err(error) => Err(self.refused(error.into())),
        }
    }

    /// Adds its bytes to a hash, without holding them: three times as fast as reading them into memory first.
    pub fn hash_into(&self, hasher: &mut blake3::Hasher) -> Result<(), FileError> {
        let mut chunk = vec![0; CHUNK];
        let mut left = self.rewound().map_err(|error| self.refused(error.into()))?;
        loop {
            match left.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => drop(hasher.update(&chunk[..count])),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.refused(error.into())),
            }
        }
        if left.limit() == 0 { Err(self.refused(Why::TooLarge(self.most))) } else { Ok(()) }
    }

    fn rewound(&self) -> io::Result<io::Take<&File>> {
        let mut file = &self.file;
        file.rewind()?;
        Ok(file.take(self.most + 1))
    }

    fn refused(&self, why: Why) -> FileError {
        FileError { path: self.path.clone(), why }
    }
}

/// For whom a file is that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// For everybody to read.
    Openly,
    /// For this user alone.
    Privately,
}

/// Puts these bytes at this path in one go: at any time, also after a crash of the system, the old file stands there or the
/// new one, whole. Its directory has to be there.
pub fn replace(path: &Path, parts: &[&[u8]], keep: Keep) -> io::Result<()> {
    replace_with(path, keep, |file| parts.iter().try_for_each(|part| file.write_all(part)))
}

/// The same with what `write` writes.
pub fn replace_with(path: &Path, keep: Keep, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let dir = dir_of(path)?;
    // As far as the umask lets it. Removed if anything goes wrong.
    let mode = if keep == Keep::Openly { 0o644 } else { 0o600 };
    let mut temporary = tempfile::Builder::new();
    temporary.prefix(".shiro-").suffix(".tmp").permissions(Permissions::from_mode(mode));
    let mut file = temporary.tempfile_in(dir)?;
    write(file.as_file_mut())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    sync(dir)
}

fn dir_of(path: &Path) -> io::Result<&Path> {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => Ok(dir),
        Some(_) => Ok(Path::new(".")),
        None => Err(io::ErrorKind::InvalidInput.into()),
    }
}

fn sync(dir: &Path) -> io::Result<()> {
    match File::open(dir)?.sync_all() {
        // Some network and overlay file systems have no fsync for directories.
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(path: &Path, links: Links) -> String {
        read(path, links, 10).unwrap_err().why.to_string()
    }

    #[test]
    fn only_regular_files_of_reasonable_size_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        assert_eq!(read(&at("missing"), Links::Refuse, 10).unwrap(), None);
        fs::write(at("file"), "0123456789").unwrap();
        assert_eq!(read(&at("file"), Links::Refuse, 10).unwrap().unwrap(), b"0123456789");
        fs::write(at("large"), [0; 11]).unwrap();
        assert_eq!(why(&at("large"), Links::Refuse), "larger than 10 bytes");
        File::create(at("sparse")).unwrap().set_len(2 << 30).unwrap();
        assert!(matches!(read(&at("sparse"), Links::Follow, 64 << 20).unwrap_err().why, Why::TooLarge(_)));
        rustix::fs::mknodat(rustix::fs::CWD, at("fifo"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        assert_eq!(why(&at("fifo"), Links::Follow), "a named pipe, not a file");
        assert_eq!(why(dir.path(), Links::Follow), "a directory, not a file");
        assert_eq!(why(Path::new("/dev/zero"), Links::Refuse), "a device, not a file");
    }

    #[test]
    fn links_are_followed_only_where_that_is_meant() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("file"), "x").unwrap();
        std::os::unix::fs::symlink(at("file"), at("link")).unwrap();
        std::os::unix::fs::symlink("nowhere", at("dangling")).unwrap();
        assert_eq!(why(&at("link"), Links::Refuse), "a symbolic link, not a file");
        assert_eq!(read(&at("link"), Links::Follow, 10).unwrap().unwrap(), b"x");
        assert!(read(&at("dangling"), Links::Follow, 10).is_err(), "a link that leads nowhere is there");
    }

    #[test]
    fn a_hash_is_that_of_all_bytes_and_no_more_than_allowed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let bytes: Vec<u8> = (0..2 * CHUNK + 7).map(|index| index as u8).collect();
        fs::write(&path, &bytes).unwrap();
        let file = open(&path, Links::Refuse, bytes.len() as u64).unwrap().unwrap();
        let mut hasher = blake3::Hasher::new();
        file.hash_into(&mut hasher).unwrap();
        assert_eq!(hasher.finalize(), blake3::hash(&bytes));
        assert_eq!(file.read().unwrap(), bytes);
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"more").unwrap();
        assert!(matches!(file.hash_into(&mut blake3::Hasher::new()).unwrap_err().why, Why::TooLarge(_)));
    }

    #[test]
    fn what_is_written_stands_there_whole_and_nothing_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        replace(&path, &[b"on", b"e"], Keep::Privately).unwrap();
        assert_eq!((fs::read(&path).unwrap(), mode()), (b"one".to_vec(), 0o600));
        replace(&path, &[b"two"], Keep::Openly).unwrap();
        assert_eq!((fs::read(&path).unwrap(), mode() & 0o700), (b"two".to_vec(), 0o600));
        assert!(replace(&path.join("below"), &[b"x"], Keep::Openly).is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
