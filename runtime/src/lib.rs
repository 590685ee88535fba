//! The Golem server.
//!
//! | module | contains |
//! | --- | --- |
//! | `app` | builds all services from `config` and connects them |
//! | `storage` | the store of logs, values, accounts and templates |
//! | `executor` | runs workers |
//! | `catalog` | templates and their compiled code |
//! | `identity` | accounts, authentication and authorization |
//! | `login` | login through GitHub |
//! | `rest`, `http` | the REST endpoints, and the HTTP server below them |
//! | `outbound` | HTTP requests that workers send |
//! | `metrics` | counters and gauges |
//! | `serve` | the command `golem server` |
//!
//! Architecture invariant: only `app` connects services; every other module takes what it needs as arguments. Only
//! `clock` reads the system's clock (time limits of connections use tokio's timers), only `config` interprets the
//! environment, only `entropy` draws random numbers.

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
pub mod spawner;
pub mod storage;
mod text;
