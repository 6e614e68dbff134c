//! Compiled code in a file without a name: a hostile component can make hundreds of megabytes of it, and none of that is
//! memory of this process.

use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use wasmtime::Engine;
use wasmtime::component::Component;

/// Compiled code that nobody else can name.
pub(super) struct Code(File);

impl Code {
    /// None yet. Its file is in this directory, or where temporary files are; where neither can be written, in memory.
    pub(super) fn empty(dir: Option<&Path>) -> io::Result<Self> {
        let named = dir.map(tempfile::tempfile_in).and_then(Result::ok);
        named.map_or_else(tempfile::tempfile, Ok).or_else(in_memory).map(Self)
    }

    /// The same, with these bytes.
    pub(super) fn of(bytes: &[u8], dir: Option<&Path>) -> io::Result<Self> {
        let mut code = Self::empty(dir)?;
        code.0.write_all(bytes)?;
        Ok(code)
    }

    /// The open file, for a process that writes it.
    pub(super) fn file(&self) -> &File {
        &self.0
    }

    /// The open file, to be read from its beginning.
    pub(super) fn rewound(&self) -> io::Result<&File> {
        (&self.0).rewind()?;
        Ok(&self.0)
    }

    /// Maps it, where the system can, and so reads only what is needed of it.
    ///
    /// # Safety
    ///
    /// The bytes have to be wasmtime's own output, and nobody may have changed them since.
    pub(super) unsafe fn load(&self, engine: &Engine) -> wasmtime::Result<Component> {
        if let Some(path) = path_of(&self.0) {
            // SAFETY: the caller's word. A file system that no code may be run from says no.
            let mapped = unsafe { Component::deserialize_file(engine, path) };
            if mapped.is_ok() {
                return mapped;
            }
        }
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut self.rewound()?, &mut bytes)?;
        // SAFETY: the caller's word.
        unsafe { Component::deserialize(engine, bytes) }
    }
}

/// A path to the very file that is open, whatever stands at its own path by now, where the system has one.
pub(super) fn path_of(file: &File) -> Option<PathBuf> {
    let open = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    open.exists().then_some(open)
}

#[cfg(target_os = "linux")]
fn in_memory(_: io::Error) -> io::Result<File> {
    Ok(rustix::fs::memfd_create("shiro-compiled", rustix::fs::MemfdFlags::CLOEXEC)?.into())
}

#[cfg(not(target_os = "linux"))]
fn in_memory(error: io::Error) -> io::Result<File> {
    Err(error)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn code_is_kept_where_nobody_finds_it() {
        let dir = tempfile::tempdir().unwrap();
        let code = Code::of(b"code", Some(dir.path())).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        for _ in 0..2 {
            let mut text = String::new();
            code.rewound().unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, "code");
        }
        assert!(Code::of(b"code", Some(&dir.path().join("missing"))).is_ok(), "elsewhere, then");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn without_a_place_it_is_kept_in_memory() {
        use std::os::unix::fs::FileExt as _;
        let file = in_memory(io::ErrorKind::PermissionDenied.into()).unwrap();
        file.write_all_at(b"x", 0).unwrap();
        assert_eq!(std::fs::read(path_of(&file).unwrap()).unwrap(), b"x");
    }
}
