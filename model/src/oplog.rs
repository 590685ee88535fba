//! The oplog: the log of a worker.
//!
//! It has two kinds of records, which are durable in the same store and the same commits:
//!
//! - *Entries* ([`Entry`]) record what the worker did and how its invocations ended. The worker's
//!   current activation or the executor writes them, and replay reads them. They have an
//!   [`OplogIndex`], without gaps.
//! - *Inbox events* ([`InboxEvent`]) record events from outside: an accepted invocation, a completed promise, an
//!   interrupt. The scheduler reads them. They have no index; the store defines their order.
//!
//! docs/oplog-format.md specifies the encoding.

pub mod call_event;
pub mod codec;
mod entry;
mod index;
mod invocations;
mod lifecycle;
mod process_event;
mod readings;
pub mod wire;

pub use call_event::{CallEvent, ReplyTo};
pub use entry::{
    Entry, FailureCause, HostCall, HostCallRequest, HostFunction, InboxEvent, InvocationSource, RevertReason,
    Suspension,
};
pub use index::OplogIndex;
pub use lifecycle::{
    AdminRequest, FILE_CONFLICTS_BYTES_MAX, FileConflicts, LifecycleEvent, SavedState, SnapshotImage,
    UpdateMode,
};
pub use process_event::ProcessEvent;
pub use readings::{ClockKind, ClockReadings, CountedReadings};
