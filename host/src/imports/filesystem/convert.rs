//! The types of `wasi:filesystem`, from ours and to ours.

use crate::objects::SyncFlags;
use crate::vfs::{Error, Kind, NodeId, Open, Time};
use wasmtime_wasi::p2::FsError;
use wasmtime_wasi::p2::bindings::clocks::wall_clock::Datetime;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    DescriptorFlags, DescriptorType, ErrorCode, MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};

/// The interface's code of an error.
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
        // Unreached: `fs_error` and the streams end the instance with it before it becomes a code.
        Error::HostMemory => ErrorCode::InsufficientMemory,
        Error::NotDirectory => ErrorCode::NotDirectory,
        Error::NotEmpty => ErrorCode::NotEmpty,
        Error::NotPermitted => ErrorCode::NotPermitted,
    }
}

/// What the guest hears of an error: its code, or nothing, because the host's own trouble ends the instance.
pub(super) fn fs_error(error: Error) -> FsError {
    match error {
        Error::HostMemory => FsError::trap(error),
        error => error_code(error).into(),
    }
}

pub(super) fn descriptor_type(kind: Kind) -> DescriptorType {
    match kind {
        Kind::File => DescriptorType::RegularFile,
        Kind::Directory => DescriptorType::Directory,
        Kind::Link => DescriptorType::SymbolicLink,
    }
}

pub(super) fn datetime(time: Time) -> Datetime {
    Datetime { seconds: time.seconds, nanoseconds: time.nanos }
}

/// The time that a guest wants a file to have, if any.
pub(super) fn new_time(time: NewTimestamp, now: Time) -> Result<Option<Time>, ErrorCode> {
    match time {
        NewTimestamp::NoChange => Ok(None),
        NewTimestamp::Now => Ok(Some(now)),
        NewTimestamp::Timestamp(Datetime { seconds, nanoseconds }) => {
            Time::new(seconds, nanoseconds).map(Some).ok_or(ErrorCode::Overflow)
        }
    }
}

/// How to open, and whether for reading. As with wasmtime, making or emptying a file opens it for writing, and
/// what is not opened for writing is opened for reading.
pub(super) fn open_request(path: PathFlags, open: OpenFlags, flags: DescriptorFlags) -> (Open, bool) {
    let (create, truncate) = (open.contains(OpenFlags::CREATE), open.contains(OpenFlags::TRUNCATE));
    let writes = flags.contains(DescriptorFlags::WRITE);
    let how = Open {
        follow: path.contains(PathFlags::SYMLINK_FOLLOW),
        create,
        exclusive: open.contains(OpenFlags::EXCLUSIVE),
        directory: open.contains(OpenFlags::DIRECTORY),
        truncate,
        write: writes || create || truncate,
    };
    (how, flags.contains(DescriptorFlags::READ) || !writes)
}

/// What tells a node from every other: its number, which no other node gets. C libraries make an inode number of it,
/// so it must stay the same while the file is written to.
pub(super) fn node_hash(node: NodeId) -> MetadataHashValue {
    let hash = blake3::hash(&node.number().to_le_bytes());
    let (lower, rest) = hash.as_bytes().split_first_chunk::<8>().expect("a hash has 32 bytes");
    let (upper, _) = rest.split_first_chunk::<8>().expect("24 bytes are left");
    MetadataHashValue { lower: u64::from_le_bytes(*lower), upper: u64::from_le_bytes(*upper) }
}

/// The flags about syncing, which are remembered to be shown: all files are as durable as their worker.
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

/// Those flags that are set.
pub(super) fn flags(flags: impl IntoIterator<Item = (DescriptorFlags, bool)>) -> DescriptorFlags {
    let set = flags.into_iter().filter(|(_, is_set)| *is_set);
    set.fold(DescriptorFlags::empty(), |all, (flag, _)| all | flag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_guest_hears_of_the_hosts_trouble() {
        assert!(fs_error(Error::HostMemory).downcast().is_err(), "it is a trap, not a code");
        let heard = fs_error(Error::InsufficientSpace).downcast().unwrap();
        assert_eq!(heard, ErrorCode::InsufficientSpace);
    }
}
