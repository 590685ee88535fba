//! Write durable WebAssembly workers in plain Rust.
//!
//! A worker is a program that does not stop being there. Its memory survives crashes, restarts and moves to other
//! machines; when it waits, it can wait for months. You write it as if nothing ever failed: there is no database to keep
//! its state in, no queue, no retry loop.
//!
//! # First worker
//!
//! A worker is a module. The attribute [`macro@worker`] turns its public functions into functions that can be called over REST:
//!
//! ```
//! #[golem::worker]
//! mod greeter {
//!     /// Greets somebody.
//!     pub fn greet(name: String) -> String {
//!         format!("Hello, {name}!")
//!     }
//! }
//! # fn main() { assert_eq!(greeter::greet("Ada".to_owned()), "Hello, Ada!"); }
//! ```
//!
//! In `Cargo.toml`, the library is a `cdylib`; the component comes from `cargo build --release --target wasm32-wasip2`:
//!
//! ```toml
//! [lib]
//! crate-type = ["cdylib"]
//!
//! [dependencies]
//! golem = "0.1"
//! ```
//!
//! Uploaded as a template, `greet` is called as `golem:greeter/api/greet`: the package `golem:` and the module's name,
//! the interface `api`, the function in kebab-case. The attribute can choose other names.
//!
//! # State
//!
//! A struct with public methods is the worker's state. There is one of it in each worker, made when the worker is first
//! called, and it is simply there in every later call:
//!
//! ```
//! #[golem::worker]
//! mod counter {
//!     #[derive(Default)]
//!     pub struct Counter {
//!         count: u64,
//!     }
//!
//!     impl Counter {
//!         pub fn increment(&mut self) -> u64 {
//!             self.count += 1;
//!             self.count
//!         }
//!     }
//! }
//! # fn main() {}
//! ```
//!
//! Its first value is `Counter::new()` if there is such a function without parameters, otherwise `Counter::default()`.
//! One call is finished before the next begins, so that no locks are needed.
//!
//! If the struct derives serde's `Serialize` and `Deserialize`, it is saved from time to time, and the worker comes back
//! from that instead of its whole history; see [`state`].
//!
//! Structs and enums of the module can be parameters and results; see [`macro@worker`] for all types.
//!
//! # Promises
//!
//! When a worker has to wait for somebody (a payment, an approval, another system's answer), it creates a [`promise`],
//! hands its id to whoever will have the answer, and waits:
//!
//! ```no_run
//! use golem::promise;
//!
//! let id = promise::create();
//! println!("promise {id}");
//! let answer: Vec<u8> = promise::wait(&id);
//! ```
//!
//! While it waits, it costs nothing. The answer may come over REST or from another worker with [`promise::complete`].
//! A [`Promise`] is one whose answer is a value, sent as JSON; it can also be waited for with a limit in time.
//!
//! # What workers share
//!
//! Workers have no memory in common. Values that all workers of a project use lie in buckets, see [`kv`].
//!
//! # When a later step fails
//!
//! What was done in other systems can be undone in reverse order, see [`transaction`].
//!
//! # Logging
//!
//! What a worker prints is in its log; lines with levels come through [`logging`].
//!
//! # Other workers
//!
//! A worker calls functions of other workers, of its own template or of another one, and each call runs exactly once; see
//! [`rpc`].
//!
//! # Tests
//!
//! On any other target than WebAssembly, the module stays plain Rust: its unit tests run with `cargo test`. The functions
//! of this crate that speak to Golem can be compiled there, but panic when called, because only a worker has a log.

#![warn(missing_docs)]

// Generated and checked for staleness by the crate golem-bindgen; formatted by its generator.
#[rustfmt::skip]
#[allow(missing_docs, unreachable_pub, unsafe_code, missing_debug_implementations, reason = "generated")]
#[allow(elided_lifetimes_in_paths, unused_lifetimes, clippy::pedantic, clippy::unwrap_used, reason = "generated")]
#[allow(clippy::allow_attributes_without_reason, clippy::undocumented_unsafe_blocks, reason = "generated")]
mod bindings;
pub mod call;
pub mod durability;
mod guard;
mod id;
pub mod kv;
pub mod logging;
pub mod promise;
pub mod rpc;
pub mod state;
pub mod transaction;

pub use bindings::golem::api::host::{PromiseId, TemplateId, Uri, Uuid, WorkerId};
pub use durability::{atomically, idempotency_key, oplog_index, with_persistence, with_retry_policy};
pub use golem_macros::{flags, remote, worker};
pub use id::IdError;
pub use promise::Promise;
pub use promise::raw::{
    get_self_uri, golem_await_promise, golem_complete_promise, golem_create_promise, golem_delete_promise,
};

/// Waits. A worker that waits for long leaves memory, and comes back when the time has come, whatever happened to the
/// machine meanwhile. It is what [`std::thread::sleep`] does in a worker.
pub fn sleep(duration: std::time::Duration) {
    std::thread::sleep(duration);
}

/// What the expansion of [`macro@worker`] refers to. Not part of the interface: it changes without notice.
#[doc(hidden)]
pub mod __private {
    pub use crate::state::{load, save};
    pub use wit_bindgen;
}
