//! The oplog: what a worker did and what arrived for it.
//!
//! A worker's log has two kinds of records. *Entries* are written by the worker's current activation; they
//! have an [`OplogIndex`], from 1 and without gaps, and replay reads them. *Arrivals* come from outside (an
//! accepted invocation, a completed promise, an interrupt); they have no index, their order is the store's,
//! and scheduling reads them. Both are durable in the same store and the same commits.
//!
//! docs/oplog-format.md gives the bytes.

pub mod calls;
pub mod codec;
mod entry;
mod index;
mod invoked;
mod lifecycle;
pub mod wire;

pub use entry::{
    Call, Entry, FailureCause, HostFunction, InboxEvent, InvocationSource, Parked, Request, RevertReason,
};
pub use index::OplogIndex;
pub use lifecycle::{AdminRequest, Image, LifecycleEvent, SavedState, UpdateMode};
