//! Runs one durable worker on wasmtime.
//!
//! [`Engine`] compiles components. A [`Component`] knows its exports. An [`Instance`] is one activation of a worker: it
//! is created from the worker's oplog (all of it, or the entries after a snapshot), replays it, and then runs
//! invocations one at a time. Inside, `imports` has a thin file for each WIT interface, implemented for views of the
//! worker's `state`, `durable` is the door through which imports reach everything whose answer could differ in a replay,
//! and `objects` holds the host objects behind the guest's handles.
//!
//! Architecture invariant: this is the only crate that depends on wasmtime (suite `tidy`). It has
//! no clock, disk or network of its own, except for the folder of compiled code; everything else
//! from outside comes through [`ports`].

mod bindings;
mod cache;
mod checks;
mod clients;
mod component;
mod durable;
mod engine;
mod error;
mod event_loop;
mod file_history;
mod files;
mod imports;
mod incoming;
mod interrupt_handle;
mod invoke;
mod limits;
mod objects;
pub mod ports;
mod preview1;
mod program;
mod snapshot;
mod state;
mod trap;
mod types;
mod value;
mod vfs;
mod worker;

pub use clients::{CallForm, ClientFunction, ClientInterface};
pub use component::{Component, ComponentError};
pub use durable::{History, HistoryScan};
pub use engine::{Engine, EngineConfig, EngineError};
pub use error::{Outcome, ReplayEnd, StopReason};
pub use file_history::{FileHistory, FileMerge, FileUpdate};
pub use files::{Files, FilesBuilder, FilesError};
pub use incoming::{HttpReply, INCOMING_HTTP, IncomingRequest, find_http_handler, is_http_handler};
pub use interrupt_handle::InterruptHandle;
pub use snapshot::{SnapshotBase, SnapshotError, image_owner};
pub use types::TypeLimit;
pub use worker::{AcceptanceRecord, Instance, ReloadTarget, WorkerInit};
