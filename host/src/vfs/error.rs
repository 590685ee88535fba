//! Errors of operations on files.

/// An error of an operation on files: the error codes of `wasi:filesystem` that a [`Vfs`](super::Vfs) returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// The descriptor does not allow the operation.
    #[error("bad descriptor")]
    BadDescriptor,
    /// A rename from or to `.` or `..`.
    #[error("the directory is in use")]
    Busy,
    /// The name exists already.
    #[error("it exists already")]
    Exist,
    /// The argument is not valid for the operation.
    #[error("invalid argument")]
    Invalid,
    /// The node is a directory, and the operation needs another kind.
    #[error("it is a directory")]
    IsDirectory,
    /// There are too many symbolic links, or a symbolic link must not be followed.
    #[error("too many levels of symbolic links")]
    Loop,
    /// A name, or the whole path, is too long.
    #[error("the name is too long")]
    NameTooLong,
    /// The name does not exist.
    #[error("no such file or directory")]
    NoEntry,
    /// The worker's memory limit or the limit of nodes is reached.
    #[error("no space left")]
    InsufficientSpace,
    /// The host cannot allocate memory that the worker's limit allows. It is not an answer for the guest, because a
    /// replay on another host would not get it.
    #[error("the host has no memory for the file")]
    HostMemory,
    /// The node is not a directory, and the operation needs one.
    #[error("it is not a directory")]
    NotDirectory,
    /// The directory has entries.
    #[error("the directory is not empty")]
    NotEmpty,
    /// The path leads out of the directory, or the operation is never allowed.
    #[error("the operation is not permitted")]
    NotPermitted,
}
