//! The kinds of records in an oplog.
//!
//! Code that reads records matches every variant. When a variant is added, the compiler reports each match that needs a
//! decision.

use super::{AdminRequest, LifecycleEvent, OplogIndex, wire::DecodeError};
use super::{CallEvent, ClockReadings, ProcessEvent};
use crate::invocation::Convention;
use crate::{AccountId, FailureOptions, IdempotencyKey, ProjectId, PromiseId, Timestamp, Value, WorkerId};
use std::fmt;
use std::sync::Arc;

/// A record of what a worker did or how its invocation ended. The worker's activation or the
/// executor writes it, and replay reads it.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// The first entry of a worker: everything that is fixed at its creation. No other entry is of this kind.
    Created {
        /// Time of the entry.
        at: Timestamp,
        /// The worker's id. Rows contain only the worker's number; recovery gets the id from this entry.
        id: WorkerId,
        /// The project whose template it runs and whose buckets it sees.
        project: ProjectId,
        /// The owner account of the project at that time.
        account: AccountId,
        /// The template version that it runs until an update.
        template_version: u32,
        /// Command-line arguments that the guest sees.
        args: Vec<String>,
        /// Environment that the guest sees, in the order given.
        env: Vec<(String, String)>,
        /// Seed of all its randomness.
        seed: [u8; 32],
    },
    /// Hint: the worker was loaded by another engine (crate version and settings) than before.
    Activated {
        /// Time of the entry.
        at: Timestamp,
        /// The engine's fingerprint.
        engine: String,
    },
    /// An invocation starts. The entries up to `InvocationCompleted` or `InvocationFailed` belong to it.
    InvocationStarted {
        /// Time of the entry.
        at: Timestamp,
        /// The key of the invocation.
        key: IdempotencyKey,
        /// The function and parameters, or where they are stored.
        source: InvocationSource,
    },
    /// A durable host call and its response.
    HostCall {
        /// The called function and its request.
        call: HostCall,
        /// The encoded response. The implementation of the function defines the encoding.
        response: Vec<u8>,
    },
    /// Several readings of the clocks. A single one is a `HostCall`.
    ClockReadings(ClockReadings),
    /// The invocation returned.
    InvocationCompleted {
        /// Time of the entry.
        at: Timestamp,
        /// The returned value, if the function has a result.
        result: Option<Value>,
    },
    /// Hint: an attempt failed. The entries before it stay valid, and the next attempt replays them.
    AttemptFailed {
        /// Time of the entry.
        at: Timestamp,
        /// The error.
        details: String,
        /// When the next attempt starts.
        retry_at: Timestamp,
    },
    /// The invocation failed permanently. The worker fails with it, unless a `Revert` of the
    /// invocation follows.
    InvocationFailed {
        /// Time of the entry.
        at: Timestamp,
        /// The cause of the failure.
        cause: FailureCause,
    },
    /// Hint: the worker was suspended in the middle of an invocation, to wait.
    Suspended(Suspension),
    /// A snapshot or an update between two invocations.
    LifecycleEvent(LifecycleEvent),
    /// Hint: the worker's program ended in the invocation that completed before this entry. The worker accepts no more
    /// invocations.
    ProgramEnded {
        /// Time of the entry.
        at: Timestamp,
    },
    /// Hint: the failure options that were set at the worker's creation. It follows `Created` if an option was set.
    Configured {
        /// Time of the entry.
        at: Timestamp,
        /// The options.
        options: FailureOptions,
    },
    /// The entries from `from` up to this one are reverted: replay skips them, and the worker has the state before
    /// them.
    ///
    /// `from` is an entry of the current invocation, an entry of the invocation that failed last, or the first entry
    /// of an invocation. Effects of the reverted entries outside the worker stay. Promises that they created are
    /// deleted.
    Revert {
        /// Time of the entry.
        at: Timestamp,
        /// The first reverted entry. It is not the first entry of the oplog.
        from: OplogIndex,
        /// The cause of the revert.
        reason: RevertReason,
    },
}

/// The cause of a revert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RevertReason {
    /// An atomic region was open when the worker's instance was lost. Its code runs again.
    RegionRetry,
    /// The guest jumped back to an earlier position.
    Jump,
    /// An operator discarded an invocation that had failed or was stuck.
    OperatorRecovery,
    /// An invocation failed permanently, and the worker continues without it
    /// ([`OnFailure::Rollback`](crate::OnFailure::Rollback)).
    FailureRollback,
    /// An operator reverted the worker to an earlier position. Reserved: the server does not write it yet.
    OperatorRevert,
}

/// The function and parameters of an invocation, or where they are stored.
#[derive(Debug, Clone, PartialEq)]
pub enum InvocationSource {
    /// In this entry. The invocation was not acknowledged before it started ("lazy accept").
    Inline {
        /// The function's full name.
        function: Arc<str>,
        /// Its parameters.
        params: Vec<Value>,
    },
    /// In this entry: a function that is called as a program.
    Program {
        /// The function's full name.
        function: Arc<str>,
        /// How the function reads input and returns the result; not [`Convention::Component`].
        convention: Convention,
        /// The text of standard input.
        input: String,
    },
    /// In an inbox event, which was acknowledged before.
    Queued {
        /// The store position of the inbox event: an [`InboxEvent::Invocation`], an [`InboxEvent::Program`] or a
        /// [`CallEvent::Queued`].
        row: u64,
    },
}

/// A suspension of a worker. The worker resumes at `wake_at`, or when one of the promises is completed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspension {
    /// Time of the suspension.
    pub at: Timestamp,
    /// The worker's monotonic clock at that time, in nanoseconds. After the resumption it continues
    /// from there, advanced by the time that has passed.
    pub monotonic_nanos: u64,
    /// The latest time to resume the worker, if there is one.
    pub wake_at: Option<Timestamp>,
    /// Promises whose completion resumes the worker. A call that the worker waits for is also named as a promise.
    pub promises: Vec<PromiseId>,
}

/// Why an invocation failed permanently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FailureCause {
    /// The guest trapped and no attempt is left.
    Trap {
        /// The trap with the stack of the guest.
        details: String,
    },
    /// The guest called `exit`. An exit is terminal for the worker, even with code 0.
    Exited {
        /// The exit code.
        code: u8,
    },
    /// The guest called `exit` and had written to standard error.
    ExitedWithStderr {
        /// The exit code.
        code: u8,
        /// The end of standard error.
        stderr: String,
    },
    /// The guest requested another call during replay than the oplog has recorded.
    Diverged {
        /// The entry of the recorded call.
        index: OplogIndex,
        /// The recorded call.
        recorded: String,
        /// The requested call.
        requested: String,
    },
    /// The process of the server ended while the invocation ran, as often as the setting allows.
    ProcessEnded {
        /// How often it ended without progress of the worker in between.
        times: u32,
    },
    /// An operator discarded the invocation before it ended.
    Discarded {
        /// The error of the last attempt, or that the worker was interrupted.
        details: String,
    },
}

/// A recorded host call: the function and its request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostCall {
    /// The function.
    pub function: HostFunction,
    /// Its request.
    pub request: HostCallRequest,
}

/// The encoded request of a host call. A long one is represented by its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostCallRequest {
    /// All bytes of the request.
    Inline(Vec<u8>),
    /// Length and BLAKE3 of the request.
    Digest {
        /// Length in bytes.
        length: u64,
        /// BLAKE3.
        hash: [u8; 32],
    },
}

impl HostCallRequest {
    /// The request with these bytes, or their digest if they exceed
    /// [`HOST_CALL_REQUEST_BYTES_INLINE_MAX`](crate::limits::HOST_CALL_REQUEST_BYTES_INLINE_MAX).
    pub fn new(bytes: Vec<u8>) -> Self {
        if bytes.len() <= crate::limits::HOST_CALL_REQUEST_BYTES_INLINE_MAX {
            Self::Inline(bytes)
        } else {
            Self::Digest { length: bytes.len() as u64, hash: *blake3::hash(&bytes).as_bytes() }
        }
    }
}

impl fmt::Display for HostCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.function)?;
        match &self.request {
            HostCallRequest::Inline(bytes) if bytes.is_empty() => write!(f, "()"),
            HostCallRequest::Inline(bytes) => write!(f, "({})", Escaped(bytes)),
            HostCallRequest::Digest { length, hash } => {
                write!(f, "({length} bytes, blake3 {})", blake3::Hash::from_bytes(*hash).to_hex())
            }
        }
    }
}

/// Prints bytes: ASCII characters as they are, other bytes as `\x..`.
struct Escaped<'a>(&'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            write!(f, "{}", byte.escape_ascii())?;
        }
        Ok(())
    }
}

macro_rules! host_functions {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal;)*) => {
        /// The host functions whose calls are recorded. The comment of a variant names its response.
        ///
        /// Invariant: a code is never given to another function.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum HostFunction {
            $($(#[$doc])* $name = $code,)*
        }

        impl HostFunction {
            /// The code of the function in the oplog.
            pub const fn code(self) -> u16 {
                self as u16
            }

            /// The function with this code.
            pub fn from_code(code: u16) -> Result<Self, DecodeError> {
                match code {
                    $($code => Ok(Self::$name),)*
                    _ => Err(DecodeError::Invalid("a known host function: written by a newer version")),
                }
            }

            /// Interface and function, in WIT notation.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

host_functions! {
    /// Nanoseconds since the Unix epoch on the wall clock.
    WallClockNow = 1, "wasi:clocks/wall-clock#now";
    /// Nanoseconds of the monotonic clock.
    MonotonicClockNow = 2, "wasi:clocks/monotonic-clock#now";
    /// A reading of the monotonic clock, the ready pollables, and HTTP responses among them.
    Poll = 3, "wasi:io/poll#poll";
    /// Nothing. The index of the entry is that of the new promise.
    PromiseCreate = 16, "golem:api/host#golem-create-promise";
    /// The promise's bytes.
    PromiseAwait = 17, "golem:api/host#golem-await-promise";
    /// Whether this call completed the promise.
    PromiseComplete = 18, "golem:api/host#golem-complete-promise";
    /// Whether the promise existed.
    PromiseDelete = 19, "golem:api/host#golem-delete-promise";
    /// The promise's bytes, if it is completed.
    PromiseGet = 20, "golem:durability/promises#get";
    /// Nothing. The position is the index after the entry.
    PositionGet = 21, "golem:durability/position#get";
    /// Reserved: the host derives idempotency keys without an entry.
    KeyNext = 22, "golem:durability/keys#next";
    /// The metadata of a worker, if it exists.
    WorkerMetadata = 23, "golem:durability/worker#metadata";
    /// A page of workers.
    WorkerList = 24, "golem:durability/worker#list";
    /// Whether an HTTP request is about to be sent, or is refused.
    HttpSend = 96, "wasi:http/outgoing-handler#handle";
    /// The response to an HTTP request, or that there is none yet.
    HttpResponse = 97, "wasi:http/types#future-incoming-response.get";
    /// The next bytes of a response's body.
    HttpBodyRead = 98, "wasi:http/types#incoming-body read";
    /// How a response's body ended: its trailers or the failure, if it has ended.
    HttpTrailers = 99, "wasi:http/types#future-trailers.get";
    /// The receipt of a call whose answer the caller wants. The index of the entry is that of the call.
    CallMake = 128, "a client interface#call";
    /// A call's answer.
    CallAwait = 129, "a client interface#await";
    /// The receipt of a call without an answer.
    CallSend = 130, "a client interface#send";
    /// A call's answer, if it has arrived.
    CallFinish = 131, "a client interface#finish";
    /// Whether the call had ended, was cancelled before it started, or was abandoned while it ran.
    CallCancel = 132, "golem:durability/calls#cancel";
    /// The value of a key.
    KeyValueGet = 32, "wasi:keyvalue#get";
    /// The values of several keys, read at one moment.
    KeyValueGetMany = 33, "wasi:keyvalue#get-many";
    /// Whether a key exists.
    KeyValueExists = 34, "wasi:keyvalue#exists";
    /// Keys of a bucket.
    KeyValueKeys = 35, "wasi:keyvalue#list-keys";
    /// The outcome of setting values.
    KeyValueSet = 36, "wasi:keyvalue#set";
    /// The outcome of deleting keys.
    KeyValueDelete = 37, "wasi:keyvalue#delete";
    /// The sum.
    KeyValueIncrement = 38, "wasi:keyvalue#increment";
    /// Whether a number was replaced.
    KeyValueCompareAndSwap = 39, "wasi:keyvalue#compare-and-swap";
    /// The value and version of a key.
    KeyValueWatch = 40, "wasi:keyvalue#cas";
    /// Whether a value was replaced.
    KeyValueSwap = 41, "wasi:keyvalue#swap";
    /// Nothing. The index of the entry is that of the region.
    RegionBegin = 144, "golem:durability/region#begin";
    /// Nothing.
    RegionEnd = 145, "golem:durability/region#end";
    /// Nothing.
    PersistenceLevelSet = 146, "golem:durability/policy#set-persistence-level";
    /// The retry policy in force.
    RetryPolicyGet = 147, "golem:durability/policy#get-retry-policy";
    /// Nothing.
    RetryPolicySet = 148, "golem:durability/policy#set-retry-policy";
    /// Nothing.
    IdempotenceSet = 149, "golem:durability/policy#set-idempotence";
    /// Whether a container was created.
    BlobContainerCreate = 64, "wasi:blobstore/blobstore#create-container";
    /// When a container was created, if it exists.
    BlobContainerGet = 65, "wasi:blobstore/blobstore#get-container";
    /// Whether a container was removed.
    BlobContainerDelete = 66, "wasi:blobstore/blobstore#delete-container";
    /// Whether a container was emptied.
    BlobContainerClear = 67, "wasi:blobstore/container#clear";
    /// A part of an object.
    BlobObjectGet = 68, "wasi:blobstore/container#get-data";
    /// Whether an object was written.
    BlobObjectPut = 69, "wasi:blobstore/container#write-data";
    /// Whether objects were removed.
    BlobObjectsDelete = 70, "wasi:blobstore/container#delete-objects";
    /// When an object was written, and its size, if it exists.
    BlobObjectInfo = 71, "wasi:blobstore/container#object-info";
    /// Names of objects.
    BlobObjectsList = 72, "wasi:blobstore/container#list-objects";
    /// Whether an object was copied.
    BlobObjectCopy = 73, "wasi:blobstore/blobstore#copy-object";
    /// Whether an object was moved.
    BlobObjectMove = 74, "wasi:blobstore/blobstore#move-object";
}

impl fmt::Display for HostFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An event from outside for a worker.
#[derive(Debug, Clone, PartialEq)]
pub enum InboxEvent {
    /// An invocation was acknowledged and enqueued.
    Invocation {
        /// Time of the event.
        at: Timestamp,
        /// The key of the invocation.
        key: IdempotencyKey,
        /// The function's full name.
        function: Arc<str>,
        /// Its parameters.
        params: Vec<Value>,
    },
    /// An invocation of a function as a program was acknowledged and enqueued.
    Program {
        /// Time of the event.
        at: Timestamp,
        /// The key of the invocation.
        key: IdempotencyKey,
        /// The function's full name.
        function: Arc<str>,
        /// How the function reads input and returns the result; not [`Convention::Component`].
        convention: Convention,
        /// The text of standard input.
        input: String,
    },
    /// One of the worker's promises was completed.
    PromiseCompleted {
        /// Time of the event.
        at: Timestamp,
        /// The promise.
        promise: OplogIndex,
        /// Its bytes.
        data: Vec<u8>,
    },
    /// One of the worker's promises was deleted.
    PromiseDeleted {
        /// Time of the event.
        at: Timestamp,
        /// The promise.
        promise: OplogIndex,
    },
    /// An operator interrupted the worker.
    Interrupted {
        /// Time of the event.
        at: Timestamp,
    },
    /// An operator resumed the worker.
    Resumed {
        /// Time of the event.
        at: Timestamp,
    },
    /// The worker was deleted. Its rows are removed later.
    Deleted {
        /// Time of the event.
        at: Timestamp,
    },
    /// Another request of an operator.
    Admin(AdminRequest),
    /// A step of a call between workers.
    Call(CallEvent),
    /// An attempt that begins or ends with a process of the server.
    Process(ProcessEvent),
}
