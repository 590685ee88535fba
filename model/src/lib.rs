//! The vocabulary that all crates of Golem share: ids, accounts, templates, workers, values, limits, and oplog records
//! with their encoding.
//!
//! Architecture invariant: this crate does no I/O, has no async code, and does not depend on
//! wasmtime, HTTP or SQL (suite `tidy`). It builds for the host and for WebAssembly. It depends on
//! no other crate of the workspace.

pub mod account;
pub mod blobstore;
pub mod call;
mod excerpt;
pub mod id;
pub mod invocation;
pub mod keyvalue;
pub mod limits;
pub mod oplog;
pub mod promise;
pub mod retry;
pub mod shard;
pub mod shared;
pub mod template;
pub mod time;
pub mod value;
pub mod worker;

pub use account::{
    Account, ActionSet, Grant, Invitation, MonthlyUsage, Policy, Project, ProjectAction, Role, RoleError,
    Token,
};
pub use excerpt::excerpt;
pub use id::{AccountId, GrantId, PolicyId, ProjectId, TemplateId, TokenId, WorkerId, WorkerName};
pub use invocation::{Convention, IdempotencyKey, Invocation};
pub use oplog::{Entry, InboxEvent, OplogIndex};
pub use promise::PromiseId;
pub use retry::RetryPolicy;
pub use shard::{Epoch, ShardId};
pub use template::{Export, Function, TemplateVersion};
pub use time::Timestamp;
pub use value::{Type, Value};
pub use worker::{FailureOptions, OnFailure, WorkerStatus};
