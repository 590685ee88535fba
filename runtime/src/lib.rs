//! The Golem server.
//!
//! `app` builds everything from `config` and joins it: `storage` keeps, `executor` runs workers, `catalog` has
//! templates, `identity` says who asks, `rest` serves all of it through `http`, `outbound` carries what workers send,
//! `metrics` counts. `serve` is the
//! command that runs a server until somebody stops it.
//!
//! Architecture invariant: only `app` joins services; the others get what they need handed in. Only `clock` reads
//! time, only `config` the environment, only `entropy` draws random numbers.

pub mod app;
pub mod catalog;
pub mod clock;
pub mod config;
pub mod entropy;
pub mod executor;
pub mod http;
pub mod identity;
pub mod login;
pub mod metrics;
pub mod outbound;
pub mod rest;
pub mod serve;
pub mod storage;
mod text;
