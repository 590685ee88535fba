//! The REST contract of Golem: what goes over the wire, a file per resource.
//!
//! | module | resource |
//! |---|---|
//! | [`template`] | uploaded components, their versions and exports |
//! | [`worker`] | workers, invocations, promises |
//! | [`oplog`] | what a worker did, and what waits for it |
//! | [`update`] | moving a worker to another template version |
//! | [`connect`] | the frames of a worker's log stream |
//! | [`error`] | error bodies and [`GolemError`] |
//! | [`account`], [`project`], [`policy`], [`grant`], [`token`], [`login`], [`limits`] | who may do what, and how much of it |
//! | [`info`] | health and version |
//! | `client` | a client for all of it (feature `client`) |
//!
//! The shapes are those of the hosted service of 2023. Invariant: what we send parses in the clients published
//! then; what we accept is that and every other spelling those clients, their documentation and their successors
//! used. A field name that says `component` or `instance` is such a spelling: the words here are template and worker.
//!
//! Architecture invariant: no server here, and nothing stored. Stored types are in `golem-model`; each resource
//! says how it is made from them.

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
