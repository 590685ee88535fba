//! The kinds of records in an oplog. The compiler lists every place that must decide when one is added.

use super::CallEvent;
use super::{AdminRequest, LifecycleEvent, OplogIndex, wire::DecodeError};
use crate::invocation::Convention;
use crate::{AccountId, FailureOptions, IdempotencyKey, ProjectId, PromiseId, Timestamp, Value, WorkerId};
use std::fmt;
use std::sync::Arc;

/// What a worker did. Written by its activation, read by replay.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// Always index 1, and nowhere else: everything that is fixed when a worker is made.
    Created {
        /// When.
        at: Timestamp,
        /// The worker: rows name it by number only, so this is where recovery learns who that is.
        id: WorkerId,
        /// The project whose template it runs and whose buckets it sees.
        project: ProjectId,
        /// The account that asked for it.
        account: AccountId,
        /// The template version it runs.
        template_version: u32,
        /// Command-line arguments that the guest sees.
        args: Vec<String>,
        /// Environment that the guest sees, in the order given.
        env: Vec<(String, String)>,
        /// Seed of all its randomness.
        seed: [u8; 32],
    },
    /// Hint: the worker was loaded by another engine than the one before (crate version and settings).
    Activated {
        /// When.
        at: Timestamp,
        /// The engine's fingerprint.
        engine: String,
    },
    /// An invocation begins. Everything up to `InvocationCompleted` or `InvocationFailed` belongs to it.
    InvocationStarted {
        /// When.
        at: Timestamp,
        /// Names it.
        key: IdempotencyKey,
        /// Where function and parameters are.
        source: InvocationSource,
    },
    /// A durable host call and its answer.
    HostCall {
        /// What was called, with what.
        call: Call,
        /// The answer's bytes, in the form that the call's interface defines.
        response: Vec<u8>,
    },
    /// The invocation returned.
    InvocationCompleted {
        /// When.
        at: Timestamp,
        /// What it returned, if its function has a result.
        result: Option<Value>,
    },
    /// Hint: an attempt failed. What was recorded before it stays; the next attempt replays that.
    AttemptFailed {
        /// When.
        at: Timestamp,
        /// What went wrong.
        details: String,
        /// When the next attempt begins.
        retry_at: Timestamp,
    },
    /// The invocation failed for good, and the worker with it.
    InvocationFailed {
        /// When.
        at: Timestamp,
        /// Why.
        cause: FailureCause,
    },
    /// Hint: the worker left memory in the middle of an invocation, to wait.
    Parked(Parked),
    /// A turning point between two invocations.
    LifecycleEvent(LifecycleEvent),
    /// Hint: the worker's program came to its end in the invocation that completed before this. The worker takes no
    /// more invocations.
    ProgramEnded {
        /// When.
        at: Timestamp,
    },
    /// Hint: what was chosen for the worker's failures at its creation. Follows `Created`, if anything was.
    Configured {
        /// When.
        at: Timestamp,
        /// The choices.
        options: FailureOptions,
    },
    /// The entries from `from` up to this one are not replayed any more: the worker is what it was before them.
    ///
    /// `from` is an entry of the invocation that has not ended, or of the one that failed last, or the beginning
    /// of an invocation. What those entries did outside the worker stays done; promises that they made are gone.
    Revert {
        /// When.
        at: Timestamp,
        /// The first entry that is set aside; not the first of the oplog.
        from: OplogIndex,
        /// Why.
        reason: RevertReason,
    },
}

/// Why entries were set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RevertReason {
    /// An atomic region was open when the worker's instance was lost; its code runs again.
    Region,
    /// The guest went back to a position that it had kept.
    Jump,
    /// A person discarded an invocation that failed or stood still.
    Recovered,
    /// An invocation failed for good, and the worker was made to go on without it.
    RolledBack,
    /// A person took the worker back to an earlier position.
    Reverted,
}

/// Where an invocation's function and parameters are.
#[derive(Debug, Clone, PartialEq)]
pub enum InvocationSource {
    /// Here: nobody was told of the invocation before it began ("lazy accept").
    Inline {
        /// The function's full name.
        function: Arc<str>,
        /// Its parameters.
        params: Vec<Value>,
    },
    /// Here: a function that is called as a program.
    Program {
        /// The function's full name.
        function: Arc<str>,
        /// How it reads and answers; never [`Convention::Component`].
        convention: Convention,
        /// What it reads from standard input.
        input: String,
    },
    /// In the arrival at this position of the store, which was acknowledged before.
    Queued {
        /// Position of the [`InboxEvent::Invocation`] or [`InboxEvent::Program`].
        arrival: u64,
    },
}

/// Why a worker left memory, and what brings it back: whichever comes first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// When it left.
    pub at: Timestamp,
    /// Its monotonic clock at that time, in nanoseconds; goes on from there when it is back.
    pub monotonic_nanos: u64,
    /// The time to wake it.
    pub wake_at: Option<Timestamp>,
    /// Promises any of which wakes it.
    pub promises: Vec<PromiseId>,
}

/// Why an invocation failed for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FailureCause {
    /// The guest trapped and no attempt is left.
    Trap {
        /// The trap and the guest's stack.
        details: String,
    },
    /// The guest called `exit`. 0 is success to the program, but the worker is over all the same.
    Exited {
        /// The exit code.
        code: u8,
    },
    /// The same, with what the program had written to standard error last.
    ExitedWithStderr {
        /// The exit code.
        code: u8,
        /// The end of standard error.
        stderr: String,
    },
    /// Replay asked for another call than the log holds.
    Diverged {
        /// The entry at which they part.
        index: OplogIndex,
        /// The recorded call.
        recorded: String,
        /// The call that replay asked for.
        requested: String,
    },
    /// A person discarded it before it had come to an end.
    Discarded {
        /// What it stood at: the error of its last attempt, or that it was stopped.
        details: String,
    },
}

/// A host call as recorded: which function, with what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The function.
    pub function: HostFunction,
    /// Its request.
    pub request: Request,
}

/// The request of a host call: whole, or by its digest where it is long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// All its bytes.
    Inline(Vec<u8>),
    /// Length and BLAKE3 of its bytes.
    Digest {
        /// Length in bytes.
        length: u64,
        /// BLAKE3.
        hash: [u8; 32],
    },
}

impl Request {
    /// Keeps `bytes` if they are short, else their digest.
    pub fn new(bytes: Vec<u8>) -> Self {
        if bytes.len() <= crate::limits::HOST_CALL_REQUEST_BYTES_INLINE_MAX {
            Self::Inline(bytes)
        } else {
            Self::Digest { length: bytes.len() as u64, hash: *blake3::hash(&bytes).as_bytes() }
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.function)?;
        match &self.request {
            Request::Inline(bytes) if bytes.is_empty() => write!(f, "()"),
            Request::Inline(bytes) => write!(f, "({})", Escaped(bytes)),
            Request::Digest { length, hash } => {
                write!(f, "({length} bytes, blake3 {})", blake3::Hash::from_bytes(*hash).to_hex())
            }
        }
    }
}

/// Prints bytes as ASCII where they are, as `\x..` where they are not.
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
        /// The host functions whose calls are journaled. A code once given is never given again.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum HostFunction {
            $($(#[$doc])* $name = $code,)*
        }

        impl HostFunction {
            /// Its code in the oplog.
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

            /// Interface and function as WIT writes them.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

host_functions! {
    /// Seconds and nanoseconds of the wall clock.
    WallClockNow = 1, "wasi:clocks/wall-clock#now";
    /// Nanoseconds of the monotonic clock.
    MonotonicClockNow = 2, "wasi:clocks/monotonic-clock#now";
    /// Which pollables were ready.
    Poll = 3, "wasi:io/poll#poll";
    /// The entry's own index is the new promise's.
    PromiseCreate = 16, "golem:api/host#golem-create-promise";
    /// The promise's bytes.
    PromiseAwait = 17, "golem:api/host#golem-await-promise";
    /// Whether this call filled it.
    PromiseComplete = 18, "golem:api/host#golem-complete-promise";
    /// Nothing.
    PromiseDelete = 19, "golem:api/host#golem-delete-promise";
    /// The promise's bytes, if it is filled.
    PromiseGet = 20, "golem:durability/promises#get";
    /// The worker's oplog position.
    PositionGet = 21, "golem:durability/position#get";
    /// A fresh idempotency key.
    KeyNext = 22, "golem:durability/keys#next";
    /// What is known of a worker, if it exists.
    WorkerMetadata = 23, "golem:durability/worker#metadata";
    /// A page of workers.
    WorkerList = 24, "golem:durability/worker#list";
    /// That an HTTP request is about to leave, or is refused.
    HttpSend = 96, "wasi:http/outgoing-handler#handle";
    /// The response to an HTTP request, or that there is none yet.
    HttpResponse = 97, "wasi:http/types#future-incoming-response.get";
    /// The next bytes of a response's body.
    HttpBodyRead = 98, "wasi:http/types#incoming-body read";
    /// The fields after a response's body.
    HttpTrailers = 99, "wasi:http/types#future-trailers.get";
    /// Whether another worker has taken in a call whose answer is wanted. The entry's own index is the call's.
    CallMake = 128, "a client interface#call";
    /// A call's answer.
    CallAwait = 129, "a client interface#await";
    /// Whether another worker has taken in a call whose answer nobody wants.
    CallSend = 130, "a client interface#send";
    /// A call's answer, if it is there.
    CallFinish = 131, "a client interface#finish";
    /// Whether a call was over, taken back or given up.
    CallCancel = 132, "golem:durability/calls#cancel";
    /// What a key of a bucket holds.
    KeyValueGet = 32, "wasi:keyvalue#get";
    /// What several keys of a bucket hold, at one moment.
    KeyValueGetMany = 33, "wasi:keyvalue#get-many";
    /// Whether a key of a bucket is there.
    KeyValueExists = 34, "wasi:keyvalue#exists";
    /// Keys of a bucket.
    KeyValueKeys = 35, "wasi:keyvalue#list-keys";
    /// What setting values came to.
    KeyValueSet = 36, "wasi:keyvalue#set";
    /// What deleting keys came to.
    KeyValueDelete = 37, "wasi:keyvalue#delete";
    /// The sum.
    KeyValueIncrement = 38, "wasi:keyvalue#increment";
    /// Whether a number was exchanged.
    KeyValueCompareAndSwap = 39, "wasi:keyvalue#compare-and-swap";
    /// What a key of a bucket holds, and the write it comes from.
    KeyValueWatch = 40, "wasi:keyvalue#cas";
    /// Whether a value was exchanged.
    KeyValueSwap = 41, "wasi:keyvalue#swap";
    /// The entry's own index is the region's.
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
    /// Whether a container was made.
    BlobContainerCreate = 64, "wasi:blobstore/blobstore#create-container";
    /// When a container was made, if it is there.
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
    /// When an object was written, and its size, if it is there.
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

/// What arrived for a worker from outside.
#[derive(Debug, Clone, PartialEq)]
pub enum InboxEvent {
    /// An invocation that was acknowledged and waits for its turn.
    Invocation {
        /// When.
        at: Timestamp,
        /// Names it.
        key: IdempotencyKey,
        /// The function's full name.
        function: Arc<str>,
        /// Its parameters.
        params: Vec<Value>,
    },
    /// The same, of a function that is called as a program.
    Program {
        /// When.
        at: Timestamp,
        /// Names it.
        key: IdempotencyKey,
        /// The function's full name.
        function: Arc<str>,
        /// How it reads and answers; never [`Convention::Component`].
        convention: Convention,
        /// What it reads from standard input.
        input: String,
    },
    /// One of the worker's promises was completed.
    PromiseCompleted {
        /// When.
        at: Timestamp,
        /// The promise.
        promise: OplogIndex,
        /// Its bytes.
        data: Vec<u8>,
    },
    /// One of the worker's promises was deleted.
    PromiseDeleted {
        /// When.
        at: Timestamp,
        /// The promise.
        promise: OplogIndex,
    },
    /// A person stopped the worker.
    Interrupted {
        /// When.
        at: Timestamp,
    },
    /// A person let it go on.
    Resumed {
        /// When.
        at: Timestamp,
    },
    /// The worker is gone; what it wrote is removed later.
    Deleted {
        /// When.
        at: Timestamp,
    },
    /// An operator asked for something.
    Admin(AdminRequest),
    /// A step of a call between workers.
    Call(CallEvent),
}
