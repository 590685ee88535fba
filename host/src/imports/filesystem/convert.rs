//! Conversions between the types of `wasi:filesystem` and those of the virtual filesystem.

use crate::objects::SyncFlags;
use crate::vfs::{Error, FileTime, NodeId, NodeKind, OpenOptions};
use wasmtime_wasi::p2::FsError;
use wasmtime_wasi::p2::bindings::clocks::wall_clock::Datetime;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    DescriptorFlags, DescriptorType, ErrorCode, MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};

/// The error code of the interface.
pub(super) fn error_code(error: Error) -> ErrorCode {
    match error {
        Error::BadDescriptor => ErrorCode::BadDescriptor,
        Error::Busy => ErrorCode::Busy,
        Error::Exist => ErrorCode::Exist,
        Error::Invalid => ErrorCode::Invalid,
        Error::IsDirectory => ErrorCode::IsDirectory,
        Error::Loop => ErrorCode::Loop,
        Error::NameTooLong => ErrorCode::NameTooLong,
        Error::NoEntry => ErrorCode::NoEntry,
        Error::InsufficientSpace => ErrorCode::InsufficientSpace,
        // Not reached: for this error, `fs_error` and the streams trap before it is converted to a code.
        Error::HostMemory => ErrorCode::InsufficientMemory,
        Error::NotDirectory => ErrorCode::NotDirectory,
        Error::NotEmpty => ErrorCode::NotEmpty,
        Error::NotPermitted => ErrorCode::NotPermitted,
    }
}

/// Converts an error to its code for the guest. Lack of host memory becomes a trap instead: it ends the instance, and
/// the guest does not see it.
pub(super) fn fs_error(error: Error) -> FsError {
    match error {
        Error::HostMemory => FsError::trap(error),
        error => error_code(error).into(),
    }
}

pub(super) fn descriptor_type(kind: NodeKind) -> DescriptorType {
    match kind {
        NodeKind::File => DescriptorType::RegularFile,
        NodeKind::Directory => DescriptorType::Directory,
        NodeKind::Link => DescriptorType::SymbolicLink,
    }
}

pub(super) fn datetime(time: FileTime) -> Datetime {
    Datetime { seconds: time.seconds, nanoseconds: time.nanos }
}

/// The new time of a file; `None` if the guest does not change it.
pub(super) fn new_time(time: NewTimestamp, now: FileTime) -> Result<Option<FileTime>, ErrorCode> {
    match time {
        NewTimestamp::NoChange => Ok(None),
        NewTimestamp::Now => Ok(Some(now)),
        NewTimestamp::Timestamp(Datetime { seconds, nanoseconds }) => {
            FileTime::new(seconds, nanoseconds).map(Some).ok_or(ErrorCode::Overflow)
        }
    }
}

/// The options for opening, and whether the descriptor allows reading. As in wasmtime, creating or truncating a file
/// opens it for writing, and a file that is not opened for writing is opened for reading.
pub(super) fn open_request(path: PathFlags, open: OpenFlags, flags: DescriptorFlags) -> (OpenOptions, bool) {
    let (create, truncate) = (open.contains(OpenFlags::CREATE), open.contains(OpenFlags::TRUNCATE));
    let writes = flags.contains(DescriptorFlags::WRITE);
    let how = OpenOptions {
        follow: path.contains(PathFlags::SYMLINK_FOLLOW),
        create,
        exclusive: open.contains(OpenFlags::EXCLUSIVE),
        directory: open.contains(OpenFlags::DIRECTORY),
        truncate,
        write: writes || create || truncate,
    };
    (how, flags.contains(DescriptorFlags::READ) || !writes)
}

/// The hash that identifies a node. It is derived from the node's number, which is never reused. C libraries compute an
/// inode number from it, so it must not change when the file is written.
pub(super) fn node_hash(node: NodeId) -> MetadataHashValue {
    let hash = blake3::hash(&node.number().to_le_bytes());
    let (lower, rest) = hash.as_bytes().split_first_chunk::<8>().expect("a hash has 32 bytes");
    let (upper, _) = rest.split_first_chunk::<8>().expect("24 bytes are left");
    MetadataHashValue { lower: u64::from_le_bytes(*lower), upper: u64::from_le_bytes(*upper) }
}

/// The flags about syncing. They are stored only to be returned by `get-flags`: all files are as durable as their
/// worker.
const SYNC_FLAGS: [DescriptorFlags; 3] = [
    DescriptorFlags::FILE_INTEGRITY_SYNC,
    DescriptorFlags::DATA_INTEGRITY_SYNC,
    DescriptorFlags::REQUESTED_WRITE_SYNC,
];

impl From<DescriptorFlags> for SyncFlags {
    fn from(flags: DescriptorFlags) -> Self {
        Self(SYNC_FLAGS.map(|flag| flags.contains(flag)))
    }
}

pub(super) fn sync_flags(SyncFlags(asked): SyncFlags) -> DescriptorFlags {
    flags(SYNC_FLAGS.into_iter().zip(asked))
}

/// Combines the flags that are set.
pub(super) fn flags(flags: impl IntoIterator<Item = (DescriptorFlags, bool)>) -> DescriptorFlags {
    let set = flags.into_iter().filter(|(_, is_set)| *is_set);
    set.fold(DescriptorFlags::empty(), |all, (flag, _)| all | flag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lack_of_host_memory_is_a_trap_and_not_an_error_code() {
        assert!(fs_error(Error::HostMemory).downcast().is_err(), "it is a trap, not a code");
        let code = fs_error(Error::InsufficientSpace).downcast().unwrap();
        assert_eq!(code, ErrorCode::InsufficientSpace);
    }
}
