//! The REST contract of Golem: requests, responses and errors, with a file per resource.
//!
//! | module | resource |
//! |---|---|
//! | [`template`] | uploaded components, their versions and exports |
//! | [`worker`] | workers, invocations, promises |
//! | [`oplog`] | a worker's oplog and its queue |
//! | [`update`] | updates of a worker to another template version |
//! | [`connect`] | the frames of a worker's log stream |
//! | [`error`] | error bodies and [`GolemError`] |
//! | [`account`], [`project`], [`policy`], [`grant`], [`token`], [`login`], [`limits`] | identity and limits |
//! | [`info`] | health and version |
//! | `client` | a client for the whole contract (feature `client`) |
//!
//! The JSON shapes are those of the hosted service of 2023. Field names with `component` or `instance` are spellings of
//! that service; the terms of this code are template and worker.
//!
//! Invariant: the clients published in 2023 can parse every response.
//!
//! Invariant: requests are accepted in every spelling that those clients, their documentation and their successors
//! used. The tests in `tests/shapes.rs` check both.
//!
//! Architecture invariant: this crate contains no server and no stored type. Stored types are in `golem-model`; each
//! resource defines the conversion from them.

#![warn(missing_docs)]

pub mod account;
#[cfg(feature = "client")]
pub mod client;
mod compat;
pub mod connect;
pub mod error;
pub mod grant;
pub mod info;
pub mod limits;
pub mod login;
pub mod oplog;
pub mod policy;
pub mod project;
pub mod template;
pub mod token;
pub mod update;
pub mod worker;

pub use error::{ErrorBody, GolemError};
