//! Why an operation on files was refused.

/// Why an operation on files was refused: the codes of `wasi:filesystem` that a [`Vfs`](super::Vfs) has a use for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// The descriptor does not allow this.
    #[error("bad descriptor")]
    BadDescriptor,
    /// `.` or `..` was to be renamed.
    #[error("the directory is in use")]
    Busy,
    /// There is something of that name.
    #[error("it exists already")]
    Exist,
    /// The argument makes no sense here.
    #[error("invalid argument")]
    Invalid,
    /// It is a directory, and must not be.
    #[error("it is a directory")]
    IsDirectory,
    /// Too many symbolic links, or one that must not be followed.
    #[error("too many levels of symbolic links")]
    Loop,
    /// A name, or the whole path, is too long.
    #[error("the name is too long")]
    NameTooLong,
    /// There is nothing of that name.
    #[error("no such file or directory")]
    NoEntry,
    /// The worker's memory limit, or the limit of nodes, is reached.
    #[error("no space left")]
    InsufficientSpace,
    /// The host has no memory for what the worker may have. No answer for a guest: a replay elsewhere would not get it.
    #[error("the host has no memory for the file")]
    HostMemory,
    /// It is no directory, and must be.
    #[error("it is not a directory")]
    NotDirectory,
    /// The directory has entries.
    #[error("the directory is not empty")]
    NotEmpty,
    /// The path leads out of the directory, or the operation is never allowed.
    #[error("the operation is not permitted")]
    NotPermitted,
}
