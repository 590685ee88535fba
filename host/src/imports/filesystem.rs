//! `wasi:filesystem`: the worker's own files, which are data of its instance.
//!
//! One directory is preopened: `/`. It holds the files that the template ships, and no other worker sees it. The result
//! of each call is determined by the calls before it, by the file clock ([`FileClock`](crate::vfs::FileClock)) and by
//! the worker's memory limit. So no call writes an oplog entry, and a replay creates the same files again. Files are as
//! durable as the worker, so syncing does nothing.
//!
//! This module has the descriptors and their permissions. The operations on files are in [`crate::vfs`]; `streams`
//! reads and writes files as streams, `convert` converts the interface's types.
//!
//! The permissions of descriptors are those of wasmtime: an opened directory can be changed even without the flag
//! `mutate-directory`, because the C library never requests the flag.

mod convert;
mod streams;

use crate::imports::views::{FilesystemView, GuestFiles, Views};
use crate::objects::{Descriptor, Listing, Object, wrong_kind};
use crate::vfs::{self, FileTime, NodeId, NodeKind, OpenOptions, Vfs};
use convert::{datetime, descriptor_type, error_code, fs_error, new_time, open_request, sync_flags};
use wasmtime::Result;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::p2::bindings::filesystem::types::{
    Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, DirectoryEntryStream, ErrorCode,
    Filesize, MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::bindings::filesystem::{preopens, types};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsError, FsResult, IoError};

/// A descriptor's handle. The resource type of the bindings is only a tag: the data is in [`Object::Descriptor`].
type Handle = Resource<types::Descriptor>;

/// The name of the one preopened directory.
const ROOT_NAME: &str = "/";

/// Defines the interfaces of `wasi:filesystem`.
pub(super) fn add_to_linker<T: Views>(linker: &mut Linker<T>) -> Result<()> {
    preopens::add_to_linker::<_, FilesystemView<'_>>(linker, T::filesystem)?;
    types::add_to_linker::<_, FilesystemView<'_>>(linker, T::filesystem)
}

impl GuestFiles<'_> {
    /// Runs `operation` on the files with the time of the file clock. The files may grow as far as the worker's memory
    /// limit allows.
    fn with<R>(
        &mut self,
        operation: impl FnOnce(&mut Vfs, FileTime) -> Result<R, vfs::Error>,
    ) -> Result<R, vfs::Error> {
        self.vfs.set_bytes_max(self.limits.files_bytes_max());
        let answer = operation(self.vfs, self.clock.now());
        self.limits.set_files_bytes(self.vfs.bytes());
        if let Err(vfs::Error::HostMemory) = &answer {
            self.limits.record_host_shortage(format!(
                "{}: it has {} bytes of files",
                vfs::Error::HostMemory,
                self.vfs.bytes()
            ));
        }
        answer
    }
}

impl FilesystemView<'_> {
    fn descriptor(&self, handle: &Handle) -> FsResult<Descriptor> {
        match self.objects.get(handle.rep()).map_err(FsError::trap)? {
            Object::Descriptor(descriptor) => Ok(*descriptor),
            other => Err(FsError::trap(wrong_kind(other, "a descriptor"))),
        }
    }

    /// The directory that `handle` refers to.
    fn directory(&self, handle: &Handle) -> FsResult<NodeId> {
        let descriptor = self.descriptor(handle)?;
        if descriptor.kind == NodeKind::Directory {
            Ok(descriptor.node)
        } else {
            Err(ErrorCode::NotDirectory.into())
        }
    }

    /// The file that `handle` refers to. For a directory, the error is `bad-descriptor`.
    fn file(&self, handle: &Handle) -> FsResult<Descriptor> {
        let descriptor = self.descriptor(handle)?;
        if descriptor.kind == NodeKind::File { Ok(descriptor) } else { Err(ErrorCode::BadDescriptor.into()) }
    }

    fn stat_of(&self, node: NodeId) -> FsResult<DescriptorStat> {
        let stat = self.files.vfs.stat(node).map_err(fs_error)?;
        Ok(DescriptorStat {
            type_: descriptor_type(stat.kind),
            link_count: stat.links,
            size: stat.size,
            data_access_timestamp: Some(datetime(stat.accessed)),
            data_modification_timestamp: Some(datetime(stat.modified)),
            status_change_timestamp: Some(datetime(stat.changed)),
        })
    }

    fn find_at(&self, handle: &Handle, flags: PathFlags, path: &str) -> FsResult<NodeId> {
        let base = self.directory(handle)?;
        self.files.vfs.find(base, path, flags.contains(PathFlags::SYMLINK_FOLLOW)).map_err(fs_error)
    }

    fn set_times_of(&mut self, node: NodeId, accessed: NewTimestamp, modified: NewTimestamp) -> FsResult<()> {
        let now = self.files.clock.now();
        let (accessed, modified) = (new_time(accessed, now)?, new_time(modified, now)?);
        self.files.vfs.set_times(node, accessed, modified, now).map_err(fs_error)
    }
}

impl preopens::Host for FilesystemView<'_> {
    fn get_directories(&mut self) -> Result<Vec<(Handle, String)>> {
        let (node, kind) = (Vfs::ROOT, NodeKind::Directory);
        let root = Descriptor { node, kind, read: true, write: false, sync: DescriptorFlags::empty().into() };
        self.files.vfs.retain(node)?;
        Ok(vec![(self.objects.insert(Object::Descriptor(root))?, ROOT_NAME.to_owned())])
    }
}

impl types::Host for FilesystemView<'_> {
    fn convert_error_code(&mut self, error: FsError) -> Result<ErrorCode> {
        error.downcast()
    }

    fn filesystem_error_code(&mut self, error: Resource<IoError>) -> Result<Option<ErrorCode>> {
        match self.objects.get(error.rep())? {
            Object::FileError(error) => Ok(Some(error_code(*error))),
            Object::Error(_) => Ok(None),
            other => Err(wrong_kind(other, "an error")),
        }
    }
}

impl types::HostDescriptor for FilesystemView<'_> {
    /// Does nothing: all files are in memory.
    async fn advise(&mut self, handle: Handle, _: Filesize, _: Filesize, _: Advice) -> FsResult<()> {
        self.file(&handle).map(drop)
    }

    async fn sync_data(&mut self, handle: Handle) -> FsResult<()> {
        self.descriptor(&handle).map(drop)
    }

    async fn sync(&mut self, handle: Handle) -> FsResult<()> {
        self.descriptor(&handle).map(drop)
    }

    async fn get_flags(&mut self, handle: Handle) -> FsResult<DescriptorFlags> {
        let Descriptor { kind, read, write, sync, .. } = self.descriptor(&handle)?;
        let allowed = [
            (DescriptorFlags::READ, read),
            (DescriptorFlags::WRITE, write),
            (DescriptorFlags::MUTATE_DIRECTORY, kind == NodeKind::Directory),
        ];
        Ok(convert::flags(allowed) | sync_flags(sync))
    }

    async fn get_type(&mut self, handle: Handle) -> FsResult<DescriptorType> {
        Ok(descriptor_type(self.descriptor(&handle)?.kind))
    }

    async fn set_size(&mut self, handle: Handle, size: Filesize) -> FsResult<()> {
        let file = self.file(&handle)?;
        if !file.write {
            return Err(ErrorCode::Invalid.into());
        }
        self.files.with(|files, now| files.set_size(file.node, size, now)).map_err(fs_error)
    }

    async fn set_times(
        &mut self,
        handle: Handle,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        let node = self.descriptor(&handle)?.node;
        self.set_times_of(node, accessed, modified)
    }

    async fn read(
        &mut self,
        handle: Handle,
        length: Filesize,
        offset: Filesize,
    ) -> FsResult<(Vec<u8>, bool)> {
        let file = self.file(&handle)?;
        if !file.read {
            return Err(ErrorCode::BadDescriptor.into());
        }
        let bytes =
            self.files.with(|files, now| files.read(file.node, offset, length, now)).map_err(fs_error)?;
        let at_end = bytes.is_empty();
        Ok((bytes, at_end))
    }

    async fn write(&mut self, handle: Handle, bytes: Vec<u8>, offset: Filesize) -> FsResult<Filesize> {
        let file = self.file(&handle)?;
        if !file.write {
            return Err(ErrorCode::BadDescriptor.into());
        }
        self.files.with(|files, now| files.write(file.node, offset, &bytes, now)).map_err(fs_error)?;
        Ok(bytes.len() as u64)
    }

    async fn read_directory(&mut self, handle: Handle) -> FsResult<Resource<DirectoryEntryStream>> {
        let node = self.directory(&handle)?;
        let entries = self.files.with(|files, now| files.list(node, now)).map_err(fs_error)?;
        let listing = Object::Listing(Listing::new(entries));
        if listing.bytes() > self.objects.bytes_left() {
            return Err(ErrorCode::InsufficientMemory.into());
        }
        self.objects.insert(listing).map_err(FsError::trap)
    }

    async fn create_directory_at(&mut self, handle: Handle, path: String) -> FsResult<()> {
        let base = self.directory(&handle)?;
        self.files.with(|files, now| files.create_directory(base, &path, now)).map_err(fs_error)
    }

    async fn stat(&mut self, handle: Handle) -> FsResult<DescriptorStat> {
        self.stat_of(self.descriptor(&handle)?.node)
    }

    async fn stat_at(&mut self, handle: Handle, flags: PathFlags, path: String) -> FsResult<DescriptorStat> {
        self.stat_of(self.find_at(&handle, flags, &path)?)
    }

    async fn set_times_at(
        &mut self,
        handle: Handle,
        flags: PathFlags,
        path: String,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        let node = self.find_at(&handle, flags, &path)?;
        self.set_times_of(node, accessed, modified)
    }

    async fn link_at(
        &mut self,
        old: Handle,
        old_flags: PathFlags,
        old_path: String,
        new: Handle,
        new_path: String,
    ) -> FsResult<()> {
        let (old, new) = (self.directory(&old)?, self.directory(&new)?);
        if old_flags.contains(PathFlags::SYMLINK_FOLLOW) {
            return Err(ErrorCode::Invalid.into());
        }
        self.files.with(|files, now| files.link(old, &old_path, new, &new_path, now)).map_err(fs_error)
    }

    async fn open_at(
        &mut self,
        handle: Handle,
        path_flags: PathFlags,
        path: String,
        open_flags: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Handle> {
        let base = self.directory(&handle)?;
        let (how, read) = open_request(path_flags, open_flags, flags);
        let OpenOptions { write, .. } = how;
        let opened = self.files.with(|files, now| files.open(base, &path, how, now)).map_err(fs_error)?;
        let descriptor = Descriptor { node: opened.node, kind: opened.kind, read, write, sync: flags.into() };
        self.objects.insert(Object::Descriptor(descriptor)).map_err(FsError::trap)
    }

    async fn readlink_at(&mut self, handle: Handle, path: String) -> FsResult<String> {
        let base = self.directory(&handle)?;
        self.files.vfs.read_link(base, &path).map_err(fs_error)
    }

    async fn remove_directory_at(&mut self, handle: Handle, path: String) -> FsResult<()> {
        let base = self.directory(&handle)?;
        self.files.with(|files, now| files.remove_directory(base, &path, now)).map_err(fs_error)
    }

    async fn rename_at(
        &mut self,
        old: Handle,
        old_path: String,
        new: Handle,
        new_path: String,
    ) -> FsResult<()> {
        let (old, new) = (self.directory(&old)?, self.directory(&new)?);
        self.files.with(|files, now| files.rename(old, &old_path, new, &new_path, now)).map_err(fs_error)
    }

    async fn symlink_at(&mut self, handle: Handle, target: String, path: String) -> FsResult<()> {
        let base = self.directory(&handle)?;
        self.files.with(|files, now| files.symlink(&target, base, &path, now)).map_err(fs_error)
    }

    async fn unlink_file_at(&mut self, handle: Handle, path: String) -> FsResult<()> {
        let base = self.directory(&handle)?;
        self.files.with(|files, now| files.unlink(base, &path, now)).map_err(fs_error)
    }

    async fn is_same_object(&mut self, a: Handle, b: Handle) -> Result<bool> {
        let node = |handle| match self.descriptor(handle) {
            Ok(descriptor) => Ok(descriptor.node),
            Err(error) => Err(error.downcast().map_or_else(|trap| trap, wasmtime::Error::from)),
        };
        Ok(node(&a)? == node(&b)?)
    }

    async fn metadata_hash(&mut self, handle: Handle) -> FsResult<MetadataHashValue> {
        Ok(convert::node_hash(self.descriptor(&handle)?.node))
    }

    async fn metadata_hash_at(
        &mut self,
        handle: Handle,
        flags: PathFlags,
        path: String,
    ) -> FsResult<MetadataHashValue> {
        Ok(convert::node_hash(self.find_at(&handle, flags, &path)?))
    }

    fn read_via_stream(&mut self, handle: Handle, offset: Filesize) -> FsResult<Resource<DynInputStream>> {
        let descriptor = self.descriptor(&handle)?;
        if descriptor.kind == NodeKind::Directory {
            return Err(ErrorCode::IsDirectory.into());
        }
        self.open_input(descriptor, offset)
    }

    fn write_via_stream(&mut self, handle: Handle, offset: Filesize) -> FsResult<Resource<DynOutputStream>> {
        let file = self.file(&handle)?;
        self.open_output(file, Some(offset))
    }

    fn append_via_stream(&mut self, handle: Handle) -> FsResult<Resource<DynOutputStream>> {
        let file = self.file(&handle)?;
        self.open_output(file, None)
    }

    fn drop(&mut self, handle: Handle) -> Result<()> {
        match self.objects.remove(handle.rep())? {
            Object::Descriptor(descriptor) => {
                self.files.with(|files, _| files.release(descriptor.node))?;
                Ok(())
            }
            other => Err(wrong_kind(&other, "a descriptor")),
        }
    }
}

impl types::HostDirectoryEntryStream for FilesystemView<'_> {
    async fn read_directory_entry(
        &mut self,
        stream: Resource<DirectoryEntryStream>,
    ) -> FsResult<Option<DirectoryEntry>> {
        let next = match self.objects.get_mut(stream.rep()).map_err(FsError::trap)? {
            Object::Listing(listing) => listing.next(),
            other => return Err(FsError::trap(wrong_kind(other, "a directory stream"))),
        };
        Ok(next.map(|entry| DirectoryEntry { type_: descriptor_type(entry.kind), name: entry.name }))
    }

    fn drop(&mut self, stream: Resource<DirectoryEntryStream>) -> Result<()> {
        self.objects.remove(stream.rep()).map(drop)
    }
}
