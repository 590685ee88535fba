//! The core of the API gateway: from a definition and a request to an invocation, and from its result to a response.
//!
//! Architecture invariant: this crate does no I/O, has no clock, no randomness and no async code, and depends on
//! `golem-model` and on libraries for data only (suite `tidy`). The listener, the store and the REST API of the gateway
//! are in `runtime`.
//!
//! Invariant: no definition and no request causes a panic. The time and memory of each function are bounded by
//! [`limits`].

#![warn(missing_docs)]
#![allow(
    clippy::result_large_err,
    reason = "an error is built once for a request or an upload, and its fields are text"
)]

pub mod definition;
pub mod exchange;
pub mod expr;
pub mod limits;
pub mod openapi;
pub mod route;
#[cfg(test)]
mod testing;
