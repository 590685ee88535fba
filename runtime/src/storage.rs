//! Storage: what the runtime needs kept, as ports, and the adapters that keep it.
//!
//! `ports` holds the contracts; `memory` keeps everything in memory, for tests; `embedded` is the one SQLite
//! file of a data folder. One conformance suite (`tests/suites/conformance`) runs over all of them.
//! Architecture invariant: nothing outside this folder names SQLite.

pub mod blobs;
pub mod embedded;
pub mod memory;
pub mod ports;
