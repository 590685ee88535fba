//! Runs one durable worker on wasmtime.
//!
//! Architecture invariant: this is the only crate that names wasmtime, and it has no clock, disk or network
//! of its own; all it needs from outside comes through [`ports`].

pub mod ports;
