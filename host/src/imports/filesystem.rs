//! `wasi:filesystem`: a world without files.
//!
//! No directory is preopened and only a directory opens others, so no guest ever holds a descriptor. Programs
//! see what they would see in an empty sandbox: their libraries fail with "bad file descriptor" or "not found"
//! before they call us. Deterministic, no entries.

use super::absent::{absent, answers};
use crate::state::WorkerState;
use wasmtime::Result;
use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime_wasi::p2::bindings::filesystem::types::{
    Advice, Descriptor, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry,
    DirectoryEntryStream, ErrorCode, Filesize, MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::bindings::filesystem::{preopens, types};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsError, FsResult, IoError};

/// Defines the interfaces of `wasi:filesystem`.
pub(super) fn add_to_linker(linker: &mut Linker<WorkerState>) -> Result<()> {
    preopens::add_to_linker::<_, HasSelf<WorkerState>>(linker, |state| state)?;
    types::add_to_linker::<_, HasSelf<WorkerState>>(linker, |state| state)
}

impl preopens::Host for WorkerState {
    fn get_directories(&mut self) -> Result<Vec<(Resource<Descriptor>, String)>> {
        Ok(Vec::new())
    }
}

impl types::Host for WorkerState {
    fn convert_error_code(&mut self, error: FsError) -> Result<ErrorCode> {
        error.downcast()
    }

    /// No stream of ours reads or writes a file, so no error of a stream is one of files.
    fn filesystem_error_code(&mut self, _: Resource<IoError>) -> Result<Option<ErrorCode>> {
        Ok(None)
    }
}

impl types::HostDescriptor for WorkerState {
    answers! { async Err(ErrorCode::BadDescriptor.into());
        advise(Resource<Descriptor>, Filesize, Filesize, Advice) -> FsResult<()>;
        sync_data(Resource<Descriptor>) -> FsResult<()>;
        get_flags(Resource<Descriptor>) -> FsResult<DescriptorFlags>;
        get_type(Resource<Descriptor>) -> FsResult<DescriptorType>;
        set_size(Resource<Descriptor>, Filesize) -> FsResult<()>;
        set_times(Resource<Descriptor>, NewTimestamp, NewTimestamp) -> FsResult<()>;
        read(Resource<Descriptor>, Filesize, Filesize) -> FsResult<(Vec<u8>, bool)>;
        write(Resource<Descriptor>, Vec<u8>, Filesize) -> FsResult<Filesize>;
        read_directory(Resource<Descriptor>) -> FsResult<Resource<DirectoryEntryStream>>;
        sync(Resource<Descriptor>) -> FsResult<()>;
        create_directory_at(Resource<Descriptor>, String) -> FsResult<()>;
        stat(Resource<Descriptor>) -> FsResult<DescriptorStat>;
        stat_at(Resource<Descriptor>, PathFlags, String) -> FsResult<DescriptorStat>;
        set_times_at(Resource<Descriptor>, PathFlags, String, NewTimestamp, NewTimestamp) -> FsResult<()>;
        link_at(Resource<Descriptor>, PathFlags, String, Resource<Descriptor>, String) -> FsResult<()>;
        open_at(Resource<Descriptor>, PathFlags, String, OpenFlags, DescriptorFlags) -> FsResult<Resource<Descriptor>>;
        readlink_at(Resource<Descriptor>, String) -> FsResult<String>;
        remove_directory_at(Resource<Descriptor>, String) -> FsResult<()>;
        rename_at(Resource<Descriptor>, String, Resource<Descriptor>, String) -> FsResult<()>;
        symlink_at(Resource<Descriptor>, String, String) -> FsResult<()>;
        unlink_file_at(Resource<Descriptor>, String) -> FsResult<()>;
        metadata_hash(Resource<Descriptor>) -> FsResult<MetadataHashValue>;
        metadata_hash_at(Resource<Descriptor>, PathFlags, String) -> FsResult<MetadataHashValue>;
    }

    answers! { Err(ErrorCode::BadDescriptor.into());
        read_via_stream(Resource<Descriptor>, Filesize) -> FsResult<Resource<DynInputStream>>;
        write_via_stream(Resource<Descriptor>, Filesize) -> FsResult<Resource<DynOutputStream>>;
        append_via_stream(Resource<Descriptor>) -> FsResult<Resource<DynOutputStream>>;
    }

    answers! { async Err(absent("wasi:filesystem/types#descriptor"));
        is_same_object(Resource<Descriptor>, Resource<Descriptor>) -> Result<bool>;
    }

    answers! { Err(absent("wasi:filesystem/types#descriptor"));
        drop(Resource<Descriptor>) -> Result<()>;
    }
}

impl types::HostDirectoryEntryStream for WorkerState {
    answers! { async Err(ErrorCode::BadDescriptor.into());
        read_directory_entry(Resource<DirectoryEntryStream>) -> FsResult<Option<DirectoryEntry>>;
    }

    answers! { Err(absent("wasi:filesystem/types#directory-entry-stream"));
        drop(Resource<DirectoryEntryStream>) -> Result<()>;
    }
}
