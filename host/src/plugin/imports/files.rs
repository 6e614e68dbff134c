//! `wasi:filesystem`: what an attempt writes counts against its budget. Which directories it has is decided elsewhere, and
//! that it stays in them is wasmtime's work.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, ResourceType};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::filesystem::types::{
    DescriptorFlags, ErrorCode, HostDescriptor, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{DynOutputStream, FsResult, OutputStream, Pollable, StreamError, StreamResult};

use super::Notes;
use crate::capability::Access;
use crate::plugin::attempt::Attempt;
use crate::plugin::limits::{Limit, OPEN_FILES, bytes};

/// The version that wasmtime's own interface has: any compatible one links to it.
pub(super) const TYPES: &str = "wasi:filesystem/types@0.2.12";
/// What a new file or directory counts as: a block of most file systems.
const ENTRY_BYTES: u64 = 4 << 10;

/// What an attempt may still write.
#[derive(Clone, Debug)]
pub(in crate::plugin) struct Written {
    left: Arc<AtomicU64>,
    mib: u32,
    notes: Notes,
}

impl Written {
    /// `mib` is all it may write.
    pub(in crate::plugin) fn new(notes: Notes, mib: u32) -> Self {
        Self { left: Arc::new(AtomicU64::new(bytes(mib) as u64)), mib, notes }
    }

    fn spend(&self, bytes: u64) -> Result<(), ErrorCode> {
        let spent = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        spent.map(drop).map_err(|_| {
            self.notes.limit(Limit::Files(self.mib));
            ErrorCode::Quota
        })
    }
}

/// The files and directories that an attempt has open: they are the host's, which needs some itself.
#[derive(Clone, Debug)]
pub(in crate::plugin) struct OpenFiles {
    count: usize,
    notes: Notes,
}

impl OpenFiles {
    /// `count` are those that it is given.
    pub(in crate::plugin) fn new(notes: Notes, count: usize) -> Self {
        Self { count, notes }
    }

    fn one_more(&self) -> Result<(), ErrorCode> {
        if self.count < OPEN_FILES {
            return Ok(());
        }
        self.notes.limit(Limit::OpenFiles);
        Err(ErrorCode::InsufficientMemory)
    }
}

/// A stream into a file.
struct Counted {
    stream: DynOutputStream,
    written: Written,
}

#[wasmtime_wasi::async_trait]
impl OutputStream for Counted {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let over = |_| StreamError::LastOperationFailed(wasmtime::Error::new(Limit::Files(self.written.mib)));
        self.written.spend(bytes.len() as u64).map_err(over)?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.stream.flush()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.stream.check_write()
    }

    async fn cancel(&mut self) {
        self.stream.cancel().await;
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Counted {
    async fn ready(&mut self) {
        self.stream.ready().await;
    }
}

pub(super) type Answer<T> = wasmtime::Result<(Result<T, ErrorCode>,)>;
pub(super) type Later<'a, T> = Box<dyn Future<Output = Answer<T>> + Send + 'a>;
pub(super) type Store<'a> = StoreContextMut<'a, Attempt>;
pub(super) type File = Resource<Descriptor>;

/// Puts the count in front of everything that writes.
pub(in crate::plugin) fn count(linker: &mut Linker<Attempt>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let mut types = linker.instance(TYPES)?;
    types.func_wrap("[method]descriptor.write-via-stream", |mut store: Store<'_>, (file, offset): (File, u64)| {
        let attempt = store.data_mut();
        attempt.uses(&file, Access::ReadWrite);
        let stream = attempt.filesystem().write_via_stream(file, offset);
        counted(attempt, stream)
    })?;
    types.func_wrap("[method]descriptor.append-via-stream", |mut store: Store<'_>, (file,): (File,)| {
        let attempt = store.data_mut();
        attempt.uses(&file, Access::ReadWrite);
        let stream = attempt.filesystem().append_via_stream(file);
        counted(attempt, stream)
    })?;
    types.func_wrap_async(
        "[method]descriptor.write",
        |mut store: Store<'_>, (file, buffer, offset): (File, Vec<u8>, u64)| -> Later<'_, u64> {
            Box::new(async move {
                let attempt = store.data_mut();
                attempt.uses(&file, Access::ReadWrite);
                if let Err(over) = attempt.written.spend(buffer.len() as u64) {
                    return Ok((Err(over),));
                }
                told(attempt.filesystem().write(file, buffer, offset).await)
            })
        },
    )?;
    types.func_wrap_async(
        "[method]descriptor.set-size",
        |mut store: Store<'_>, (file, size): (File, u64)| -> Later<'_, ()> {
            Box::new(async move {
                let attempt = store.data_mut();
                attempt.uses(&file, Access::ReadWrite);
                if let Err(over) = attempt.written.spend(size) {
                    return Ok((Err(over),));
                }
                told(attempt.filesystem().set_size(file, size).await)
            })
        },
    )?;
    types.func_wrap_async(
        "[method]descriptor.create-directory-at",
        |mut store: Store<'_>, (file, path): (File, String)| -> Later<'_, ()> {
            Box::new(async move {
                let attempt = store.data_mut();
                attempt.uses(&file, Access::ReadWrite);
                if let Err(over) = attempt.written.spend(ENTRY_BYTES) {
                    return Ok((Err(over),));
                }
                told(attempt.filesystem().create_directory_at(file, path).await)
            })
        },
    )?;
    types.func_wrap_async(
        "[method]descriptor.symlink-at",
        |mut store: Store<'_>, (dir, to, at): (File, String, String)| {
            Box::new(async move {
                let attempt = store.data_mut();
                attempt.uses(&dir, Access::ReadWrite);
                if let Err(over) = attempt.written.spend(ENTRY_BYTES) {
                    return Ok((Err(over),));
                }
                told(attempt.filesystem().symlink_at(dir, to, at).await)
            }) as Later<'_, ()>
        },
    )?;
    types.func_wrap_async("[method]descriptor.link-at", link_at)?;
    types.func_wrap_async("[method]descriptor.open-at", open_at)?;
    types.resource_async("descriptor", ResourceType::host::<Descriptor>(), close)?;
    linker.allow_shadowing(false);
    Ok(())
}

type LinkAt = (File, PathFlags, String, File, String);

fn link_at<'a>(mut store: Store<'a>, (dir, path_flags, path, to, at): LinkAt) -> Later<'a, ()> {
    Box::new(async move {
        let attempt = store.data_mut();
        attempt.uses(&dir, Access::ReadWrite);
        attempt.uses(&to, Access::ReadWrite);
        if let Err(over) = attempt.written.spend(ENTRY_BYTES) {
            return Ok((Err(over),));
        }
        told(attempt.filesystem().link_at(dir, path_flags, path, to, at).await)
    })
}

type OpenAt = (File, PathFlags, String, OpenFlags, DescriptorFlags);

fn open_at<'a>(mut store: Store<'a>, (file, path_flags, path, open, flags): OpenAt) -> Later<'a, File> {
    Box::new(async move {
        let attempt = store.data_mut();
        let writes = open.intersects(OpenFlags::CREATE | OpenFlags::TRUNCATE) || flags.contains(DescriptorFlags::WRITE);
        attempt.uses(&file, if writes { Access::ReadWrite } else { Access::Read });
        if let Err(over) = attempt.open_files.one_more() {
            return Ok((Err(over),));
        }
        if open.contains(OpenFlags::CREATE)
            && let Err(over) = attempt.written.spend(ENTRY_BYTES)
        {
            return Ok((Err(over),));
        }
        let dir = file.rep();
        let opened = attempt.filesystem().open_at(file, path_flags, path, open, flags).await;
        if let Ok(opened) = &opened {
            attempt.open_files.count += 1;
            attempt.roots.opened(dir, opened);
        }
        told(opened)
    })
}

/// A guest gives back a file or a directory.
fn close<'a>(mut store: Store<'a>, index: u32) -> Box<dyn Future<Output = wasmtime::Result<()>> + Send + 'a> {
    Box::new(async move {
        let attempt = store.data_mut();
        attempt.open_files.count = attempt.open_files.count.saturating_sub(1);
        attempt.roots.closed(index);
        attempt.filesystem().drop(Resource::new_own(index))
    })
}

fn counted(attempt: &mut Attempt, stream: FsResult<Resource<DynOutputStream>>) -> Answer<Resource<DynOutputStream>> {
    let stream = match stream {
        Ok(stream) => stream,
        Err(error) => return told(Err(error)),
    };
    let written = attempt.written.clone();
    let table = attempt.filesystem().table;
    let stream = table.delete(stream)?;
    let counted: DynOutputStream = Box::new(Counted { stream, written });
    Ok((Ok(table.push(counted)?),))
}

/// An error that a guest is told of, or a trap.
pub(super) fn told<T>(result: FsResult<T>) -> Answer<T> {
    match result {
        Ok(value) => Ok((Ok(value),)),
        Err(error) => Ok((Err(error.downcast()?),)),
    }
}
