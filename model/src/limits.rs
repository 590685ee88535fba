//! Limits that several crates share and that no setting changes. The comment of a limit names its
//! unit and what happens when it is reached.

/// Bytes of one promise's data. Larger data is rejected: memory and the oplog hold it as one piece.
pub const PROMISE_DATA_BYTES_MAX: usize = 4 << 20;

/// Bytes of one encoded oplog entry. An invocation whose parameters or result need more fails with an error that says
/// so. SQLite and memory would allow larger entries; replies and replay would not.
pub const ENTRY_BYTES_MAX: usize = 64 << 20;

/// Entries that an activation may buffer before it passes them to the store. Bounds the work repeated after a crash.
pub const ENTRIES_BUFFERED_MAX: usize = 128;

/// Bytes of the parameters, and of the result, of a call between workers. A larger call fails with `rpc-error.invalid`:
/// two oplogs hold the bytes as one piece.
pub const CALL_BYTES_MAX: usize = 16 << 20;

/// Unfinished calls that one worker may have made to other workers. One more fails the invocation. The worker's
/// instance and the server each keep a record of every such call in memory.
pub const CALLS_OPEN_MAX: usize = 10_000;

/// Pending invocations of one worker. The next request gets status 429 and may be retried.
pub const INVOCATIONS_PENDING_MAX: usize = 1_000;

/// Pending lines of one event loop, the capacity of 2023. The next request gets status 429 and may be retried.
pub const LINES_PENDING_MAX: usize = 128;

/// Nesting depth of a typed value. Deeper JSON is rejected before it can exhaust the stack.
pub const VALUE_DEPTH_MAX: usize = 128;

/// Types and names that a component's exports may have, each counted at every place that uses it. A larger component is
/// refused at upload. A component of ten kilobytes can have types with a billion uses, and JSON spells out each of them:
/// this limit keeps a template's metadata below six megabytes. The same limit holds for its client interfaces.
pub const COMPONENT_TYPES_MAX: usize = 100_000;

/// Bytes of these names, each counted at every place that uses it. A component with more is refused at upload.
pub const COMPONENT_NAME_BYTES_MAX: usize = 1 << 20;

/// Nesting depth of a type of an exported function. A component with a deeper type is refused at upload: three levels of
/// JSON describe one level of a type, and JSON readers accept 128.
pub const TYPE_DEPTH_MAX: usize = 32;

/// Bytes of a component's producers sections, which name the tools that built it. A component with more is refused at
/// upload: they are a part of the template's metadata.
pub const PRODUCERS_BYTES_MAX: usize = 256 << 10;

/// Bytes that reading JSON may add to a value for record fields that the JSON leaves out. JSON with more such fields is
/// rejected: a record of a thousand optional fields is written as two characters.
pub const JSON_OMITTED_BYTES_MAX: usize = 64 << 20;

/// Bytes of an encoded host call request that is stored whole, so that a divergence can show both calls. A longer
/// request is stored as length and BLAKE3.
pub const HOST_CALL_REQUEST_BYTES_INLINE_MAX: usize = 256;

/// Log events kept in memory for each worker; older ones are dropped. A new log stream begins with
/// them (reference §2.8.4).
pub const LOG_EVENTS_KEPT: usize = 128;

/// Bytes of the text of one log event. A longer line of `wasi:logging` is cut; longer output becomes several events.
pub const LOG_EVENT_BYTES_MAX: usize = 64 << 10;

/// Bytes of a bucket's name. A longer name fails with an error of the interface.
pub const KEY_VALUE_BUCKET_BYTES_MAX: usize = 255;

/// Bytes of a key. A longer key is rejected: keys are indexed, and are listed in whole pages.
pub const KEY_VALUE_KEY_BYTES_MAX: usize = 1_024;

/// Bytes of a value. A larger value is rejected: memory, transaction and oplog hold it as one piece.
pub const KEY_VALUE_VALUE_BYTES_MAX: usize = 10 << 20;

/// Keys in one call. More keys are rejected: the ledger handles all keys of a call under one lock.
pub const KEY_VALUE_CALL_KEYS_MAX: usize = 10_000;

/// Bytes of keys and values that one call may write or read. More bytes are rejected. Half of [`ENTRY_BYTES_MAX`],
/// because the response to a read is one entry.
pub const KEY_VALUE_CALL_BYTES_MAX: usize = 32 << 20;

/// Keys that one call may return for a request of all keys of a bucket. For a bucket with more keys the call fails, and
/// the guest must read the keys in pages.
pub const KEY_VALUE_ALL_KEYS_MAX: usize = 100_000;

/// Keys in one page of a bucket's keys; more keys are on the next page.
pub const KEY_VALUE_PAGE_KEYS: usize = 1_000;

/// Bytes of an HTTP body that a worker writes: the body of an outgoing request, or of a response. The host keeps the
/// whole body in memory and hashes or records it as one piece. The write that exceeds the limit fails with an error
/// that says so.
pub const HTTP_BODY_BYTES_MAX: usize = 8 << 20;
