//! The oplog: what a worker did and what arrived for it.
//!
//! A worker's log has two kinds of records. *Entries* are written by the worker's current activation; they
//! have an [`OplogIndex`], from 1 and without gaps, and replay reads them. *Arrivals* come from outside (an
//! accepted invocation, a completed promise, an interrupt); they have no index, their order is the store's,
//! and scheduling reads them. Both are durable in the same store and the same commits.
//!
//! docs/oplog-format.md gives the bytes.

pub mod call_event;
pub mod codec;
mod entry;
mod index;
mod invocations;
mod lifecycle;
pub mod wire;

/// The former name of the module `call_event`; removed with the last use outside this crate.
pub use call_event as calls;
pub use call_event::{CallEvent, ReplyTo};
pub use entry::{
    Call, Entry, FailureCause, HostFunction, InboxEvent, InvocationSource, Parked, Request, RevertReason,
};
pub use index::OplogIndex;
pub use lifecycle::{AdminRequest, Image, LifecycleEvent, SavedState, UpdateMode};
