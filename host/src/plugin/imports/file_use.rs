//! `wasi:filesystem`: which of its directories an attempt uses, and whether it writes there, for `shiro run -learn`.

use std::collections::HashMap;

use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::filesystem::types::{
    DescriptorStat, DirectoryEntryStream, HostDescriptor, MetadataHashValue, NewTimestamp, PathFlags,
};

use super::files::{File, Later, Store, TYPES, told};
use crate::capability::{Access, FilePermission, Permissions};
use crate::plugin::attempt::Attempt;

/// The open files and directories, each with the granted directory that it lies in. Kept only while something is learned.
#[derive(Debug, Default)]
pub(in crate::plugin) struct Roots(HashMap<u32, usize>);

impl Roots {
    /// These are the granted directories, in their order.
    pub(in crate::plugin) fn granted<'a>(&mut self, directories: impl Iterator<Item = &'a Resource<Descriptor>>) {
        self.0.extend(directories.enumerate().map(|(index, directory)| (directory.rep(), index)));
    }

    /// `file` was opened from `dir`.
    pub(super) fn opened(&mut self, dir: u32, file: &File) {
        if let Some(&root) = self.0.get(&dir) {
            self.0.insert(file.rep(), root);
        }
    }

    /// Its number may be another's from now on.
    pub(super) fn closed(&mut self, file: u32) {
        self.0.remove(&file);
    }
}

impl Attempt {
    /// It is about to do something with a file or a directory.
    pub(super) fn uses(&self, file: &File, access: Access) {
        if let Some(&root) = self.roots.0.get(&file.rep()) {
            let used = |granted: FilePermission| Permissions {
                files: vec![FilePermission { access, ..granted }],
                ..Permissions::default()
            };
            self.rights.used(|| self.surroundings.granted(root).map(used).unwrap_or_default());
        }
    }
}

/// Notes what is done with names in a directory. Opening and writing is noted where it is counted.
pub(in crate::plugin) fn note(linker: &mut Linker<Attempt>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let mut types = linker.instance(TYPES)?;
    types.func_wrap_async("[method]descriptor.stat-at", stat_at)?;
    types.func_wrap_async("[method]descriptor.metadata-hash-at", metadata_hash_at)?;
    types.func_wrap_async("[method]descriptor.readlink-at", |mut store: Store<'_>, (dir, path): (File, String)| {
        Box::new(async move {
            let attempt = store.data_mut();
            attempt.uses(&dir, Access::Read);
            told(attempt.filesystem().readlink_at(dir, path).await)
        }) as Later<'_, String>
    })?;
    types.func_wrap_async("[method]descriptor.read-directory", |mut store: Store<'_>, (dir,): (File,)| {
        Box::new(async move {
            let attempt = store.data_mut();
            attempt.uses(&dir, Access::Read);
            told(attempt.filesystem().read_directory(dir).await)
        }) as Later<'_, Resource<DirectoryEntryStream>>
    })?;
    types.func_wrap_async(
        "[method]descriptor.remove-directory-at",
        |mut store: Store<'_>, (dir, path): (File, String)| {
            Box::new(async move {
                let attempt = store.data_mut();
                attempt.uses(&dir, Access::ReadWrite);
                told(attempt.filesystem().remove_directory_at(dir, path).await)
            }) as Later<'_, ()>
        },
    )?;
    types.func_wrap_async(
        "[method]descriptor.unlink-file-at",
        |mut store: Store<'_>, (dir, path): (File, String)| {
            Box::new(async move {
                let attempt = store.data_mut();
                attempt.uses(&dir, Access::ReadWrite);
                told(attempt.filesystem().unlink_file_at(dir, path).await)
            }) as Later<'_, ()>
        },
    )?;
    types.func_wrap_async("[method]descriptor.rename-at", rename_at)?;
    types.func_wrap_async("[method]descriptor.set-times-at", set_times_at)?;
    types.func_wrap_async("[method]descriptor.set-times", set_times)?;
    linker.allow_shadowing(false);
    Ok(())
}

fn stat_at<'a>(mut store: Store<'a>, (dir, flags, path): (File, PathFlags, String)) -> Later<'a, DescriptorStat> {
    Box::new(async move {
        let attempt = store.data_mut();
        attempt.uses(&dir, Access::Read);
        told(attempt.filesystem().stat_at(dir, flags, path).await)
    })
}

fn metadata_hash_at<'a>(
    mut store: Store<'a>,
    (dir, flags, path): (File, PathFlags, String),
) -> Later<'a, MetadataHashValue> {
    Box::new(async move {
        let attempt = store.data_mut();
        attempt.uses(&dir, Access::Read);
        told(attempt.filesystem().metadata_hash_at(dir, flags, path).await)
    })
}

fn rename_at<'a>(mut store: Store<'a>, (dir, from, to, at): (File, String, File, String)) -> Later<'a, ()> {
    Box::new(async move {
        let attempt = store.data_mut();
        attempt.uses(&dir, Access::ReadWrite);
        attempt.uses(&to, Access::ReadWrite);
        told(attempt.filesystem().rename_at(dir, from, to, at).await)
    })
}

type SetTimesAt = (File, PathFlags, String, NewTimestamp, NewTimestamp);

fn set_times_at<'a>(mut store: Store<'a>, (dir, flags, path, accessed, modified): SetTimesAt) -> Later<'a, ()> {
    Box::new(async move {
        let attempt = store.data_mut();
        attempt.uses(&dir, Access::ReadWrite);
        told(attempt.filesystem().set_times_at(dir, flags, path, accessed, modified).await)
    })
}

fn set_times<'a>(
    mut store: Store<'a>,
    (file, accessed, modified): (File, NewTimestamp, NewTimestamp),
) -> Later<'a, ()> {
    Box::new(async move {
        let attempt = store.data_mut();
        attempt.uses(&file, Access::ReadWrite);
        told(attempt.filesystem().set_times(file, accessed, modified).await)
    })
}
