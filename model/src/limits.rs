//! Every bound of the system that is not a setting: its name, its unit, why that value, what happens at it.

/// Bytes of one promise's data. More is refused: the bytes travel through oplog and memory as one piece.
pub const PROMISE_DATA_BYTES_MAX: usize = 4 << 20;

/// Bytes of one encoded oplog entry. An invocation whose parameters or result need more fails with an error that
/// says so; SQLite and memory would bear more, replies and replay would not.
pub const ENTRY_BYTES_MAX: usize = 64 << 20;

/// Entries that an activation may buffer before it hands them to the store: bounds what a crash makes it redo.
pub const ENTRIES_BUFFERED_MAX: usize = 128;

/// Bytes of the parameters, and of the result, of a call between workers. A call with more is refused with
/// `rpc-error.invalid`: the bytes travel through two oplogs as one piece.
pub const CALL_BYTES_MAX: usize = 16 << 20;

/// Calls of other workers that one worker may have started and not finished; one more fails the invocation. Such a worker
/// keeps a record of each in memory, and so does the server.
pub const CALLS_OPEN_MAX: usize = 10_000;

/// Invocations that may wait for one worker; the next caller is refused with 429 and may come again.
pub const INVOCATIONS_PENDING_MAX: usize = 1_000;

/// Depth of a typed value. Deeper JSON is refused before it can exhaust a stack.
pub const VALUE_DEPTH_MAX: usize = 128;

/// Encoded requests of host calls up to this size are stored whole, so that a divergence can show both calls;
/// longer ones as length and BLAKE3.
pub const HOST_CALL_REQUEST_BYTES_INLINE_MAX: usize = 256;

/// Log events kept in memory for each worker; who connects sees them first (reference §2.8.4).
pub const LOG_EVENTS_KEPT: usize = 128;
