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

/// Lines that may wait for one event loop (2023's capacity); the next caller is refused with 429 and may come again.
pub const LINES_PENDING_MAX: usize = 128;

/// Depth of a typed value. Deeper JSON is refused before it can exhaust a stack.
pub const VALUE_DEPTH_MAX: usize = 128;

/// Encoded requests of host calls up to this size are stored whole, so that a divergence can show both calls;
/// longer ones as length and BLAKE3.
pub const HOST_CALL_REQUEST_BYTES_INLINE_MAX: usize = 256;

/// Log events kept in memory for each worker; who connects sees them first (reference §2.8.4).
pub const LOG_EVENTS_KEPT: usize = 128;

/// Bytes of the name of a bucket; a longer one is refused by an error of the interface.
pub const KEY_VALUE_BUCKET_BYTES_MAX: usize = 255;

/// Bytes of a key; a longer one is refused. Keys are read whole pages at a time and lie in an index.
pub const KEY_VALUE_KEY_BYTES_MAX: usize = 1_024;

/// Bytes of a value; a larger one is refused. It travels through memory, transaction and oplog as one piece.
pub const KEY_VALUE_VALUE_BYTES_MAX: usize = 10 << 20;

/// Keys that one call may name; more are refused. The ledger takes them under one lock.
pub const KEY_VALUE_CALL_KEYS_MAX: usize = 10_000;

/// Bytes of keys and values that one call may write or read; more are refused. Half of [`ENTRY_BYTES_MAX`], because
/// the answer of a read is one entry.
pub const KEY_VALUE_CALL_BYTES_MAX: usize = 32 << 20;

/// Keys that one call may be given when it asks for all keys of a bucket; a bucket that has more is refused and must be
/// read in pages.
pub const KEY_VALUE_ALL_KEYS_MAX: usize = 100_000;

/// Keys in one page.
pub const KEY_VALUE_PAGE_KEYS: usize = 1_000;

/// Bytes of an HTTP body that a worker writes: that of a request it sends, or of a response it gives. It is held in
/// memory whole and hashed or recorded whole; the write beyond it fails, and the text says so.
pub const HTTP_BODY_BYTES_MAX: usize = 8 << 20;
